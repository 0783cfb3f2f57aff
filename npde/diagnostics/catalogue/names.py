"""N02xx: names, what they stand for, and the arguments they are declared and used with."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

DECLARED_TWICE = Code(
    "N0201",
    "'{name}' is declared twice.",
    "the second declaration",
    "Each name stands for one thing in the whole file: a coordinate, a field, a known value, a learned one, an "
    "input or an output. Rename one of the two, or remove it.",
    heat(declare="let u = 2"),
)
RESERVED_NAME = Code(
    "N0202",
    "'{name}' is reserved and cannot be declared.",
    "{why}",
    "`i` is the imaginary unit and `pi` is π; statement keywords, operators (`dt`, `lap`, `exp` …, and every `d` "
    "followed by coordinates) keep their meaning, and "
    "names begin with a letter. Choose another name.",
    heat(declare="learn pi = 3 > 0", equation="dt(u) = pi*dxx(u)"),
)
UNDECLARED = Code(
    "N0203",
    "'{name}' is not declared.",
    "no field, let, learn or input has this name",
    "Every name is declared before it is used: `field` for what is unknown, `let` for what is known, `learn` for "
    "what is to be learned, `input` for what is supplied "
    "at run time. If the name is a slip of the pen, the hint offers the nearest declared one.",
    heat(equation="dt(u) = dxx(u) + v"),
)
UNKNOWN_FUNCTION = Code(
    "N0204",
    "'{name}' is not an operator, a function or a declared name.",
    "cannot be called",
    "The operators are listed in the language page: derivatives (`dt dx dxx dxy …`, `d(u, x, 4)`, `lap grad div "
    "curl`), elementary functions, `integral mean sum`, `where`, "
    "`dot cross`, `noise`, `lift linear regions`, and whatever the file declares with arguments.",
    heat(equation="dt(u) = dxx(u) + tahn(u)"),
)
USED_BEFORE = Code(
    "N0205",
    "'{name}' is used before it is declared.",
    "declared only in line {line}",
    "The order of statements is free, except that a name is declared before it is used. Move the declaration up.",
    heat(equation="dt(u) = D*dxx(u)", more="learn D = 1 > 0"),
)
NOT_A_COORDINATE = Code(
    "N0206",
    "'{name}' is not a coordinate.",
    "the coordinates are {coordinates}",
    "Derivatives (`dz(u)`), integrals, argument lists, `grid` and `march … along` name coordinates of the "
    "`coordinates` statement.",
    heat(equation="dt(u) = dzz(u)"),
)
FREE_PRIME = Code(
    "N0207",
    "'{name}' stands outside an integral over it.",
    "primed, but nothing integrates over it",
    "A primed coordinate is the variable of an integral, so it has a meaning only inside `integral(…, x')`, "
    "`mean(…, x')` or `sum(…, x')`.",
    heat(declare="learn W(x, x')", equation="dt(u) = W(x, x')*u"),
)
FIELD_COORDINATES = Code(
    "N0208",
    "The field '{name}' must list every coordinate in order of declaration.",
    "expected ({expected})",
    "A field lives on the whole grid and is marched, so it is written with all coordinates, in the order in which "
    "they were declared: that is the order of the axes of its arrays.",
    heat(
        coordinates="coordinates x, y in [0, 1], t in [0, 1]",
        field="field u(y, x, t)",
        equation="dt(u) = lap(u)",
        grid="grid x: 16, y: 16",
    ),
)
ARGUMENT_ORDER = Code(
    "N0209",
    "'{name}' must list its coordinates once each, in order of declaration.",
    "{why}",
    "The arguments of a declaration give the axes of an array; they follow the order in which the coordinates "
    "were declared.",
    heat(
        coordinates="coordinates x, y in [0, 1], t in [0, 1]",
        field="field u(x, y, t)",
        declare="learn a(y, x) = 1",
        equation="dt(u) = a*lap(u)",
        grid="grid x: 16, y: 16",
    ),
)
REFERENCE_ARGUMENTS = Code(
    "N0210",
    "'{name}' must be used as {expected}.",
    "{why}",
    "What was declared with coordinates is used bare or with the same coordinates, primed where it stands under "
    "an integral. The marching coordinate may be left out.",
    heat(
        coordinates="coordinates x, y in [0, 1], t in [0, 1]",
        field="field u(x, y, t)",
        declare="learn a(x) = 1",
        equation="dt(u) = a(y)*lap(u)",
        grid="grid x: 16, y: 16",
    ),
)
MISPLACED_PRIME = Code(
    "N0211",
    "'{name}' cannot be primed here.",
    "{why}",
    "A prime marks the variable of an integral, `x'`. Only coordinates are primed, once, and only a learned "
    "kernel such as `W(x, x')` is declared with primes.",
    heat(declare="input s(x')", equation="dt(u) = dxx(u) + s"),
)
NOT_CALLABLE = Code(
    "N0212",
    "'{name}' cannot be called.",
    "{why}",
    "Only operators, and names declared with arguments, are followed by brackets. A product is written with `*`.",
    heat(declare="learn D = 1 > 0", equation="dt(u) = D(dxx(u))"),
)
UNUSED = Code(
    "N0213",
    "'{name}' is never used.",
    "{kind} that nothing refers to",
    "A known value, a learned one or an input that no equation, condition, initial datum or output refers to is "
    "usually a slip. A learned one would also never be trained.",
    heat(declare="learn D = 1 > 0"),
    severity="warning",
)
INPUT_NAME = Code(
    "N0214",
    "An input cannot be called '{name}'.",
    "an argument of every compiled network",
    "Inputs are keyword arguments of the network, which already has `state`, `steps`, `every` and `start`.",
    heat(declare="input state(x)", equation="dt(u) = dxx(u) + state"),
)
DEPENDS_ON_UNKNOWN = Code(
    "N0215",
    "{what} cannot depend on '{name}'.",
    "{why}",
    "`let` is for what is known: numbers and functions of coordinates. The start of a learned value, an extent or "
    "a number of cells is known, too. Put what depends on fields, learned "
    "values or inputs into the equation itself.",
    heat(declare="learn D = 1 > 0\nlet E = 2*D", equation="dt(u) = E*dxx(u)"),
)
NOT_A_PARAMETER = Code(
    "N0216",
    "'{name}' depends on '{coordinate}', which is not among its arguments.",
    "not an argument of '{name}'",
    "A function of coordinates lists them: `let V(x) = x^2/2`.",
    heat(declare="let V = x^2", equation="dt(u) = dxx(u) - V*u"),
)
STATED_TWICE = Code(
    "N0217",
    "'{statement}' is stated twice.",
    "the second statement",
    "`model`, `order`, `march`, `solve` and `network` are stated at most once.",
    heat(more="order 2\norder 4"),
)
NO_COORDINATES = Code(
    "N0218",
    "No coordinates are declared.",
    "",
    "A model states at least one coordinate and its extent.",
    "model empty\n",
)
NO_FIELD = Code(
    "N0219",
    "No field is declared.",
    "nothing is unknown over these",
    "A field is what the equations are for; without one there is nothing to compute.",
    "model empty\ncoordinates x in [0, 1], t in [0, 1]\ngrid x: 16\nmarch rk4, steps: 10\n",
)
TOO_MANY_FIELDS = Code(
    "N0220",
    "A problem with more than {limit} fields is refused.",
    "field number {number}",
    "The limit keeps a slip from exhausting the machine. Fields that obey the same equation are components of one "
    "field: `field u[16](x, t)`.",
    "coordinates t in [0, 1]\nfield " + ", ".join(f"u{k}(t)" for k in range(257)) + "\nmarch rk4, steps: 10\n",
)
MUST_BE_APPLIED = Code(
    "N0221",
    "'{name}' must be applied to something.",
    "{why}",
    "A learned stencil `K` acts on an expression, `K(u)`; a learned closure `f` takes its arguments, `f(u)`.",
    heat(declare="learn K stencil 3", equation="dt(u) = K*u"),
)
OPERATOR_NEEDS_ARGUMENTS = Code(
    "N0222",
    "'{name}' is an operator and needs arguments.",
    "an operator, not a value",
    "Operators are written with brackets: `exp(u)`, `lap(u)`.",
    heat(equation="dt(u) = dxx(u) + exp"),
)
COORDINATE_GROUP_SPACE = Code(
    "N0223",
    "'{name}' needs at least one space coordinate.",
    "every coordinate is the marching one",
    "`lap`, `grad`, `div` and `curl` run over the space coordinates: all but the marching one, which is `t` "
    "unless `march … along` names another.",
    "coordinates t in [0, 1]\nfield u(t)\ndt(u) = lap(u)\ninitial u = 1\nmarch rk4, steps: 10\n",
)
SIZES = Code(
    "N0224",
    "'{name}' has {given} sizes, but {allowed}.",
    "too many sizes",
    "A field, input or output has at most one size, its number of components: `field u[16](x, t)`. A learned "
    "value may be a matrix, `learn A[2, 2]`.",
    heat(field="field u[2, 2](x, t)"),
)
COMPONENTS = Code(
    "N0225",
    "The number of components of '{name}' must lie between 1 and {limit}.",
    "{given} components",
    "Sizes in square brackets count components; they are constant whole numbers.",
    heat(field="field u[0](x, t)"),
)
