"""From text to tokens. What is no part of the language becomes a token of kind `BAD` and a diagnostic."""

from __future__ import annotations

from npde.diagnostics import MAXIMUM, Collector
from npde.diagnostics.catalogue import source as codes
from npde.diagnostics.catalogue import syntax
from npde.source import Source, Span
from npde.syntax import characters, limits
from npde.syntax.spelling import ascii_name
from npde.syntax.tables import Tables
from npde.syntax.token import BAD, Token

_SKIPPED = "__IGNORE_0"


def tokens(source: Source, tables: Tables, wrong: Collector) -> list[Token]:
    """The tokens of a source, line ends and comments included.

    A byte order mark at the start is skipped. Names and numbers beyond the limits are reported and kept; past the limit
    of tokens, or after too many characters that mean nothing, reading stops.
    """
    text, match, kinds, words = source.text, tables.lexer.match, tables.kinds, tables.words
    found: list[Token] = []
    names: set[str] = set()
    place = 1 if text.startswith("\ufeff") else 0
    bad = 0
    while place < len(text) and bad < MAXIMUM:
        if len(found) == limits.TOKENS:
            wrong.add(codes.TOO_MANY_TOKENS.at(Span(place, place + 1), limit=limits.TOKENS))
            found.append(Token(BAD, "", place, place))
            break
        hit = match(text, place)
        if hit is None:
            found.append(_bad(text, place, wrong))
            place = found[-1].stop
            bad += 1
            continue
        kind, start, place = kinds[int(hit.lastgroup[1:])], place, hit.end()  # type: ignore[index]
        if kind == _SKIPPED:
            continue
        word = hit.group()
        if kind == "NAME":
            kind = word if word in words else kind
            if word not in names:
                names.add(word)
                _check_name(Token(kind, word, start, place), len(names), wrong)
        elif kind == "NUMBER":
            _check_number(word, Span(start, place), wrong)
        found.append(Token(kind, word, start, place))
    return found


def _bad(text: str, place: int, wrong: Collector) -> Token:
    stop = characters.run_at(text, place)
    if not characters.FORBIDDEN.match(text, place):
        diagnostic = characters.unexpected(text, place, stop)
        stop = diagnostic.span.stop
        wrong.add(diagnostic)
    return Token(BAD, text[place:stop], place, stop)


def _check_name(token: Token, count: int, wrong: Collector) -> None:
    letters = token.text.rstrip("'\u2032")
    length = len(letters) if letters.isascii() else len(ascii_name(letters))
    if length > limits.NAME_LENGTH:
        wrong.add(codes.NAME_TOO_LONG.at(token.span, count=length, limit=limits.NAME_LENGTH))
    elif letters.startswith("_") or letters.endswith("_"):
        better = letters.strip("_")
        wrong.add(syntax.UNDERSCORE.at(token.span, name=letters, hint=f"write `{better}`." if better else ""))
    if count == limits.NAMES + 1:
        wrong.add(codes.TOO_MANY_NAMES.at(token.span, limit=limits.NAMES))


def _check_number(text: str, span: Span, wrong: Collector) -> None:
    """Digits are counted, and the decimal exponent of the first digit is found, without making a number of the text."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    if len(whole) + len(part) > limits.DIGITS:
        wrong.add(codes.TOO_MANY_DIGITS.at(span, count=len(whole) + len(part), limit=limits.DIGITS))
        return
    significant = (whole + part).lstrip("0")
    if not significant:
        return
    leading = len(significant) - len(part) - 1
    digits = exponent.lstrip("+-").lstrip("0")
    power = int(digits or "0") if len(digits) < 7 else 10**7
    size = leading + (-power if exponent.startswith("-") else power)
    if abs(size) > limits.MAGNITUDE:
        what = "large" if size > 0 else "small"
        wrong.add(codes.NUMBER_OUT_OF_RANGE.at(span, what=what, limit=limits.MAGNITUDE * (1 if size > 0 else -1)))
