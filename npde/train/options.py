"""What decides the course of a run, as JSON; a run goes on only under the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import torch

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import training as codes
from npde.train.data import Dataset
from npde.train.folder import RunFolder
from npde.train.strategy import Strategy, Task

FORMAT = 1
MAY_DIFFER = ("format", "epochs", "environment")
"""Entries that a continued run may have otherwise than it began."""


def options_of(task: Task, strategy: Strategy, held: Dataset | None, patience: int | None) -> dict[str, Any]:
    """The content of `options.json`."""
    network = task.network
    origin = getattr(getattr(network.module, "_npde", None), "origin", None)
    trained = set(task.parameters)
    options = {
        "format": FORMAT,
        "name": network.name,
        "model": origin.plain() if origin is not None else None,
        "dtype": str(network.dtype).removeprefix("torch."),
        "strategy": {"name": strategy.name, **asdict(strategy)},  # type: ignore[call-overload]
        "loss": name_of(task.loss),
        "augment": name_of(task.augment),
        "epochs": task.epochs,
        "batch": task.batch_size,
        "seed": task.seed,
        "patience": patience,
        "trained": sorted(trained),
        "fixed": sorted(name for name, _ in network.module.named_parameters() if name not in trained),
        "data": task.data.fingerprint(),
        "held_out": held.fingerprint() if held is not None else None,
        "environment": environment(network.device),
    }
    return json.loads(json.dumps(options))


def environment(device: torch.device) -> dict[str, Any]:
    """What the last bits of a sum depend on."""
    from npde import __version__

    return {
        "npde": __version__,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }


def check_same(
    folder: RunFolder, found: Mapping[str, Any], own: Mapping[str, Any], warn: Callable[[Diagnostic], None]
) -> None:
    """Whether a run begun with `found` can go on with `own`.

    Raises:
        DiagnosticError: N1106, naming the first option that differs; N1107 for another format.
    """
    if found.get("format") != own["format"]:
        folder.fail(
            codes.DAMAGED_RUN, reason=f"its format is {found.get('format')}, this version writes {own['format']}"
        )
    for option, given in own.items():
        if option not in MAY_DIFFER and found.get(option) != given:
            name, before, now = _difference(option, found.get(option), given)
            folder.fail(codes.OTHER_OPTIONS, option=name, found=before, given=now)
    if found.get("environment") != own["environment"]:
        name, before, now = _difference("environment", found.get("environment"), own["environment"])
        warn(codes.OTHER_ENVIRONMENT.at(path=folder.path, option=name, found=before, given=now))


def _difference(option: str, found: Any, given: Any) -> tuple[str, str, str]:
    """The innermost entry that differs, and both values in short."""
    if isinstance(found, dict) and isinstance(given, dict):
        for key in sorted({*found, *given}):
            if found.get(key) != given.get(key):
                return _difference(f"{option}.{key}", found.get(key), given.get(key))
    return option, _short(found), _short(given)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def name_of(function: object) -> str:
    """A loss or an augmentation in a word: the `repr` of a record, the name of anything else (whose `repr` holds an address)."""
    if function is None or is_dataclass(function):
        return repr(function)
    return getattr(function, "__qualname__", type(function).__qualname__)
