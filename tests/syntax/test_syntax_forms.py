"""What each form of the language is read as."""

from __future__ import annotations

import pytest

from npde.source import Source
from npde.syntax import parse, tree

X, U, D = tree.Name("x"), tree.Name("u"), tree.Name("D")


def statement(text: str) -> tree.Statement:
    statements = parse(Source("text", text)).statements
    assert len(statements) == 1
    return statements[0]


def expression(text: str) -> tree.Expression:
    read = statement(f"y = {text}")
    assert isinstance(read, tree.Equation)
    return read.right


def call(name: str, *arguments: tree.Expression) -> tree.Call:
    return tree.Call(tree.Name(name), arguments)


def number(text: str) -> tree.Number:
    return tree.Number(text)


SAME = [
    ("∇²u", "lap(u)"),
    ("∇^2 u", "lap(u)"),
    ("∇ ²u", "lap(u)"),
    ("Δu", "lap(u)"),
    ("\u2206u", "lap(u)"),
    ("Δ(a*u)", "lap(a*u)"),
    ("ΔΔu", "lap(lap(u))"),
    ("Δ∇·F", "lap(div(F))"),
    ("∇u", "grad(u)"),
    ("∇ u", "grad(u)"),
    ("∇·F", "div(F)"),
    ("∇⋅F", "div(F)"),
    ("∇ · (D ∇u)", "div(D*grad(u))"),
    ("∇·(D∇u)", "div(D*grad(u))"),
    ("∇·∇u", "div(grad(u))"),
    ("∇×F", "curl(F)"),
    ("∂t u", "dt(u)"),
    ("∂_t u", "dt(u)"),
    ("∂t(u)", "dt(u)"),
    ("∂xx u", "dxx(u)"),
    ("∂θ u", "dtheta(u)"),
    ("∂x u[0]", "dx(u[0])"),
    ("∂x K(u)", "dx(K(u))"),
    ("D Δu", "D*lap(u)"),
    ("DΔu", "D*lap(u)"),
    ("2Δu", "2*lap(u)"),
    ("(a + b)Δu", "(a + b)*lap(u)"),
    ("k²Δu", "k^2*lap(u)"),
    ("-1/2 ∂xx u", "-1/2*dxx(u)"),
    ("a*b ∇u", "a*b*grad(u)"),
    ("Δu*Δv", "lap(u)*lap(v)"),
    ("Δu + Δv", "lap(u) + lap(v)"),
    ("-Δu", "-lap(u)"),
    ("(∇u)²", "grad(u)^2"),
    ("Δ(u)²", "lap(u)^2"),
    ("u²", "u^2"),
    ("(a + b)³", "(a + b)^3"),
    ("ψ + Ψ + φ0 + λ_max", "psi + Psi + phi0 + lambda_max"),
    ("αβ", "alphabeta"),
    ("ϑ + ϕ + ϵ + \u00b5 + \u2126 + ς", "theta + phi + epsilon + mu + Omega + sigma"),
    ("2*π", "2*pi"),
    ("a − b", "a - b"),
    ("f(a ≤ b)", "f(a <= b)"),
    ("f(a ≥ b)", "f(a >= b)"),
    ("f(a ≠ b)", "f(a != b)"),
    ("u(x′)", "u(x')"),
    ("a - b - c", "(a - b) - c"),
    ("a/b*c", "(a/b)*c"),
    ("a^b^c", "a^(b^c)"),
    ("-x^2", "-(x^2)"),
    ("2^-x^2", "2^(-(x^2))"),
    ("-a*b", "(-a)*b"),
    ("a - -b", "a - (-b)"),
    ("a*-b", "a*(-b)"),
    ("+a", "(+a)"),
    ("A@u + b", "(A@u) + b"),
]


@pytest.mark.parametrize("text, same", SAME, ids=[text for text, _ in SAME])
def test_spellings_that_mean_the_same(text: str, same: str) -> None:
    assert expression(text) == expression(same)


