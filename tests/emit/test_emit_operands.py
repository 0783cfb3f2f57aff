"""Every operator applied to every kind of operand, whatever it varies with: emitted modules against the NumPy interpreter.

An array that does not vary over samples, channels or an axis has extent one there or lacks the axis; each operator has to cope.
"""

from __future__ import annotations

import pytest
import torch

from tests.comparison import as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.interpreter import interpret, outputs

OPERANDS = (
    "0.7", "k", "sqrt(k)", "D", "r", "x", "t", "V", "Vt", "a", "at", "s", "sx", "st", "u", "D*x", "s*u", "u*V", "x*t", "st*x",
)  # fmt: skip
"""A number, constants (rational and not), learned and given scalars, functions, arrays and fields, alone and together."""
IN_THE_PLANE = (*OPERANDS, "y", "Vxy", "axy", "sxy", "x*y", "a*y", "sx*y", "V*axy")

DECLARED = """
let k = 0.3
let V(x) = 0.5 + 0.2*sin(x)
let Vt(x, t) = 0.5*cos(x + t)
learn D = 0.4 > 0
learn r(t) = 0.2
learn a(x) = 0.5 > 0
learn at(x, t) = 0.3
input s, sx(x), st(t)
"""
PLANAR = """
let Vxy(x, y) = sin(x + 2*y)
learn axy(x, y) = 0.6
input sxy(x, y)
"""

RATES = {
    "pointwise": "tanh({})",
    "closure": "f({})",
    "pair closure": "g(u, {})",
    "derivative": "dx({})",
    "second derivative": "dxx({})",
    "laplacian": "lap({})",
    "flux": "div(({})*grad(u))",
    "flux of itself": "div(grad({}))",
    "advection": "{}*dx(u)",
    "derivative of a function": "dx(sin({}))",
    "stencil": "K({})",
    "channels": "M([{0}, u])[1]",
    "adjoint": "adjoint(K)(({0})*u)",
    "integral": "integral({}, x)",
    "mean": "mean(tanh({}), x)",
    "sum": "sum({}, x)",
    "integral of a derivative": "integral(({})*dx(u), x)",
    "vector": "dot([{0}, u], [u, {0}])",
    "matrix": "(A@[{0}, 0.5*u])[1]",
    "choice": "where({} > 0.4, u, 0.2)",
    "largest": "max({}, u)",
    "rarer functions": "tan(0.5*tanh({0})) + sinh(0.3*{0})*cosh(0.2*u)",
}  # fmt: skip
LINE_ONLY = {"nonlocal": "integral(W(x, x')*({}), x')", "convolution": "integral(c(x - x')*({}), x')"}
READ = {
    "regions": "[4] = regions({}, 4)",
    "linear": "[2] = linear({})",
    "linear of regions": "[2] = linear(regions({}, 3))",
    "integral": " = integral({}, {space})",
    "mean": " = mean({}, {space})",
    "field": "({space}) = {}",
    "series": "({space}, t) = {}",
    "mean series": "(t) = mean({}, {space})",
}  # fmt: skip

LINE = "coordinates x in [0, 2], t in [0, 0.002]\nfield u(x, t)\n"
PLANE = "coordinates x in [0, 2], y in [0, 1.5], t in [0, 0.002]\nfield u(x, y, t)\n"
LEARNED = {"f(": "learn f(p) = mlp(3, tanh)", "g(": "learn g(p, q) = mlp(3, tanh)", "A@": "learn A[2, 2] = 0.2",
           "K(": "learn K stencil {size}", "(K)": "learn K stencil {size}", "M(": "learn M[2, 2] stencil {size}",
           "W(": "learn W(x, x')", "c(": "learn c(x)"}  # fmt: skip


def program(plane: bool, periodic: bool, terms: list[str], more: str = "") -> str:
    """A model with all declarations that its terms need."""
    text = " + ".join(f"0.1*({t})" for t in terms)
    size = "3x3" if plane else "3"
    learned = dict.fromkeys(d.format(size=size) for use, d in LEARNED.items() if use in text + more)
    walls = "boundary periodic" if periodic else "boundary x = 0: u = 0.1\nboundary x = 2: dn(u) = 0.2\n"
    if plane and not periodic:
        walls += "boundary y: periodic"
    return (
        (PLANE if plane else LINE) + DECLARED + (PLANAR if plane else "") + "\n".join(learned)
        + f"\ndt(u) = 0.1*lap(u) + {text}\n{walls}\ninitial u = 0.5 + 0.3*sin(3*x)\n{more}\n"
        + ("grid x: 6, y: 5\n" if plane else "grid x: 6\n") + "march heun, steps: 2\n"
    )  # fmt: skip


