"""Where statements start and end, and what an encoding may bring along."""

from __future__ import annotations

import pytest

from npde.diagnostics import DiagnosticError
from npde.source import Source
from npde.syntax import decode, parse


def same(text: str, other: str) -> bool:
    return parse(Source("a", text)) == parse(Source("b", other))


def codes(text: str) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        parse(Source("text", text))
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


ONE_LINE = "u = a + f(b, c)*[d, e]\n"


@pytest.mark.parametrize(
    "text",
    [
        "u =\n a + f(b, c)*[d, e]",
        "u = a +\n\n  # a comment\n f(b, c)*[d, e]",
        "u = a + f(\nb\n,\nc\n)*[\nd, e]",
        "u = a + f(b,  # first\n c)*\n[d, e]",
        "\n\n  u = a + f(b, c)*[d, e]  # end",
        "u\t=\ta + f(b, c)*[d, e]",
    ],
)
def test_a_line_goes_on(text: str) -> None:
    assert same(text, ONE_LINE)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "^", "@", "·", "×"])
def test_a_line_goes_on_after_every_operator(operator: str) -> None:
    assert same(f"u = a {operator}\n b", f"u = a {operator} b")


@pytest.mark.parametrize("operator", ["Δ", "∇", "∇·", "∇×", "∇²", "∂t"])
def test_a_line_goes_on_after_a_prefix_operator(operator: str) -> None:
    assert same(f"u = {operator}\n b", f"u = {operator} b")


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_a_line_goes_on_after_a_comparison(operator: str) -> None:
    assert same(f"u = where(a {operator}\n b, c, d)", f"u = where(a {operator} b, c, d)")


def test_lists_go_on_after_a_comma() -> None:
    assert same("let a = 1,\n    b = 2,\n    c = 3", "let a = 1, b = 2, c = 3")
    assert same("boundary x = 0: u = 0,\n  dn(v) = 1", "boundary x = 0: u = 0, dn(v) = 1")
    assert same("grid x: 1,\n  y: 2", "grid x: 1, y: 2")


def test_an_expression_may_stand_in_brackets_over_lines() -> None:
    assert same("u = f(\n  g(a,\n b) + c,\n d)\nv = 1", "u = f(g(a, b) + c, d)\nv = 1")


def test_a_leading_operator_starts_a_new_statement() -> None:
    assert len(parse(Source("text", "u = a\n-b = c")).statements) == 2
    assert codes("u = a\n+ b") == ["N0111"]
    assert codes("u = a\n* b") == ["N0118"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends(end: str) -> None:
    text = end.join(["model heat  # one", "", "let a = (1 +", " 2)", "u = 1", ""])
    assert same(text, "model heat\nlet a = (1 + 2)\nu = 1")
    assert [c.text for c in parse(Source("text", text)).comments] == ["# one"]


def test_a_byte_order_mark_at_the_start_is_skipped() -> None:
    assert same("\ufeffmodel heat\n", "model heat\n")
    assert decode("\ufeffmodel heat\n".encode(), "a").text == "model heat\n"
    assert codes("model heat\n\ufefflet a = 1") == ["N0006"]


def test_decode_keeps_line_ends_and_names() -> None:
    source = decode("model heat # é\r\n".encode(), "heat.npde")
    assert (source.name, source.text) == ("heat.npde", "model heat # é\r\n")


def test_decode_points_at_the_byte() -> None:
    with pytest.raises(DiagnosticError) as caught:
        decode("ψ = 1 # é\n".encode() + b"\xe9", "a")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.label) == ("N0001", "0xE9 is no character in UTF-8")
    assert caught.value.source.position(diagnostic.span.start) == (2, 1)


def test_an_empty_file_is_a_tree() -> None:
    for text in ("", "\n\n", "# nothing", "\ufeff", "  \t "):
        assert parse(Source("text", text)).statements == ()


def test_comments_are_kept_with_their_places() -> None:
    tree = parse(Source("text", "# one\nu = 1  # two  \n"))
    assert [(c.text, c.span.start) for c in tree.comments] == [("# one", 0), ("# two", 13)]


def test_each_wrong_line_is_reported() -> None:
    text = "feild u(x)\nlet a = 1 1\nu = (\nlet b = 2\nlet c = 3 +\ngrid x: 1\nlet d = $\nv == 1\n"
    assert codes(text) == ["N0103", "N0106", "N0108", "N0107", "N0101", "N0113"]


def test_an_open_bracket_ends_where_a_statement_must_start() -> None:
    assert codes("dt(u) = lap(u\ndt(v) = lap(v)\n") == ["N0108"]
    assert codes("dt(u) = lap(u\nfield v(x)\n") == ["N0108"]
    assert codes("dt(u) = (a +\nb\n") == ["N0108"]


def test_at_most_twenty_are_shown() -> None:
    assert len(codes("let = 1\n" * 100)) == 20
    assert len(codes("let a = $\n" * 100)) == 20
