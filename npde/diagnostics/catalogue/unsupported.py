"""N09xx: what npde understands and cannot do yet. It says so instead of computing something else."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

NOT_YET = Code(
    "N0900",
    "{what} is not supported yet.",
    "{why}",
    "The statement is part of the language, but this version of npde cannot turn it into a network. It is refused "
    "rather than replaced "
    "by something similar. The hint, if there is one, names a form that works today.",
)
ALGEBRAIC = Code(
    "N0901",
    "An equation without a time derivative beside evolved fields is not supported yet.",
    "no field evolves by this equation",
    "In a marching problem each equation must give the time derivative of one field. A constraint such as `lap(p) "
    "= div(v)` would have to be "
    "solved at every stage of every step; its place in the records is reserved.",
    "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), p(x, t)\ndt(u) = dxx(u) + p\ndxx(p) = u\nboundary "
    "periodic\n"
    "initial u = 0\ngrid x: 32\nmarch rk4, steps: 10\n",
)
MIXED_TIME_DERIVATIVE = Code(
    "N0902",
    "A mixed derivative in '{time}' and space is not supported yet.",
    "differentiates in time and in space at once",
    "`dt(dxx(u))` or `dtxx(u)` puts an operator before the time derivative, which would have to be inverted in "
    "every step.",
    heat(equation="dt(u) - dxxt(u) = dxx(u)"),
)
HIGH_TIME_ORDER = Code(
    "N0903",
    "A time derivative of order {order} is not supported yet.",
    "only first and second order can be marched",
    "Introduce the derivative as a field of its own: for `dttt(u) = f` write `dtt(u) = a` and `dt(a) = f`.",
    heat(equation="d(u, t, 3) = dxx(u)"),
)
COUPLED_TIME_DERIVATIVES = Code(
    "N0904",
    "Time derivatives of several fields in one equation are not supported yet.",
    "'{second}' beside '{first}'",
    "Each equation must give the highest time derivative of exactly one field; solve the coupled equations for "
    "their derivatives by hand.",
    "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\ndt(u) + dt(v) = dxx(u)\ndt(v) = "
    "dxx(v)\nboundary periodic\n"
    "initial u = 0\ninitial v = 0\ngrid x: 32\nmarch rk4, steps: 10\n",
)
PRIMED_DERIVATIVE = Code(
    "N0905",
    "A derivative of what varies over '{coordinate}' is not supported yet.",
    "varies over the variable of an integral",
    "Derivatives are taken on the grid of the fields, not inside an integral. Take the derivative of the "
    "integral, or of the field before.",
    heat(declare="learn W(x, x')", equation="dt(u) = integral(dx(W(x, x')*u(x')), x')"),
)
TIME_INTEGRAL = Code(
    "N0906",
    "'{name}' over the marching coordinate '{coordinate}' is not supported yet.",
    "the steps of a march are not kept",
    "A network holds one step at a time. Add a field that accumulates, `dt(w) = u`, and read it at the end.",
    heat(more="output y(x) = integral(u, t)"),
)
COUPLED_CONDITION = Code(
    "N0907",
    "A wall condition on two fields is not supported yet.",
    "holds '{first}' and '{second}'",
    "Ghost cells are filled field by field, so a condition may hold one field only.",
    "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\ndt(u) = dxx(u)\ndt(v) = dxx(v)\nboundary x: "
    "periodic\n"
    "boundary x = 0: u + v = 0\ninitial u = 0\ninitial v = 0\ngrid x: 32\nmarch rk4, steps: 10\n",
)
COMPONENT_CONDITION = Code(
    "N0908",
    "A wall condition on one component of '{field}' is not supported yet.",
    "only part of the field",
    "A condition holds for all components of a field. Declare components that need different conditions as "
    "separate fields.",
    heat(field="field u[2](x, t)", boundary="boundary u[0] = 0"),
)
OBLIQUE_CONDITION = Code(
    "N0909",
    "A wall condition with a derivative along the wall is not supported yet.",
    "differentiates along '{along}' on a side of '{coordinate}'",
    "Conditions may hold the field, `dn`, and derivatives across the wall.",
    heat(
        coordinates="coordinates x, y in [0, 1], t in [0, 1]",
        field="field u(x, y, t)",
        equation="dt(u) = lap(u)",
        boundary="boundary x = 0: dy(u) = 0\nboundary x = 1: u = 0\nboundary y: periodic",
        grid="grid x: 32, y: 32",
    ),
)
MORE_AXES = Code(
    "N0910",
    "A problem with {count} space coordinates is not supported yet.",
    "at most three",
    "Grids have one, two or three axes (or none: a system of ordinary differential equations).",
    heat(
        coordinates="coordinates a, b, c, e in [0, 1], t in [0, 1]",
        field="field u(a, b, c, e, t)",
        equation="dt(u) = lap(u)",
        grid="grid a: 8, b: 8, c: 8, e: 8",
    ),
)
CONVOLUTION_ON_WALLS = Code(
    "N0912",
    "A convolution over the bounded axis '{coordinate}' is not supported yet.",
    "differences reach beyond the extent",
    "`w(x - x')` is sampled on the grid of a periodic axis, whose lower end is a whole number of cells from 0. On "
    "a bounded axis declare a kernel of both "
    "coordinates, `learn W(x, x')`.",
    heat(
        declare="learn w(x)",
        equation="dt(u) = dxx(u) + integral(w(x - x')*u(x'), x')",
        boundary="boundary u = 0",
    ),
)
POINT_VALUE = Code(
    "N0913",
    "The value of '{name}' at a point is not supported yet.",
    "an argument is a coordinate, primed under an integral, or left out",
    "A field, input or learned coefficient is read at the cell where the expression stands, or integrated over.",
    heat(equation="dt(u) = dxx(u) - u(0)"),
)
ONE_ABSORBING_SIDE = Code(
    "N0914",
    "An absorbing layer at one side only is not supported yet.",
    "both ends of an axis absorb",
    "Write `boundary x: absorbing(width)` for both ends of an axis, or `boundary absorbing(width)` for every side.",
    heat(boundary="boundary x = 0: absorbing(0.1)\nboundary x = 1: u = 0"),
)
INITIAL_OPERATOR = Code(
    "N0915",
    "'{name}' in {place} is not supported yet.",
    "neighboring cells have no boundary conditions here",
    "Derivatives and learned stencils need ghost cells, which belong to fields. Initial data, starts and known "
    "functions are written in closed form.",
    heat(initial="initial u = dx(sin(x))"),
)

# N0950 to N0999: what the symbolic and the numerical stage cannot do yet.
from npde.diagnostics.catalogue.not_yet import *  # noqa: E402, F403
