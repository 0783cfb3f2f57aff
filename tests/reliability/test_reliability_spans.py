"""One token of an example is spoiled: the first diagnostic points at it."""

from __future__ import annotations

import random

from reliability_inputs import EXAMPLES, front_end

from npde.diagnostics import Collector
from npde.source import Source, Span
from npde.syntax import lexer, parse, tables, tree
from npde.syntax.layout import KEYWORDS
from npde.syntax.token import Token
from npde.syntax.walk import children, roots

COUNT = 1_000
EXACT = 0.98


def uses(source: Source) -> list[Span]:
    """Where names are used in equations and values, functions and primed names left out."""
    found: list[Span] = []
    for statement in parse(source).statements:
        if not isinstance(statement, tree.Equation | tree.Initial | tree.Output):
            continue
        value = statement.right if isinstance(statement, tree.Equation) else statement.value
        stack = list(roots(value))
        while stack:
            node = stack.pop()
            if isinstance(node, tree.Name) and not node.primes:
                found.append(node.span)
            below = children(node)
            stack.extend(below[1:] if isinstance(node, tree.Call) else below)
    return found


def spoil(rng: random.Random, source: Source, tokens: list[Token]) -> tuple[str, Span] | None:
    """A spoiled text, and what of it is wrong, a span of the new text; None if the token drawn does not lend itself."""
    text = source.text
    index = rng.randrange(1, len(tokens) - 1)
    token = tokens[index]
    match rng.randrange(6):
        case 0:
            span = rng.choice(uses(source) or [Span(0, 0)])
            if span.stop == 0:
                return None
            return _replaced(text, span, "undeclared_name")
        case 1:
            new = text[: token.start] + "$ " + text[token.start :]
            return new, Span(token.start, token.start + 1)
        case 2 if token.kind in set("*/@") and tokens[index + 1].kind in {"NAME", "NUMBER"}:
            new, _ = _replaced(text, token.span, " ")
            return new, Span(tokens[index - 1].start, tokens[index + 1].stop)
        case 3 if token.kind in set("*/^"):
            return _replaced(text, token.span, f"{token.text}/")
        case 4 if token.kind in KEYWORDS:
            letters = list(token.text)
            letters[1], letters[2] = letters[2], letters[1]
            return _replaced(text, token.span, "".join(letters)) if letters[1] != letters[2] else None
        case 5 if token.kind == ",":
            return _replaced(text, token.span, ",,")
    return None


def _replaced(text: str, span: Span, new: str) -> tuple[str, Span]:
    return text[: span.start] + new + text[span.stop :], Span(span.start, span.start + len(new))


def test_spans_point_at_the_mistake() -> None:
    rng = random.Random(0)
    made = tables.load()
    sources = [Source(path.name, path.read_text(encoding="utf-8")) for path in EXAMPLES]
    lexed = {source.name: lexer.tokens(source, made, Collector(source)) for source in sources}
    missed = []
    done = 0
    while done < COUNT:
        source = rng.choice(sources)
        spoiled = spoil(rng, source, [t for t in lexed[source.name] if t.kind not in {"NEWLINE", "COMMENT"}])
        if spoiled is None or spoiled[0].count("#") != source.text.count("#"):
            continue
        text, place = spoiled
        if _in_comment(text, place):
            continue
        done += 1
        new, _, found = front_end(text)
        errors = sorted((d.span for d in found if d.severity == "error"), key=lambda span: span.start)
        if not any(place.start <= span.start and span.stop <= place.stop for span in errors):
            missed.append(
                (new.snippet(place), [new.snippet(span) for span in errors], new.line(new.position(place.start)[0]))
            )
    assert len(missed) <= (1 - EXACT) * COUNT, missed


def _in_comment(text: str, place: Span) -> bool:
    return "#" in text[text.rfind("\n", 0, place.start) + 1 : place.start]
