"""A march whose gradient does not fit into the memory that was allowed."""

from __future__ import annotations

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.diagnostics.quantities import human
from npde.source import Source


def too_small(source: Source, allowed: int, least: int) -> DiagnosticError:
    """N1022: `least` bytes are needed, `allowed` are not enough."""
    hint = f"allow `memory={-(-least // 10**6)} MB`, or take fewer samples, fewer steps or a coarser grid."
    diagnostic = codes.BUDGET.at(hint=hint, least=human(least), allowed=human(allowed))
    return DiagnosticError([diagnostic], source)
