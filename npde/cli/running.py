"""The body of `npde run`: simulate, write, draw, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from npde.analysis.watched import Claim, Watch, watched
from npde.cli.progress import Meter
from npde.diagnostics import NpdeError
from npde.files.inputs import inputs as read_inputs
from npde.files.pretrained import versions
from npde.files.trajectory import TrajectoryFile, trajectory
from npde.simulate import Piece, Simulation, outputs_of, solved

if TYPE_CHECKING:
    from npde.discretize.scheme import Scheme
    from npde.emit.live import LiveModule

FRAMES = 100
"""Frames kept when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to simulate: `given` says where each input comes from; a frame `every` so many steps (None: about `FRAMES`); `watch`
    follows masses and norms that need not be kept, too."""

    net: LiveModule
    given: Mapping[str, str]
    resize: bool
    every: int | None
    noise: float
    seed: int
    dtype: str
    watch: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the range of each field in the last frame, [(name, lowest, highest)]; of a complex field its modulus;
    and by how much quantities changed, [(name, claim, drift)]."""

    model: str
    marching: str | None
    start: float
    end: float
    steps: int
    frames: int
    batch: int
    seconds: float
    ranges: tuple[tuple[str, float, float], ...]
    drifts: tuple[tuple[str, Claim, float], ...] = ()

    def text(self) -> str:
        """A few lines."""
        samples = f", {self.batch} samples" if self.batch > 1 else ""
        if self.marching is None:
            lines = [f"{self.model}: solved in {self.seconds:.1f} s{samples}"]
            lines.extend(f"  {name} in [{low:.4g}, {high:.4g}]" for name, low, high in self.ranges)
            return "\n".join(lines)
        lines = [
            f"{self.model}: {self.steps:,} step{'s' * (self.steps != 1)} from {self.marching} = {self.start:.6g} "
            f"to {self.end:.6g} in {self.seconds:.1f} s, {self.frames} frames{samples}"
        ]
        lines.extend(f"  {name} in [{low:.4g}, {high:.4g}] at the end" for name, low, high in self.ranges)
        words = {"kept": "is kept to", "near": "stays within", "watched": "changes by"}
        lines.extend(f"  {name} {words[claim]} {_share(drift)}" for name, claim, drift in self.drifts)
        return "\n".join(lines)

    def plain(self, written: list[str]) -> dict[str, Any]:
        """For `--json`."""
        if self.marching is None:
            return {
                "model": self.model,
                "samples": self.batch,
                "seconds": round(self.seconds, 3),
                "ranges": {name: [low, high] for name, low, high in self.ranges},
                "written": written,
            }
        return {
            "model": self.model,
            "start": self.start,
            "end": self.end,
            "steps": self.steps,
            "frames": self.frames,
            "samples": self.batch,
            "seconds": round(self.seconds, 3),
            "ranges": {name: [low, high] for name, low, high in self.ranges},
            "drifts": {name: {"claim": claim, "drift": drift} for name, claim, drift in self.drifts},
            "written": written,
        }


def _share(drift: float) -> str:
    """`2e-16`, or `3.1%`."""
    return f"{drift:.1%}" if drift >= 1e-3 else f"{drift:.1g}"


