"""N08xx: what is learned: starts, constraints, kernels and closures."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

START_OUTSIDE = Code(
    "N0801",
    "The start of '{name}' must lie strictly inside its constraint.",
    "{why}",
    "A constraint holds by construction: `> a` stores the logarithm of the distance to a, `in [a, b]` an inverse "
    "sigmoid. On the bound itself, or beyond it, these do not exist.",
    heat(declare="learn D = 0 > 0", equation="dt(u) = D*dxx(u)"),
)
BOUNDS_ORDER = Code(
    "N0802",
    "The lower bound of '{name}' must be less than the upper one.",
    "from {lower} to {upper}",
    "`in [a, b]` keeps a learned value strictly between a and b.",
    heat(declare="learn D = 1 in [2, 0]", equation="dt(u) = D*dxx(u)"),
)
START_VALUE = Code(
    "N0803",
    "The start of '{name}' must be a real {shape}.",
    "{given}",
    "Learned values are real, and start at a value of their own shape, or at a scalar that every component starts at.",
    heat(declare="learn D = 1 + i", equation="dt(u) = D*dxx(u)"),
)
STENCIL_EXTENTS = Code(
    "N0804",
    "The stencil of '{name}' must have {expected}, not {given}.",
    "one number a space coordinate",
    "`stencil 3x3` gives the width of the kernel along each space coordinate, in order of declaration.",
    heat(declare="learn K stencil 3x3", equation="dt(u) = K(u)"),
)
STENCIL_WIDTH = Code(
    "N0805",
    "The widths of the stencil of '{name}' must be odd, between 1 and {limit}.",
    "{given} cells wide",
    "A kernel is centered on its cell, so it reaches equally far to both sides.",
    heat(declare="learn K stencil 4", equation="dt(u) = K(u)"),
)
STENCIL_CHANNELS = Code(
    "N0806",
    "A learned stencil has two sizes or none.",
    "{given} given",
    "`learn K[out, in] stencil 3x3` takes `in` components and gives `out`; without sizes it takes and gives a scalar.",
    heat(declare="learn K[4] stencil 3", equation="dt(u) = K(u)"),
)
STENCIL_START = Code(
    "N0807",
    "A learned stencil starts at a differential operator.",
    "not 'lap' or a derivative in space",
    "`learn L stencil 5x5 = lap` starts the kernel at the stencil of an operator: `lap`, `dx`, `dxx`, `dxy` … "
    "Without a start it begins at random.",
    heat(declare="learn K stencil 3 = 1", equation="dt(u) = K(u)"),
)
STENCIL_TOO_NARROW = Code(
    "N0808",
    "The stencil of '{name}' is too narrow for '{operator}'.",
    "{why}",
    "A derivative of order m reaches (m + 1)/2 cells, rounded down, to each side, and the kernel it starts must "
    "hold them.",
    heat(declare="learn K stencil 1 = dxx", equation="dt(u) = K(u)"),
)
STENCIL_START_CHANNELS = Code(
    "N0809",
    "A stencil that starts at an operator must have as many outputs as inputs.",
    "{out} out, {into} in",
    "Started at an operator, a kernel applies it to each component by itself.",
    heat(
        field="field u[2](x, t)",
        declare="learn K[3, 2] stencil 3 = dxx",
        equation="dt(u) = dxx(u) + [K(u)[0], K(u)[1]]",
    ),
)
MOMENTS = Code(
    "N0810",
    "A stencil of '{name}' with {cells} cells cannot keep {moments} moments.",
    "more than its cells",
    "`moments m` keeps the moments of the kernel below order m at those of the operator that it starts at; it "
    "needs a start, and at least one cell must stay free.",
    heat(declare="learn K stencil 3 moments 9 = dxx", equation="dt(u) = K(u)"),
)
STENCIL_ARGUMENTS = Code(
    "N0811",
    "A learned stencil depends on no coordinate but the marching one.",
    "'{coordinate}' among its arguments",
    "One kernel serves all cells: that makes it a convolution. `learn K(t) stencil 3x3` has one kernel a step.",
    heat(declare="learn K(x) stencil 3", equation="dt(u) = K(u)"),
)
NO_CONSTRAINT_HERE = Code(
    "N0812",
    "{what} cannot be constrained.",
    "not a value",
    "Constraints `> a` and `in [a, b]` keep learned scalars, fields and matrices in an interval; kernels of "
    "convolutions and networks are free.",
    heat(declare="learn K stencil 3 > 0", equation="dt(u) = K(u)"),
)
CLOSURE_FORM = Code(
    "N0813",
    "A closure ends with its activation, after the widths of its hidden layers.",
    "{why}",
    "`learn f(u, v) = mlp(32, 32, tanh)` is a network of two inputs, two hidden layers of 32 and one output. "
    "Activations are `tanh`, `relu`, `sigmoid`, `softplus`, `gelu` and `sin`.",
    heat(declare="learn f(u) = mlp(8, tahn)", equation="dt(u) = dxx(u) + f(u)"),
)
CLOSURE_WIDTH = Code(
    "N0814",
    "The width of a hidden layer must lie between 1 and {limit}.",
    "{given}",
    "Widths are whole numbers, one for each hidden layer, and there are at most 64 layers.",
    heat(declare="learn f(u) = mlp(0, tanh)", equation="dt(u) = dxx(u) + f(u)"),
)
CLOSURE_PARAMETERS = Code(
    "N0815",
    "A closure needs its arguments, each named once.",
    "{why}",
    "`learn f(u, v) = mlp(8, tanh)`: the arguments are formal, so any expressions may be passed, but their number "
    "is fixed here.",
    heat(declare="learn f = mlp(8, tanh)", equation="dt(u) = dxx(u) + f(u)"),
)
MOMENTS_START = Code(
    "N0816",
    "A stencil that keeps moments needs an operator to start at.",
    "moments of what?",
    "`learn K stencil 5 moments 2 = dx` keeps the first moments of the kernel at those of `dx`, so it stays a "
    "consistent discretization of it.",
    heat(declare="learn K stencil 5 moments 2", equation="dt(u) = K(u)"),
)
