"""What `npde run` writes: an HDF5 file that xarray opens as it is.

    u        [batch, t, x, y]             a field; complex numbers are stored as such
    v        [batch, t, v_component, x]   one with components
    y        [batch, t_end]               an output with a value after each step, at the times `t_end`
    s        [batch, t_begin, x]          an input with a value a step, from the times `t_begin` on

Every axis is a dimension scale of that name at the root, attached to the arrays that use it (groups or unattached scales would
hide them from xarray). Attributes of the file: `npde`, the model's text; `model`; `fields`, `options` and `versions` as JSON. Those
of a scale say its role: batch, time, step, component or space, this with `lower`, `upper`, `periodic`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from npde.discretize.scheme import Axis, Scheme
from npde.files.atomic import cannot_write, reason, replacing
from npde.files.limits import human
from npde.model.problem import Field, Input, Output

Array: TypeAlias = NDArray[Any]
BLOCK = 2**24
"""Numbers that are held at once while a file is gone through again."""


@contextmanager
def trajectory(
    path: str | os.PathLike[str],
    scheme: Scheme,
    *,
    batch: int = 1,
    every: int = 1,
    steps: int | None = None,
    dtype: str = "float64",
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[TrajectoryFile]:
    """A file for the frames 0, every, 2 every, … of a run; it takes its name when the block ends without an exception.

    Args:
        scheme: gives grid, times and the model's text.
        batch: samples B.
        every: steps between two frames: `steps // every + 1` of them, the start included.
        steps: steps of the run; the scheme's when left out.
        dtype: "float32" or "float64"; complex fields take the complex type of twice the width.
        attributes: what else to keep, as JSON.

    Raises:
        DiagnosticError: N1002, when the file cannot be written or the disk has no room for it.
    """
    count = scheme.steps if steps is None else steps
    problem = scheme.system.problem
    need = _needed(problem.fields, scheme, batch, count // every + 1, dtype)
    _check_room(path, need)
    text = problem.source.text
    with replacing(path) as temporary:
        try:
            # Attributes beyond 64 KiB need the newer file format.
            with h5py.File(temporary, "w", libver="v110" if len(text) > 50_000 else None) as file:
                target = TrajectoryFile(file, scheme, batch, every, count, dtype)
                target.create(attributes or {})
                yield target
        except OSError as error:
            raise cannot_write(path, reason(error)) from error


@dataclass
class TrajectoryFile:
    """An open file that frames are appended to."""

    file: h5py.File
    scheme: Scheme
    batch: int
    every: int
    steps: int
    dtype: str
    written: int = 0

    @property
    def frames(self) -> int:
        """How many frames the file is for."""
        return self.steps // self.every + 1

    def create(self, attributes: Mapping[str, Any]) -> None:
        """Axes, empty fields, and what the file says about itself."""
        problem = self.scheme.system.problem
        self.file.attrs["model"] = problem.name
        self.file.attrs["npde"] = problem.source.text
        self.file.attrs["fields"] = json.dumps([field.name for field in problem.fields])
        for name, value in attributes.items():
            self.file.attrs[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        self._scale("batch", np.arange(self.batch), "batch")
        for axis in self.scheme.grid.axes:
            scale = self._scale(axis.name, positions(axis), "space")
            scale.attrs.update({"lower": float(axis.lower), "upper": float(axis.upper), "periodic": axis.periodic})
        if problem.marching is not None:
            self._scale(problem.marching, self._times(0, self.every, self.frames), "time")
        for field in problem.fields:
            shape = (self.batch, *self._time_shape(), *field.shape, *self.scheme.grid.shape)
            data = self.file.create_dataset(field.name, shape=shape, dtype=_dtype(field, self.dtype))
            self._attach(data, field, problem.marching)

    def append(self, fields: Mapping[str, Array]) -> None:
        """The next k frames: field name -> [B, k, (n,) *grid]; [B, (n,) *grid] of a steady problem."""
        if self.scheme.system.problem.marching is None:
            for name, array in fields.items():
                self.file[name][...] = array
            return
        count = next(iter(fields.values())).shape[1]
        for name, array in fields.items():
            self.file[name][:, self.written : self.written + count] = array
        self.written += count

    def put(self, target: Input | Output, array: Array) -> None:
        """An input or output, [B, (S,) (n,) *grid] with S steps when it has one value a step.

        One sample stands for all, and is written for each: readers then need no rule.
        """
        marching = self.scheme.system.problem.marching
        time = None
        if marching is not None and marching in target.coordinates:
            time = self._step_scale(marching, "begin" if isinstance(target, Input) else "end", array.shape[1])
        whole = np.broadcast_to(array, (self.batch, *array.shape[1:]))
        self._attach(self.file.create_dataset(target.name, data=whole), target, time)

    def append_output(self, target: Output, array: Array, start: int) -> None:
        """The values [B, k, …] of a per-step output after steps start + 1 … start + k."""
        if target.name not in self.file:
            shape = (self.batch, self.steps, *array.shape[2:])
            data = self.file.create_dataset(target.name, shape=shape, dtype=array.dtype)
            marching = self.scheme.system.problem.marching
            self._attach(data, target, self._step_scale(marching, "end", self.steps) if marching else None)
        self.file[target.name][:, start : start + array.shape[1]] = array

    def add_noise(self, level: float, seed: int) -> None:
        """Gaussian noise on every field: `level` times the standard deviation of the field over samples, frames and cells."""
        generator = np.random.default_rng(seed)
        for field in self.scheme.system.problem.fields:
            data = self.file[field.name]
            scale = level * _deviation(data)
            for index in _blocks(data):
                values = data[index]
                noise = generator.standard_normal(values.shape)
                if field.is_complex:
                    noise = (noise + 1j * generator.standard_normal(values.shape)) / math.sqrt(2)
                data[index] = values + (scale * noise).astype(values.dtype)

    def _time_shape(self) -> tuple[int, ...]:
        return () if self.scheme.system.problem.marching is None else (self.frames,)

    def _times(self, first: int, stride: int, count: int) -> Array:
        start, dt = self.scheme.start, self.scheme.dt
        return np.array([float(start + dt * (first + stride * n)) for n in range(count)])

    def _step_scale(self, marching: str, end: str, count: int) -> str:
        name = f"{marching}_{end}"
        if name not in self.file:
            self._scale(name, self._times(0 if end == "begin" else 1, 1, count), "step")
        return name

    def _scale(self, name: str, values: Array, role: str) -> h5py.Dataset:
        scale = self.file.create_dataset(name, data=values)
        scale.make_scale(name)
        scale.attrs["role"] = role
        return scale

    def _attach(self, data: h5py.Dataset, target: Field | Input | Output, time: str | None) -> None:
        names = ["batch"]
        names.extend([time] if time is not None else [])
        if target.shape:
            component = f"{target.name}_component"
            self._scale(component, np.arange(target.shape[0]), "component")
            names.append(component)
        axes = [a.name for a in self.scheme.grid.axes]
        names.extend(a for a in axes if isinstance(target, Field) or a in target.coordinates)
        for dimension, name in zip(data.dims, names, strict=True):
            dimension.attach_scale(self.file[name])


def positions(axis: Axis) -> Array:
    """Where the values of an axis stand: x_j = first + j h."""
    return float(axis.first) + float(axis.spacing) * np.arange(axis.cells)


def _dtype(field: Field, dtype: str) -> np.dtype[Any]:
    names = {"float32": "complex64", "float64": "complex128"}
    return np.dtype(names[dtype] if field.is_complex else dtype)


def _needed(fields: tuple[Field, ...], scheme: Scheme, batch: int, frames: int, dtype: str) -> int:
    cells = math.prod(scheme.grid.shape)
    return sum(batch * frames * math.prod(f.shape) * cells * _dtype(f, dtype).itemsize for f in fields)


def _check_room(path: str | os.PathLike[str], need: int) -> None:
    folder = Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if need > free:
        raise cannot_write(
            path, f"it would take {human(need)}, and {human(free)} are free; `--every` keeps fewer frames"
        )


def _blocks(data: h5py.Dataset) -> Iterator[tuple[slice, slice]]:
    """Index pieces over samples and frames, each of at most `BLOCK` numbers (or one frame)."""
    frame = max(1, math.prod(data.shape[2:]))
    count = max(1, BLOCK // frame)
    for sample in range(data.shape[0]):
        for start in range(0, data.shape[1], count):
            yield slice(sample, sample + 1), slice(start, start + count)


def _deviation(data: h5py.Dataset) -> float:
    """sqrt(mean |u - mean u|²), in two passes over the file."""
    size = max(1, math.prod(data.shape))
    mean = sum(data[index].sum(dtype=np.result_type(data.dtype, np.float64)) for index in _blocks(data)) / size
    square = sum(float((np.abs(data[index] - mean) ** 2).sum()) for index in _blocks(data)) / size
    return math.sqrt(square)
