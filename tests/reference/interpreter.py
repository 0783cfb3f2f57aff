"""An independent interpreter of a `Problem` in NumPy: what the compiled networks are compared with.

It shares no code with the compiler below the checked problem: its own weights, ghost cells, fluxes and schemes, written
from the definitions, one array expression at a time. Axes follow the order of declaration; cells lie at a + j h on periodic
axes and at a + (j + 1/2) h on bounded ones.

States are `[B, C, *cells]`: the fields in order of declaration (a complex field of n components as n real parts, then n
imaginary parts), then the velocities of second-order fields in the same layout.

Learned values (`learned`), all physical, by name:

    coefficient      [steps,] *shape, *cells of its declared coordinates in their order (primed ones too)
    stencil K        [steps,] (out, in,) *extents, as in Σ K[o, c, s] u_c(x_{j+s})
    closure f        "f.0.weight" (width, arguments), "f.0.bias", "f.1.weight", …
    lift, linear     "lift.0.weight" (out, in), "lift.0.bias", "linear.0.weight" (out, features), … by occurrence

`[steps,]` stands where a value depends on the marching coordinate. A coefficient with a start that is not given takes it.
Inputs (`inputs`) are `[B, (T,) (n,) *cells]` by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npde.model.problem import LearnedCoefficient, Problem
from tests.reference.evaluate import Array, Setting, View
from tests.reference.marching import Choice, Marcher, Rates


def interpret(
    problem: Problem,
    learned: Mapping[str, Array] | None = None,
    inputs: Mapping[str, Array] | None = None,
    state: Array | None = None,
    steps: int | None = None,
    *,
    start: int = 0,
    dt: float | None = None,
    batch: int | None = None,
    linear: Choice = "auto",
    flow: Choice = "auto",
) -> Array:
    """The trajectory `[B, steps + 1, C, *cells]`, the start included.

    Args:
        problem: a marching problem.
        learned: values of what is learned.
        inputs: values of what is supplied at run time.
        state: where to start; None takes the initial data of the file.
        steps: how many; None takes those of the file.
        start: the number of the first step, for what depends on the marching coordinate.
        dt: the step; None takes that of the file (it must not be `auto`).
        batch: samples where neither inputs nor state say how many.
        linear: strang's half steps: "exact" by a matrix exponential, "approximate" by Crank-Nicolson, "auto" as documented.
        flow: strang's pointwise part: "exact", "approximate" by one RK4 step, "auto" as documented.
    """
    setting = settled(problem, learned, inputs)
    march = problem.numerics.march
    assert march is not None
    if state is None:
        state = initial_state(problem, learned, inputs, batch=batch)
    size = step_size(problem) if dt is None else dt
    count = step_count(problem, size) if steps is None else steps
    marcher = Marcher(Rates(setting), size, begin(problem), march.scheme, linear, flow)
    frames = [np.asarray(state, dtype=float)]
    for number in range(start, start + count):
        frames.append(marcher.step(frames[-1], number))
    return np.stack(frames, axis=1)


def initial_state(
    problem: Problem,
    learned: Mapping[str, Array] | None = None,
    inputs: Mapping[str, Array] | None = None,
    *,
    batch: int | None = None,
) -> Array:
    """The initial data of the file as a state."""
    setting = settled(problem, learned, inputs)
    samples = batch or max((np.asarray(v).shape[0] for v in setting.inputs.values()), default=1)
    view = View(setting, {}, {}, begin(problem), 0)
    grid = tuple(axis.cells for axis in setting.axes)
    found: tuple[dict[str, Array], dict[str, Array]] = ({}, {})
    for initial in problem.initials:
        field = setting.fields[initial.field]
        value = view.to_shape(view.value(initial.value, setting.inside), initial.value.type.shape, field.shape)
        value = value[(..., *(0,) * len(grid))]
        value = np.broadcast_to(value, (samples, *field.shape, *grid))
        found[initial.time_order][field.name] = value.astype(complex) if field.is_complex else value.astype(float)
    return Rates(setting).layout.pack(*found)


def rate(
    problem: Problem,
    state: Array,
    learned: Mapping[str, Array] | None = None,
    inputs: Mapping[str, Array] | None = None,
    *,
    time: float | None = None,
    step: int = 0,
) -> Array:
    """The time derivative of a state, `[B, C, *cells]`."""
    at = begin(problem) if time is None else time
    return Rates(settled(problem, learned, inputs))(np.asarray(state, dtype=float), at, step)


def outputs(
    problem: Problem,
    trajectory: Array,
    learned: Mapping[str, Array] | None = None,
    inputs: Mapping[str, Array] | None = None,
    *,
    start: int = 0,
    dt: float | None = None,
) -> dict[str, Array]:
    """The outputs of a trajectory by name, `[B, (T,) (n,) *cells of its coordinates]`: one value after each step where an
    output lists the marching coordinate, else that of the last state."""
    setting = settled(problem, learned, inputs)
    rates = Rates(setting)
    size = step_size(problem) if dt is None else dt
    count = trajectory.shape[1] - 1
    found: dict[str, Array] = {}
    for output in problem.outputs:
        is_series = problem.marching in output.coordinates
        values = []
        for number in range(1, count + 1) if is_series else (count,):
            time = begin(problem) + (start + number) * size
            view = rates.view(trajectory[:, number], time, max(start + number - 1, 0))
            value = view.value(output.value, setting.inside)
            listed = [axis.name in output.coordinates for axis in setting.axes]
            cells = [axis.cells if kept else 1 for axis, kept in zip(setting.axes, listed, strict=True)]
            value = value[(..., *(0,) * len(cells))]
            value = np.broadcast_to(value, (trajectory.shape[0], *output.shape, *cells))
            dropped = tuple(1 + len(output.shape) + k for k, kept in enumerate(listed) if not kept)
            values.append(np.squeeze(value, axis=dropped))
        found[output.name] = np.stack(values, axis=1) if is_series else values[0]
    return found


# --- numbers of a problem ---------------------------------------------------------------------------------------------


def settled(problem: Problem, learned: Mapping[str, Array] | None, inputs: Mapping[str, Array] | None) -> Setting:
    """The problem with its values; coefficients that are not given take their starts."""
    given = dict(learned or {})
    setting = Setting(problem, given, dict(inputs or {}))
    for name, declared in setting.declared.items():
        if name not in given and isinstance(declared, LearnedCoefficient) and declared.start is not None:
            given[name] = start_value(setting, declared)
    return setting


def start_value(setting: Setting, declared: LearnedCoefficient) -> Array:
    """The start of a coefficient on the grid (the same at every step)."""
    assert declared.start is not None
    problem = setting.problem
    marching = problem.marching
    names = [c for c in declared.coordinates if c != marching]
    frames = []
    march = problem.numerics.march
    stepwise = marching in declared.coordinates
    count = step_count(problem, step_size(problem)) if stepwise and march is not None else 1
    for step in range(count):
        time = begin(problem) + (step * step_size(problem) if stepwise else 0.0)
        view = View(setting, {}, {}, time, step)
        value = view.to_shape(view.value(declared.start, setting.inside), declared.start.type.shape, declared.shape)[0]
        slots = [view.slot(name, len(declared.shape)) - 1 for name in names]
        for slot, name in zip(slots, names, strict=True):
            cells = setting.axes[setting.number[name.rstrip("'")]].cells
            value = np.repeat(value, cells, axis=slot) if value.shape[slot] == 1 else value
        for k in range(len(declared.shape)):
            value = np.repeat(value, declared.shape[k], axis=k) if value.shape[k] == 1 else value
        kept = [*range(len(declared.shape)), *slots]
        value = np.transpose(value, (*kept, *(k for k in range(value.ndim) if k not in kept)))
        frames.append(value.reshape(value.shape[: len(kept)]))
    return np.stack(frames) if stepwise else frames[0]


def begin(problem: Problem) -> float:
    """Where the march begins; zero where nothing is marched."""
    return 0.0 if problem.time is None else float(problem.time.lower)


def step_size(problem: Problem) -> float:
    """The step of the file."""
    march, time = problem.numerics.march, problem.time
    assert march is not None
    assert time is not None
    if march.steps is not None:
        return float((time.upper - time.lower) / march.steps)
    assert march.dt is not None
    assert march.dt != "auto", "give `dt`: the file leaves it to the compiler"
    return float(march.dt)


def step_count(problem: Problem, dt: float) -> int:
    """The steps of the file."""
    march, time = problem.numerics.march, problem.time
    assert march is not None
    assert time is not None
    return march.steps if march.steps is not None else round(float(time.upper - time.lower) / dt)
