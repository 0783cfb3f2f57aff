"""What the reliability tests share: a small model with replaceable lines, and the front end as one call."""

from __future__ import annotations

from pathlib import Path

from npde import model, syntax
from npde.diagnostics import CATALOGUE, Diagnostic, DiagnosticError, render, to_json
from npde.source import Source
from npde.syntax.tree import SyntaxTree

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.npde"))


def heat(equation: str = "dt(u) = dxx(u)", *, declare: str = "", field: str = "field u(x, t)", grid: str = "grid x: 32",
         march: str = "march rk4, steps: 2000", initial: str = "initial u = 0", boundary: str = "boundary periodic",
         coordinates: str = "coordinates x in [0, 1], t in [0, 1]", name: str = "model heat", more: str = "") -> str:  # fmt: skip
    """A heat equation with some of its lines replaced; an empty replacement leaves the line out."""
    lines = (name, coordinates, field, declare, equation, boundary, initial, grid, march, more)
    return "".join(f"{line}\n" for line in lines if line)


def front_end(text: str | bytes) -> tuple[Source, SyntaxTree | None, tuple[Diagnostic, ...]]:
    """Decode, parse, check: the tree if the text reads, and what was found in it."""
    try:
        source = syntax.decode(text, "fuzz.npde") if isinstance(text, bytes) else Source("fuzz.npde", text)
        tree = syntax.parse(source)
    except DiagnosticError as error:
        return error.source, None, error.diagnostics
    return source, tree, model.check(tree)[1]


def assert_well_formed(source: Source, found: tuple[Diagnostic, ...]) -> None:
    """Each diagnostic has a known code, a span within the text, and can be shown."""
    for diagnostic in found:
        assert diagnostic.code in CATALOGUE
        assert 0 <= diagnostic.span.start <= diagnostic.span.stop <= max(len(source.text), 1)
        assert diagnostic.message
        assert diagnostic.code in render(diagnostic, source)
        assert to_json(diagnostic, source)["code"] == diagnostic.code
