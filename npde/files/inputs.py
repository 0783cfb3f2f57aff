"""Run-time inputs from files and constants, on the grid and the steps of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npde.diagnostics import Collector, DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.files.data import read_array
from npde.model.problem import Input, Problem
from npde.source import Source

Array: TypeAlias = NDArray[Any]


def inputs(problem: Problem, given: Mapping[str, str], steps: int, resize: bool = False) -> dict[str, Array]:
    """The inputs of a model, [B, (S,) (n,) *grid], in the order of declaration.

    `given` says where each comes from: "d.h5:s" (data set `s` of a file), "d.h5" (the data set of the input's name), or a
    number. `resize` interpolates arrays onto the grid. `steps` is how long a constant lasts.

    Raises:
        DiagnosticError: N1009 an input is missing, N1014 the model has none of that name, or what `read_array` raises.
    """
    collector = Collector(problem.source)
    names = {declared.name for declared in problem.inputs}
    present = ", ".join(f"'{name}'" for name in sorted(names)) or "none"
    for name in given:
        if name not in names:
            collector.add(codes.NO_SUCH_INPUT.at(name=name, present=present))
    for declared in problem.inputs:
        if declared.name not in given:
            hint = f"give it with `--input {declared.name}=FILE.h5:{declared.name}`, or a number."
            collector.add(codes.INPUT_MISSING.at(declared.span, hint=hint, name=declared.name))
    collector.raise_errors()
    return {d.name: _one(problem, d, given[d.name], steps, resize) for d in problem.inputs}


def _one(problem: Problem, declared: Input, text: str, steps: int, resize: bool) -> Array:
    constant = _number(text)
    if constant is not None:
        return np.full(_shape(problem, declared, steps), constant)
    path, colon, name = text.rpartition(":")
    if not colon:
        path, name = text, declared.name
    return read_array(path, name, problem, declared, resize=resize)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not np.isfinite(value):
        raise DiagnosticError(
            [codes.CANNOT_OPEN.at(path=text, reason="it is no file, and not a finite number")], Source(text, "")
        )
    return value


def _shape(problem: Problem, declared: Input, steps: int) -> tuple[int, ...]:
    cells = dict(problem.numerics.cells)
    time = (steps,) if problem.marching in declared.coordinates else ()
    grid = tuple(cells[c] for c in declared.coordinates if c in cells)
    return (1, *time, *declared.shape, *grid)
