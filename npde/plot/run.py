"""A run file as pictures need it: axes, times, and one panel for each real quantity."""

from __future__ import annotations

import json
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
Read: TypeAlias = Callable[[Any], Array]
"""Frames [T, *grid] by an index into them."""

PANELS = 6
"""Pictures in a figure; further components and fields are left out, and the title says so."""
FRAMES = 120
"""Frames of an animation; longer runs are thinned evenly."""
FAINT = 0.15
"""Share of the largest modulus below which a phase fades: where nothing is, it is rounding errors."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One real quantity: its label, its frames, and its colors over the whole run. A phase also has the complex values it is of."""

    label: str
    read: Read
    colors: Colormap
    norm: Normalize
    values: Read | None = None

    def norm_of(self, shown: Array) -> Normalize:
        """The range of one frame: a still picture uses all its colors."""
        if self.values is not None:
            return self.norm
        return colors_of(float(shown.min()), float(shown.max()))[1]

    def colors_at(self, shown: Array) -> Colormap:
        """The colors that fit the range of one frame."""
        return self.colors if self.values is not None else colors_of(float(shown.min()), float(shown.max()))[0]

    def opacity(self, frames: Any) -> Array | None:
        """How much of a phase is shown."""
        if self.values is None:
            return None
        size = np.abs(self.values(frames))
        return np.clip(size / max(FAINT * float(size.max()), 1e-300), 0, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """An open run file: `axes` are (name, positions, extent); `left_out` panels are not drawn. A steady solution is one frame,
    and `time` is empty."""

    model: str
    time: str
    times: Array
    axes: tuple[tuple[str, Array, tuple[float, float]], ...]
    panels: tuple[Panel, ...]
    left_out: int


def read_run(file: h5py.File) -> Run:
    """The run in a file that `npde run` wrote.

    Raises:
        NpdeError: it is another file.
    """
    try:
        fields = [file[name] for name in json.loads(file.attrs["fields"])]
        scales = [[dimension[0] for dimension in field.dims] for field in fields]
        time = next((s for s in scales[0] if s.attrs.get("role") == "time"), None)
        if not any(s.attrs.get("role") == "batch" for s in scales[0]):
            raise KeyError("batch")
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise NpdeError(f"'{file.filename}' is not a file that `npde run` wrote.") from error
    axes = tuple((_name(s), s[()], _extent(s)) for s in scales[0] if s.attrs.get("role") == "space")
    panels: list[Panel] = []
    for field, dimensions in zip(fields, scales, strict=True):
        has_components = any(s.attrs.get("role") == "component" for s in dimensions)
        panels.extend(_panels(field, has_components, is_steady=time is None))
    left_out = max(0, len(panels) - PANELS)
    name, times = ("", np.zeros(1)) if time is None else (_name(time), time[()])
    return Run(str(file.attrs["model"]), name, times, axes, tuple(panels[:PANELS]), left_out)


def colors_of(low: float, high: float) -> tuple[Colormap, Normalize]:
    """Colors for a range: diverging about zero when both signs matter, else sequential."""
    if low < 0 < high and min(-low, high) > 0.05 * max(-low, high):
        reach = max(-low, high)
        return matplotlib.colormaps["RdBu_r"], Normalize(-reach, reach)
    if high - low <= 1e-12 * max(abs(high), abs(low), 1e-300):
        high = low + (abs(low) or 1.0) * 1e-3
    return matplotlib.colormaps["viridis"], Normalize(low, high)


def thinned(count: int, most: int) -> Array:
    """At most `most` of the indices 0 … count - 1, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _panels(data: h5py.Dataset, has_components: bool, is_steady: bool) -> Iterator[Panel]:
    components = range(data.shape[1 if is_steady else 2]) if has_components else (None,)
    frames = 1 if is_steady else data.shape[1]
    for component in components:
        label = _name(data) if component is None else f"{_name(data)}[{component}]"
        read = _only_frame(data, component) if is_steady else _reader(data, component)
        if data.dtype.kind != "c":
            yield Panel(label, read, *colors_of(*_range(read, frames)))
            continue
        size = _then(np.abs, read)
        yield Panel(f"|{label}|", size, *colors_of(*_range(size, frames)))
        cyclic = matplotlib.colormaps["twilight_shifted"]
        yield Panel(f"phase of {label}", _then(np.angle, read), cyclic, Normalize(-math.pi, math.pi), read)


def _reader(data: h5py.Dataset, component: int | None) -> Read:
    return lambda frames: data[0, frames] if component is None else data[0, frames, component]


def _only_frame(data: h5py.Dataset, component: int | None) -> Read:
    """A steady solution, as a run of one frame."""
    values = data[0] if component is None else data[0, component]
    return lambda frames: values[None][frames]


def _then(function: Callable[[Array], Array], read: Read) -> Read:
    return lambda frames: function(read(frames))


def _range(read: Read, frames: int) -> tuple[float, float]:
    """The least and the greatest value, seen in as many frames as an animation has."""
    ends = [(float(v.min()), float(v.max())) for v in (read(int(n)) for n in thinned(frames, FRAMES))]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _extent(scale: h5py.Dataset) -> tuple[float, float]:
    return float(scale.attrs["lower"]), float(scale.attrs["upper"])


def _name(item: h5py.Dataset) -> str:
    return str(item.name).lstrip("/")
