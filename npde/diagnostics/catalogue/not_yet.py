"""N0950 to N0999: what the symbolic and the numerical stage understand and cannot do yet. Part of `unsupported`."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

_TWO = "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\n"
_TWO_END = "boundary periodic\ninitial u = 0\ninitial v = 0\ngrid x: 32\nmarch rk4, steps: 10\n"
_WAVE = "coordinates x in [0, 1], t in [0, 1]\nfield psi(x, t) complex\n"

# --- symbolic ---------------------------------------------------------------------------------------------------------

ARGUMENT_ORDER = Code(
    "N0950",
    "'{name}' at another place than its own '{coordinate}' is not supported yet.",
    "'{coordinate}' was declared here",
    "A learned array is read at the cell where the expression stands, at the variable of an integral in its own "
    "place, or at one difference `x - x'` (a "
    "convolution along one axis).",
    heat(declare="learn W(x, x')", equation="dt(u) = integral(W(x', x)*u(x'), x')"),
)
NONSEPARABLE = Code(
    "N0953",
    "An integrand that does not come apart into a kernel and a density is not supported yet.",
    "{why}",
    "Under `integral(…, x')` each term is a product of what is read at x, what is read at x', and at most one kernel "
    "of both: `W(x, x')*u(x')`, "
    "`exp(-(x - x')^2)*u(x')*u(x)`. That is what becomes a dense layer.",
    heat(equation="dt(u) = integral(tanh(u(x') - u(x)), x')"),
)
ADJOINT_OF_MANY = Code(
    "N0955",
    "'adjoint({name})' of more than one field is not supported yet.",
    "whose boundary closes '{name}'?",
    "The transpose of a learned stencil includes its ghost cells, and these belong to one field: "
    "`adjoint(K)(relu(K(u) + b))`.",
    _TWO + "learn K stencil 3 = dxx\ndt(u) = adjoint(K)(u*v)\ndt(v) = dxx(v)\n" + _TWO_END,
)
UNSOLVED_RATES = Code(
    "N0957",
    "These equations cannot be solved for their time derivatives.",
    "the system for the time derivatives is singular, too large, or has coefficients that hold fields",
    "The factor of a time derivative must not vanish. Where several stand in one equation, the linear system for "
    "them must have one solution, with coefficients free of fields.",
    heat(equation="(x - x)*dt(u) = dxx(u)"),
)
COUPLED_PARTS = Code(
    "N0958",
    "A wall condition that mixes real and imaginary part of '{field}' is not supported yet.",
    "complex coefficient",
    "Ghost cells of the two parts are filled one by one: coefficients are real, data may be complex.",
    _WAVE + "i*dt(psi) = -dxx(psi)\nboundary dn(psi) = i*psi\ninitial psi = 0\ngrid x: 32\nmarch rk4, steps: 10\n",
)
WALL_COEFFICIENT = Code(
    "N0959",
    "A wall condition whose coefficient is '{name}' is not supported yet.",
    "'{name}' changes over time, by sample, or across the wall",
    "Coefficients of a wall condition may be constants, functions of the position along the wall, and learned values "
    "that stay the same over a march. "
    "The data on the other side may change.",
    heat(declare="input b(t)", boundary="boundary u + b*dn(u) = 0"),
)
NO_REAL_VALUE = Code(
    "N0960",
    "An expression without a finite real value is not supported.",
    "not a finite real number",
    "Values are real numbers (complex ones are pairs of them). A division by zero, the logarithm of zero and roots "
    "of negative numbers have none.",
    heat(equation="dt(u) = dxx(u) + u/(x - x)"),
)
TOO_LARGE = Code(
    "N0961",
    "An expression of more than {limit} operations is not supported.",
    "grows beyond the limit here",
    "Known functions are written out where they are used and complex products multiply their parts, so an expression "
    "may be far larger than its text.",
    heat(field="field u(x, t) complex", equation="i*dt(u) = " + "*".join(f"(u + {k})" for k in range(1, 25))),
)

# --- space ------------------------------------------------------------------------------------------------------------

ABSORBING = Code(
    "N0965",
    "An 'absorbing' layer is not supported here: {why}.",
    "no wave that a layer could absorb",
    "Layers absorb waves: of complex fields, steady (`lap(u) + k^2*u = s`) or marched (Schroedinger), by complex stretching, for "
    "which equations are linear wherever they hold derivatives; of real fields of second order in time, by auxiliary fluxes.",
    heat(boundary="boundary absorbing(0.1)"),
)
LAP_AT_WALL = Code(
    "N0968",
    "'lap' in a wall condition needs what it is along the wall.",
    "second derivatives along the wall are not known here",
    "Across the wall, `lap(u)` is a second normal derivative; along it, second derivatives of what another condition at "
    "the same side states: of u itself, or of `dn(u)` for `dn(lap(u))`. That condition must have closed-form data. "
    "`dn(dn(u))` is the normal part alone.",
    "coordinates x, y in [0, 1], t in [0, 1]\nfield u(x, y, t)\ndt(u) = -lap(lap(u))\nboundary dn(u) + u = 0, "
    "lap(u) = 0\ninitial u = 0\ngrid x: 16, y: 16\nmarch rk4, steps: 10\n",
)
NONLOCAL_AT_WALLS = Code(
    "N0969",
    "A derivative across the bounded axis '{coordinate}' of a nonlocal term is not supported yet.",
    "no ghost cells here",
    "Ghost cells belong to fields. What comes out of an integral or of a transposed stencil has none, so its "
    "derivative has no meaning at the walls.",
    heat(
        declare="learn W(x, x')",
        equation="dt(u) = dxx(integral(W(x, x')*u(x'), x'))",
        boundary="boundary u = 0",
    ),
)

# --- time -------------------------------------------------------------------------------------------------------------

STEADY = Code(
    "N0971",
    "This steady problem cannot be solved as stated: {why}.",
    "the solver does not fit",
    "`direct` needs equations that read neighboring cells only; `cg` a matrix that is symmetric and definite by its form "
    "(second derivatives with positive coefficients, at order 2 or on periodic axes); `jacobi` and `multigrid` linear equations. "
    "`gmres` and `bicgstab` take any.",
    "coordinates x in [0, 1]\nfield u(x)\ndxx(u) + dx(u) = 1\nboundary u = 0\ngrid x: 32\nsolve cg\n",
)
MARCH_SOLVE = Code(
    "N0985",
    "'solve {method}' does not fit '{scheme}' here: {why}.",
    "the solver does not fit",
    "An implicit step solves `(1 - dt L) q = b`, for nonlinear equations in each iteration of Newton's method. `direct` needs "
    "terms that read neighboring cells only; `cg` a matrix that is symmetric and definite by its form; `gmres` and `bicgstab` "
    "take any. Without `solve` the compiler chooses.",
    heat(
        declare="learn W(x, x')",
        equation="dt(u) = dxx(u) + integral(W(x, x')*u(x'), x')",
        march="march crank_nicolson, steps: 10",
        more="solve direct",
    ),
)
STRANG_TERM = Code(
    "N0975",
    "'{scheme}' cannot split this term.",
    "{why}",
    "One half has the linear terms with derivatives whose coefficients are the same in all cells, the other the terms without "
    "derivatives, cell by cell. What is neither, such as `u*dx(u)` or "
    "`div(a*grad(u))` with `a` varying over space, needs another scheme.",
    heat(equation="dt(u) = dxx(u) - u*dx(u)", march="march strang, steps: 10"),
)
LEAPFROG = Code(
    "N0976",
    "'leapfrog' cannot march this system.",
    "{why}",
    "Leapfrog updates positions by velocities and velocities by positions. It needs equations of second order in "
    "time whose force is free of velocities, or fields "
    "that split into two groups, each driven by the other alone.",
    heat(equation="dt(u) = dxx(u)", march="march leapfrog, steps: 10"),
)
EXPONENTIAL = Code(
    "N0980",
    "'{scheme}' needs periodic axes.",
    "{why}",
    "Exponential schemes multiply every wave number by the exponential of the stiff linear part. Between walls, or without "
    "space, there are no wave numbers; `sbdf2` and `cnab2` solve a linear system with the same part there.",
    heat(boundary="boundary u = 0", march="march etdrk4, steps: 10"),
)
NOTHING_STIFF = Code(
    "N0981",
    "'{scheme}' finds no stiff linear part.",
    "no term for it",
    "The stiff part is made of the terms that are linear in the fields and hold a derivative; for exponential schemes their "
    "coefficients vary neither over space nor over time. Without such a term an explicit scheme does the same for less.",
    heat(equation="dt(u) = dxx(u^2) - u", march="march etdrk4, steps: 10"),
)
