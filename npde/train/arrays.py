"""Datasets from arrays, checked against a module: what does not fit is named, with what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from npde.diagnostics.catalogue import training as codes
from npde.train.data import Dataset, Start
from npde.train.network import FieldSlot, Network
from npde.train.origin import found_start

if TYPE_CHECKING:
    from npde.files import Data

Arrays = Mapping[str, Any]
"""Name -> NumPy array or tensor."""
EMPTY: Arrays = MappingProxyType({})

TOLERANCE = 0.01
"""How far, in steps, a time of the data may lie from a whole step (files often keep times in single precision)."""


def trajectories(
    module: nn.Module,
    fields: Arrays,
    times: Sequence[float] | Any,
    *,
    inputs: Arrays = EMPTY,
    mask: Arrays = EMPTY,
    start: Start | None = None,
) -> Dataset:
    """Observed states: `fields[name]` [B, T, (n,) *grid] at `times` [T].

    Args:
        module: a compiled module; it decides names, shapes and steps.
        fields: complex arrays for complex fields; velocities of `dtt` fields as `dt(u)`. With `start="file"` fields may be missing.
        times: values of the marching coordinate, each a whole number of steps from its start.
        inputs: [B, …] with the shapes of `module.INPUTS`; one sample is shared by all.
        mask: True where a field was observed, broadcastable to it.
        start: "data" starts each rollout from the first frame, "file" from the `initial` of the `.npde` file. By default from the
            file where its initial state is what was observed first, but for noise, else from the data.

    Raises:
        DiagnosticError: N1109 … N1116.
    """
    network = Network(module)
    given = {name: _real_or_complex(network, name, array) for name, array in fields.items()}
    _known(network, "field", given, tuple(slot.name for slot in network.fields))
    if not given:
        network.fail(codes.MISSING_DATA, name=network.fields[0].name, why="there is nothing to compare with")
    steps = _step_numbers(network, np.asarray(times, dtype=np.float64).reshape(-1))
    samples = _samples(network, {**given, **inputs})
    states = torch.zeros(0)
    observed: list[Tensor | None] = []
    for slot in network.fields:
        array = given.get(slot.name)
        if array is None:
            observed.append(None)
            continue
        channels = _channels(network, slot, array, len(steps))
        if not states.numel():
            states = torch.zeros(samples, len(steps), network.channels, *channels.shape[3:], dtype=channels.dtype)
        states[:, :, slot.channel_slice] = channels
        observed.append(channels)
    checked, whole = _inputs(network, inputs), _masks(network, mask, observed, states)
    chosen = start or found_start(network, checked, states, whole, steps[0])
    if chosen == "data":
        _needs_all(network, observed)
    if len(steps) == 1 and (chosen == "data" or (steps[0] == 0 and not _learns_start(network, checked))):
        network.fail(
            codes.MISSING_DATA, name="second frame", why="a rollout that starts from the only frame has nothing to meet"
        )
    return Dataset(
        inputs=checked,
        states=states,
        steps=steps,
        mask=whole,
        targets=EMPTY,
        start=chosen,
        samples=samples,
        items=_whole(samples),
        frames=len(steps),
        sequences=network.sequences,
        by_first_step=not network.is_autonomous,
        whole_march=network.steps,
    )


def _learns_start(network: Network, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the initial state depends on something learned."""
    one = tuple(x[:1].to(network.device, network.dtype) for x in inputs.values())
    return network.first_state(one).requires_grad


def solutions(module: nn.Module, fields: Arrays, *, inputs: Arrays = EMPTY, mask: Arrays = EMPTY) -> Dataset:
    """Observed solutions of a steady problem: `fields[name]` [B, (n,) *grid]; else as `trajectories`."""

    def framed(arrays: Arrays) -> dict[str, Any]:
        return {name: torch.as_tensor(array).unsqueeze(1) for name, array in arrays.items()}

    return trajectories(module, framed(fields), [1.0], inputs=inputs, mask=framed(mask), start="file")


