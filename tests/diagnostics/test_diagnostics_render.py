"""How a diagnostic looks: the sample of the language page, and what can go wrong with columns and terminals."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npde.diagnostics import Diagnostic, render, to_json
from npde.diagnostics.excerpt import columns
from npde.source import NOWHERE, Source, Span

SAMPLE = """\
error[N0203]: 'v' is not declared.
  --> gray_scott.npde:6:23
   |
 6 | dt(u) = Du*lap(u) - u*v^2 + F*(1 - u)
   |                       ^ no field, let, learn or input has this name
   = hint: declare it with `field v(x, y, t)`."""


def shown(text: str, start: int, stop: int, *, label: str = "why", width: int = 80, **rest: object) -> list[str]:
    """The rows of the excerpt, without header, place and gutter."""
    diagnostic = Diagnostic("N0001", "Message.", Span(start, stop), label, **rest)  # type: ignore[arg-type]
    rows = render(diagnostic, Source("a.npde", text), width=width).split("\n")[3:]
    return [re.sub(r"^ *\d* \| ?", "", row) for row in rows]


def test_the_sample_of_the_language_page() -> None:
    line = "dt(u) = Du*lap(u) - u*v^2 + F*(1 - u)"
    source = Source("gray_scott.npde", "#\n" * 5 + line + "\n")
    start = 10 + line.index("v")
    hint = "declare it with `field v(x, y, t)`."
    label = "no field, let, learn or input has this name"
    diagnostic = Diagnostic("N0203", "'v' is not declared.", Span(start, start + 1), label, (), hint)
    assert render(diagnostic, source) == SAMPLE


def test_color_adds_nothing_but_escapes() -> None:
    diagnostic = Diagnostic("N0001", "Message.", Span(4, 5), "label", ("note",), "hint", "warning")
    source = Source("a.npde", "let k = 1")
    colored = render(diagnostic, source, color=True)
    assert "\033[1;33mwarning[N0001]" in colored
    assert re.sub(r"\033\[[0-9;]*m", "", colored) == render(diagnostic, source)


def test_tabs_are_shown_as_spaces_and_counted() -> None:
    assert shown("\ta\tb = 1", 3, 4) == ["    a   b = 1", "        ^ why"]


def test_wide_and_combining_characters_take_their_columns() -> None:
    assert shown("世界 = v", 5, 6) == ["世界 = v", "       ^ why"]
    assert shown("e\u0301 = v", 5, 6) == ["e\u0301 = v", "    ^ why"]
    assert shown("a = 世界", 4, 6) == ["a = 世界", "    ^^^^ why"]


def test_an_empty_span_has_one_caret() -> None:
    assert shown("let k", 5, 5) == ["let k", "     ^ why"]
    assert shown("", 0, 1) == ["", "^ why"]


def test_the_end_of_the_line_is_not_part_of_it() -> None:
    assert shown("let k =\nlet m", 6, 8) == ["let k =", "      ^ why"]
    assert shown("let k =\r\nlet m", 6, 9) == ["let k =", "      ^ why"]


def test_a_span_of_two_lines() -> None:
    assert shown("u = f(\n    a)\n", 4, 13) == ["u = f(", "    ^^", "    a)", "    ^^ why"]


def test_of_a_span_of_many_lines_the_ends_are_shown() -> None:
    text = "u = f(\n" + "  a,\n" * 5 + "  b)\n"
    rows = shown(text, 4, len(text) - 1)
    assert rows == ["u = f(", "    ^^", "...", "  b)", "  ^^ why"]


def test_a_long_label_goes_below() -> None:
    rows = shown("let k = 1", 8, 9, label="w" * 40, width=50)
    assert rows == ["let k = 1", "        ^", " " * 5 + "w" * 40]


def test_a_long_line_is_cut_around_the_span() -> None:
    text = "u = " + "a + " * 200 + "BAD" + " + b" * 200
    start = text.index("BAD")
    cut, mark = shown(text, start, start + 3)
    assert len(cut) <= 75
    assert cut[0] == cut[-1] == "…"
    assert mark == " " * cut.index("BAD") + "^^^ why"


def test_the_ends_of_a_long_line() -> None:
    text = "BAD + " + "a + " * 200 + "END"
    first, _ = shown(text, 0, 3)
    last, mark, _ = shown(text, len(text) - 3, len(text))
    assert first.startswith("BAD")
    assert first.endswith("…")
    assert last.endswith("END")
    assert mark.startswith(" " * (len(last) - 3) + "^^^")


def test_a_long_span_is_underlined_as_far_as_it_shows() -> None:
    text = "u = " + "a" * 500
    cut, mark, label = shown(text, 4, 504)
    assert cut.endswith("…")
    assert mark == "    " + "^" * (len(cut) - 5)
    assert label.strip() == "why"


def test_a_diagnostic_of_nowhere_has_no_excerpt() -> None:
    text = render(Diagnostic("N0601", "Message.", NOWHERE, "why", ("more",), "do"), Source("a.npde", "let k = 1"))
    assert text.split("\n") == [
        "error[N0601]: Message.",
        "  --> a.npde",
        "   = note: why",
        "   = note: more",
        "   = hint: do",
    ]


def test_the_gutter_fits_the_largest_number() -> None:
    source = Source("a", "\n" * 98 + "u = f(\na)")
    rows = render(Diagnostic("N0001", "M.", Span(102, 106)), source).split("\n")
    assert [row.partition("|")[0] for row in rows[2:]] == ["     ", "  99 ", "     ", " 100 ", "     "]
    assert rows[1].startswith("    -->")


def test_notes_are_wrapped_under_themselves() -> None:
    text = render(Diagnostic("N0001", "M.", Span(0, 1), "", ("word " * 30,)), Source("a", "u = 1"), width=60)
    rows = text.split("\n")[5:]
    assert len(rows) > 2
    assert all(len(row) <= 60 for row in rows)
    assert all(row.startswith(" " * 11 + "word") for row in rows[1:])


def test_nothing_reaches_a_terminal_that_moves_its_cursor() -> None:
    hostile = "\x1b[2J\x07\u202e\u200b\u0085\u2028\ud800"
    diagnostic = Diagnostic("N0001", f"M {hostile}.", Span(0, 1), hostile, (hostile,), hostile)
    text = render(diagnostic, Source(f"a{hostile}", f"u = {hostile}"))
    assert not set(hostile) - set("[2J") & set(text)
    assert "<U+202E>" in text


@given(st.text(max_size=120), st.integers(0, 120), st.integers(0, 120), st.integers(10, 100))
def test_any_span_of_any_text_is_shown(text: str, start: int, length: int, width: int) -> None:
    source = Source("a", text)
    begin = min(start, len(text))
    diagnostic = Diagnostic("N0001", "M.", Span(begin, min(begin + length, len(text)) or 1), "label")
    rows = render(diagnostic, source, width=width).split("\n")
    marks = [row for row in rows if set(row.partition("|")[2].strip()) == {"^"} or "^ label" in row]
    assert marks
    assert all(columns(row) <= max(width, 26) + len("label") for row in rows[3:])


def test_json() -> None:
    source = Source("a.npde", "let k = 1\nlet m = v")
    diagnostic = Diagnostic("N0203", "'v' is not declared.", Span(18, 19), "label", ("note",), "hint")
    assert to_json(diagnostic, source) == {
        "code": "N0203",
        "severity": "error",
        "message": "'v' is not declared.",
        "label": "label",
        "notes": ["note"],
        "hint": "hint",
        "file": "a.npde",
        "start": {"line": 2, "column": 9, "offset": 18},
        "stop": {"line": 2, "column": 10, "offset": 19},
        "text": "v",
    }
    nowhere = to_json(Diagnostic("N0601", "M.", NOWHERE), source)
    assert nowhere["start"] is None
    assert nowhere["stop"] is None


@pytest.mark.parametrize("width", [1, 10, 20, 500])
def test_any_width(width: int) -> None:
    text = render(
        Diagnostic("N0001", "M.", Span(4, 5), "why", ("a note",), "a hint"), Source("a", "let k = 1"), width=width
    )
    assert "let k = 1" in text