EXPRESSIONS = [
    ("2e-5", number("2e-5")),
    (".5", number(".5")),
    ("1.", number("1.")),
    ("x''", tree.Name("x", 2)),
    ("u·v", tree.Binary("·", U, tree.Name("v"))),
    ("u⋅v", tree.Binary("·", U, tree.Name("v"))),
    ("u × v", tree.Binary("×", U, tree.Name("v"))),
    ("A@u", tree.Binary("@", tree.Name("A"), U)),
    ("[u, 1]", tree.Vector((U, number("1")))),
    ("u[0]", tree.Index(U, number("0"))),
    ("(u + x)[0]", tree.Index(tree.Binary("+", U, X), number("0"))),
    ("adjoint(K)(u)", tree.Call(call("adjoint", tree.Name("K")), (U,))),
    ("u[0](x')", tree.Call(tree.Index(U, number("0")), (tree.Name("x", 1),))),
    ("f()", call("f")),
    ('f("text", u)', call("f", tree.String("text"), U)),
    ("where(u < 1, u, 0)", call("where", tree.Compare("<", U, number("1")), U, number("0"))),
    ("W(x, x')", call("W", X, tree.Name("x", 1))),
    ("w(x - x')", call("w", tree.Binary("-", X, tree.Name("x", 1)))),
    ("d(u, x, 4)", call("d", U, X, number("4"))),
    ("-u", tree.Unary("-", U)),
    ("u^2", tree.Binary("^", U, number("2"))),
]


