"""Where three kinds of HDF5 file keep their arrays. Nothing is read here but shapes and types.

    npde       a data set a field [B, T, (n,) *grid], coordinates beside them under their own names
    pdebench   `tensor` or named data sets [B, T, *grid] with `x-coordinate` … `t-coordinate`;
               or groups `0000`, `0001`, … with `data` [T, *grid, C] and `grid/x` … `grid/t`
    the_well   `t0_fields/NAME` [B, T, *grid], `t1_fields/NAME` [B, T, *grid, d], `dimensions/time`, `dimensions/x` …

A `Slot` is one array of the file as npde sees it: its shape in the order [B, T, (n,) *grid], its type, and how to read it.

Sources: PDEBench (Takamoto et al., 2022), The Well (Ohana et al., 2024); the layouts are those of their published files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

Layout: TypeAlias = Literal["npde", "pdebench", "the_well"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """An array of a file: `load(n)` reads its first n samples (None: all)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[int | None], Array]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a file holds: arrays by name; positions along the space axes, in order (None: not said) and by name; times.

    `stacked` is an array whose channels [B, T, C, *grid] are the fields in order of declaration (PDEBench's `tensor`, `data`).
    """

    layout: Layout
    arrays: Mapping[str, Slot]
    axes: tuple[tuple[str, Slot], ...]
    time: Slot | None
    stacked: Slot | None = None


class UnlikeSamples(Exception):
    """Samples of one file that have different shapes."""


def recognize(file: h5py.File) -> Layout | None:
    """Which layout a file is in; None when it is in none."""
    if _group(file, "t0_fields") or _group(file, "t1_fields"):
        return "the_well"
    if (
        member(file, "tensor") is not None
        or member(file, "t-coordinate") is not None
        or any(True for _ in _samples(file))
    ):
        return "pdebench"
    if any(True for _ in _datasets(file)):
        return "npde"
    return None


def listing(file: h5py.File, layout: Layout) -> Listing:
    """The arrays of a file in a layout."""
    match layout:
        case "npde":
            return _npde(file)
        case "pdebench":
            return _pdebench(file)
        case "the_well":
            return _the_well(file)


def outside_links(file: h5py.File) -> Iterator[str]:
    """Names in a file that point into other files: external links, external storage, virtual data sets.

    Every object is visited once, however hard links go round in circles.
    """
    pending: list[tuple[str, h5py.Group]] = [("", file["/"])]
    seen = {file["/"].id}
    while pending:
        path, group = pending.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield f"{path}{name}"
            if not isinstance(link, h5py.HardLink):
                continue  # a soft link leads to what is listed elsewhere, or nowhere
            item = group[name]
            if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                yield f"{path}{name}"
            if isinstance(item, h5py.Group) and item.id not in seen:
                seen.add(item.id)
                pending.append((f"{path}{name}/", item))


def _npde(file: h5py.File) -> Listing:
    arrays = {name: _direct(data) for name, data in _datasets(file)}
    axes = tuple((name, slot) for name, slot in arrays.items() if len(slot.shape) == 1)
    return Listing("npde", arrays, axes, None)


def _pdebench(file: h5py.File) -> Listing:
    samples = tuple(_samples(file))
    if samples:
        return _pdebench_samples(file, samples)
    arrays = {name: _direct(data) for name, data in _datasets(file)}
    axes = tuple((a, arrays[f"{a}-coordinate"]) for a in ("x", "y", "z") if f"{a}-coordinate" in arrays)
    stacked = arrays.get("tensor")
    if stacked is not None:
        stacked = Slot((*stacked.shape[:2], 1, *stacked.shape[2:]), stacked.dtype, _with_channel(stacked.load))
    return Listing("pdebench", arrays, axes, arrays.get("t-coordinate"), stacked)


def _pdebench_samples(file: h5py.File, samples: tuple[str, ...]) -> Listing:
    first = file[samples[0]]
    data, grid = first["data"], _group(first, "grid")
    for name in samples:
        _same_shape(file[name]["data"], data.shape)
    shape = (
        (len(samples), data.shape[0], data.shape[-1], *data.shape[1:-1])
        if data.ndim > 1
        else (len(samples), *data.shape)
    )

    def load(count: int | None) -> Array:
        chosen = samples if count is None else samples[:count]
        return np.stack([np.moveaxis(file[name]["data"][()], -1, 1) for name in chosen])

    axes = tuple((a, _direct(grid[a])) for a in ("x", "y", "z") if a in grid)
    time = _direct(grid["t"]) if "t" in grid else None
    return Listing("pdebench", {}, axes, time, Slot(shape, data.dtype, load))


def _the_well(file: h5py.File) -> Listing:
    dimensions = _group(file, "dimensions")
    names = [_text(n) for n in getattr(dimensions, "attrs", {}).get("spatial_dims", ())]
    axes = tuple((n, _direct(dimensions[n])) for n in names if n in dimensions)
    arrays: dict[str, Slot] = {}
    for rank in (0, 1):
        for name, data in _datasets(_group(file, f"t{rank}_fields")):
            arrays[name] = _well_field(data, rank)
    time = _direct(dimensions["time"]) if "time" in dimensions else None
    return Listing("the_well", arrays, axes, time)


def _well_field(data: h5py.Dataset, rank: int) -> Slot:
    """[B, T, *grid, d] to [B, T, d, *grid]; axes over which a field does not vary are absent and become 1."""
    lacks_sample = not bool(data.attrs.get("sample_varying", True))
    lacks_time = not bool(data.attrs.get("time_varying", True))
    shape = list(data.shape)
    if lacks_sample:
        shape.insert(0, 1)
    if lacks_time:
        shape.insert(1, 1)
    if rank == 1:
        shape.insert(2, shape.pop())

    def load(count: int | None) -> Array:
        array: Array = data[()] if lacks_sample else data[:count]
        if lacks_sample:
            array = array[None]
        if lacks_time:
            array = array[:, None]
        return np.moveaxis(array, -1, 2) if rank == 1 else array

    return Slot(tuple(shape), data.dtype, load)


def _direct(data: h5py.Dataset) -> Slot:
    return Slot(tuple(data.shape or ()), data.dtype, lambda count: data[()] if data.ndim == 0 else data[:count])


def _with_channel(load: Callable[[int | None], Array]) -> Callable[[int | None], Array]:
    return lambda count: load(count)[:, :, None]


def _same_shape(data: h5py.Dataset, shape: tuple[int, ...]) -> None:
    """Samples of one file have one shape, and a stranger's file may claim otherwise."""
    if data.shape != shape:
        raise UnlikeSamples(f"'{data.name}' has shape {list(data.shape)}, the first sample {list(shape)}")


def _samples(file: h5py.File) -> Iterator[str]:
    """PDEBench's groups `0000`, `0001`, …, in order."""
    for name in sorted(file):
        if name.isdigit() and isinstance(_group(file, name).get("data"), h5py.Dataset):
            yield name


def _group(parent: h5py.Group, name: str) -> Any:
    """A group; nothing if there is none of that name."""
    item = member(parent, name)
    return item if isinstance(item, h5py.Group) else {}


def member(parent: h5py.Group, name: str) -> Any:
    """An object of a file; None where there is none, or where a link leads nowhere or in a circle."""
    try:
        return parent.get(name)
    except (RuntimeError, OSError):
        return None


def _datasets(group: Any) -> Iterator[tuple[str, h5py.Dataset]]:
    for name in sorted(group):
        item = member(group, name)
        if isinstance(item, h5py.Dataset):
            yield name, item


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
