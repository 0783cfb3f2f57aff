"""Where built kernels lie.

    <cache>/kernels/<name>-<key>/kernel.c, kernel.so, built.json

`<cache>` is `$NPDE_CACHE`, else what the platform has for such files: `$XDG_CACHE_HOME/npde` or `~/.cache/npde`,
`~/Library/Caches/npde`, `%LOCALAPPDATA%\\npde\\Cache`. A folder that cannot be written, or that others may write to, is not
used: shared objects are code. Then a private temporary folder takes its place, which goes with the process.

An entry is a folder that is filled under another name and renamed, so it is whole or not there: processes that race leave
the entry of the first, a killed one leaves a `.part` that nothing reads and that is swept after an hour. A lock saves the
others their work; who waits for it too long builds without it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

KERNEL = "kernel.so"
BUILT = "built.json"
PATIENCE = 60.0
"""Seconds that one process waits for another's build."""

STALE = 3600.0
"""Seconds after which an unfinished folder is taken for a killed build's."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of built kernels; `note` says why it is not the usual one."""

    folder: Path
    note: str = ""

    def entry(self, name: str, key: str) -> Path:
        """Where the kernel of that key lies or will lie."""
        return self.folder / f"{name}-{key}"

    def sizes(self) -> tuple[int, int]:
        """Number of kernels, and bytes of everything in the folder."""
        count = size = 0
        for folder, _, files in os.walk(self.folder):  # others build meanwhile: what is gone is not counted
            for file in files:
                with suppress(OSError):
                    size += os.stat(os.path.join(folder, file)).st_size
                    count += file == KERNEL
        return count, size

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder to fill, on the same file system; what is left of it when the block ends is removed."""
        folder = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, filled: Path, entry: Path) -> None:
        """Renames a filled folder to its entry, unless another process was first with a good one."""
        for file in filled.iterdir():
            _sync(file)
        _sync(filled)
        while True:
            try:
                filled.rename(entry)
                break
            except OSError:
                if is_good(entry):
                    return
                if not entry.exists():
                    raise
                discard(entry)
        _sync(self.folder)

    def sweep(self) -> None:
        """Removes what killed builds left behind."""
        for folder in self.folder.glob(".*.part"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > STALE:
                    shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, key: str, patience: float = PATIENCE) -> Iterator[bool]:
        """Holds one of 256 locks, or after `patience` seconds none; the system frees it when a process dies."""
        folder = self.folder / ".locks"
        folder.mkdir(exist_ok=True)
        handle = os.open(folder / key[:2], os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _wait(handle, time.monotonic() + patience)
        finally:
            os.close(handle)


def locate(environment: Mapping[str, str] = os.environ) -> Cache:
    """The cache that can be used, by the environment; its folder is made."""
    wanted = _root(environment) / "kernels"
    if reason := _unusable(wanted):
        return Cache(_private(), f"{wanted} {reason}; a temporary folder is used")
    return Cache(wanted)


def describe(filled: Path, **facts: Any) -> None:
    """Writes down what a kernel was built with, and the hash that tells a whole file from a torn one."""
    facts["sha256"] = _digest(filled / KERNEL)
    (filled / BUILT).write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")


def is_good(entry: Path) -> bool:
    """Whether an entry is there and its kernel is what was built."""
    try:
        built = json.loads((entry / BUILT).read_text(encoding="utf-8"))
        return bool(built["sha256"] == _digest(entry / KERNEL))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def discard(entry: Path) -> None:
    """Takes a damaged entry out of the way in one step, then removes it."""
    aside = entry.with_name(f".{entry.name}.{os.getpid()}.part")
    with suppress(OSError):
        entry.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _root(environment: Mapping[str, str]) -> Path:
    if asked := environment.get("NPDE_CACHE"):
        return Path(asked).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "npde" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "npde"
    given = environment.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else home / ".cache") / "npde"


def _unusable(folder: Path) -> str:
    """Why a folder cannot hold kernels; empty if it can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        status = folder.stat()
    except OSError as error:
        return f"cannot be written ({(error.strerror or str(error)).lower()})"
    if os.name == "posix" and os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        return "lies on a file system that runs no code"
    if os.name == "posix" and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return "belongs to another user or can be written by others"
    return ""


@lru_cache(maxsize=1)
def _private() -> Path:
    """A folder that only this process knows, once a process."""
    folder = Path(tempfile.mkdtemp(prefix="npde-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    """A child that was forked leaves the folder to its parent."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(handle: int, until: float) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks here: every process builds, the first to rename wins
        return False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    """Flushes a file or folder; folders cannot be opened on some systems, and then need no flush."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
