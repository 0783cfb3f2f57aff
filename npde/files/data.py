"""Data that a model is trained on or driven by, read from HDF5 and checked before it is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from npde.diagnostics import Code, Collector, InternalError
from npde.diagnostics.catalogue import data as codes
from npde.files.hdf5 import failure, listed, opened, present
from npde.files.layouts import LAYOUTS, Layout, Listing, Slot, UnlikeSamples, listing, member, recognize
from npde.files.limits import SHARE, available_bytes, human
from npde.files.resize import resized
from npde.model.problem import Coordinate, Field, Input, Output, Problem
from npde.source import NOWHERE, Source, Span

Array: TypeAlias = NDArray[Any]
Declared: TypeAlias = Field | Input | Output
LABELS = "labels"
"""Data set that holds class numbers [B] when the output's own name is not in the file."""


@dataclass(frozen=True)
class Data:
    """Samples of a model, as NumPy arrays.

    `fields[name]`   [B, T, (n,) *grid] at the times `times` [T]; complex for a complex field. Not every field need be there.
    `inputs[name]`   [B, (S,) (n,) *grid], S steps when the input takes the marching coordinate.
    `outputs[name]`  targets, [B, (S,) (n,) *grid]; class numbers [B] (integers) for an output `y[n]`.
    `positions`      coordinate name -> [N], as the file says.

    An array with one sample is shared by all. `samples` is B.
    """

    path: str
    layout: Layout
    times: Array | None
    positions: Mapping[str, Array] = field(default_factory=dict)
    fields: Mapping[str, Array] = field(default_factory=dict)
    inputs: Mapping[str, Array] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Number of samples."""
        arrays = (*self.fields.values(), *self.outputs.values(), *self.inputs.values())
        return max((len(a) for a in arrays), default=0)


def read(
    path: str | os.PathLike[str],
    problem: Problem,
    *,
    layout: Layout | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
    samples: int | None = None,
) -> Data:
    """The data of `problem` in an HDF5 file.

    `layout` is recognized when left out; `names` maps names of the model to those of the file; `samples` reads the first few
    only. At least one field or output has to be there, and every input. Raises `DiagnosticError` (N10xx).
    """
    with opened(path) as file:
        reader = _Reader(str(path), problem, _listing(path, file, layout), names, samples)
        return reader.read()


def read_array(
    path: str | os.PathLike[str], name: str, problem: Problem, target: Input, *, resize: bool = False
) -> Array:
    """One input, [B, (S,) (n,) *grid], from the data set `name` of a file; without a batch axis it gets one of length 1.

    `resize` interpolates it onto the model's grid. Raises `DiagnosticError` (N10xx).
    """
    with opened(path) as file:
        item = member(file, name)
        if not isinstance(item, h5py.Dataset):
            raise failure(
                problem.source, codes.NO_SUCH_DATA_SET, target.span, path=path, name=name, present=present(file)
            )
        slot = Slot(tuple(item.shape or ()), item.dtype, lambda count: item[()] if item.ndim == 0 else item[:count])
        only = Listing("npde", {target.name: slot}, (), None)
        reader = _Reader(str(path), problem, only, MappingProxyType({}), None, resize)
        reader.check_size([slot])
        reader.collector.raise_errors()
        array = reader.declared(target)
        reader.collector.raise_errors()
        if array is None:
            raise InternalError("an input was neither read nor refused")
        return reader.on_grid(target, array)


def _listing(path: str | os.PathLike[str], file: h5py.File, layout: Layout | None) -> Listing:
    nowhere = Source(str(path), "")
    chosen = layout or recognize(file)
    if chosen is None or str(chosen) not in LAYOUTS:
        raise failure(nowhere, codes.UNKNOWN_LAYOUT, NOWHERE, path=path, present=present(file))
    try:
        return listing(file, chosen)
    except UnlikeSamples as error:
        raise failure(nowhere, codes.UNLIKE_SAMPLES, NOWHERE, path=path, why=str(error)) from error
    except (KeyError, ValueError, AttributeError, IndexError) as error:
        raise failure(nowhere, codes.UNKNOWN_LAYOUT, NOWHERE, path=path, present=present(file)) from error


@dataclass
class _Reader:
    """Reads what a problem declares from a listing; gathers every mistake before raising."""

    path: str
    problem: Problem
    listing: Listing
    names: Mapping[str, str]
    samples: int | None
    resize: bool = False
    collector: Collector = field(init=False)

    def __post_init__(self) -> None:
        self.collector = Collector(self.problem.source)

    def read(self) -> Data:
        wanted = self._wanted()
        self.check_size([slot for _, slot in (*wanted, *self._axes())])
        self.collector.raise_errors()
        self._check_positions()
        self.collector.raise_errors()
        fields = self._all(self.problem.fields)
        inputs = self._all(self.problem.inputs)
        outputs = self._all(self.problem.outputs)
        times = self._times(fields)
        self._check_batch({**fields, **inputs, **outputs})
        self.collector.raise_errors()
        positions = {name: slot.load(None) for name, slot in self._axes()}
        return Data(self.path, self.listing.layout, times, positions, fields, inputs, outputs)

    # --- finding ------------------------------------------------------------------------------------------------------

    def _wanted(self) -> list[tuple[Declared, Slot]]:
        """What is declared and there; nothing to learn from, or an input that is not there, is an error."""
        problem = self.problem
        slots = [(declared, self._slot(declared)) for declared in self._declared()]
        found = [(declared, slot) for declared, slot in slots if slot is not None]
        known = self._present()
        for target in problem.inputs:
            if self._slot(target) is None:
                self._report(codes.NO_SUCH_DATA_SET, target.span, name=self._name(target), present=known)
        if not any(isinstance(d, Field | Output) for d, _ in found):
            first = problem.fields[0]
            self._report(codes.NO_SUCH_DATA_SET, first.span, name=self._name(first), present=known)
        return found

    def _present(self) -> str:
        """The arrays of the file; those whose channels are fields, with the fields they could be."""
        stacked = self.listing.stacked
        if stacked is None or len(stacked.shape) < 3:
            return listed([*self.listing.arrays])
        width = sum(math.prod(f.shape) for f in self.problem.fields)
        return f"an array of {stacked.shape[2]} channels, and the fields of the model have {width}"

    def _declared(self) -> tuple[Declared, ...]:
        return (*self.problem.fields, *self.problem.inputs, *self.problem.outputs)

    def _name(self, target: Declared) -> str:
        return self.names.get(target.name, target.name)

    def _slot(self, target: Declared) -> Slot | None:
        slot = self.listing.arrays.get(self._name(target))
        if slot is None and isinstance(target, Output) and len(self.problem.outputs) == 1:
            slot = self.listing.arrays.get(LABELS)
        if slot is None and isinstance(target, Field):
            slot = self._stacked(target)
        return slot

    def _stacked(self, target: Field) -> Slot | None:
        """The channels of a field in an array that holds all fields, if it holds exactly these."""
        stacked = self.listing.stacked
        widths = [math.prod(f.shape) for f in self.problem.fields]
        if stacked is None or len(stacked.shape) < 3 or sum(widths) != stacked.shape[2]:
            return None
        position = self.problem.fields.index(target)
        start = sum(widths[:position])
        channels = slice(start, start + widths[position]) if target.shape else start
        shape = (*stacked.shape[:2], *target.shape, *stacked.shape[3:])
        return Slot(shape, stacked.dtype, lambda count: stacked.load(count)[:, :, channels])

    # --- reading ------------------------------------------------------------------------------------------------------

    def _all(self, targets: tuple[Any, ...]) -> dict[str, Array]:
        arrays = {target.name: self.declared(target) for target in targets if self._slot(target) is not None}
        return {name: array for name, array in arrays.items() if array is not None}

    def declared(self, target: Declared) -> Array | None:
        """The array of what is declared, checked: shape, type, then values."""
        slot = self._slot(target)
        if slot is None:
            return None
        if slot.dtype.kind not in ("fiubc" if _may_be_complex(target) else "fiub"):
            kind = "complex" if _may_be_complex(target) else "real"
            self._report(codes.WRONG_TYPE, target.span, name=target.name, found=_kind(slot.dtype), expected=kind)
            return None
        expected = self._expected(target)
        missing_batch = len(slot.shape) == len(expected) - 1 and _fits(slot.shape, expected[1:])
        if not (missing_batch or _fits(slot.shape, expected) or _is_labels(slot, target)):
            self._report(
                codes.WRONG_SHAPE,
                target.span,
                hint=self._shape_hint(slot.shape, expected),
                name=target.name,
                found=_shape(slot.shape),
                expected=_shape(expected),
            )
            return None
        array = slot.load(None if missing_batch else self.samples)
        array = array[None] if missing_batch else array
        return self._finite(target, array)

    def _finite(self, target: Declared, array: Array) -> Array | None:
        if array.dtype.kind not in "fc":
            return array
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            self._report(codes.NOT_FINITE_DATA, target.span, name=target.name, count=bad, total=array.size)
            return None
        return array

    def on_grid(self, target: Declared, array: Array) -> Array:
        """The array interpolated onto the model's grid, if that was asked for."""
        cells = dict(self.problem.numerics.cells)
        grid = tuple(cells[c] for c in target.coordinates if c in cells)
        return resized(array, array.ndim - len(grid), grid) if self.resize and grid else array

    def _expected(self, target: Declared) -> tuple[int | str, ...]:
        """[B, T, (n,) *grid] with names where any length will do."""
        cells = dict(self.problem.numerics.cells)
        time = self.problem.marching
        has_time = isinstance(target, Field) or time in target.coordinates
        grid = tuple("cells" if self.resize else cells[c] for c in target.coordinates if c in cells)
        return ("batch", *((time,) if has_time and time else ()), *target.shape, *grid)

    def _shape_hint(self, found: tuple[int, ...], expected: tuple[int | str, ...]) -> str:
        """`--grid` when only the cells differ."""
        cells = self.problem.numerics.cells
        if not cells or len(found) != len(expected) or not _fits(found[: -len(cells)], expected[: -len(cells)]):
            return ""
        grid = ",".join(f"{name}={n}" for (name, _), n in zip(cells, found[-len(cells) :]))
        return f"put the model on the grid of the data with `--grid {grid}`."

    def _times(self, fields: Mapping[str, Array]) -> Array | None:
        name = self.problem.marching
        if name is None:
            return None
        slot = self.listing.time or self.listing.arrays.get(self.names.get(name, name))
        if slot is None or len(slot.shape) != 1:
            if fields:
                known = listed([*self.listing.arrays])
                self._report(codes.NO_SUCH_DATA_SET, self._coordinate(name).span, name=name, present=known)
            return None
        times = np.asarray(slot.load(None), dtype=np.float64)
        for field_name, array in fields.items():
            count = array.shape[1]
            one_more = (
                self.listing.layout == "pdebench" and len(times) == count + 1
            )  # its last value is the end of the run
            if len(times) != count and not one_more:
                span = next(f.span for f in self.problem.fields if f.name == field_name)
                self._report(codes.OTHER_TIMES, span, name=field_name, found=count, time=name, expected=len(times))
            times = times[:count]
        return times

    # --- checks over all ----------------------------------------------------------------------------------------------

    def check_size(self, slots: list[Slot]) -> None:
        needed = sum(_bytes(slot, self.samples) for slot in slots)
        free = available_bytes()
        if needed > SHARE * free:
            self._report(codes.TOO_LARGE, NOWHERE, needed=human(needed), available=human(free))

    def _check_batch(self, arrays: Mapping[str, Array]) -> None:
        counts = {name: len(a) for name, a in arrays.items() if len(a) != 1}
        if not counts:
            return
        other, expected = next(iter(counts.items()))
        for name, count in counts.items():
            if count != expected:
                span = next(d.span for d in self._declared() if d.name == name)
                self._report(codes.OTHER_BATCH, span, name=name, found=count, other=other, expected=expected)

    def _axes(self) -> list[tuple[str, Slot]]:
        """Positions in the file for the space coordinates: by name, else by place."""
        by_name = {name: slot for name, slot in self.listing.axes if len(slot.shape) == 1}
        space = [c.name for c in self.problem.space]
        if self.listing.layout == "npde" or any(name in by_name for name in space):
            return [(c, by_name[self.names.get(c, c)]) for c in space if self.names.get(c, c) in by_name]
        return list(zip(space, by_name.values()))

    def _check_positions(self) -> None:
        cells = dict(self.problem.numerics.cells)
        for name, slot in self._axes():
            if slot.shape != (cells.get(name),) or slot.shape[0] < 2:
                continue  # the shape of the field says it better
            self._check_axis(self._coordinate(name), np.asarray(slot.load(None), dtype=np.float64), cells[name])

    def _check_axis(self, coordinate: Coordinate, found: Array, cells: int) -> None:
        lower, upper = float(coordinate.lower), float(coordinate.upper)
        spacing = (upper - lower) / cells
        periodic = coordinate.name in self.problem.periodic
        first = lower if periodic else lower + spacing / 2
        step = (found[-1] - found[0]) / (cells - 1)
        shift = abs(found[0] - first)
        if abs(step - spacing) <= 2e-3 * spacing and shift <= (0.51 if periodic else 2e-2) * spacing:
            return
        start = found[0] if periodic else found[0] - step / 2
        extent = f"{coordinate.name}={_number(start)},{_number(start + cells * step)}"
        self._report(
            codes.OTHER_POSITIONS,
            coordinate.span,
            coordinate=coordinate.name,
            found_first=_number(found[0]),
            found_spacing=_number(step),
            first=_number(first),
            spacing=_number(spacing),
            hint=f"put the model on the extent of the data with `--extent {extent}`.",
        )

    def _coordinate(self, name: str) -> Coordinate:
        return next(c for c in self.problem.coordinates if c.name == name)

    def _report(self, code: Code, span: Span, *, hint: str = "", **data: str | float) -> None:
        self.collector.add(code.at(span, hint=hint, notes=(), path=self.path, **data))


def _fits(found: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    return len(found) == len(expected) and all(isinstance(e, str) or f == e for f, e in zip(found, expected))


def _is_labels(slot: Slot, target: Declared) -> bool:
    return isinstance(target, Output) and len(target.shape) == 1 and len(slot.shape) == 1 and slot.dtype.kind in "iu"


def _may_be_complex(target: Declared) -> bool:
    return not isinstance(target, Input) and (isinstance(target, Output) or target.is_complex)


def _bytes(slot: Slot, samples: int | None) -> int:
    shape = slot.shape if samples is None or not slot.shape else (min(samples, slot.shape[0]), *slot.shape[1:])
    return math.prod(shape) * slot.dtype.itemsize


def _kind(dtype: np.dtype[Any]) -> str:
    return "complex numbers" if dtype.kind == "c" else f"values of type {dtype}"


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _number(value: float) -> str:
    return f"{value:.6g}"
