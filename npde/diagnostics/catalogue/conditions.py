"""N05xx: boundary conditions."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

_WALLS = "boundary x = 0: u = 0\nboundary x = 1: u = 0"

MISSING_CONDITION = Code(
    "N0501",
    "The side {side} lacks {what} for '{field}'.",
    "differentiated {count} across '{coordinate}'",
    "An axis needs as many conditions of a field as the highest derivative across it has orders, shared between "
    "its two sides: two for second derivatives, one a side. `boundary x: periodic` "
    "needs none.",
    heat(boundary="boundary x = 0: u = 0"),
)
EXTRA_CONDITION = Code(
    "N0502",
    "The side {side} has a condition too many for '{field}'.",
    "{why}",
    "An axis takes as many conditions of a field as the highest derivative across it has orders, shared between "
    "its two sides. Mind that `boundary u = 0` stands for every side that is not periodic.",
    heat(boundary=f"{_WALLS}, dn(u) = 0"),
)
ON_PERIODIC = Code(
    "N0503",
    "The axis '{coordinate}' is periodic, so it has no sides.",
    "periodic by line {line}",
    "On a periodic axis the last cell is the neighbor of the first one: there is no wall to state a condition at.",
    heat(more="boundary x = 0: u = 0"),
)
NO_SUCH_SIDE = Code(
    "N0504",
    "The axis '{coordinate}' has no side at {position}.",
    "its ends are {lower} and {upper}",
    "Conditions hold at the ends of an extent.",
    heat(boundary="boundary x = 0: u = 0\nboundary x = 2: u = 0"),
)
NOT_AN_AXIS = Code(
    "N0505",
    "'{name}' is the marching coordinate and has no boundary.",
    "marched",
    "What holds where the march begins is stated by `initial`.",
    heat(more="boundary t = 0: u = 0"),
)
NO_FIELD_IN_CONDITION = Code(
    "N0506",
    "This condition holds no field.",
    "nothing that it is for",
    "A condition relates a field at the wall, or its derivative across it, to data: `u = 0`, `dn(u) = q`, `u + "
    "2*dn(u) = 1`.",
    heat(boundary="boundary 1 = 0"),
)
NONLINEAR_CONDITION = Code(
    "N0507",
    "A condition must be linear in '{field}'.",
    "{why}",
    "Ghost cells are filled by solving the condition for them, which is possible for terms `a*u` and `a*dn(u)` "
    "with factors that are free of the field.",
    heat(boundary="boundary u^2 = 0"),
)
UNUSED_CONDITION = Code(
    "N0508",
    "This boundary statement is not used.",
    "{why}",
    "A condition is used where an equation differentiates the field across the axis. One that nothing asks for "
    "has no effect.",
    heat(equation="dt(u) = -u", boundary="boundary u = 0"),
    severity="warning",
)
SAME_ORDER = Code(
    "N0509",
    "The side {side} has two conditions of the same order for '{field}'.",
    "the second one",
    "Two conditions at one side must differ in the order of their normal derivative, as in `u = 0, dxx(u) = 0`. A "
    "condition on every side and one on this side both count.",
    heat(boundary=f"{_WALLS}, u = 1"),
)
PERIODIC_SIDE = Code(
    "N0510",
    "Only a whole axis can be periodic.",
    "one side",
    "A periodic axis joins its two ends: write `boundary x: periodic`.",
    heat(boundary="boundary x = 0: periodic"),
)
ABSORBING_WIDTH = Code(
    "N0511",
    "An absorbing layer must be thinner than half of '{coordinate}'.",
    "{given} wide, the extent {length}",
    "The layers lie inside the extent, one at each end, and what is between them is the domain.",
    "coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + 100*u = 1\nboundary absorbing(0.5)\ngrid x: 32\n",
)
NO_OUTFLOW = Code(
    "N0512",
    "The side {side} lacks 'outflow' for '{field}'.",
    "differentiated once across '{coordinate}'",
    "A first derivative takes one condition, where the flow enters; the other side is left to one-sided "
    "differences by `outflow`.",
    heat(equation="dt(u) = -dx(u)", boundary="boundary x = 0: u = 0"),
)
DATA_VARIES = Code(
    "N0513",
    "Data at a side of '{coordinate}' cannot vary over '{coordinate}'.",
    "one value a cell, not at the wall",
    "A learned field or an input has its values in the cells; at a wall it may vary along it only.",
    heat(declare="learn q(x) = 1", boundary="boundary u = q"),
)
COMPLEX_CONDITION = Code(
    "N0514",
    "The field '{field}' is real, but its condition is complex.",
    "complex",
    "Declare the field `complex`, or take the real part.",
    heat(boundary="boundary u = i"),
)
CONDITION_SHAPE = Code(
    "N0515",
    "A condition on '{field}' must have {expected}, not {given}.",
    "{given}",
    "A condition holds for every component of a field: its data are a scalar, or one value for each.",
    heat(boundary="boundary u = [1, 2]"),
)
CONFLICT = Code(
    "N0516",
    "The axis '{coordinate}' is both {first} and {second}.",
    "{second} here",
    "An axis is periodic, or has walls, or absorbs at both ends.",
    heat(more="boundary x: absorbing(0.1)"),
)
WITH_ABSORBING = Code(
    "N0517",
    "The sides of '{coordinate}' absorb, so they take no condition.",
    "absorbing by line {line}",
    "Behind an absorbing layer the field is zero; nothing else is stated there.",
    "coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + 100*u = 1\nboundary absorbing(0.1)\nboundary x = 0: u "
    "= 0\ngrid x: 32\n",
)
WALL_OPERATOR = Code(
    "N0518",
    "'{name}' cannot act on a field in a condition.",
    "not a derivative across the wall",
    "Conditions hold the field, `dn` of it, and derivatives across the wall such as `dx`, `dxx` or `lap`.",
    heat(boundary="boundary integral(u, x) = 0"),
)
STATED_FOR_SIDE_TWICE = Code(
    "N0519",
    "The side {side} is stated as 'outflow' twice.",
    "the second one",
    "State it once.",
    heat(
        equation="dt(u) = -dx(u)",
        boundary="boundary x = 0: u = 0\nboundary x = 1: outflow\nboundary x = 1: outflow",
    ),
)
HIGH_CONDITION = Code(
    "N0530",
    "A condition of normal order {order} does not close derivatives of order {highest} across '{coordinate}'.",
    "of order {order}",
    "Conditions are of a lower order than the equation across the wall: u and `dn(u)` for second derivatives; for "
    "fourth ones also `dn(dn(u))` and `dn(lap(u))`.",
    heat(boundary="boundary dxx(u) = 0"),
)
OUTFLOW_ORDER = Code(
    "N0531",
    "'outflow' closes first derivatives, and '{field}' is differentiated {count} across '{coordinate}'.",
    "no condition",
    "Where advection leaves, nothing is stated. Diffusion is felt from both sides, so each of them needs its conditions.",
    heat(equation="dt(u) = 1/100*dxx(u) - dx(u)", boundary="boundary x = 0: u = 0\nboundary x = 1: outflow"),
)