def simulate(order: Order, path: str) -> Result:
    """Simulates to the HDF5 file at `path`, frame by frame.

    Raises:
        DiagnosticError: an input is wrong, the file cannot be written, or a field stops being finite.
    """
    net, scheme = order.net, order.net.graph.scheme
    problem = scheme.system.problem
    arrays = read_inputs(problem, order.given, scheme.steps, order.resize)
    tensors, batch = _tensors(net, arrays)
    if problem.marching is None:
        return _solve(order, path, arrays, tensors, batch)
    steps = _steps(net, arrays, scheme)
    every = order.every or max(1, steps // FRAMES)
    run = Simulation(net, tensors, steps, every, batch)
    watch = Watch(net, watched(scheme, order.watch))
    began = time.perf_counter()
    attributes = {"options": _options(order, every), "versions": versions()}
    with trajectory(
        path, scheme, batch=batch, every=every, steps=steps, dtype=order.dtype, attributes=attributes
    ) as file:
        for declared in problem.inputs:
            file.put(
                declared, arrays[declared.name][:, :steps] if _per_step(net, declared.name) else arrays[declared.name]
            )
        last = _march(run, file, watch, order.watch)
        if order.noise:
            file.add_noise(order.noise, order.seed)
        frames = file.frames
    end = float(scheme.start + scheme.dt * steps)
    seconds = time.perf_counter() - began
    return Result(
        problem.name, problem.marching, float(scheme.start), end, steps, frames, batch, seconds, _ranges(net, last),
        watch.drifts(),
    )  # fmt: skip


def _solve(order: Order, path: str, arrays: Mapping[str, Any], tensors: Mapping[str, Tensor], batch: int) -> Result:
    """Solves a steady problem to the HDF5 file at `path`."""
    net, scheme = order.net, order.net.graph.scheme
    problem = scheme.system.problem
    began = time.perf_counter()
    state = solved(net, tensors)
    seconds = time.perf_counter() - began
    attributes = {"options": _options(order, 1), "versions": versions()}
    with trajectory(path, scheme, batch=batch, dtype=order.dtype, attributes=attributes) as file:
        for declared in problem.inputs:
            file.put(declared, arrays[declared.name])
        file.append(_fields(net, state))
        for name, value in outputs_of(net, tensors, state).items():
            file.put(next(o for o in problem.outputs if o.name == name), value.cpu().resolve_conj().numpy())
        if order.noise:
            file.add_noise(order.noise, order.seed)
    return Result(problem.name, None, 0.0, 0.0, 1, 1, batch, seconds, _ranges(net, state))


def _tensors(net: LiveModule, arrays: Mapping[str, Any]) -> tuple[dict[str, Tensor], int]:
    """The inputs on the module's device, each for the whole batch, and its size."""
    like = next(t for t in (*net.parameters(), *net.buffers()) if t.is_floating_point())
    batch = max((len(array) for array in arrays.values()), default=1)
    return {name: _shared(torch.as_tensor(array).to(like), batch) for name, array in arrays.items()}, batch


def draw(run: str, picture: str) -> None:
    """Draws a run file."""
    from npde import plot
    from npde.plot.run import FRAMES as most

    with Meter("frames", most) as meter:
        plot.save(run, picture, meter.update)


def _march(run: Simulation, file: TrajectoryFile, watch: Watch, at_every_frame: bool) -> Tensor:
    """Marches, writes and watches, at every frame or at the ends of pieces; the last state."""
    scheme = run.scheme
    marching = scheme.system.problem.marching
    state = run.start()
    file.append(_fields(run.net, state[:, None]))
    watch(state[:, None])
    with Meter("steps", run.steps) as meter:
        for piece in run.pieces(state):
            file.append(_fields(run.net, piece.frames))
            _write_outputs(run, file, piece)
            state = piece.state
            watch(piece.frames if at_every_frame and piece.frames.shape[1] else state[:, None])
            done = piece.start + piece.steps
            meter.update(done, f"{marching} = {float(scheme.start + scheme.dt * done):.4g}")
    return state


def _write_outputs(run: Simulation, file: TrajectoryFile, piece: Piece) -> None:
    marching = run.scheme.system.problem.marching
    for declared in run.scheme.system.problem.outputs:
        value = piece.outputs.get(declared.name)
        if value is None:
            continue
        array = value.cpu().resolve_conj().numpy()
        if marching in declared.coordinates:
            file.append_output(declared, array, piece.start)
        else:
            file.put(declared, array)


def _fields(net: LiveModule, states: Tensor) -> dict[str, Any]:
    """Fields of states [B, k, C, *grid] as arrays [B, k, (n,) *grid]; velocities are not kept."""
    names = [f.name for f in net.graph.scheme.system.problem.fields]
    unpacked: dict[str, Tensor] = net.unpack(states)  # type: ignore[operator]
    return {name: unpacked[name].cpu().resolve_conj().numpy() for name in names}


def _steps(net: LiveModule, arrays: Mapping[str, Any], scheme: Scheme) -> int:
    """Inputs with a value a step say how many there are."""
    counts = {name: array.shape[1] for name, array in arrays.items() if _per_step(net, name)}
    if not counts:
        return scheme.steps
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise NpdeError(f"Inputs have different numbers of steps: {listed}.")
    return next(iter(counts.values()))


def _per_step(net: LiveModule, name: str) -> bool:
    return net.inputs[name][:1] == (None,)


def _shared(tensor: Tensor, batch: int) -> Tensor:
    if len(tensor) not in (1, batch):
        raise NpdeError(f"Inputs have {len(tensor)} and {batch} samples; they should have as many, or one.")
    return tensor.expand(batch, *tensor.shape[1:])


def _ranges(net: LiveModule, state: Tensor) -> tuple[tuple[str, float, float], ...]:
    fields: dict[str, Tensor] = net.unpack(state)  # type: ignore[operator]
    found = []
    for declared in net.graph.scheme.system.problem.fields:
        value = fields[declared.name]
        size = value.abs() if value.is_complex() else value
        label = f"|{declared.name}|" if value.is_complex() else declared.name
        found.append((label, float(size.min()), float(size.max())))
    return tuple(found)


def _options(order: Order, every: int) -> dict[str, Any]:
    recipe: dict[str, Any] = getattr(order.net._npde.origin, "plain", dict)()
    return {**recipe, "dtype": order.dtype, "every": every, "noise": order.noise, "seed": order.seed}
