"""N01xx: statements that do not read."""

from npde.diagnostics.record import Code

_FORM = "The note shows what the statement looks like; the page on the language has more examples of each."

UNEXPECTED_CHARACTER = Code(
    "N0101",
    "'{character}' has no meaning in the language.",
    "",
    "Expressions are made of names, numbers, brackets and the operators `+ - * / ^ @ · ×`; comments start with "
    "`#`, texts stand in double quotes.",
    "let k = 2; let m = 3\n",
)
STRING_OPEN = Code(
    "N0102",
    "The text is never closed.",
    "starts here and runs to the end of the line",
    "A text starts and ends with a double quote, in one line.",
    'model heat "Heat in a rod.\n',
)
UNKNOWN_STATEMENT = Code(
    "N0103",
    "'{word}' starts no statement.",
    "no keyword, and not followed by what would make an equation",
    "A statement starts with one of the keywords (`model coordinates field let learn input boundary initial "
    "output grid order march solve network`), or it is an equation.",
    "feild u(x, t)\n",
)
KEYWORD_AS_NAME = Code(
    "N0104",
    "'{word}' is a keyword and cannot be a name.",
    "",
    "Keywords keep their meaning everywhere: the words that start statements, and `in complex stencil moments "
    "along upwind periodic outflow absorbing`.",
    "let order = 2\n",
)
UNDERSCORE = Code(
    "N0105",
    "The name '{name}' starts or ends with an underscore.",
    "",
    "Such names belong to Python and to the modules that npde writes. Underscores within a name are fine.",
    "let _k = 1\n",
)
OPERATOR_MISSING = Code(
    "N0106",
    "An operator is missing between '{left}' and '{right}'.",
    "",
    "A product is written with `*`; only before `∇`, `Δ` and `∂` may it be left out.",
    "let k = 2 pi\n",
)
OPERAND_MISSING = Code(
    "N0107",
    "An operand is missing {where} '{operator}'.",
    "",
    "Every operator stands between two operands or before one. A line goes on after a trailing operator, so the "
    "operand may have been looked for in the next line.",
    "let k = 2*\n",
)
BRACKET_OPEN = Code(
    "N0108",
    "'{bracket}' is never closed.",
    "opened here",
    "A statement goes on inside brackets, so a bracket that is not closed takes the following lines in, up to the"
    " next one that can only be a new statement.",
    "let k = (1 + 2\n",
)
BRACKET_UNOPENED = Code(
    "N0109",
    "'{bracket}' closes nothing.",
    "no bracket is open here",
    "Each closing bracket needs an opening one before it in the same statement.",
    "let k = 1 + 2)\n",
)
BRACKET_MISMATCH = Code(
    "N0110",
    "'{opening}' is closed by '{closing}'.",
    "",
    "Round brackets group and hold arguments, square ones hold components and intervals; each is closed by its "
    "own kind.",
    "let k = (1 + 2]\n",
)
NO_EQUALS = Code(
    "N0111",
    "The equation has no '='.",
    "an expression alone says nothing",
    "A line without a keyword is an equation between two expressions: `dt(u) = lap(u)`. Terms may stand on either"
    " side.",
    "dt(u) - lap(u)\n",
)
TWO_EQUALS = Code(
    "N0112",
    "There is a second '=' in this {what}.",
    "the first one was enough",
    "An equation has one `=`. Equations that hold together stand in lines of their own; several conditions of a "
    "`boundary`, or values of a `let`, are separated by commas.",
    "dt(u) = lap(u) = 0\n",
)
DOUBLE_EQUALS = Code(
    "N0113",
    "'==' compares two values and makes no equation.",
    "",
    "Equations, conditions and definitions have a single `=`. `==` stands in the condition of `where`.",
    "let k == 1\n",
)
COMPARISON = Code(
    "N0114",
    "A comparison may stand only among the arguments of a call.",
    "'{operator}' cannot stand here",
    "Comparisons are conditions of `where(u < 1, a, b)`; a single bound may also follow the start value of a `learn`.",
    "dt(u) = u*(u < 1)\n",
)
STARS = Code(
    "N0115",
    "'**' is no operator.",
    "",
    "Powers are written with `^`, which binds tighter than a sign and to the right: `-x^2` is `-(x^2)`.",
    "let k = 2**3\n",
)
UNCLEAR_PRODUCT = Code(
    "N0116",
    "It is not clear where the operand of '{operator}' ends.",
    "a second operator follows its operand",
    "A prefix operator takes one term: a name, a call or a bracket. Before a further `∇`, `Δ` or `∂` one would "
    "read its operand as the whole product, so npde wants brackets.",
    "dt(u) = ∇·D∇u\n",
)
UNCLEAR_POWER = Code(
    "N0117",
    "It is not clear whether the power is of '{operand}' or of '{whole}'.",
    "",
    "A prefix operator takes one term, so the power would be of the derivative; many would read it as one of the "
    "operand. Brackets say which.",
    "dt(u) = Δu²\n",
)
LEADING_OPERATOR = Code(
    "N0118",
    "A statement cannot start with '{operator}'.",
    "",
    "A line goes on inside brackets and after a trailing operator or comma, never because the next line starts "
    "with one.",
    "dt(u) = lap(u)\n  * 2\n",
)
EQUALS_INSIDE = Code(
    "N0119",
    "'=' cannot stand inside brackets.",
    "",
    "Arguments have no names; they are told apart by their order. A condition of `where` compares with `==`.",
    "learn f(u) = mlp(16, activation=tanh)\n",
)
COMMA_MISSING = Code(
    "N0120",
    "A comma is missing before '{word}'.",
    "",
    "The items of a statement are separated by commas.",
    "march rk4 steps: 10\n",
)
COMMA_EXTRA = Code(
    "N0121",
    "Nothing follows the comma.",
    "",
    "A comma announces one more item, in the same line or in the next. Remove it, or add the item.",
    "let k = 1,\n",
)
EMPTY_BRACKETS = Code(
    "N0122",
    "'{brackets}' holds nothing.",
    "",
    "What takes no arguments or components has no brackets.",
    "field u()\n",
)
NUMBER_FORM = Code(
    "N0123",
    "'{text}' is no number.",
    "",
    "Numbers are decimal, with an optional exponent: `2`, `0.1`, `2e-5`. Extents such as `3x3` stand after "
    "`stencil` only.",
    "let k = 1.2.3\n",
)
STRING_PLACE = Code(
    "N0124",
    "A text cannot stand here.",
    "",
    "A text may follow the name of the `model`, to describe it, or be an argument of a call.",
    'let k = "one"\n',
)
COLON = Code(
    "N0125",
    "A setting is written with ':'.",
    "",
    "`grid`, `march` and `solve` have settings, `steps: 200`. What is written with `=` belongs to the physics.",
    "grid x = 128\n",
)
TWO_STATEMENTS = Code(
    "N0126",
    "A second statement starts in this line.",
    "",
    "Each statement has a line of its own.",
    "order 4 march rk4\n",
)
EXTENTS = Code(
    "N0127",
    "'{text}' is no extent of a stencil.",
    "",
    "A stencil has a whole number of cells along each axis: `stencil 5`, `stencil 3x3`, `stencil 3x3x3`. Its "
    "moments are a whole number, too.",
    "learn K stencil 2.5\n",
)
BOUNDARY_SIDE = Code(
    "N0128",
    "'{text}' is no coordinate.",
    "a side is named by a coordinate",
    "`boundary x: …` speaks of both ends of an axis, `boundary x = 0: …` of one of them.",
    "boundary 0 = x: u = 1\n",
)
CONSTRAINT_SET = Code(
    "N0129",
    "'{name}' is no set that a value can be kept in.",
    "",
    "A learned value is kept in an interval, `in [0, 1]`, or on one side of a bound, `> 0`; a learned matrix also"
    " `in stable`.",
    "learn A = 1 in positive\n",
)
MODEL_FORM = Code("N0130", "{what} in this 'model' statement.", "expected {wanted}", _FORM, "model 2d\n")
COORDINATES_FORM = Code(
    "N0131", "{what} in this 'coordinates' statement.", "expected {wanted}", _FORM, "coordinates x, y\n"
)
FIELD_FORM = Code("N0132", "{what} in this 'field' statement.", "expected {wanted}", _FORM, "field u\n")
LET_FORM = Code("N0133", "{what} in this 'let' statement.", "expected {wanted}", _FORM, "let k\n")
LEARN_FORM = Code("N0134", "{what} in this 'learn' statement.", "expected {wanted}", _FORM, "learn D = 1 in (0, 5)\n")
INPUT_FORM = Code("N0135", "{what} in this 'input' statement.", "expected {wanted}", _FORM, "input s(t) = 1\n")
OUTPUT_FORM = Code("N0136", "{what} in this 'output' statement.", "expected {wanted}", _FORM, "output y(t)\n")
INITIAL_FORM = Code("N0137", "{what} in this 'initial' statement.", "expected {wanted}", _FORM, "initial u: 1\n")
BOUNDARY_FORM = Code(
    "N0138", "{what} in this 'boundary' statement.", "expected {wanted}", _FORM, "boundary x = 0 u = 1\n"
)
GRID_FORM = Code("N0139", "{what} in this 'grid' statement.", "expected {wanted}", _FORM, "grid 128\n")
ORDER_FORM = Code("N0140", "{what} in this 'order' statement.", "expected {wanted}", _FORM, "order: 4\n")
MARCH_FORM = Code("N0141", "{what} in this 'march' statement.", "expected {wanted}", _FORM, "march: rk4\n")
SOLVE_FORM = Code("N0142", "{what} in this 'solve' statement.", "expected {wanted}", _FORM, "solve\n")
NETWORK_FORM = Code("N0143", "{what} in this 'network' statement.", "expected {wanted}", _FORM, "network: cnn\n")
UNEXPECTED = Code(
    "N0199",
    "{what} in this equation.",
    "expected {wanted}",
    "An equation is `expression = expression`. A statement of another kind starts with its keyword.",
    "dt(u) = lap(u) : 1\n",
)
