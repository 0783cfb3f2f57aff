"""The graphs of the examples that compile today."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from npde.diagnostics import DiagnosticError
from npde.driver import Compilation
from npde.graph import LayerGraph
from npde.options import CompileOptions
from npde.source import Source

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@cache
def graph_of(name: str, **options: str) -> LayerGraph:
    """The graph of an example, built once a run."""
    text = (FOLDER / f"{name}.npde").read_text(encoding="utf-8")
    return Compilation(Source(f"{name}.npde", text), options=CompileOptions(**options)).graph  # type: ignore[arg-type]


def _compiles(name: str) -> bool:
    try:
        graph_of(name)
    except DiagnosticError as error:
        return not all(d.code.startswith("N09") for d in error.diagnostics)  # a mistake must show as a failure
    return True


EXAMPLES = tuple(sorted(p.stem for p in FOLDER.glob("*.npde") if _compiles(p.stem)))
"""All but those that say 'not supported yet'."""