def supervised(module: nn.Module, inputs: Arrays, targets: Any) -> Dataset:
    """Inputs and the outputs they should give.

    Args:
        module: a compiled module with outputs.
        inputs: [B, …] with the shapes of `module.INPUTS`; one sample is shared by all.
        targets: output name -> [B, …], or one array for a module with one output. Whole numbers are class numbers.

    Raises:
        DiagnosticError: N1110 … N1116.
    """
    network = Network(module)
    if not isinstance(targets, Mapping):
        targets = {(network.outputs or ("output",))[0]: targets}
    if network.outputs is not None:
        _known(network, "output", targets, network.outputs)
    samples = _samples(network, {**inputs, **targets})
    return Dataset(
        inputs=_inputs(network, inputs),
        states=None,
        steps=(),
        mask=None,
        targets={name: _output(network, name, array) for name, array in targets.items()},
        start="file",
        samples=samples,
        items=_whole(samples),
        frames=0,
        sequences=network.sequences,
        whole_march=network.steps,
    )


def from_file(module: nn.Module, data: Data, *, start: Start | None = None) -> Dataset:
    """The arrays that `npde.files.read` found: its outputs if it has any (they say what was observed), else its fields."""
    network = Network(module)
    if not data.outputs:
        if network.is_steady:
            return solutions(module, data.fields, inputs=data.inputs)
        times = data.times if data.times is not None else [network.start]
        return trajectories(module, data.fields, times, inputs=data.inputs, start=start)
    dataset = supervised(module, data.inputs, data.outputs)
    is_whole = all(slot.name in data.fields for slot in network.fields)
    if start == "file" or not is_whole or network.is_steady:
        return dataset
    frames = trajectories(module, data.fields, data.times, inputs=data.inputs, start=start)
    starts_there = frames.start == "data" and frames.steps[0] == 0
    return replace(frames, targets=dataset.targets) if starts_there else dataset


# --- checks -----------------------------------------------------------------------------------------------------------


