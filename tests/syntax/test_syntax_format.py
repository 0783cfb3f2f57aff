"""Canonical text: it reads back as the same tree, formatting twice changes nothing, comments stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npde.source import Source
from npde.syntax import format, parse, tree
from npde.syntax.formatter import WIDTH

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.npde"))


def read(text: str) -> tree.SyntaxTree:
    return parse(Source("text", text))


def check_round_trip(made: tree.SyntaxTree) -> None:
    plain, mathematical = format(made), format(made, unicode=True)
    assert read(plain) == made
    assert read(mathematical) == made
    assert format(read(plain)) == plain
    assert format(read(mathematical), unicode=True) == mathematical
    assert format(read(mathematical)) == plain


# --- the examples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_canonical(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format(read(text)) == text
    check_round_trip(read(text))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_ascii_form_is_ascii(path: Path) -> None:
    again = format(read(format(read(path.read_text(encoding="utf-8")), unicode=True)))
    code = "\n".join(line.partition("#")[0] for line in again.splitlines() if not line.startswith("model"))
    assert code.isascii()


# --- forms ------------------------------------------------------------------------------------------------------------

FORMS = [
    ("u=a+b*c", "u = a + b*c", "u = a + b*c"),
    ("u = (a*b)*c - (d - e)", "u = a*b*c - (d - e)", "u = a*b*c - (d - e)"),
    ("u = a*(b*c)", "u = a*(b*c)", "u = a*(b*c)"),
    ("u = ((a))", "u = a", "u = a"),
    ("u = (-a)*b", "u = -a*b", "u = -a*b"),
    ("u = -(a*b)", "u = -(a*b)", "u = -(a*b)"),
    ("u = a - -b", "u = a - (-b)", "u = a - (-b)"),
    ("u = a + -b*c", "u = a + (-b*c)", "u = a + (-b*c)"),
    ("u = (-a)^2", "u = (-a)^2", "u = (-a)²"),
    ("u = -a^2", "u = -a^2", "u = -a²"),
    ("u = (a^2)^3", "u = (a^2)^3", "u = (a²)³"),
    ("u = a^2^3", "u = a^2^3", "u = a^(2³)"),
    ("u = a^-1", "u = a^(-1)", "u = a^(-1)"),
    ("u = a^10", "u = a^10", "u = a^10"),
    ("dt(u) = D*lap(u)", "dt(u) = D*lap(u)", "dt(u) = D ∇²u"),
    ("u = lap(u)*v", "u = lap(u)*v", "u = ∇²u*v"),
    ("u = lap(u)*lap(v)", "u = lap(u)*lap(v)", "u = ∇²u*∇²v"),
    ("u = a*lap(u)*lap(v)", "u = a*lap(u)*lap(v)", "u = a ∇²u*∇²v"),
    ("u = lap(u)^2", "u = lap(u)^2", "u = (∇²u)²"),
    ("u = lap(u^2)", "u = lap(u^2)", "u = ∇²(u²)"),
    ("u = lap(lap(u))", "u = lap(lap(u))", "u = ∇²(∇²u)"),
    ("u = div(a*grad(u))", "u = div(a*grad(u))", "u = ∇·(a ∇u)"),
    ("u = curl(F)", "u = curl(F)", "u = ∇×F"),
    ("u = grad(u)[0]", "u = grad(u)[0]", "u = grad(u)[0]"),
    ("u = grad(u[0])", "u = grad(u[0])", "u = ∇u[0]"),
    ("u = lap(u)(x)", "u = lap(u)(x)", "u = lap(u)(x)"),
    ("u = lap(u, v)", "u = lap(u, v)", "u = lap(u, v)"),
    ("u = dn(u)", "u = dn(u)", "u = dn(u)"),
    ("u = dx(u)", "u = dx(u)", "u = dx(u)"),
    ("u = (a + b)[0]", "u = (a + b)[0]", "u = (a + b)[0]"),
    ("u = u·v × w", "u = u·v×w", "u = u·v×w"),
    ("u = where(a≤b, psi0, Delta)", "u = where(a <= b, psi0, Delta)", None),
    ("let alphabet = alpha_max, eta = beta", "let alphabet = alpha_max, eta = beta", "let alphabet = α_max, η = β"),
    ('model  heat   "x"', 'model heat "x"', 'model heat "x"'),
    ("learn K[2,3](t) stencil 3x3 moments: 1=lap", "learn K[2, 3](t) stencil 3x3 moments 1 = lap", None),
    ("learn D=1>=0,A in stable,r in[0,1]", "learn D = 1 >= 0, A in stable, r in [0, 1]", None),
    ("grid upwind 3,x:4", "grid x: 4, upwind 3", None),
    ("march  rk4 , dt:auto", "march rk4, dt: auto", None),
    ("boundary x=0:u=0,dn(v)=1", "boundary x = 0: u = 0, dn(v) = 1", None),
    ("boundary absorbing( 0.1 )", "boundary absorbing(0.1)", None),
]


@pytest.mark.parametrize("text, plain, mathematical", FORMS, ids=[form[0] for form in FORMS])
def test_forms(text: str, plain: str, mathematical: str | None) -> None:
    assert format(read(text)) == plain + "\n"
    if mathematical is not None:
        assert format(read(text), unicode=True) == mathematical + "\n"
    check_round_trip(read(text))


def test_derivatives_by_declared_coordinates_are_written_with_a_round_d() -> None:
    made = read("coordinates x in [0, 1], t in [0, 1]\ndt(u) = dxx(u) + dy(u) + dx(u + v)")
    assert format(made, unicode=True).splitlines()[1] == "∂t u = ∂xx u + dy(u) + ∂x(u + v)"


# --- lines ------------------------------------------------------------------------------------------------------------


def test_comments_and_blank_lines_stay() -> None:
    text = "\n\n# top\n\n\n\nmodel a   # hi\n#second\nlet a = 1, # within\n   # and here\n  b = 2 # last\n\n\nu = 1\n\n# end\n"
    kept = "# top\n\nmodel a   # hi\n#second\n# within\n# and here\nlet a = 1, b = 2  # last\n\nu = 1\n\n# end\n"
    assert format(read(text)) == kept
    assert format(read(kept)) == kept


def test_a_comment_keeps_its_column_if_it_can() -> None:
    assert format(read("u=1         # far\nlet a=f(1,2)# near")) == "u = 1       # far\nlet a = f(1, 2)  # near\n"


def test_line_ends_become_those_of_unix() -> None:
    assert format(read("u = 1  # one\r\n\r\nv = 2\r\n")) == "u = 1  # one\n\nv = 2\n"


@pytest.mark.parametrize("is_unicode", [False, True])
def test_long_statements_are_broken_where_a_line_goes_on(is_unicode: bool) -> None:
    terms = " + ".join(f"a{n}*exp(-(x - {n})^2 - (y - {n})^2)" for n in range(20))
    text = f"coordinates x, y in [0, 1]\nfield u(x, y)\ninitial u = {terms}\n"
    made = read(text)
    shown = format(made, unicode=is_unicode)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) > 5
    assert all(line.startswith("    a") for line in lines[3:])
    check_round_trip(made)


def test_breaks_prefer_few_brackets() -> None:
    made = read(
        "u = first_name(alpha1, beta1, gamma1) + second_name(alpha2, beta2, gamma2) + third_name(alpha3, beta3)"
    )
    assert format(made).splitlines()[0].endswith("+")
    wide = read("u = name(" + ", ".join(f"argument{n}" for n in range(12)) + ")")
    assert all(len(line) <= WIDTH for line in format(wide).splitlines())
    check_round_trip(wide)


def test_what_cannot_be_broken_stays_whole() -> None:
    made = read("u = " + "*".join(f"name{n}" for n in range(40)))
    assert max(map(len, format(made).splitlines())) > WIDTH
    check_round_trip(made)


def test_a_long_sum_and_a_deep_nest_are_printed() -> None:
    deep = "u = " + "sin(" * 198 + "x" + ")" * 198
    assert format(read(deep)).split() == deep.split()
    long = "u = " + " + ".join(["x"] * 1000)
    assert format(read(long)).split() == long.split()


# --- any tree ---------------------------------------------------------------------------------------------------------

WORDS = [*"xytuvwfDK", "psi", "Psi", "lambda", "alpha_2", "theta0", "dt", "dxx", "lap", "grad", "div", "curl", "pi"]
NAMES = st.builds(tree.Name, st.sampled_from(WORDS), st.sampled_from([0, 0, 0, 0, 1, 2]))
NUMBERS = st.builds(tree.Number, st.sampled_from(["0", "1", "2", "3", "4", "0.5", ".25", "1.", "2e-5", "1E+10", "007"]))
SHOWN = st.characters(
    exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co"],
    exclude_characters='"',
)
TEXTS = st.builds(tree.String, st.text(SHOWN, max_size=6))
OPERATORS = st.sampled_from("+-*/^@·×")


def _wider(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    comparisons = st.builds(tree.Compare, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner, inner)
    arguments = st.lists(inner | inner | comparisons | TEXTS, max_size=3).map(tuple)
    indices = st.builds(tree.Index, inner, inner)
    calls = st.builds(tree.Call, NAMES, arguments)
    callees = st.builds(tree.Call, NAMES | calls | indices, arguments)
    operators = st.builds(
        tree.Call,
        st.sampled_from([tree.Name(n) for n in ("lap", "grad", "div", "curl", "dt", "dxy")]),
        inner.map(lambda e: (e,)),
    )
    return st.one_of(
        st.builds(tree.Binary, OPERATORS, inner, inner),
        st.builds(tree.Unary, st.sampled_from("+-"), inner),
        calls,
        callees,
        operators,
        indices,
        st.builds(tree.Vector, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    )


EXPRESSIONS = st.recursive(NAMES | NUMBERS, _wider, max_leaves=12)
PARAMETERS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
SIZES = st.lists(EXPRESSIONS, max_size=2).map(tuple)
STENCILS = st.builds(
    tree.StencilClause, st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple), st.none() | st.integers(0, 4)
)
CONSTRAINTS = st.one_of(
    st.builds(tree.ConstraintClause, st.sampled_from(["<", "<=", ">", ">="]), st.tuples(EXPRESSIONS)),
    st.builds(tree.ConstraintClause, st.just("in"), st.tuples(EXPRESSIONS, EXPRESSIONS)),
    st.just(tree.ConstraintClause("in stable", ())),
)
EQUATIONS = st.builds(tree.Equation, EXPRESSIONS, EXPRESSIONS)
CLAUSES = st.one_of(
    EQUATIONS,
    st.just(tree.PeriodicClause()),
    st.just(tree.OutflowClause()),
    st.builds(tree.AbsorbingClause, EXPRESSIONS),
)
SETTINGS = st.lists(st.builds(tree.Setting, NAMES, EXPRESSIONS), max_size=2).map(tuple)
GRID_ITEMS = st.lists(st.builds(tree.GridItem, NAMES, EXPRESSIONS), min_size=1, max_size=3).map(tuple)


def items(made: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(made, min_size=1, max_size=3).map(tuple)


STATEMENTS = st.one_of(
    st.builds(tree.Model, NAMES, st.none() | TEXTS),
    st.builds(tree.Coordinates, items(st.builds(tree.CoordinateGroup, PARAMETERS, EXPRESSIONS, EXPRESSIONS))),
    st.builds(tree.Field, items(st.builds(tree.FieldItem, NAMES, SIZES, PARAMETERS, st.booleans()))),
    st.builds(tree.Let, items(st.builds(tree.LetItem, NAMES, st.none() | PARAMETERS, EXPRESSIONS))),
    st.builds(
        tree.Learn,
        items(
            st.builds(
                tree.LearnItem,
                NAMES,
                SIZES,
                st.none() | PARAMETERS,
                st.none() | STENCILS,
                st.none() | EXPRESSIONS,
                st.none() | CONSTRAINTS,
            )
        ),
    ),
    st.builds(tree.Input, items(st.builds(tree.InputItem, NAMES, SIZES, st.none() | PARAMETERS))),
    EQUATIONS,
    st.builds(tree.Boundary, st.none(), st.none(), items(CLAUSES)),
    st.builds(tree.Boundary, NAMES, st.none() | EXPRESSIONS, items(CLAUSES)),
    st.builds(tree.Initial, EXPRESSIONS, EXPRESSIONS),
    st.builds(tree.Output, NAMES, SIZES, st.none() | PARAMETERS, EXPRESSIONS),
    st.builds(tree.Grid, GRID_ITEMS, st.none() | EXPRESSIONS),
    st.builds(tree.Grid, st.just(()), EXPRESSIONS),
    st.builds(tree.Order, EXPRESSIONS),
    st.builds(tree.March, NAMES, st.none() | NAMES, SETTINGS),
    st.builds(tree.Solve, NAMES, SETTINGS),
    st.builds(tree.Network, NAMES),
)
TREES = st.builds(tree.SyntaxTree, st.lists(STATEMENTS, max_size=4).map(tuple))


@given(TREES)
@settings(max_examples=400)
def test_any_tree_reads_back(made: tree.SyntaxTree) -> None:
    check_round_trip(made)


@pytest.mark.slow
@given(TREES)
@settings(max_examples=3_000)
def test_many_trees_read_back(made: tree.SyntaxTree) -> None:
    check_round_trip(made)


AXES = (tree.Name("x"), tree.Name("y"), tree.Name("t"))
COORDINATES = tree.Coordinates((tree.CoordinateGroup(AXES, tree.Number("0"), tree.Number("1")),))


@given(st.lists(EQUATIONS, max_size=3))
@settings(max_examples=200)
def test_derivatives_read_back(equations: list[tree.Equation]) -> None:
    check_round_trip(tree.SyntaxTree((COORDINATES, *equations)))


@given(st.lists(STATEMENTS, min_size=1, max_size=3), st.lists(st.sampled_from(["", "# c", "  # d"]), min_size=9))
@settings(max_examples=150)
def test_comments_survive(statements: list[tree.Statement], comments: list[str]) -> None:
    """Comments put between the words of lines that go on are neither lost nor doubled."""
    lines = format(tree.SyntaxTree(tuple(statements))).splitlines()
    with_comments = [f"{line}{'  ' if extra else ''}{extra}" for line, extra in zip(lines, comments * 50, strict=False)]
    made = read("\n".join(with_comments))
    again = read(format(made))
    assert again == made
    assert sorted(c.text for c in again.comments) == sorted(c.text for c in made.comments)
    assert format(again) == format(made)
