"""N00xx: encoding, characters and size of the text."""

from npde.diagnostics.record import Code

_LIMITS = "Limits keep a damaged or hostile file from taking the machine down; each is far above what a person writes."

NOT_UTF8 = Code(
    "N0001",
    "The file is not UTF-8.",
    "{bytes} is no character in UTF-8",
    "A `.npde` file is text in UTF-8; ASCII is part of it. Save it again with that encoding. A byte order mark at"
    " the start is allowed, and so are line ends of Windows.",
)
CONTROL_CHARACTER = Code(
    "N0002",
    "The file holds the control character {character}.",
    "not allowed, not even in a comment",
    "Control characters other than tabs and line ends cannot be seen and change what a terminal or an editor "
    "shows. A lone carriage return "
    "(line ends of old Macintosh systems) is one of them. Remove it.",
    "model \x07heat\n",
)
BIDIRECTIONAL = Code(
    "N0003",
    "The file holds {character}, which changes the order in which text is shown.",
    "not allowed, not even in a comment",
    "Controls of writing direction make a file read differently from what it says, so they are refused wherever "
    "they stand. Remove it.",
    "model heat # \u202e\n",
)
LOOK_ALIKE = Code(
    "N0004",
    "'{character}' looks like '{latin}' but is another character.",
    "{name}",
    "Names are written with the letters of ASCII and with Greek letters, which are read as their names (`ψ` is "
    "`psi`). A letter of another alphabet that looks the "
    "same would make two names that nobody can tell apart. For the same reason Greek capitals that look like "
    "Latin ones are refused: write `A`, or `Alpha`.",
    "let \u0430 = 1\n",
)
NOT_A_LETTER = Code(
    "N0005",
    "'{character}' cannot be part of a name.",
    "{name}",
    "Names are written with the letters of ASCII, digits, underscores and Greek letters, which are read as their "
    "names (`ψ` is `psi`). Anything may stand in comments and strings.",
    "let größe = 1\n",
)
INVISIBLE = Code(
    "N0006",
    "The invisible character {character} stands between the others.",
    "cannot be seen",
    "Spaces other than the ordinary one, joiners, marks of zero width and a byte order mark in the midst of the "
    "text come in with copied text and cannot be seen. Replace it by an "
    "ordinary space, or remove it.",
    "let k\u00a0= 1\n",
)
FILE_TOO_LARGE = Code(
    "N0010",
    "The file has {size} bytes, more than the {limit} that are read.",
    "",
    f"{_LIMITS} Data belong into HDF5 files, not into the model.",
)
TOO_MANY_TOKENS = Code(
    "N0011",
    "The file has more than {limit} words, numbers and signs.",
    "reading stops here",
    f"{_LIMITS} What repeats can be said once: components (`field u[16](x, t)`), known functions (`let f(x) = …`),"
    f" data given as inputs.",
)
BRACKETS_TOO_DEEP = Code(
    "N0012",
    "Brackets are nested deeper than {limit} levels.",
    "one level too deep",
    f"{_LIMITS} Name parts of the expression with `let`.",
    "let k = " + "(" * 201 + "1" + ")" * 201 + "\n",
)
EXPRESSION_TOO_DEEP = Code(
    "N0013",
    "Operations are nested deeper than {limit} levels.",
    "one level too deep",
    f"{_LIMITS} Signs, powers and calls within one another count, the terms of a sum do not. Name parts of the "
    f"expression with `let`.",
    "let k = " + "-" * 201 + "1\n",
)
TOO_MANY_TERMS = Code(
    "N0014",
    "A sum or product has more than {limit} operands.",
    "reading stops here",
    f"{_LIMITS} Name parts of it with `let`, or use components and `sum`.",
)
TOO_MANY_STATEMENTS = Code(
    "N0015",
    "The file has more than {limit} statements.",
    "reading stops here",
    f"{_LIMITS} Components (`field u[16](x, t)`) say in one statement what otherwise takes sixteen.",
)
TOO_MANY_DIGITS = Code(
    "N0016",
    "The number has {count} digits, more than the {limit} that are read.",
    "",
    f"{_LIMITS} Numbers are kept exactly as written until the network is made, whose numbers have 16 digits.",
    "let k = 0." + "3" * 101 + "\n",
)
NUMBER_OUT_OF_RANGE = Code(
    "N0017",
    "The number is too {what} for double precision.",
    "the limit is 1e{limit}",
    "The network computes with numbers between about 1e-307 and 1e307 in size. Another unit of length or time "
    "usually brings such a number near one.",
    "let k = 1e400\n",
)
NAME_TOO_LONG = Code(
    "N0018",
    "The name has {count} characters, more than the {limit} that are read.",
    "",
    f"{_LIMITS} Choose a shorter name.",
    "let " + "k" * 65 + " = 1\n",
)
TOO_MANY_NAMES = Code(
    "N0019",
    "The file has more than {limit} different names.",
    "one name too many",
    f"{_LIMITS} Components (`field u[16](x, t)`) give many values one name.",
)