def _known(network: Network, kind: str, given: Mapping[str, object], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            present = ", ".join(f"'{n}'" for n in names) or "none"
            network.fail(codes.UNKNOWN_DATA, kind=kind, name=name, present=present)


def _real_or_complex(network: Network, name: str, array: Any, *, whole: bool = False) -> Tensor:
    """As a tensor on the CPU, floats in the module's precision; whole numbers stay whole if asked."""
    tensor = torch.as_tensor(array).detach().cpu()
    if tensor.is_complex():
        tensor = tensor.to(network.dtype.to_complex())
    elif tensor.is_floating_point() or not whole:
        tensor = tensor.to(network.dtype)
    bad = 0 if not (tensor.is_floating_point() or tensor.is_complex()) else int((~torch.isfinite(tensor)).sum())
    if bad:
        network.fail(codes.BAD_VALUES, about=name, name=name, count=bad, total=tensor.numel())
    return tensor.long() if whole and not (tensor.is_floating_point() or tensor.is_complex()) else tensor


def _output(network: Network, name: str, array: Any) -> Tensor:
    """A target in the layout of the output: real and imaginary parts on the axis before the grid."""
    tensor = _real_or_complex(network, name, array, whole=True)
    if not network.is_complex_output(name):
        return tensor
    tensor = tensor if tensor.is_complex() else torch.complex(tensor, torch.zeros_like(tensor))
    axis = 2 if network.is_output_per_step(name) else 1
    return torch.stack([tensor.real, tensor.imag], dim=axis)


def _samples(network: Network, arrays: Mapping[str, Any]) -> int:
    counts = {name: len(array) for name, array in arrays.items()}
    several = {name: count for name, count in counts.items() if count != 1}
    if not several:
        return 1
    other, expected = next(iter(several.items()))
    for name, count in several.items():
        if count != expected:
            network.fail(codes.OTHER_COUNT, about=name, name=name, found=count, other=other, expected=expected)
    return expected


def _inputs(network: Network, inputs: Arrays) -> dict[str, Tensor]:
    _known(network, "input", inputs, tuple(network.inputs))
    tensors: dict[str, Tensor] = {}
    for name, shape in network.inputs.items():
        if name not in inputs:
            network.fail(codes.MISSING_DATA, about=name, name=name, why="it is an input of the model")
        tensor = _real_or_complex(network, name, inputs[name])
        if tensor.is_complex():
            network.fail(codes.OTHER_TYPE, about=name, name=name, found="complex numbers", expected="real numbers")
        fits = tensor.ndim == len(shape) + 1 and all(e in (None, f) for e, f in zip(shape, tensor.shape[1:]))
        if not fits:
            expected = ("batch", *("steps" if n is None else n for n in shape))
            network.fail(codes.OTHER_SHAPE, about=name, name=name, found=_list(tensor.shape), expected=_list(expected))
        tensors[name] = tensor
    return tensors


def _needs_all(network: Network, observed: list[Tensor | None]) -> None:
    for slot, channels in zip(network.fields, observed):
        if channels is None:
            network.fail(
                codes.MISSING_DATA,
                about=slot.name,
                hint='start from the file\'s initial state instead: `start="file"`.',
                name=slot.name,
                why="rollouts start from the data, so all of the state is needed",
            )


def _channels(network: Network, slot: FieldSlot, array: Tensor, frames: int) -> Tensor:
    """[B, T, channels, *grid] of one field, real."""
    if array.is_complex() and not slot.is_complex:
        network.fail(
            codes.OTHER_TYPE, about=slot.name, name=slot.name, found="complex numbers", expected="real numbers"
        )
    dimension = len(network.grid) if network.grid is not None else array.ndim - 2 - (slot.components > 1)
    if array.ndim == dimension + 2:
        array = array.unsqueeze(2)
    grid = network.grid if network.grid is not None else tuple(array.shape[3:])
    if array.ndim != dimension + 3 or tuple(array.shape[1:]) != (frames, slot.components, *grid):
        components = (slot.components,) if slot.components > 1 else ()
        expected = _list(("batch", frames, *components, *grid))
        network.fail(codes.OTHER_SHAPE, about=slot.name, name=slot.name, found=_list(array.shape), expected=expected)
    if not slot.is_complex:
        return array
    imaginary = array.imag if array.is_complex() else torch.zeros_like(array)
    return torch.cat([array.real, imaginary], dim=2)


def _masks(network: Network, mask: Arrays, observed: list[Tensor | None], states: Tensor) -> Tensor | None:
    """[B, T, C, *grid] of booleans, None when all was observed."""
    _known(network, "field", mask, tuple(slot.name for slot in network.fields))
    if not mask and all(channels is not None for channels in observed):
        return None
    whole = torch.ones(states.shape, dtype=torch.bool)
    for slot, channels in zip(network.fields, observed):
        if channels is None:
            whole[:, :, slot.channel_slice] = False
        elif slot.name in mask:
            given = torch.as_tensor(mask[slot.name])
            target = whole[:, :, slot.channel_slice]
            parts = 2 if slot.is_complex else 1
            single = (target.shape[0], target.shape[1], slot.components, *target.shape[3:])
            try:
                given = given.bool().unsqueeze(2) if given.ndim == len(single) - 1 else given.bool()
                full = given.expand(single)
            except RuntimeError:
                network.fail(
                    codes.OTHER_SHAPE,
                    about=slot.name,
                    name=f"mask of {slot.name}",
                    found=_list(given.shape),
                    expected=_list(single),
                )
            whole[:, :, slot.channel_slice] = torch.cat([full] * parts, dim=2)
    return whole


def _step_numbers(network: Network, times: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[int, ...]:
    numbers = (times - network.start) / network.dt
    whole = np.rint(numbers)
    off = np.abs(numbers - whole) > TOLERANCE * np.maximum(1.0, 1e-4 * np.abs(numbers))
    bad = np.flatnonzero(off | (whole < 0) | (np.diff(whole, prepend=-1) <= 0))
    if len(bad):
        network.fail(
            codes.BETWEEN_STEPS,
            about=network.marching,
            notes=() if off[bad[0]] else ("times have to increase, and none may lie before the start.",),
            coordinate=network.marching,
            time=f"{times[bad[0]]:.9g}",
            dt=f"{network.dt:.9g}",
            start=f"{network.start:.9g}",
        )
    return tuple(int(n) for n in whole)


def _whole(samples: int) -> Tensor:
    return torch.stack([torch.arange(samples), torch.zeros(samples, dtype=torch.long)], dim=1)


def _list(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"
