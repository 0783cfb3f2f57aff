"""The state of a fit after an epoch, in memory and as files of a checkpoint: safetensors and JSON, nothing pickled.

model.safetensors    all stored parameters
solver.safetensors   tensors of the solver's state, under the paths where they stand in it
best.safetensors     parameters of the best epoch, if that is not this one
state.json           epoch, best, the rest of the solver's state, SHA-256 of the other files
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

FORMAT = 1
MODEL, SOLVER, BEST, STATE = "model.safetensors", "solver.safetensors", "best.safetensors", "state.json"
TENSOR = "tensor"
"""Key of the JSON object that stands for a tensor: `{"tensor": path}`."""


class DamagedError(Exception):
    """A checkpoint is incomplete or was changed; the message is the end of a sentence."""


@dataclass(frozen=True)
class Snapshot:
    """All that the rest of a fit depends on, after `epoch` epochs.

    `model`       stored parameters by name, copies
    `solver`      the solver's state, copies
    `best_epoch`  epoch with the smallest monitored loss, `best_loss`, and its parameters
    """

    epoch: int
    model: Mapping[str, Tensor]
    solver: Mapping[str, Any]
    best_epoch: int
    best_loss: float
    best_model: Mapping[str, Tensor]
    stopped: str = ""


def parameters_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all stored parameters, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def set_parameters(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Write stored parameters back, in place."""
    module.load_state_dict(dict(values))


def copied(state: Any) -> Any:
    """A nested state with its tensors cloned."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [copied(value) for value in state]
    return state


def files_of(snapshot: Snapshot) -> dict[str, bytes]:
    """Content of the files of a checkpoint, by name."""
    tensors: dict[str, Tensor] = {}
    solver = _taken_apart(snapshot.solver, "", tensors)
    files = {MODEL: save_tensors(_plain(snapshot.model)), SOLVER: save_tensors(_plain(tensors))}
    if snapshot.best_epoch != snapshot.epoch:
        files[BEST] = save_tensors(_plain(snapshot.best_model))
    state = {
        "format": FORMAT,
        "epoch": snapshot.epoch,
        "best_epoch": snapshot.best_epoch,
        "best_loss": snapshot.best_loss,
        "stopped": snapshot.stopped,
        "solver": solver,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[STATE] = (json.dumps(state, indent=1, sort_keys=True) + "\n").encode()
    return files


def read(folder: Path, module: nn.Module) -> Snapshot:
    """The snapshot in the folder of a checkpoint; its tensors must fit the module.

    Raises:
        DamagedError: it does not, or a file is missing or changed.
    """
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            raise DamagedError(f"'{folder.name}' has format {state['format']}, this version reads {FORMAT}")
        contents = {name: _verified(folder, name, digest) for name, digest in state["sha256"].items()}
        model = load_tensors(contents[MODEL])
        best = load_tensors(contents[BEST]) if BEST in contents else model
        solver = _put_together(state["solver"], load_tensors(contents[SOLVER]))
        snapshot = Snapshot(
            int(state["epoch"]),
            model,
            solver,
            int(state["best_epoch"]),
            float(state["best_loss"]),
            best,
            str(state["stopped"]),
        )
    except DamagedError:
        raise
    except (
        Exception
    ) as error:  # whatever a stranger's file can make go wrong: JSON, keys, types, safetensors' own errors
        raise DamagedError(f"checkpoint '{folder.name}' is damaged ({type(error).__name__})") from error
    expected = {name: (tuple(t.shape), t.dtype) for name, t in module.state_dict().items()}
    for tensors in (snapshot.model, snapshot.best_model):
        if {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()} != expected:
            raise DamagedError(f"the parameters of checkpoint '{folder.name}' are not those of the model")
    return snapshot


def _verified(folder: Path, name: str, digest: str) -> bytes:
    if name not in (MODEL, SOLVER, BEST):
        raise DamagedError(f"checkpoint '{folder.name}' names a strange file")
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"'{name}' of checkpoint '{folder.name}' was changed")
    return content


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous on the CPU, no two sharing memory, as safetensors needs them."""
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}


def _taken_apart(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The state as JSON holds it; its tensors go into `tensors` under their paths."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {TENSOR: path}
    if isinstance(value, Mapping):
        return {"map": {str(k): _taken_apart(v, f"{path}/{k}", tensors) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [_taken_apart(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A solver's state holds tensors, numbers, text, lists and dicts, not {type(value).__name__}.")


def _put_together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors[value[TENSOR]]
    if "map" in value:
        return {key: _put_together(entry, tensors) for key, entry in value["map"].items()}
    return [_put_together(entry, tensors) for entry in value["list"]]


def is_finite(values: Mapping[str, Tensor]) -> bool:
    """Whether all parameters are numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in values.values())