@pytest.mark.parametrize("text, node", EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_expressions(text: str, node: tree.Expression) -> None:
    assert expression(text) == node


def item(name: str, **rest: object) -> tree.LearnItem:
    given = {"sizes": (), "arguments": None, "stencil": None, "value": None, "constraint": None, **rest}
    return tree.LearnItem(tree.Name(name), **given)  # type: ignore[arg-type]


ONE, ZERO = number("1"), number("0")
STATEMENTS = [
    ("model heat", tree.Model(tree.Name("heat"), None)),
    ('model heat "A rod; # no comment."', tree.Model(tree.Name("heat"), tree.String("A rod; # no comment."))),
    (
        "coordinates x, y in [0, 1], t in [-1, 2*pi]",
        tree.Coordinates(
            (
                tree.CoordinateGroup((X, tree.Name("y")), ZERO, ONE),
                tree.CoordinateGroup(
                    (tree.Name("t"),), tree.Unary("-", ONE), tree.Binary("*", number("2"), tree.Name("pi"))
                ),
            )
        ),
    ),
    (
        "field u(x), v[16](x) complex",
        tree.Field(
            (
                tree.FieldItem(U, (), (X,), False),
                tree.FieldItem(tree.Name("v"), (number("16"),), (X,), True),
            )
        ),
    ),
    ("let k = 1, V(x) = u", tree.Let((tree.LetItem(tree.Name("k"), None, ONE), tree.LetItem(tree.Name("V"), (X,), U)))),
    ("learn D = 1 > 0", tree.Learn((item("D", value=ONE, constraint=tree.ConstraintClause(">", (ZERO,))),))),
    ("learn D = 1 ≥ 0", tree.Learn((item("D", value=ONE, constraint=tree.ConstraintClause(">=", (ZERO,))),))),
    ("learn D in [0, 1]", tree.Learn((item("D", constraint=tree.ConstraintClause("in", (ZERO, ONE))),))),
    ("learn A in stable", tree.Learn((item("A", constraint=tree.ConstraintClause("in stable", ())),))),
    (
        "learn W(x, x'), V(x) = 0",
        tree.Learn((item("W", arguments=(X, tree.Name("x", 1))), item("V", arguments=(X,), value=ZERO))),
    ),
    (
        "learn K[1, 0](x) stencil 3x3 = lap",
        tree.Learn(
            (
                item(
                    "K",
                    sizes=(ONE, ZERO),
                    arguments=(X,),
                    stencil=tree.StencilClause((3, 3), None),
                    value=tree.Name("lap"),
                ),
            )
        ),
    ),
    ("learn K stencil 5 moments 2", tree.Learn((item("K", stencil=tree.StencilClause((5,), 2)),))),
    ("learn K stencil 5 moments: 2", tree.Learn((item("K", stencil=tree.StencilClause((5,), 2)),))),
    ("learn K stencil 3x5x7", tree.Learn((item("K", stencil=tree.StencilClause((3, 5, 7), None)),))),
    (
        "learn f(u) = mlp(1, tanh)",
        tree.Learn((item("f", arguments=(U,), value=call("mlp", ONE, tree.Name("tanh"))),)),
    ),
    (
        "input s(x), D, image[1](x)",
        tree.Input(
            (
                tree.InputItem(tree.Name("s"), (), (X,)),
                tree.InputItem(D, (), None),
                tree.InputItem(tree.Name("image"), (ONE,), (X,)),
            )
        ),
    ),
    ("dt(u) = lap(u)", tree.Equation(call("dt", U), call("lap", U))),
    ("boundary periodic", tree.Boundary(None, None, (tree.PeriodicClause(),))),
    ("boundary x: outflow", tree.Boundary(X, None, (tree.OutflowClause(),))),
    ("boundary absorbing(1)", tree.Boundary(None, None, (tree.AbsorbingClause(ONE),))),
    ("boundary x: absorbing(1)", tree.Boundary(X, None, (tree.AbsorbingClause(ONE),))),
    ("boundary u = 0", tree.Boundary(None, None, (tree.Equation(U, ZERO),))),
    (
        "boundary x = 1: u = 0, dn(u) = 1",
        tree.Boundary(X, ONE, (tree.Equation(U, ZERO), tree.Equation(call("dn", U), ONE))),
    ),
    ("initial dt(u) = 0", tree.Initial(call("dt", U), ZERO)),
    ("output y[1] = u", tree.Output(tree.Name("y"), (ONE,), None, U)),
    ("output y(x) = u", tree.Output(tree.Name("y"), (), (X,), U)),
    ("grid x: 1", tree.Grid((tree.GridItem(X, ONE),), None)),
    ("grid x: 1, upwind 0", tree.Grid((tree.GridItem(X, ONE),), ZERO)),
    ("grid upwind 0, x: 1", tree.Grid((tree.GridItem(X, ONE),), ZERO)),
    ("order 1", tree.Order(ONE)),
    ("march rk4", tree.March(tree.Name("rk4"), None, ())),
    ("march s along z, steps: 1", tree.March(tree.Name("s"), tree.Name("z"), (tree.Setting(tree.Name("steps"), ONE),))),
    ("march s, dt: auto", tree.March(tree.Name("s"), None, (tree.Setting(tree.Name("dt"), tree.Name("auto")),))),
    (
        "solve gmres, iterations: 1, tolerance: 0",
        tree.Solve(
            tree.Name("gmres"),
            (tree.Setting(tree.Name("iterations"), ONE), tree.Setting(tree.Name("tolerance"), ZERO)),
        ),
    ),
    ("network rnn", tree.Network(tree.Name("rnn"))),
]


@pytest.mark.parametrize("text, node", STATEMENTS, ids=[text for text, _ in STATEMENTS])
def test_statements(text: str, node: tree.Statement) -> None:
    assert statement(text) == node


def test_every_kind_of_statement_is_tested() -> None:
    assert {type(node) for _, node in STATEMENTS} == set(tree.Statement.__args__)


SPANS = [
    ("u = ∇·(D ∇u)", ["u", "∇·(D ∇u)", "∇·", "(D ∇u)", "D", "∇u", "∇", "u"]),
    ("y = a*(b + c)^2", ["y", "a*(b + c)^2", "a", "(b + c)^2", "(b + c)", "b", "c", "2"]),
    ("y = f(u, x')[0]", ["y", "f(u, x')[0]", "f(u, x')", "f", "u", "x'", "0"]),
    ("y = -u²", ["y", "-u²", "u²", "u", "²"]),
]


@pytest.mark.parametrize("text, parts", SPANS)
def test_spans(text: str, parts: list[str]) -> None:
    from npde.syntax.walk import children, roots

    source = Source("text", "\n  " + text)
    found = []
    stack = list(roots(parse(source).statements[0]))[::-1]
    while stack:
        node = stack.pop()
        found.append(source.snippet(node.span))
        stack.extend(reversed(children(node)))
    assert found == parts
