"""`npde doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import import_module, metadata
from typing import Any

import click

from npde.cli.options import json_option

NEEDED = ("click", "h5py", "lark", "matplotlib", "networkx", "numpy", "rich", "safetensors", "sympy", "torch")
OPTIONAL = {
    "ziglang": "a C compiler by pip, for native kernels",
    "h5netcdf": "xarray opens run files with it",
    "scikit-learn": "the digits of the demo",
    "scipy": "the demo",
    "xarray": "opens run files",
}
TOOLS = {"ffmpeg": "plots as mp4", "dot": "draws `npde graph -o g.dot`"}


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, is_json: bool) -> None:
    """Say what is installed, which compilers and devices there are, and what is missing for what.

    The status is 1 if something that npde needs is missing.
    """
    from npde.cli import report

    found = examination()
    missing = [name for name, version in found["needed"].items() if version is None]
    if is_json:
        report.as_json(found)
    else:
        click.echo(text(found))
        for name in missing:
            report.problem(f"'{name}' is needed and not installed.")
    ctx.exit(1 if missing else 0)


def examination() -> dict[str, Any]:
    """What there is."""
    from npde import __version__
    from npde.cli.examples import examples
    from npde.files.limits import available_bytes

    return {
        "npde": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": available_bytes(),
        "needed": {name: _version(name) for name in NEEDED},
        "optional": {name: _version(name) for name in OPTIONAL},
        "tools": {name: shutil.which(name) is not None for name in TOOLS},
        "native": _native(),
        "devices": _devices(),
        "examples": len(examples()),
    }


def text(found: dict[str, Any]) -> str:
    """A line an item."""
    from npde.files.limits import human

    rows = [
        ("npde", found["npde"]),
        ("python", f"{found['python']}, {found['system']}"),
        ("machine", f"{found['cores']} cores, {human(found['memory'])} of memory free"),
        ("devices", ", ".join(found["devices"]) or "none: torch cannot be imported"),
        ("compiler", _compiler_text(found["native"])),
        ("flags", " ".join(found["native"]["flags"]) or "none"),
        ("kernels", _kernels_text(found["native"])),
        ("examples", f"{found['examples']}, see `npde new --list`"),
    ]
    rows += [(name, version or "missing") for name, version in found["needed"].items()]
    rows += [(name, version or f"not installed ({OPTIONAL[name]})") for name, version in found["optional"].items()]
    rows += [(name, "found" if there else f"not found ({TOOLS[name]})") for name, there in found["tools"].items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _native() -> dict[str, Any]:
    """The compiler of native kernels, its flags, and the cache they lie in."""
    from npde.native import cache
    from npde.native.build import toolchain
    from npde.native.compiler import CompilerError

    store = cache.locate()
    count, size = store.sizes()
    kept = {"folder": str(store.folder), "note": store.note, "kernels": count, "bytes": size}
    try:
        tools = toolchain(store)
    except CompilerError as error:
        return {"command": None, "version": None, "flags": [], "threads": False, "problem": str(error), "cache": kept}
    found = {"command": list(tools.command), "version": tools.version, "flags": list(tools.flags)}
    return {**found, "threads": tools.has_threads, "problem": None, "cache": kept}


def _compiler_text(native: dict[str, Any]) -> str:
    if native["problem"] is not None:
        return f"none that works, so there are no native kernels: {native['problem']}"
    threads = "" if native["threads"] else ", without OpenMP: kernels run on one core"
    return f"{native['version'] or ' '.join(native['command'])}{threads}"


def _kernels_text(native: dict[str, Any]) -> str:
    from npde.files.limits import human

    kept = native["cache"]
    return kept["note"] or f"{kept['kernels']} in {kept['folder']}, {human(kept['bytes'])}"


def _devices() -> list[str]:
    """Devices that a tensor can be put on."""
    try:
        torch = import_module("torch")
    except ImportError:
        return []
    devices = ["cpu"]
    devices += [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices
