"""N03xx: what an expression is made of: shapes, real and complex values, arguments of operators, constants."""

from npde.diagnostics.catalogue.examples import heat
from npde.diagnostics.record import Code

SHAPES_DIFFER = Code(
    "N0301",
    "'{operator}' cannot join {left} and {right}.",
    "shapes differ",
    "Values of equal shape are joined component by component, and a scalar joins anything. A matrix acts on a "
    "vector with `A@u`, two vectors give a scalar with `dot(a, b)`, and `u[0]` "
    "picks a component.",
    heat(field="field u[2](x, t)", declare="let a = [1, 2, 3]", equation="dt(u) = dxx(u) + a"),
)
NEEDS_REAL = Code(
    "N0302",
    "'{name}' needs a real argument.",
    "complex",
    "Complex numbers have no order, so comparisons, `min`, `max`, `relu` and the like are defined for real values "
    "only. Take `re(…)`, `im(…)`, `abs(…)` or `abs2(…)` first.",
    heat(field="field u(x, t) complex", equation="dt(u) = relu(u)"),
)
ARGUMENT_COUNT = Code(
    "N0303",
    "'{name}' takes {expected}, not {given}.",
    "{given} given",
    "The number of arguments of an operator, function or closure is fixed by its definition.",
    heat(equation="dt(u) = dxx(u, u)"),
)
NEEDS_SHAPE = Code(
    "N0304",
    "'{name}' needs {expected}, not {given}.",
    "{given}",
    "Operators on vectors expect a definite number of components: `div` takes as many as there are space "
    "coordinates, `cross` three, `dot` two vectors of equal length, `A@u` a matrix with as "
    "many columns as `u` has components.",
    heat(equation="dt(u) = div(u)"),
)
NO_SUCH_COMPONENT = Code(
    "N0305",
    "Component {index} does not exist.",
    "has components 0 to {last}",
    "Components are counted from 0.",
    heat(field="field u[2](x, t)", equation="dt(u) = dxx(u) + u[2]"),
)
SCALAR_INDEXED = Code(
    "N0306",
    "A scalar has no components to pick.",
    "a scalar",
    "`u[0]` picks a component of a vector, field or input declared with a size, or a row of a matrix.",
    heat(equation="dt(u) = dxx(u) + u[0]"),
)
COMPARISON_OUTSIDE = Code(
    "N0307",
    "A comparison may stand only as the condition of 'where'.",
    "gives no number",
    "Write `where(u > 0, a, b)` for a value that depends on a condition.",
    heat(equation="dt(u) = dxx(u) + exp(u > 0)"),
)
CONDITION_EXPECTED = Code(
    "N0308",
    "'where' needs a comparison as its first argument.",
    "not a comparison",
    "`where(condition, a, b)` is `a` where the comparison holds and `b` elsewhere.",
    heat(equation="dt(u) = where(u, 1, 0)"),
)
EXPONENT = Code(
    "N0309",
    "An exponent must be a real scalar.",
    "{given}",
    "Powers act component by component with one real exponent. A complex power is written with `exp`.",
    heat(field="field u(x, t) complex", equation="dt(u) = dxx(u) + u^i"),
)
ITEMS_DIFFER = Code(
    "N0310",
    "The items of a vector must have the same shape.",
    "{given}, but the first item is {first}",
    "`[a, b]` stacks values of one shape.",
    heat(field="field u[2](x, t)", equation="dt(u) = dxx(u) + [1, u]"),
)
NOT_HERE = Code(
    "N0311",
    "'{name}' cannot stand in {place}.",
    "{why}",
    "`noise` and `lift` belong to `initial`, `dn` to `boundary`, `linear` and `regions` to `output`, and "
    "derivatives in the marching coordinate to equations.",
    heat(equation="dt(u) = dxx(u) + noise(1, 0.1)"),
)
DIVISION_BY_ZERO = Code(
    "N0312",
    "Division by zero.",
    "zero",
    "The divisor is a constant that equals zero.",
    heat(equation="dt(u) = dxx(u)/(1 - 1)"),
)
TOO_LARGE = Code(
    "N0313",
    "This constant is too large.",
    "{why}",
    "Constants are evaluated exactly before anything else sees them: numerator and denominator hold up to 2048 "
    "bits, and a constant exponent is at most 1000.",
    heat(equation="dt(u) = 9^9^9*dxx(u)"),
)
NOT_CONSTANT = Code(
    "N0314",
    "{what} must be a constant.",
    "{why}",
    "Extents, sizes, cells, steps and the like are known when the file is read: numbers, `pi`, constant `let`s "
    "and arithmetic on them.",
    heat(grid="grid x: x"),
)
NOT_WHOLE = Code(
    "N0315",
    "{what} must be a whole number.",
    "equals {value}",
    "Counts are whole numbers.",
    heat(grid="grid x: 32.5"),
)
TEXT = Code(
    "N0316",
    "Text cannot stand in an expression.",
    "text",
    "Strings are used only as the docstring of a model.",
    heat(equation='dt(u) = dxx("u")'),
)
OVER_COORDINATES = Code(
    "N0317",
    "'{name}' needs coordinates after its first argument.",
    "{why}",
    "`integral(u, x)`, `mean(u, x, y)` and `sum(u, x)` name the coordinates that they run over, each once.",
    heat(equation="dt(u) = dxx(u) - mean(u)"),
)
NOTHING_VARIES = Code(
    "N0318",
    "Nothing here varies over '{name}'.",
    "no '{name}' in it",
    "An integral over a primed coordinate runs over what is written with it: `integral(W(x, x')*u(x'), x')`.",
    heat(equation="dt(u) = dxx(u) - integral(u, x')"),
)
DERIVATIVE_ORDER = Code(
    "N0319",
    "The order of a derivative must lie between 1 and {limit}.",
    "order {given}",
    "`d(u, x, 4)` is the fourth derivative; `dxx` is the second.",
    heat(equation="dt(u) = d(u, x, 1000)"),
)
TOO_BIG = Code(
    "N0320",
    "This expression is too {what}.",
    "{why}",
    "Limits keep a slip from exhausting the machine: 100,000 operations with every known function written out, "
    "250 levels of nesting.",
    heat(
        declare="".join(f"let a{k}(x) = {f'a{k - 1}*a{k - 1}' if k else 'x'}\n" for k in range(20)).strip(),
        equation="dt(u) = a19*u",
    ),
)
TIME_DERIVATIVE_OF = Code(
    "N0321",
    "'{name}' takes a field.",
    "not a field",
    "What is marched are fields, so the derivative in the marching coordinate is taken of a whole field. Write "
    "`2*u*dt(u)` for the derivative of `u^2`, and one vector equation for all "
    "components: `dt(u) = [a, b]`.",
    heat(equation="dt(u^2) = dxx(u)"),
)
NO_VALUE = Code(
    "N0322",
    "This constant has no value.",
    "{why}",
    "For instance the logarithm of zero, or a broken power of a negative number.",
    heat(equation="dt(u) = log(0)*dxx(u)"),
)
CHANNELS = Code(
    "N0323",
    "'{name}' takes {expected}, not {given}.",
    "{given}",
    "A learned stencil `K[out, in]` takes `in` components and gives `out`; its adjoint the other way round. One "
    "without sizes takes and gives a scalar.",
    heat(field="field u[4](x, t)", declare="learn K[4, 3] stencil 3", equation="dt(u) = K(u)"),
)
ADJOINT = Code(
    "N0324",
    "'adjoint' is applied as 'adjoint(K)(v)' for a learned stencil 'K'.",
    "{why}",
    "The adjoint of a learned stencil is its transpose, boundary closure included.",
    heat(declare="learn K stencil 3", equation="dt(u) = -adjoint(u)(K(u))"),
)
KNOWN_ARGUMENT = Code(
    "N0325",
    "'{name}' is a function of coordinates, so its argument must be one.",
    "{why}",
    "A known function is evaluated at positions, `V(x)` or `G(x - x')`. What depends on a field is written out in "
    "the equation.",
    heat(declare="let V(x) = x^2", equation="dt(u) = dxx(u) - V(u)"),
)
NOISE_SEED = Code(
    "N0326",
    "The seed of 'noise' must lie between 0 and 4294967295.",
    "{given}",
    "The seed and the number of the cell are hashed, so that the same file gives the same noise on every machine.",
    heat(initial="initial u = noise(-1, 0.1)"),
)
CLOSURE_ARGUMENT = Code(
    "N0327",
    "'{name}' takes real scalars.",
    "{given}",
    "A closure `f(u, v)` is a small network with one input for each argument. Pass components one by one, "
    "`f(u[0], u[1])`, and complex values as `re(psi), im(psi)`.",
    heat(field="field u(x, t) complex", declare="learn f(q) = mlp(8, tanh)", equation="i*dt(u) = dxx(u) + f(u)"),
)
