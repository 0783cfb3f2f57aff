"""C source -> loaded shared object, built once a machine.

    library = load(source, name="fisher")
    library.step(...)

The key of a kernel is the hash of its source, the flags, the compiler's version and the processor, so nothing stale is ever
taken. torch is not needed.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from npde.native import cache, compiler
from npde.native.cache import Cache, locate
from npde.native.compiler import Compiler, CompilerError

FORMAT = 1
"""Part of every key; a change of how kernels are built or kept changes it."""


def load(source: str, *, name: str, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The shared object of a C source: built if it is not in the cache, then loaded.

    Args:
        source: one translation unit; `<math.h>` is linked, `<omp.h>` only if `_OPENMP` is defined.
        name: for people who look into the cache or a debugger; letters, digits and `_` are kept.
        flags: beyond those of `toolchain`, `-fsanitize=undefined` for instance.

    Raises:
        NoCompilerError: there is no compiler.
        CompilerError: it does not work, it refused the source, or what it made cannot be loaded.
    """
    path = built(source, name=name, flags=flags)
    try:
        return _loaded(path)
    except CompilerError:  # a home that machines share: what one built may ask for libraries that another has not
        cache.discard(path.parent)
        return _loaded(built(source, name=name, flags=flags))


def built(source: str, *, name: str, flags: tuple[str, ...] = ()) -> Path:
    """The path of the shared object of a C source; built if it is not in the cache. Raises as `load` does."""
    store = locate()
    tools = toolchain(store)
    key = _key(source, *tools.command, tools.version, *tools.flags, "", *flags, compiler.processor())
    entry = store.entry(re.sub(r"\W", "_", name, flags=re.ASCII)[:40], key)
    if not cache.is_good(entry):
        with _full_disks_are_told(), store.lock(key):
            if not cache.is_good(entry):
                _build(source, entry, store, tools, flags)
    return entry / cache.KERNEL


def toolchain(store: Cache | None = None, environment: Mapping[str, str] = os.environ) -> Compiler:
    """The compiler and the flags it takes: probed once for each compiler and processor, then read from the cache.

    Raises:
        NoCompilerError: there is none.
        CompilerError: it makes nothing that can be loaded.
    """
    store = store or locate(environment)
    command = compiler.find(environment)
    return _probed(command, tuple(compiler.identity(command)), store)


@lru_cache(maxsize=8)
def _probed(command: tuple[str, ...], identity: tuple[str, ...], store: Cache) -> Compiler:
    record = store.folder / f"compiler-{_key(*identity, compiler.processor())}.json"
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return Compiler(command, known["version"], tuple(known["flags"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with _full_disks_are_told(), store.scratch() as folder:
        found = compiler.probe(command, folder)
        written = folder / "record"
        written.write_text(json.dumps({"version": found.version, "flags": found.flags}), encoding="utf-8")
        os.replace(written, record)
    return found


def _build(source: str, entry: Path, store: Cache, tools: Compiler, flags: tuple[str, ...]) -> None:
    store.sweep()
    with store.scratch() as folder:
        text = folder / "kernel.c"
        text.write_text(source, encoding="utf-8")
        tools.build(text, folder / cache.KERNEL, flags)
        cache.describe(folder, compiler=tools.version, flags=[*tools.flags, *flags])
        store.publish(folder, entry)


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CompilerError(f"The kernel that was built cannot be loaded: {error}.") from error


@contextmanager
def _full_disks_are_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CompilerError(f"No kernel can be built: {(error.strerror or str(error)).lower()}.") from error


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode("utf-8")).hexdigest()[:32]