def compare(text: str, network: str) -> None:
    """States and outputs of two steps for two samples."""
    compilation, net = compiled(text, network)
    perturb(net)
    given = random_inputs(net, 2)
    with torch.no_grad():
        start = net.initial_state(2, **given)
        found = net.march(**given, state=start, steps=2, every=1).numpy()
        read = net(**given, state=start, steps=2)
    problem, dt = compilation.problem, float(compilation.scheme.dt)
    learned = physical(net, problem)
    expected = interpret(problem, learned, as_arrays(given), steps=2, batch=2, dt=dt)
    assert difference(found, expected) < 1e-11
    if problem.outputs:
        wanted = outputs(problem, expected, learned, as_arrays(given), dt=dt)
        named = read if isinstance(read, dict) else {problem.outputs[0].name: read}
        for name, value in wanted.items():
            assert difference(named[name].detach().numpy(), value) < 1e-11, name


SHAPES = [pytest.param(False, id="line"), pytest.param(True, id="plane", marks=pytest.mark.slow)]


@pytest.mark.parametrize("network", ["cnn", "mlp"])
@pytest.mark.parametrize("plane", SHAPES)
@pytest.mark.parametrize("name", [*RATES, *LINE_ONLY])
def test_operator_in_a_rate(name: str, plane: bool, network: str) -> None:
    if plane and name in LINE_ONLY:
        pytest.skip("a kernel along one axis")
    template = (RATES | LINE_ONLY)[name]
    operands = IN_THE_PLANE if plane else OPERANDS
    periodic = network == "mlp" or name == "convolution"
    compare(program(plane, periodic, [template.format(o) for o in operands]), network)


@pytest.mark.parametrize("plane", SHAPES)
@pytest.mark.parametrize("name", READ)
def test_operator_in_an_output(name: str, plane: bool) -> None:
    operands = IN_THE_PLANE if plane else OPERANDS
    space = "x, y" if plane else "x"
    lines = [f"output y{k}{READ[name].format(o, space=space)}" for k, o in enumerate(operands)]
    compare(program(plane, True, ["u"], "\n".join(lines)), "rnn")


@pytest.mark.parametrize("scheme", ["strang", "euler", "crank_nicolson"])
@pytest.mark.parametrize("rate", ["0", "0.5*u", "0.3*t", "V"])
def test_a_rate_without_derivatives(rate: str, scheme: str) -> None:
    """Nothing in it varies over samples, or is left of its linear part."""
    text = program(False, True, [rate]).replace("0.1*lap(u) + ", "").replace("march heun", f"march {scheme}")
    compare(text, "cnn")


@pytest.mark.parametrize("network", ["cnn", "mlp"])
@pytest.mark.parametrize(
    "rate", ["A[0]*u", "dot(A[1], u)*u", "tanh(A[1][0])*u", "mean(A[0], x)*u", "[A[0][1], A[1][1]]*u", "A@u"]
)
def test_rows_of_a_matrix(rate: str, network: str) -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 0.01]\nfield u[2](x, t)\nlearn A[2, 2] = 0.3\n"
        f"dt(u) = 0.1*dxx(u) + {rate}\nboundary periodic\ninitial u = sin(2*pi*x)\ngrid x: 6\nmarch euler, steps: 2\n"
    )
    compare(text, network)


@pytest.mark.parametrize("along", ["x", "y"])
def test_convolution_along_either_axis(along: str) -> None:
    inside = {"x": "u(x', y)", "y": "u(x, y')"}[along]
    text = (
        f"coordinates x in [0, 2], y in [0, 1], t in [0, 0.01]\nfield u(x, y, t)\nlearn c({along})\n"
        f"dt(u) = integral(c({along} - {along}')*{inside}, {along}')\nboundary periodic\ninitial u = sin(pi*x)*cos(2*pi*y)\n"
        "grid x: 6, y: 5\nmarch euler, steps: 2\n"
    )
    compare(text, "cnn")


VECTORS = {
    "curl in the plane": (2, "[curl(v), 0.2*curl(v)] + curl(v[0]*v[1])"),
    "curl in space": (3, "curl(v) + 0.1*curl(tanh(v))"),
    "cross": (3, "cross(v, curl(v)) - cross([0.1, t, x], v)"),
    "divergence and gradient": (3, "grad(div(v)) + v*dot(v, [x, y, 0.3])"),
}


@pytest.mark.parametrize("network", ["cnn", "mlp"])
@pytest.mark.parametrize("name", VECTORS)
def test_vector_calculus(name: str, network: str) -> None:
    count, rate = VECTORS[name]
    names = "xyz"[:count]
    axes, listed = ", ".join(f"{c} in [0, {k + 1}]" for k, c in enumerate(names)), ", ".join(names)
    start = ", ".join(f"sin(pi*{c})" for c in reversed(names))
    text = (
        f"coordinates {axes}, t in [0, 0.01]\nfield v[{count}]({listed}, t)\ndt(v) = {rate}\nboundary periodic\n"
        f"initial v = [{start}]\ngrid {', '.join(f'{c}: {5 + k}' for k, c in enumerate(names))}\nmarch heun, steps: 2\n"
    )
    compare(text, network)
