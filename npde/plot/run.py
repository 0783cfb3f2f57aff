"""A run file as pictures need it: axes, times, and one panel for each real quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import h5py
import matplotlib
import numpy as np
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from npde.diagnostics import NpdeError

Array: TypeAlias = NDArray[Any]
PANELS = 6
"""Pictures in a figure; further components and fields are left out, and the title says so."""
FRAMES = 120
"""Frames of an animation; longer runs are thinned evenly."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One real quantity: its label, how its frames [T, *grid] are read, its colors and their range."""

    label: str
    read: Callable[[Any], Array]
    colors: Colormap
    norm: Normalize


@dataclass(frozen=True, slots=True)
class Run:
    """An open run file as pictures need it."""

    model: str
    time: str
    times: Array
    axes: tuple[tuple[str, Array, tuple[float, float]], ...]
    panels: tuple[Panel, ...]
    left_out: int


def read_run(file: h5py.File) -> Run:
    names = _scales(file)
    fields = [name for name, item in file.items() if isinstance(item, h5py.Dataset) and not item.is_scale]
    marched = [name for name in fields if len(names[name]) > 1 and _is_time(file, names[name][1])]
    if not marched:
        raise NpdeError("The run has no field over time to draw.")
    first = file[marched[0]]
    time = names[marched[0]][1]
    grid = [n for n in names[marched[0]][2:] if not n.endswith("_component")]
    axes = tuple((n, file[n][()], _extent(file[n])) for n in grid)
    panels: list[Panel] = []
    for name in _in_order(file, marched):
        panels.extend(_panels(file[name], name, has_components=first.parent[name].ndim > 2 + len(grid)))
    times = file[time][()]
    return Run(
        _text(file.attrs.get("model", "")), time, times, axes, tuple(panels[:PANELS]), max(0, len(panels) - PANELS)
    )


def _scales(file: h5py.File) -> dict[str, tuple[str, ...]]:
    """Names of the dimensions of every array."""
    found: dict[str, tuple[str, ...]] = {}
    for name, item in file.items():
        if isinstance(item, h5py.Dataset) and not item.is_scale:
            found[name] = tuple(d[0].name.lstrip("/") if len(d) else "" for d in item.dims)
    return found


def _is_time(file: h5py.File, name: str) -> bool:
    """The marching coordinate: a scale that is neither a space axis (these have extents) nor components nor steps."""
    is_other = name.endswith(("_component", "_begin", "_end"))
    return name in file and not is_other and "lower" not in file[name].attrs and name != "batch"


def _in_order(file: h5py.File, names: list[str]) -> list[str]:
    """Fields in the order of the model's text, as far as it can be told without compiling it."""
    text = _text(file.attrs.get("npde", ""))
    declared = [line for line in text.splitlines() if line.lstrip().startswith("field ")]
    joined = "\n".join(declared)
    return sorted(names, key=lambda name: (joined.find(name) if name in joined else len(joined), name))


def _panels(data: h5py.Dataset, name: str, has_components: bool) -> Iterator[Panel]:
    components = range(data.shape[2]) if has_components else (None,)
    for component in components:
        label = name if component is None else f"{name}[{component}]"

        def read(frames: Any, component: int | None = component) -> Array:
            return data[0, frames] if component is None else data[0, frames, component]

        if data.dtype.kind != "c":
            yield Panel(label, read, *_colors(read, data.shape[1]))
            continue

        def size(frames: Any, read: Callable[[Any], Array] = read) -> Array:
            return np.abs(read(frames))

        def phase(frames: Any, read: Callable[[Any], Array] = read) -> Array:
            return np.angle(read(frames))

        yield Panel(f"|{label}|", size, *_colors(size, data.shape[1]))
        yield Panel(f"phase of {label}", phase, matplotlib.colormaps["twilight"], Normalize(-math.pi, math.pi))


def _colors(read: Callable[[Any], Array], frames: int) -> tuple[Colormap, Normalize]:
    """Colors for values seen over the whole run: diverging about zero when both signs matter."""
    low, high = math.inf, -math.inf
    for frame in thinned(frames, FRAMES):
        values = read(int(frame))
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low < 0 < high and min(-low, high) > 0.05 * max(-low, high):
        reach = max(-low, high)
        return matplotlib.colormaps["RdBu_r"], Normalize(-reach, reach)
    if high - low <= 1e-12 * max(abs(high), abs(low), 1e-300):
        high = low + (abs(low) or 1.0) * 1e-3
    return matplotlib.colormaps["viridis"], Normalize(low, high)


def _extent(scale: h5py.Dataset) -> tuple[float, float]:
    values = scale[()]
    half = (values[1] - values[0]) / 2 if len(values) > 1 else 0.5
    lower, upper = scale.attrs.get("lower"), scale.attrs.get("upper")
    if lower is None or upper is None:
        return float(values[0] - half), float(values[-1] + half)
    return float(lower), float(upper)


def thinned(count: int, most: int) -> Array:
    """At most `most` of the indices 0 … count - 1, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
