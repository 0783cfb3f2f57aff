"""What went wrong in a solve, as a diagnostic: emitted modules raise Python's own exceptions."""

from __future__ import annotations

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.model.problem import Problem
from npde.source import NOWHERE

SHOWN = 8
"""Residuals of a history that are shown."""


def failure(problem: Problem, error: Exception) -> DiagnosticError | None:
    """N1023 for an iteration that did not converge, N1024 for an equation that has no solution, None for anything else."""
    span = problem.equations[0].span if problem.equations else NOWHERE
    history = getattr(error, "history", None)
    if history is not None:
        sizes = history if len(history) <= SHOWN else [*history[: SHOWN // 2], *history[-SHOWN // 2 :]]
        listed = ", ".join(f"{size:.2g}" for size in sizes[: SHOWN // 2])
        rest = ", ".join(f"{size:.2g}" for size in sizes[SHOWN // 2 :])
        gap = ", … , " if len(history) > SHOWN else ", " if rest else ""
        method = str(getattr(error, "method", "the solve")).split(",")[0]
        note = f"relative residuals: {listed}{gap}{rest}."
        hint = "`solve direct` or more `iterations` may help."
        if problem.numerics.march is not None:
            hint = "smaller steps may help: `--march steps=…`."
        elif method.startswith("Newton"):
            hint = "a guess nearer to a solution may help: `initial … = …`, or `state` in Python."
        code = codes.NOT_CONVERGED.at(span, method=method, count=len(history) - 1, notes=(note,), hint=hint)
        return DiagnosticError([code], problem.source)
    if isinstance(error, ValueError) and str(error).startswith("no solution"):
        return DiagnosticError(
            [codes.UNBALANCED.at(span, why=str(error).removeprefix("no solution: "))], problem.source
        )
    return None
