"""Characters that are no part of the language: what to say about each, and what to write instead."""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import source as codes
from npde.diagnostics.catalogue import syntax
from npde.source import Source, Span

_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
FORBIDDEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDIRECTIONAL}]|\r(?!\n)")
"""What may stand nowhere, not even in a comment."""

_LATIN_TWINS = MappingProxyType(dict(zip(
    "АВЕЅІЈКМНОРСТУХаеорсухіјѕԁԛԝһ" "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο" "ıȷ",
    "ABESIJKMHOPCTYXaeopcyxijsdqwh" "ABEZHIKMNOPTYXo" "ij",
    strict=True,
)))  # fmt: skip
"""Cyrillic and Greek letters, and i and j without a dot, that look like Latin letters."""

_INSTEAD = MappingProxyType({
    ";": "one statement a line needs no `;`",
    "{": "write `(` for a bracket, `[` for components",
    "}": "write `)` for a bracket, `]` for components",
    "'": "a prime follows a coordinate (`x'`); a text stands in `\"`",
    "\u2018": "a text stands in `\"`, a prime is `'`",
    "\u2019": "a text stands in `\"`, a prime is `'`",
    "\u201c": 'a text stands in `"`',
    "\u201d": 'a text stands in `"`',
    "%": "a comment starts with `#`",
    "!": "`!=` compares; a comment starts with `#`",
    "&": "conditions are nested: `where(a < b, where(c < d, p, q), q)`",
    "|": "write `abs(u)` for a modulus",
    "‖": "write `sqrt(dot(u, u))` for a norm",
    "\\": "mathematics is written plainly, `alpha` or `α`; a line goes on after an operator",
    "$": "mathematics is written plainly, without `$`",
    "?": "write `where(a < b, p, q)` for a choice",
    ".": "a decimal point stands within a number; components are `u[0]`",
    "–": "write `-`",
    "—": "write `-`",
    "∗": "write `*`",
    "•": "write `*` or `·`",
    "∙": "write `*` or `·`",
    "÷": "write `/`",
    "√": "write `sqrt(…)`",
    "∫": "write `integral(…, x)`",
    "∑": "write `sum(…, x)`",
    "½": "write `1/2`",
    "¼": "write `1/4`",
    "¾": "write `3/4`",
    "…": "leave nothing out",
    "∈": "write `in`",
    "ℝ": "a field is real if it is not declared `complex`",
    "→": "conditions and equations are written with `=`",
    "⊗": "write `*`, or index the components",
    "∘": "write `f(g(u))`",
    "°": "angles are in radians: `pi/180`",
    "ħ": "write `hbar`",
    "ℏ": "write `hbar`",
    "ₜ": "write `dt(u)` or `∂t u`",
    "ₓ": "write `dx(u)` or `∂x u`",
    "∂": "write `∂t u` for a derivative, `∂xx u` for a second one",
})  # fmt: skip


def forbidden(source: Source) -> list[Diagnostic]:
    """A diagnostic for each kind of character that may stand nowhere, at its first place."""
    first: dict[str, int] = {}
    for hit in FORBIDDEN.finditer(source.text):
        first.setdefault(hit.group(), hit.start())
    return [_forbidden(character, place) for character, place in sorted(first.items(), key=lambda item: item[1])]


def _forbidden(character: str, place: int) -> Diagnostic:
    is_control = unicodedata.category(character) != "Cf"
    code = codes.CONTROL_CHARACTER if is_control else codes.BIDIRECTIONAL
    hint = "save the file with line ends of Unix or Windows." if character == "\r" else "remove it."
    return code.at(Span(place, place + 1), character=_called(character), hint=hint)


def run_at(text: str, place: int) -> int:
    """Where the run of characters ends that is reported as one: letters outside ASCII, else a single character."""
    stop = place + 1
    if text[place].isascii() or not text[place].isalpha():
        return stop
    while stop < len(text) and not text[stop].isascii() and text[stop].isalpha():
        stop += 1
    return stop


def unexpected(text: str, start: int, stop: int) -> Diagnostic:
    """What to say about `text[start:stop]`, which is no part of the language."""
    run, span = text[start:stop], Span(start, stop)
    character = run[0]
    if character == '"':
        end = text.find("\n", start)
        return syntax.STRING_OPEN.at(Span(start, len(text) if end < 0 else end), hint='close it with `"`.')
    if unicodedata.category(character) in {"Zs", "Cf"}:
        return codes.INVISIBLE.at(span, character=_called(character), hint="write an ordinary space, or nothing.")
    if character in _INSTEAD:
        return syntax.UNEXPECTED_CHARACTER.at(span, character=run, hint=f"{_INSTEAD[character]}.")
    latin = "".join(_latin(c) for c in run)
    if latin.isascii() and latin.isalpha():
        return codes.LOOK_ALIKE.at(span, character=run, latin=latin, name=_called(character), hint=_twin(run, latin))
    raised = unicodedata.normalize("NFKC", character)
    if raised.isdigit() and raised.isascii():
        form = f"^{raised}" if "SUPERSCRIPT" in unicodedata.name(character) else raised
        return syntax.UNEXPECTED_CHARACTER.at(span, character=run, hint=f"write `{form}`.")
    if character.isalpha():
        return codes.NOT_A_LETTER.at(span, character=run, name=_called(character))
    return syntax.UNEXPECTED_CHARACTER.at(span, character=run)


def _latin(character: str) -> str:
    return _LATIN_TWINS.get(character) or unicodedata.normalize("NFKC", character)


def _twin(run: str, latin: str) -> str:
    greek = unicodedata.name(run[0], "").removeprefix("GREEK CAPITAL LETTER ")
    if len(run) == 1 and greek.isalpha() and greek.isupper():
        return f"write `{latin}`, or `{greek.capitalize()}` if the Greek letter is meant."
    return f"write `{latin}`."


def _called(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name.lower()})" if name else "")
