"""Random values of what a problem learns and is given."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from npde.model.problem import LearnedClosure, LearnedCoefficient, LearnedStencil, Problem


def values(
    problem: Problem, generator: np.random.Generator, *, batch: int, steps: int, widths: dict[str, tuple[int, int]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Learned values (within their constraints) and inputs for `interpret`.

    `widths` gives (out, in) of `lift.k` and `linear.k`, which no declaration states.
    """
    cells = dict(problem.numerics.cells)
    learned: dict[str, np.ndarray] = {}

    def grid(coordinates: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(cells[c.rstrip("'")] for c in coordinates if c != problem.marching)

    for declared in problem.learned:
        match declared:
            case LearnedCoefficient():
                shape = (steps,) * (problem.marching in declared.coordinates)
                shape += (*declared.shape, *grid(declared.coordinates))
                kept = declared.constraint
                lower = float(kept.lower) if kept and kept.lower is not None else None
                upper = float(kept.upper) if kept and kept.upper is not None else None
                # Positive without a constraint too: some are diffusivities, and implicit steps need a solution.
                drawn = generator.uniform(0.2, 0.8, size=shape)
                if lower is not None and upper is not None:
                    drawn = lower + (upper - lower) * drawn
                elif lower is not None:
                    drawn = lower + drawn
                elif upper is not None:
                    drawn = upper - drawn
                learned[declared.name] = drawn
            case LearnedStencil():
                shape = (steps,) * declared.per_step + declared.channels + declared.extents
                learned[declared.name] = 0.3 * generator.normal(size=shape)
            case LearnedClosure():
                sizes = [len(declared.parameters), *declared.widths, declared.shape[0] if declared.shape else 1]
                for k, (into, out) in enumerate(pairwise(sizes)):
                    learned[f"{declared.name}.{k}.weight"] = 0.5 * generator.normal(size=(out, into))
                    learned[f"{declared.name}.{k}.bias"] = 0.5 * generator.normal(size=out)
    for name, (out, into) in widths.items():
        learned[f"{name}.weight"] = 0.5 * generator.normal(size=(out, into))
        learned[f"{name}.bias"] = 0.5 * generator.normal(size=out)
    inputs = {}
    for given in problem.inputs:
        shape = (batch, *(steps,) * (problem.marching in given.coordinates), *given.shape, *grid(given.coordinates))
        inputs[given.name] = 0.5 * generator.normal(size=shape)
    return learned, inputs
