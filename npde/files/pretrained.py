"""Folders with a saved model: `net.save_pretrained(folder)`, `npde.from_pretrained(folder)`.

    model.npde          the text it was compiled from
    model.safetensors   the learned arrays
    config.json         overrides, options, type, versions, and the SHA-256 of the other three
    model.py            the emitted source, for people and for programs without npde

Loading compiles `model.npde` again. `model.py` is never imported and nothing is unpickled; every file is checked against its
hash, and every array's name, shape and type against the compiled model, before an array is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load as load_arrays
from safetensors.torch import save as save_arrays

from npde.diagnostics import Code, DiagnosticError, NpdeError
from npde.diagnostics.catalogue import data as codes
from npde.files.atomic import reason, replacing_folder
from npde.recipe import Recipe, from_plain
from npde.source import NOWHERE, Source
from npde.syntax.encoding import decode
from npde.syntax.limits import SOURCE_BYTES

if TYPE_CHECKING:
    from npde.emit.live import LiveModule

FORMAT = 1
TEXT, WEIGHTS, CONFIG, EMITTED = "model.npde", "model.safetensors", "config.json", "model.py"
CONFIG_BYTES = 2**20
HEADER_BYTES = 2**22
TYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
"""Types of safetensors that a model's arrays may have."""


def save(module: LiveModule, recipe: Recipe, directory: Path) -> None:
    """Writes the folder, complete or not at all.

    Raises:
        DiagnosticError: N1002.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    files = {
        TEXT: recipe.source.text.encode("utf-8"),
        WEIGHTS: save_arrays(state),
        EMITTED: module.source.encode("utf-8"),
    }
    config = {
        "format": FORMAT,
        "model": module.graph.name,
        **recipe.plain(),
        "dtype": _dtype_name(module),
        "frozen": [name for name, parameter in module.named_parameters() if not parameter.requires_grad],
        "versions": versions(),
        "sha256": {name: _digest(content) for name, content in files.items()},
    }
    files[CONFIG] = (json.dumps(config, indent=2, sort_keys=True) + "\n").encode("utf-8")
    with replacing_folder(directory) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)


def load(
    directory: str | os.PathLike[str],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> LiveModule:
    """The saved model, compiled again, with its weights; in the type it was saved in unless `dtype` says otherwise.

    Raises:
        DiagnosticError: N1030 no such folder, N1031 a file was changed, N1032 the weights do not fit, N1033 another format.
    """
    folder = Path(directory)
    config = _config(folder)
    text = _checked(folder, TEXT, config, SOURCE_BYTES)
    _checked(folder, EMITTED, config, 2**28)
    source = decode(text, str(folder / TEXT))
    try:
        recipe = from_plain(source.name, source.text, config)
    except NpdeError as error:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=_clause(error)) from error
    module = recipe.rebuild(dtype=_dtype(config, folder), generator=torch.Generator())
    module.load_state_dict(_weights(folder, config, module))
    frozen = {str(name) for name in config["frozen"]}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return module.to(device=device, dtype=dtype)


def versions() -> dict[str, str]:
    """Of npde and of what decides its numbers."""
    from npde import __version__

    return {"npde": __version__, "python": platform.python_version(), "torch": str(torch.__version__)}


def _config(folder: Path) -> dict[str, Any]:
    content = _read(folder, CONFIG, CONFIG_BYTES)
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{CONFIG}' is not JSON") from error
    found = config.get("format") if isinstance(config, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise _refused(codes.OTHER_FORMAT, folder, found=found, expected=FORMAT)
    parts = {"format": int, "sha256": dict, "overrides": dict, "options": dict, "frozen": list, "dtype": str}
    if not isinstance(config, dict) or not all(isinstance(config.get(name), kind) for name, kind in parts.items()):
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{CONFIG}' does not describe a model")
    return config


def _read(folder: Path, name: str, limit: int) -> bytes:
    """A file of the folder, if it is not larger than it can be."""
    if not folder.is_dir():
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason="there is no such folder")
    try:
        with (folder / name).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{name}': {reason(error)}") from error
    if len(content) > limit:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{name}' is larger than it can be")
    return content


def _checked(folder: Path, name: str, config: dict[str, Any], limit: int) -> bytes:
    """A file of the folder whose hash is the one that was saved."""
    content = _read(folder, name, limit)
    if _digest(content) != config["sha256"].get(name):
        raise _refused(codes.TAMPERED, folder, file=name)
    return content


def _weights(folder: Path, config: dict[str, Any], module: LiveModule) -> dict[str, torch.Tensor]:
    """The arrays, after their names, shapes and types were found to be the module's."""
    expected = module.state_dict()
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    header = _header(_read_start(folder), folder)
    found = {name: (entry.get("dtype"), entry.get("shape")) for name, entry in header.items() if name != "__metadata__"}
    missing = [*sorted(set(expected) - set(found)), *sorted(set(found) - set(expected))]
    if missing:
        raise _refused(codes.OTHER_WEIGHTS, folder, reason=f"'{missing[0]}' is only in one of them")
    for name, tensor in expected.items():
        dtype, shape = found[name]
        if shape != list(tensor.shape):
            raise _refused(codes.OTHER_WEIGHTS, folder, reason=f"'{name}' is {shape}, not {list(tensor.shape)}")
        if TYPES.get(str(dtype)) != tensor.dtype:
            raise _refused(codes.OTHER_WEIGHTS, folder, reason=f"'{name}' is of type {dtype}, not {tensor.dtype}")
    content = _checked(folder, WEIGHTS, config, size + HEADER_BYTES)
    try:
        return load_arrays(content)
    except Exception as error:  # safetensors raises its own kind, made in another language
        raise _refused(codes.OTHER_WEIGHTS, folder, reason=f"'{WEIGHTS}' is damaged") from error


def _read_start(folder: Path) -> bytes:
    try:
        with (folder / WEIGHTS).open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as error:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{WEIGHTS}': {reason(error)}") from error


def _header(content: bytes, folder: Path) -> dict[str, Any]:
    """The JSON that a safetensors file begins with: eight bytes say how long it is."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + min(length, HEADER_BYTES)])
        if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
            raise ValueError("not a table of arrays")
    except (ValueError, RecursionError, struct.error) as error:
        raise _refused(codes.OTHER_WEIGHTS, folder, reason=f"'{WEIGHTS}' is damaged") from error
    return header


def _dtype_name(module: LiveModule) -> str:
    tensors = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    dtype = tensors[0].dtype if tensors else torch.get_default_dtype()
    return str(dtype).removeprefix("torch.")


def _dtype(config: dict[str, Any], folder: Path) -> torch.dtype:
    names = {str(dtype).removeprefix("torch."): dtype for dtype in TYPES.values() if dtype.is_floating_point}
    if config["dtype"] not in names:
        raise _refused(codes.NOT_A_PRETRAINED, folder, reason=f"'{CONFIG}' names no type of numbers")
    return names[config["dtype"]]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _clause(error: NpdeError) -> str:
    """A message as the end of a sentence."""
    return str(error).rstrip(".")


def _refused(code: Code, folder: Path, **data: object) -> DiagnosticError:
    return DiagnosticError([code.at(NOWHERE, hint="", notes=(), path=folder, **data)], Source(str(folder), ""))
