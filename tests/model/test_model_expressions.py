"""Shapes, complex values, arguments and names of expressions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from npde.model import Problem
from npde.model import expression as ex
from npde.model.traversal import fold

Build = Callable[..., Problem]
Diagnose = Callable[..., list[tuple[str, str]]]

PLANE = """coordinates x, y in [0, 1], t in [0, 1]
field u(x, y, t), v[2](x, y, t), psi(x, y, t) complex
let k = 2, a = [1, 2], V(x, y) = x*y, G(x) = exp(-x^2)
learn D = 1 > 0, W(x, x'), A[2, 2] = 0, w(x), K stencil 3x3, L[3, 2] stencil 3x3, f(p, q) = mlp(4, tanh)
learn g[2](p) = mlp(4, tanh)
input s(t), image[3](x, y)
dt(u) = {u}
dt(v) = {v}
i*dt(psi) = {psi}
boundary periodic
initial u = 0
initial v = [x, y]
initial psi = 1
grid x: 16, y: 16
march rk4, steps: 10
"""


def plane(*, u: str = "0", v: str = "0", psi: str = "0") -> str:
    return PLANE.format(u=u, v=v, psi=psi)


@pytest.mark.parametrize(
    "text",
    [
        "lap(u) + D*k*u^2", "div(grad(u))", "div(v)", "curl(v)", "dot(a, grad(u))", "dot(v, grad(u))", "div(u*v)", "v[0] + v[1]",
        "div([u, v[0]])", "integral(W(x, x')*u(x', y), x')", "integral(W*u(x', y), x')", "integral(w(x - x')*u(x', y), x')",
        "integral(G(x - x')*u(x', y'), x', y')", "mean(u, x, y)", "sum(u, x)", "K(u)", "adjoint(K)(tanh(K(u)))", "L(v)[2]",
        "adjoint(L)(L(v))[0]", "f(u, v[1])", "g(u)[0]", "abs2(psi)", "re(psi)*im(psi)", "where(u > 0, u, -u)", "min(u, k, s)",
        "dot(image, image)", "s*u", "V*u + V(x, y) + G(2*x)", "d(u, x, 4)", "dxxy(u)", "div(A@grad(u))", "(A@v)[0]",
        "([[1, 2], [3, 4]])[0][1]*u", "sqrt(1 + u^2)", "max(u, 0, 1)", "-(-u)", "u/(1 + u^2)", "abs(psi)^3", "dot(v, v)",
        "integral(W(x', x)*u(x', y), x')",
    ],
)  # fmt: skip
def test_scalars(build: Build, text: str) -> None:
    assert build(plane(u=text)).equations[0].right.type.shape == ()


@pytest.mark.parametrize(
    "text",
    ["lap(v)", "A@v", "grad(u)", "u*v", "v*v", "tanh(v)", "v/u", "[u, -u]", "curl(u)", "div([grad(u), grad(v[0])])", "g(u)",
     "dx(v) + dy(v)", "where(u > 0, v, 0)", "div(u*grad(v))", "a", "2", "adjoint(L)(image)", "v^2"],
)  # fmt: skip
def test_vectors(build: Build, text: str) -> None:
    assert build(plane(v=text)).equations[1].right.type.shape in ((2,), ())


@pytest.mark.parametrize(
    "text",
    ["lap(psi)", "-1/2*lap(psi) + V*psi", "abs2(psi)*psi", "exp(i*x)*psi", "conj(psi)", "u*psi", "K(psi)", "i", "psi^2",
     "integral(psi, x)", "sqrt(psi)", "where(u > 0, psi, 0)", "([psi, i*psi])[1]", "2"],
)  # fmt: skip
def test_complex_values(build: Build, text: str) -> None:
    build(plane(psi=text))


@pytest.mark.parametrize(
    "part, text, expected",
    [
        # names
        ("u", "unknown + 1", ("N0203", "unknown")),
        ("u", "Lap(u)", ("N0204", "Lap")),
        ("u", "dz(u)", ("N0206", "dz")),
        ("u", "u'", ("N0211", "u'")),
        ("u", "x''", ("N0211", "x''")),
        ("u", "W(x, x')*u", ("N0207", "x'")),
        ("u", "u(x', y)", ("N0207", "u(x', y)")),
        ("u", "integral(u(x', y), x)", ("N0207", "u(x', y)")),
        ("u", "u(y, x)", ("N0210", "u(y, x)")),
        ("u", "u(x)", ("N0210", "u(x)")),
        ("u", "u(0, y)", ("N0913", "0")),
        ("u", "w(x + x')", ("N0913", "x + x'")),
        ("u", "w(x - x)", ("N0913", "x - x")),
        ("u", "w(x - y')", ("N0913", "x - y'")),
        ("u", "nope + nope*nope(nope)", ("N0203", "nope")),
        ("u", "integral(W(x', x')*u, x')", ("N0210", "W(x', x')")),
        ("u", "V(x)", ("N0210", "V(x)")),
        ("u", "V(u, y)", ("N0325", "u")),
        ("u", "k(u)", ("N0212", "k")),
        ("u", "x(u)", ("N0212", "x")),
        ("u", "pi(u)", ("N0212", "pi")),
        ("u", "(u + 1)[0](x)", None),
        ("u", "K", ("N0221", "K")),
        ("u", "f*u", ("N0221", "f")),
        ("u", "lap*u", ("N0222", "lap")),
        ("u", "dx + u", ("N0222", "dx")),
        # shapes
        ("u", "u + v", ("N0406", "u + v")),
        ("u", "v[2]", ("N0305", "2")),
        ("u", "v[-1]", ("N0305", "-1")),
        ("u", "v[0.5]", ("N0315", "0.5")),
        ("u", "v[u]", ("N0215", "u")),
        ("u", "u[0]", ("N0306", "u")),
        ("u", "dot(u, v)", ("N0304", "u")),
        ("u", "dot(v, image)", ("N0304", "image")),
        ("u", "div(image)", ("N0304", "image")),
        ("u", "div(u)", ("N0304", "u")),
        ("u", "curl(image)", ("N0304", "image")),
        ("u", "cross(v, v)[0]", ("N0304", "v")),
        ("u", "(v@v)", ("N0304", "v")),
        ("v", "A@image", ("N0304", "image")),
        ("v", "A*v", ("N0301", "A*v")),
        ("v", "v + image", ("N0301", "v + image")),
        ("v", "[u, v]", ("N0310", "v")),
        ("v", "[u, u, u]", ("N0405", "dt(v) = [u, u, u]")),
        ("u", "u^v", ("N0309", "v")),
        ("u", "u^psi", ("N0309", "psi")),
        ("u", "L(image)", ("N0323", "image")),
        ("u", "K(v)", ("N0323", "v")),
        ("u", "f(u)", ("N0303", "f(u)")),
        ("u", "f(u, v)", ("N0327", "v")),
        ("u", "f(u, psi)", ("N0327", "psi")),
        ("u", "adjoint(K)", ("N0324", "adjoint(K)")),
        ("u", "adjoint(W)(u)", ("N0324", "W")),
        ("u", "adjoint(Q)(u)", ("N0203", "Q")),
        # real and complex
        ("u", "psi", ("N0407", "psi")),
        ("u", "i*u", ("N0407", "i")),
        ("psi", "relu(psi)", ("N0302", "psi")),
        ("psi", "max(psi, 1)", ("N0302", "psi")),
        ("psi", "where(psi > 0, 1, 0)", ("N0302", "psi")),
        ("psi", "sigmoid(u + i)", ("N0302", "u + i")),
        # arguments
        ("u", "sin()", ("N0303", "sin()")),
        ("u", "sin(u, u)", ("N0303", "sin(u, u)")),
        ("u", "min(u)", ("N0303", "min(u)")),
        ("u", "where(u > 0, 1)", ("N0303", "where(u > 0, 1)")),
        ("u", "where(u, 1, 0)", ("N0308", "u")),
        ("u", "sin(u > 0)", ("N0307", "u > 0")),
        ("u", 'sin("u")', ("N0316", '"u"')),
        ("u", "d(u, x, 0)", ("N0319", "0")),
        ("u", "d(u, x, 2.5)", ("N0315", "2.5")),
        ("u", "d(u, z, 2)", ("N0206", "z")),
        ("u", "d(u, x', 2)", ("N0211", "x'")),
        ("u", "integral(u)", ("N0317", "integral(u)")),
        ("u", "integral(u, x, x)", ("N0317", "x")),
        ("u", "integral(u, 3)", ("N0317", "3")),
        ("u", "integral(u, u)", ("N0206", "u")),
        ("u", "integral(u, x')", ("N0318", "x'")),
        ("u", "integral(u, t)", ("N0906", "t")),
        # where things may stand
        ("u", "noise(1, 2)", ("N0311", "noise")),
        ("u", "dn(u)", ("N0311", "dn")),
        ("u", "linear(u)", ("N0311", "linear")),
        ("u", "regions(u, 4)", ("N0311", "regions")),
        ("u", "lift(image)", ("N0311", "lift")),
        # constants
        ("u", "u/0", ("N0312", "0")),
        ("u", "u/(k - 2)", ("N0312", "(k - 2)")),
        ("u", "1/(2*3 - 6)*u", ("N0312", "(2*3 - 6)")),
        ("u", "log(0)*u", ("N0322", "log(0)")),
        ("u", "(-2)^0.5*u", ("N0322", "(-2)^0.5")),
        ("u", "0^(-1)*u", ("N0312", "0^(-1)")),
        ("u", "exp(10000)*u", ("N0313", "exp(10000)")),
        ("u", "u^1001", ("N0313", "1001")),
        # time derivatives
        ("u", "dt(v)[0]", ("N0904", "dt(v)")),
        ("u", "lap(dt(u))", ("N0902", "lap(dt(u))")),
        ("u", "dt(u*u)", ("N0321", "u*u")),
        ("u", "dt(v[0])", ("N0321", "v[0]")),
        ("u", "d(u, t, 5)", ("N0903", "d(u, t, 5)")),
    ],
)
def test_one_mistake_gives_one_diagnostic(
    diagnose: Diagnose, part: str, text: str, expected: tuple[str, str] | None
) -> None:
    found = [d for d in diagnose(plane(**{part: text})) if d[0] != "N0213"]
    if expected is not None:
        assert found == [expected]
    else:
        assert len(found) == 1


def test_several_mistakes_are_all_shown_in_order(diagnose: Diagnose) -> None:
    found = [d for d in diagnose(plane(u="foo + lap(bar)", v="[u, v]", psi="relu(psi)")) if d[0] != "N0213"]
    assert found == [("N0203", "foo"), ("N0203", "bar"), ("N0310", "v"), ("N0302", "psi")]


def test_at_most_twenty_diagnostics_are_shown(diagnose: Diagnose) -> None:
    assert len(diagnose(plane(u=" + ".join(f"q{k}" for k in range(50))))) == 20


@pytest.mark.parametrize(
    "wrong, offered",
    [("tahn(u)", "tanh"), ("intergal(u, x)", "integral"), ("imge[0]", "image"), ("grda(u)", "grad")],
)
def test_a_slip_is_answered_with_the_nearest_name(hints: Callable[[str], list[str]], wrong: str, offered: str) -> None:
    assert f"did you mean `{offered}`?" in hints(plane(u=wrong))


def test_a_name_of_nothing_is_answered_with_a_declaration(hints: Callable[[str], list[str]]) -> None:
    assert "declare it with `field zeta(x, y, t)`." in hints(plane(u="zeta"))


@pytest.mark.parametrize(
    "declaration, expected",
    [
        ("field i(x, t)", ("N0202", "i")),
        ("let pi = 3", ("N0202", "pi")),
        ("learn exp = 1", ("N0202", "exp")),
        ("learn dxx = 1", ("N0202", "dxx")),
        ("let u = 1", ("N0201", "u")),
        ("let x = 1", ("N0201", "x")),
        ("learn c = 1, c = 2", ("N0201", "c")),
        ("input steps", ("N0214", "steps")),
        ("input s(x')", ("N0211", "x'")),
        ("learn W(x')", ("N0211", "x'")),
        ("learn W(x, t')", ("N0211", "t'")),
        ("learn W(x, x'')", ("N0211", "x''")),
        ("field u'(x, t)", ("N0211", "u'")),
        ("field w(t, x)", ("N0208", "t, x")),
        ("field w(x)", ("N0208", "x")),
        ("field w(x, q, t)", ("N0206", "q")),
        ("learn a(t, x) = 1", ("N0209", "x")),
        ("learn a(x, x) = 1", ("N0209", "x")),
        ("field w[2, 3](x, t)", ("N0224", "2, 3")),
        ("field w[0](x, t)", ("N0225", "0")),
        ("field w[1.5](x, t)", ("N0315", "1.5")),
        ("field w[c](x, t)", ("N0203", "c")),
        ("field w[5000](x, t)", ("N0225", "5000")),
        ("let V = x", ("N0216", "x")),
        ("let V(x) = t", ("N0216", "t")),
        ("let V(x) = u", ("N0215", "u")),
        ("let V(x) = dx(x)", ("N0915", "dx(x)")),
        ("let V(x) = integral(x, x)", ("N0915", "integral(x, x)")),
        ("let a = 1/0", ("N0312", "0")),
        ("let a = b, b = 1", ("N0205", "b")),
        ("learn a = u", ("N0215", "u")),
        ("learn a = i", ("N0803", "i")),
        ("learn a[2] = [1, 2, 3]", ("N0803", "[1, 2, 3]")),
        ("learn a = 1 in [0, 1]", ("N0801", "1")),
        ("learn a = 0 >= 0", ("N0801", "0")),
        ("learn a = 2 < 1", ("N0801", "2")),
        ("learn a(x) = x > 0", ("N0801", "x")),
        ("learn a(x) = sin(x) in [-1, 0.5]", ("N0801", "sin(x)")),
        ("learn a[2] = [1, -1] > 0", ("N0801", "[1, -1]")),
        ("learn a = 1 in [1 + 1, 0]", ("N0802", "1 + 1, 0")),
        ("learn K[2] stencil 3", ("N0806", "2")),
        ("learn K stencil 3x3", ("N0804", "stencil 3x3")),
        ("learn K stencil 2", ("N0805", "stencil 2")),
        ("learn K stencil 33", ("N0805", "stencil 33")),
        ("learn K(x) stencil 3", ("N0811", "K")),
        ("learn K stencil 3 = u", ("N0807", "u")),
        ("learn K stencil 3 = dt", ("N0807", "dt")),
        ("learn K stencil 3 = dxxxx", ("N0808", "stencil 3")),
        ("learn K[2, 3] stencil 3 = lap", ("N0809", "K[2, 3")),
        ("learn K stencil 3 moments 3 = dx", ("N0810", "stencil 3 moments 3")),
        ("learn K stencil 3 moments 1", ("N0816", "stencil 3 moments 1")),
        ("learn K stencil 3 > 0", ("N0812", "> 0")),
        ("learn f(p) = mlp(4, 4)", ("N0813", "4")),
        ("learn f(p) = mlp(tanh)", ("N0813", "mlp(tanh)")),
        ("learn f(p) = mlp(0, tanh)", ("N0814", "0")),
        ("learn f(p) = mlp(2.5, tanh)", ("N0315", "2.5")),
        ("learn f(p, p) = mlp(4, tanh)", ("N0815", "p")),
        ("learn f = mlp(4, tanh)", ("N0815", "f")),
        ("learn f(p) = mlp(4, tanh) > 0", ("N0812", "> 0")),
        ("learn f(p) = mpl(4, tanh)", ("N0204", "mpl")),
    ],
)
def test_declarations(diagnose: Diagnose, declaration: str, expected: tuple[str, str]) -> None:
    text = (
        f"coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\n{declaration}\ndt(u) = dxx(u)\nboundary periodic\n"
        "initial u = 0\ngrid x: 32\nmarch rk4, steps: 10\n"
    )
    assert [d for d in diagnose(text) if d[0] != "N0213"] == [expected]


def test_a_second_order_field_needs_a_velocity_to_start_with(diagnose: Diagnose) -> None:
    text = "coordinates t in [0, 1]\nfield u(t)\ndtt(u) = -u\n{}march rk4, steps: 10\n"
    assert diagnose(text.format("initial u = 1\n")) == [("N0408", "u")]
    assert diagnose(text.format("initial dt(u) = 1\n")) == [("N0408", "u")]
    assert diagnose(text.format("initial u = 1\ninitial dt(u) = 1\n")) == []
    twice = "initial u = 1\ninitial dt(u) = 1\ninitial dt(u) = 2\n"
    assert diagnose(text.format(twice)) == [("N0409", "initial dt(u) = 2")]


@pytest.mark.parametrize(
    "statement, expected",
    [
        ("initial u = u", ("N0215", "u")),
        ("initial u = D", None),
        ("initial u = s", ("N0413", "s")),
        ("initial u = r", ("N0413", "r")),
        ("initial u = t", ("N0413", "t")),
        ("initial u = i", ("N0414", "i")),
        ("initial u = [1, 2]", ("N0412", "[1, 2]")),
        ("initial w = 0", ("N0203", "w")),
        ("initial D = 0", ("N0411", "D")),
        ("initial u(x) = 0", ("N0411", "u(x)")),
        ("initial dx(u) = 0", ("N0411", "dx(u)")),
        ("initial dt(u) = 0", ("N0410", "initial dt(u) = 0")),
        ("initial u = dx(x)", ("N0915", "dx(x)")),
        ("initial u = noise(1.5, 1)", ("N0315", "1.5")),
        ("initial u = noise(1, i)", ("N0302", "i")),
        ("initial u = noise(1)", ("N0303", "noise(1)")),
        ("initial u = lift(image) + noise(1, 0.1*x)", None),
        ("initial u = integral(image[0], x)", None),
    ],
)
def test_initial_data(diagnose: Diagnose, statement: str, expected: tuple[str, str] | None) -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\nlearn D = 1, r(t) = 1\ninput s(t), image[2](x)\n"
        f"dt(u) = D*dxx(u) + r*s + image[0]\nboundary periodic\n{statement}\ngrid x: 32\nmarch rk4, steps: 10\n"
    )
    found = [d for d in diagnose(text) if d[0] not in ("N0213", "N0408")]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    "statement, expected",
    [
        ("output y(x) = u", None),
        ("output y(x, t) = u", None),
        ("output y = integral(u, x)", None),
        ("output y(t) = integral(u, x)", None),
        ("output y[4] = linear(u)", None),
        ("output y = linear(u)", None),
        ("output y[3] = regions(u, 3)", None),
        ("output y(x) = u(x)", None),
        ("output y(x, t) = dt(v)", None),
        ("output y = u", ("N0415", "u")),
        ("output y(t) = u", ("N0415", "u")),
        ("output y(t, x) = u", ("N0209", "x")),
        ("output y(q) = u", ("N0206", "q")),
        ("output y[2](x) = u", ("N0416", "u")),
        ("output u(x) = u", ("N0201", "u")),
        ("output y[2, 2] = u", ("N0224", "2, 2")),
        ("output y(x) = i*u", ("N0417", "i*u")),
        ("output y(x) = dt(u)", ("N0419", "dt(u)")),
        ("output y[3] = regions(u, 0)", ("N0315", "0")),
        ("output y[3] = regions(u, 3, 4)", ("N0303", "regions(u, 3, 4)")),
        ("output y[4] = linear(i*u)", ("N0302", "i*u")),
        ("output y(x) = lift(u)", ("N0311", "lift")),
        ("output y(x) = u\noutput y(x) = u", ("N0201", "y")),
    ],
)
def test_outputs(diagnose: Diagnose, statement: str, expected: tuple[str, str] | None) -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\ndt(u) = dxx(u)\ndtt(v) = dxx(v) - dt(v)\n"
        "boundary periodic\ninitial u = 0\ninitial v = 0\ninitial dt(v) = 0\ngrid x: 32\nmarch rk4, steps: 10\n"
    )
    assert diagnose(text + statement + "\n") == ([expected] if expected else [])


@pytest.mark.parametrize(
    "equations, expected",
    [
        ("dt(u) = v\ndt(v) = -u", None),
        ("dt(u) + u = v\n2*dt(v) - 3 = -u", None),
        ("dtt(u) + dt(u) = v\ndt(v) = dt(u)", None),
        ("u*dt(u) = v\ndt(v) = -u", None),
        ("dt(u)/2 = v\ndt(v) = -u", None),
        ("dt(u) = v", ("N0401", "v")),
        ("dt(u) = v\ndt(u) = u\ndt(v) = u", ("N0402", "dt(u) = u")),
        ("dt(u) = v\ndt(v) = u\n1 = 2", ("N0403", "1 = 2")),
        ("1/dt(u) = v\ndt(v) = u", ("N0404", "dt(u)")),
        ("exp(dt(u)) = v\ndt(v) = u", ("N0404", "dt(u)")),
        ("dt(u)*dt(u) = v\ndt(v) = u", ("N0404", "dt(u)")),
        ("integral(dt(u), x) = v\ndt(v) = u", ("N0420", "dt(u)")),
        ("dxx(u) = v\nv = u", ("N0418", "t")),
        ("dt(u) = v\nv = u", ("N0901", "v = u")),
        ("dt(u) = v + dt(v)\ndt(v) = u", ("N0904", "dt(v)")),
        ("dt(u) = i*v\ndt(v) = u", ("N0407", "i")),
    ],
)
def test_equations(diagnose: Diagnose, equations: str, expected: tuple[str, str] | None) -> None:
    second = "initial dt(u) = 0\n" if "dtt" in equations else ""
    text = (
        f"coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\n{equations}\nboundary periodic\n"
        f"initial u = 0\ninitial v = 0\n{second}grid x: 32\nmarch rk4, steps: 10\n"
    )
    assert diagnose(text) == ([expected] if expected else [])


def test_long_sums_become_shallow_and_keep_their_value(build: Build) -> None:
    from npde.model.constant import evaluate

    terms = [f"{k % 7 + 1}" for k in range(900)]
    text = terms[0] + "".join((" + ", " - ")[k % 3 == 0] + t for k, t in enumerate(terms[1:]))
    problem = build(
        f"coordinates t in [0, 1]\nfield u(t)\nlet a = {text}\ndt(u) = a*u\ninitial u = 1\nmarch rk4, steps: 10\n"
    )
    value = evaluate(problem.lets[0].value, {}, {})
    assert value == eval(text)
    assert depth(problem.lets[0].value) < 20


def test_long_products_keep_their_value(build: Build) -> None:
    from fractions import Fraction

    from npde.model.constant import evaluate

    text = "3" + "".join(("*2", "/4", "*2")[k % 3] for k in range(300))
    problem = build(
        f"coordinates t in [0, 1]\nfield u(t)\nlet a = {text}\ndt(u) = a*u\ninitial u = 1\nmarch rk4, steps: 10\n"
    )
    expected = Fraction(3)
    for k in range(300):
        expected = expected * 2 if k % 3 != 1 else expected / 4
    assert evaluate(problem.lets[0].value, {}, {}) == expected


def depth(expr: ex.Expr) -> int:
    return fold(expr, lambda _, below: 1 + max(below, default=0))


def test_a_sum_of_arrays_may_mix_scalars_and_vectors_whatever_its_length(build: Build, diagnose: Diagnose) -> None:
    long = " + ".join(["v", *["u"] * 100])
    assert build(plane(v=long)).equations[1].right.type.shape == (2,)
    assert [d for d in diagnose(plane(v=f"{long} + image")) if d[0] != "N0213"] == [("N0301", f"{long} + image")]
