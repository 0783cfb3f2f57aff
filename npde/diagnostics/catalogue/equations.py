"""N04xx: equations, initial data and outputs."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

NO_EQUATION = Code(
    "N0401",
    "The field '{name}' has no equation.",
    "nothing determines it",
    "Each field needs exactly one equation. In a marching problem that is the one with its time derivative, "
    "`dt(v) = …`.",
    heat(field="field u(x, t), v(x, t)"),
)
EQUATION_TWICE = Code(
    "N0402",
    "The field '{name}' has two equations.",
    "the second one",
    "Each field is determined by one equation. Put all terms into one, or give the other equation to another field.",
    heat(more="dt(u) = 2*dxx(u)"),
)
NO_UNKNOWN = Code(
    "N0403",
    "This equation holds no field.",
    "nothing to determine",
    "An equation determines a field, so one must occur in it. What is known is declared with `let`.",
    heat(more="1 + x = 2"),
)
NONLINEAR_TIME_DERIVATIVE = Code(
    "N0404",
    "The time derivative of '{name}' must stand alone or with a scalar factor.",
    "not in a sum of terms",
    "The compiler solves the equation for the time derivative, so it occurs linearly: `dt(u)`, `c*dt(u)`, "
    "`i*dt(psi)`, on either side.",
    heat(equation="dt(u)^2 = dxx(u)"),
)
SIDES_DIFFER = Code(
    "N0405",
    "The sides of this equation are {left} and {right}.",
    "shapes differ",
    "Both sides have the shape of the field that the equation is for; a scalar stands for every component.",
    heat(field="field u[2](x, t)", equation="dt(u) = [u[0], u[1], 0]"),
)
EQUATION_SHAPE = Code(
    "N0406",
    "An equation for '{name}' must have {expected}, not {given}.",
    "{given}",
    "The field's components are determined one by one: the equation has as many.",
    heat(equation="dt(u) = [1, 2]"),
)
COMPLEX_IN_REAL = Code(
    "N0407",
    "The field '{name}' is real, but its equation is complex.",
    "complex",
    "A real field cannot evolve by complex terms. Declare the field `complex`, or take the real part.",
    heat(equation="dt(u) = i*dxx(u)"),
)
NO_INITIAL = Code(
    "N0408",
    "{what} has no initial value.",
    "marched, so it needs a start",
    "A field of first order in time starts from `initial u = …`, one of second order also from `initial dt(u) = …`.",
    heat(initial=""),
)
INITIAL_TWICE = Code(
    "N0409",
    "{what} has two initial values.",
    "the second one",
    "State initial data once for each field and its velocity.",
    heat(more="initial u = 1"),
)
INITIAL_SUPERFLUOUS = Code(
    "N0410",
    "'{name}' is of first order in time, so it has no initial velocity.",
    "only 'u' itself is marched",
    "Initial data for `dt(u)` belong to equations with `dtt(u)`.",
    heat(more="initial dt(u) = 0"),
)
INITIAL_TARGET = Code(
    "N0411",
    "Initial data are given for a field or its time derivative.",
    "{why}",
    "The left side of `initial` is the name of a field, `initial u = …`, or `initial dt(u) = …`.",
    heat(initial="initial 2*u = 1"),
)
INITIAL_SHAPE = Code(
    "N0412",
    "The initial value of '{name}' must be {expected}, not {given}.",
    "{given}",
    "Initial data have the shape of their field; a scalar starts every component.",
    heat(initial="initial u = [1, 2]"),
)
INITIAL_VARIES = Code(
    "N0413",
    "Initial data cannot depend on '{name}'.",
    "varies along the march",
    "Initial data hold where the march begins; the marching coordinate has one value there.",
    heat(initial="initial u = exp(-t)"),
)
COMPLEX_INITIAL = Code(
    "N0414",
    "The field '{name}' is real, but its initial value is complex.",
    "complex",
    "Declare the field `complex`, or take the real part.",
    heat(initial="initial u = exp(i*x)"),
)
OUTPUT_COORDINATES = Code(
    "N0415",
    "The output '{name}' varies over '{coordinate}', which it does not list.",
    "still varies over '{coordinate}'",
    "An output lists the coordinates that it varies over, `output density(x, t) = …`; what remains of the others "
    "is summed by `integral`, `mean`, `sum` or `linear`. The marching "
    "coordinate may be left out for the value at the end.",
    heat(more="output y = u^2"),
)
OUTPUT_SHAPE = Code(
    "N0416",
    "The output '{name}' must be {expected}, not {given}.",
    "{given}",
    "The size in square brackets is the number of components of the value.",
    heat(more="output y[3](x) = u"),
)
OUTPUT_COMPLEX = Code(
    "N0417",
    "The output '{name}' must be real.",
    "complex",
    "Networks return real tensors. Write `abs2(psi)`, or two components: `output y[2](x) = [re(psi), im(psi)]`.",
    heat(field="field u(x, t) complex", more="output y(x) = u"),
)
NOTHING_MARCHES = Code(
    "N0418",
    "No equation has a derivative in the marching coordinate '{name}'.",
    "nothing moves along it",
    "A problem with a marching coordinate (`t`, or what `march … along` names) gives the derivative of each field "
    "in it. For a steady problem leave the coordinate out.",
    heat(equation="dxx(u) = 1"),
)
VELOCITY = Code(
    "N0419",
    "The time derivative of '{name}' is not a state here.",
    "of first order in time",
    "Only fields of second order in time carry their velocity along, so only there may an output or another "
    "equation refer to it. Write out the right side of its equation.",
    heat(more="output y(x) = dt(u)"),
)
TIME_DERIVATIVE_IN_SPACE = Code(
    "N0420",
    "The time derivative of '{name}' cannot stand inside another operator.",
    "inside an operator",
    "The compiler solves each equation for its time derivative.",
    heat(equation="integral(dt(u), x) = dxx(u)"),
)
