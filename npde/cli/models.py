"""Live modules from what stands on a command line: a `.npde` file, or a folder with a run or a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from npde.emit.live import LiveModule


def live_module(
    file: str,
    overrides: dict[str, Any],
    free: str,
    *,
    dtype: str | None,
    device: str,
    seed: int,
    which: Literal["best", "latest", "start"] = "best",
    compiled: bool = False,
    memory: int | None = None,
) -> LiveModule:
    """The module of a file or folder, on a device; `compiled` gives its step to torch.compile, `memory` bounds what a march with
    gradients adds.

    Raises:
        DiagnosticError: the file or folder is wrong.
        click.UsageError: overrides for a folder, whose model was compiled with its own.
    """
    import torch

    from npde.api import device_of
    from npde.cli import report
    from npde.cli.options import recipe

    place = device_of(device)
    numbers = None if dtype is None else getattr(torch, dtype)
    if not Path(file).is_dir():
        generator = torch.Generator().manual_seed(seed)
        made = recipe(file, overrides, free)
        net = made.rebuild(dtype=numbers, generator=generator, compiled=compiled, memory=memory).to(device=place)
        report.warnings(made.compilation)
        return net
    if any(overrides.values()) or free != "none":
        raise click.UsageError(
            "A saved model keeps the options that it was compiled with; overrides need its .npde file."
        )
    module = open_folder(file, which).to(device=place, dtype=numbers)
    if compiled:
        module.compile_step()
    if memory is not None:
        module.limit_memory(memory)
    return module


def open_folder(folder: str, which: Literal["best", "latest", "start"] = "best") -> LiveModule:
    """The model of a run (as it was at its best, or `which`) or of `save_pretrained`."""
    if Path(folder, "options.json").is_file():
        from npde.train import open_run

        return open_run(folder, which)
    from npde.api import from_pretrained

    return from_pretrained(folder)
