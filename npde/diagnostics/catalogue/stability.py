"""N07xx: stability of a scheme."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

_ADVECTION = "dt(u) = -dx(u)"
_SCHRODINGER = {"field": "field u(x, t) complex", "equation": "i*dt(u) = -dxx(u)"}

UNSTABLE = Code(
    "N0701",
    "A step of {dt} is unstable.",
    "must not exceed {bound}",
    "The eigenvalues of the discrete operator, times the step, must lie inside the stability region of the scheme; "
    "otherwise errors grow from step to step. For this linear "
    "equation the bound is proved by Fourier analysis.",
    heat(march="march euler, steps: 10"),
)
LIKELY_UNSTABLE = Code(
    "N0702",
    "A step of {dt} is likely to be unstable.",
    "should not exceed about {bound}",
    "The bound was found for the equation linearized over the range of the initial state, with coefficients frozen "
    "at sample cells. It is a good guide, no proof.",
    heat(equation="dt(u) = dxx(u) - u^3", initial="initial u = sin(2*pi*x)", march="march euler, steps: 10"),
    severity="warning",
)
OSCILLATION = Code(
    "N0703",
    "'{scheme}' amplifies the oscillations of this equation {factor}-fold over the march.",
    "no step is stable",
    "All eigenvalues of the operator are imaginary, and the stability region of this scheme holds no interval of the "
    "imaginary axis, so every oscillation grows. How much over "
    "the whole march depends on the step.",
    heat(equation=_ADVECTION, march="march heun, steps: 50", grid="grid x: 128"),
)
OSCILLATION_SLOW = Code(
    "N0704",
    "'{scheme}' amplifies the oscillations of this equation by {factor} over the march.",
    "grows slowly at this step",
    "The operator has eigenvalues on the imaginary axis or near it, and the stability region of this scheme holds no "
    "interval of the imaginary axis. At this step the growth is small; a smaller step or a "
    "scheme of order three or four makes it negligible.",
    heat(equation=_ADVECTION, march="march heun, steps: 400", grid="grid x: 64"),
    severity="warning",
)
EULER_SCHRODINGER = Code(
    "N0705",
    "'euler' is unstable for a Schrödinger equation at every step.",
    "every wave grows at every step",
    "The eigenvalues are imaginary, so each step of Euler's method multiplies a mode of frequency ω by √(1 + ω²dt²) "
    "> 1.",
    heat(**_SCHRODINGER, march="march euler, steps: 100000"),
)
NO_BOUND = Code(
    "N0706",
    "'dt: auto' finds no step for this equation.",
    "{why}",
    "`dt: auto` takes 0.9 of the largest stable step. That must be known from the file alone and finite: random "
    "starts, inputs that set the initial state and unconditionally stable schemes give none.",
    heat(march="march crank_nicolson, dt: auto"),
)
LEARNABLE_LEAVES = Code(
    "N0707",
    "A step of {dt} is unstable for some values that {names} may take.",
    "stable up to {bound} at the ends of the intervals",
    "The step is stable at the start values. Learned values are kept in their intervals only, and at an end of these "
    "the scheme is unstable, so training may run into it.",
    heat(declare="learn D = 0.1 in [0, 10]", equation="dt(u) = D*dxx(u)", march="march euler, steps: 500"),
    severity="warning",
)
SINGULAR_WALL = Code(
    "N0708",
    "This condition does not determine the value at the wall.",
    "singular on this grid",
    "Ghost cells come from a polynomial through the condition and the cells next to the wall. For this combination "
    "of coefficients and spacing every polynomial satisfies the condition alike. Another "
    "number of cells along the axis, or another coefficient, avoids it.",
    heat(boundary="boundary x = 0: u = 0\nboundary x = 1: u - 1/64*dn(u) = 1", grid="grid x: 32"),
)
TOO_MANY_STEPS = Code(
    "N0709",
    "'dt: auto' would take {steps} steps.",
    "the largest stable step is {bound}",
    "The limit keeps a slip from running forever. An implicit scheme takes larger steps where the equation is "
    "linear; a coarser grid raises the bound of an explicit one.",
    heat(equation="dt(u) = 1e12*dxx(u)", march="march euler, dt: auto"),
)
STABLE_STEP = Code(
    "N0710",
    "'{name}' is to stay where the step is stable, but the step is to follow from '{name}'.",
    "needs a step that is stated",
    "`in stable` keeps a learned value between zero and the largest one for which the step is stable; `dt: auto` chooses the "
    "step by the value. One of them has to be given: `steps: 200` or `dt: 0.01`, or an interval `in [0, 1]`.",
    heat(declare="learn D = 0.1 in stable", equation="dt(u) = D*dxx(u)", march="march euler, dt: auto"),
)
STABLE_START = Code(
    "N0711",
    "The start of '{name}' is not among the values for which the step is stable.",
    "{why}",
    "A learned value that is kept `in stable` starts inside: at its start the scheme has to be stable for the step that the "
    "file states.",
    heat(declare="learn D = 0.1 in stable", equation="dt(u) = D*dxx(u)", march="march euler, steps: 10"),
)
STABLE_UNKNOWN = Code(
    "N0712",
    "The values of '{name}' for which the step is stable cannot be determined.",
    "{why}",
    "They are found from the step bound at compile time: the value has to start at a known number, everything else in the "
    "rates has to be known, the bound has to depend on it, and to admit all smaller values too.",
    heat(declare="learn D in stable", equation="dt(u) = D*dxx(u)", march="march euler, steps: 10000"),
)
