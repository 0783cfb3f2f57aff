"""N06xx: extents, grid, order, the time scheme, the solver, and options that override them."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

EXTENT_ORDER = Code(
    "N0601",
    "The lower end of '{name}' must be less than its upper end.",
    "from {lower} to {upper}",
    "`x in [0, 1]` is the interval from 0 to 1.",
    heat(coordinates="coordinates x in [1, 0], t in [0, 1]"),
)
NO_GRID = Code(
    "N0602",
    "The grid of '{name}' is not given.",
    "no cells along it",
    "Each space coordinate needs a number of cells: `grid x: 128`.",
    heat(grid=""),
)
GRID_ALONG_MARCH = Code(
    "N0603",
    "'{name}' is the marching coordinate, so it has no grid.",
    "marched",
    "The steps along the marching coordinate are given by `march …, steps: 200` or `dt: 0.05`.",
    heat(grid="grid x: 32, t: 100"),
)
CELLS = Code(
    "N0604",
    "The number of cells along '{name}' must be at least 1.",
    "{given}",
    "A grid has a whole, positive number of cells along each axis.",
    heat(grid="grid x: 0"),
)
TOO_FEW_CELLS = Code(
    "N0605",
    "{given} cells along '{name}' are too few.",
    "{why}",
    "The widest stencil along an axis must fit into the grid, and near walls the ghost cells are extrapolated "
    "from as many cells as the order.",
    heat(grid="grid x: 2"),
)
TOO_MANY_CELLS = Code(
    "N0606",
    "A grid of {given} cells is refused.",
    "more than {limit}",
    "The limit keeps a slip from exhausting the machine; `npde check` estimates the memory of smaller grids.",
    heat(grid="grid x: 10000000000"),
)
ORDER = Code(
    "N0607",
    "The order in space must be 2, 4, 6 or 8.",
    "{given}",
    "Centered stencils exist for even orders.",
    heat(more="order 3"),
)
ORDER_AT_WALLS = Code(
    "N0608",
    "Order {order} is not available at the walls of '{name}'.",
    "{why}",
    "On bounded axes the closures at the walls are stable up to order 6 for second derivatives and up to order 4 "
    "for first derivatives; order 8 is for periodic axes.",
    heat(boundary="boundary u = 0", more="order 8"),
)
UNKNOWN_SCHEME = Code(
    "N0609",
    "'{name}' is not a time scheme.",
    "unknown scheme",
    "The schemes are euler, midpoint, heun, ssprk3, rk4, dopri5, ab2, ab3, leapfrog, backward_euler, "
    "crank_nicolson, bdf2, lie, strang, imex_euler, cnab2, sbdf2, etd1, etdrk2 and etdrk4.",
    heat(march="march rk5, steps: 10"),
)
NO_MARCH = Code(
    "N0610",
    "How to march along '{name}' is not stated.",
    "the marching coordinate",
    "A problem that evolves needs a time scheme and its steps: `march rk4, steps: 200`, `march rk4, dt: 0.05` or "
    "`march rk4, dt: auto`.",
    heat(march=""),
)
STEPS_AND_DT = Code(
    "N0611",
    "Both 'steps' and 'dt' are given.",
    "the second one",
    "Each follows from the other: keep one.",
    heat(march="march rk4, steps: 10, dt: 0.1"),
)
NO_STEPS = Code(
    "N0612",
    "The scheme '{name}' needs 'steps' or 'dt'.",
    "neither is given",
    "`steps: 200` divides the extent evenly, `dt: 0.05` sets the step, `dt: auto` takes the largest stable one.",
    heat(march="march rk4"),
)
DT_DIVIDES = Code(
    "N0613",
    "A step of {dt} does not divide the {length} of '{name}' into whole steps.",
    "{steps} steps",
    "The march ends exactly at the end of the extent. Steps are counted in exact decimals, so 0.1 divides 0.7.",
    heat(march="march rk4, dt: 0.3"),
)
UNKNOWN_SETTING = Code(
    "N0614",
    "'{statement}' has no setting '{name}'.",
    "the settings are {known}",
    "`march` has `steps` and `dt`; `solve` has `iterations` and, but for jacobi and multigrid, `tolerance`.",
    heat(march="march rk4, step: 10"),
)
SETTING_VALUE = Code(
    "N0615",
    "'{name}' must be {expected}.",
    "{given}",
    "Numbers of steps and iterations are whole and positive, a step and a tolerance are positive.",
    heat(march="march rk4, steps: 0"),
)
UNKNOWN_METHOD = Code(
    "N0616",
    "'{name}' is not a solver.",
    "unknown solver",
    "The solvers of a steady equation are direct, cg, bicgstab and gmres; jacobi and multigrid make a stated number of sweeps.",
    "coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary u = 0\ngrid x: 32\nsolve gauss\n",
)
UNKNOWN_NETWORK = Code(
    "N0617",
    "'{name}' is not a kind of network.",
    "unknown kind",
    "The operators are realised as layers of a `cnn`, an `mlp` or an `rnn`.",
    heat(more="network transformer"),
)
NOTHING_TO_MARCH = Code(
    "N0618",
    "There is no coordinate to march along.",
    "no coordinate 't'",
    "The marching coordinate is `t` unless `along` names another.",
    "coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary u = 0\ngrid x: 32\nmarch rk4, steps: 10\n",
)
UPWIND = Code(
    "N0619",
    "The order of upwind differences must be 1, 3 or 5.",
    "{given}",
    "Upwind-biased stencils have odd order: `grid x: 128, upwind 3`.",
    heat(grid="grid x: 32, upwind 2"),
)
GIVEN_TWICE = Code(
    "N0620",
    "'{name}' is given twice.",
    "the second one",
    "State the cells of an axis and each setting once.",
    heat(grid="grid x: 32, x: 64"),
)
SOLVE_UNUSED = Code(
    "N0621",
    "'solve' is not used by the explicit scheme '{scheme}'.",
    "nothing is solved",
    "`solve` is for steady equations and for implicit schemes.",
    heat(more="solve gmres, iterations: 20"),
    severity="warning",
)
OPTION_NAME = Code(
    "N0622",
    "'{option}' names '{name}', which is not {expected}.",
    "",
    "Options override what the file says, so they name what the file declares: `--grid` and `--extent` "
    "coordinates, `--set` known constants and learned values.",
    "# options: --grid y=64\n" + heat(),
)
OPTION_VALUE = Code(
    "N0623",
    "'{option}' is not possible: {why}.",
    "",
    "An option is held to the same rules as the statement that it overrides.",
    "# options: --order 3\n" + heat(),
)
NOT_FINITE = Code(
    "N0624",
    "The extent of '{name}' is too small for its position.",
    "from {lower} to {upper}",
    "The ends must differ in floating-point numbers, or the cells would have no width.",
    heat(coordinates="coordinates x in [1e20, 1e20 + 1], t in [0, 1]"),
)
NOTHING_UPWIND = Code(
    "N0640",
    "'upwind' changes nothing here.",
    "no equation transports its own field",
    "Upwind-biased differences replace first derivatives of a field in its own equation, as in `dt(u) = -v*dx(u)` or "
    "`dt(u) = -dx(u^2)/2`. Derivatives of other fields stay centered, as do those under other operators.",
    heat(grid="grid x: 32, upwind 3"),
    severity="warning",
)
UPWIND_FLUX = Code(
    "N0641",
    "The speed of this flux is not known for 'upwind'.",
    "couples components",
    "The flux of a component may depend on it and on what is not differentiated here; where components of one field "
    "are mixed, the speeds are those of a matrix. Write one equation a component, `dt(w[0]) = …`, or leave 'upwind' out.",
    heat(
        field="field w[2](x, t)", equation="dt(w) = -dx(w[0]*w)", initial="initial w = 0", grid="grid x: 32, upwind 1"
    ),
)
WRONG_SIDE = Code(
    "N0642",
    "The conditions across '{coordinate}' stand at the wrong side.",
    "{why}",
    "Advection needs its condition where it enters, and none where it leaves; a third derivative needs two conditions "
    "at one side and one at the other, by its sign. On the other side there is no solution that depends on the data "
    "continuously, and a march grows without bound.",
    heat(equation="dt(u) = dx(u)", boundary="boundary x = 0: u = 0\nboundary x = 1: outflow"),
)
