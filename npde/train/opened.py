"""The model of a run: compiled again from its text, with the parameters of a checkpoint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import torch

from npde.diagnostics import NpdeError
from npde.diagnostics.catalogue import training as codes
from npde.files.text import read_source
from npde.recipe import from_plain
from npde.train.folder import MODEL, RunFolder
from npde.train.snapshot import set_parameters

if TYPE_CHECKING:
    from npde.emit.live import LiveModule


def open_run(path: str | os.PathLike[str], which: Literal["latest", "best", "start"] = "latest") -> LiveModule:
    """The model of the run in a folder, with what it had learned at its newest checkpoint, at its best epoch, or before.

    Raises:
        DiagnosticError: N1107 the run is damaged, N1108 it is none, or it was made from a module without its text.
    """
    folder = RunFolder(path)
    if not folder.has_run:
        folder.fail(codes.NOT_A_RUN, reason="there is no 'options.json' in it")
    options = folder.options()
    if not isinstance(options.get("model"), dict) or not (folder.path / MODEL).is_file():
        folder.fail(codes.NOT_A_RUN, reason=f"there is no '{MODEL}' in it")
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(options.get("dtype")))
    if dtype is None:
        folder.fail(codes.DAMAGED_RUN, reason="'options.json' names no type of numbers")
    text = read_source(folder.path / MODEL)
    try:
        recipe = from_plain(text.name, text.text, options["model"])
    except NpdeError as error:
        folder.fail(codes.DAMAGED_RUN, reason=str(error).rstrip("."), cause=error)
    module = recipe.rebuild(dtype=dtype, generator=torch.Generator())
    snapshot = folder.snapshot(module, folder.first if which == "start" else None)
    set_parameters(module, snapshot.best_model if which == "best" else snapshot.model)
    return module
