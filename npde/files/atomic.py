"""Writes that are complete or did not happen: temporary name, fsync, rename, fsync of the folder.

A full disk, a read-only folder or a kill at any moment leaves the last good file. The temporary lies beside the target (a
rename across file systems would copy), is hidden, and is removed when the block raises.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.source import Source


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file at `path` by `content`, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Replace the file at `path` by `content` in UTF-8 with plain newlines, atomically."""
    write_bytes(path, content.encode("utf-8"))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends without an exception.

    A device or a pipe (`/dev/stdout`) is written to, never replaced. Raises `DiagnosticError` (N1002) when that cannot be.
    """
    if Path(path).is_dir():
        raise cannot_write(path, "it is a folder")
    if Path(path).exists() and not Path(path).is_file():
        with _into_device(Path(path)) as temporary:
            yield temporary
        return
    target = _real_target(Path(path))
    _make_parent(target, path)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")
    try:
        yield temporary
        _sync(temporary)
        _keep_mode(target, temporary)
        os.replace(temporary, target)
        _sync(target.parent)
    except OSError as error:
        raise cannot_write(path, reason(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends without an exception.

    A folder already there is moved aside first and removed last; between the two renames the name is free for a moment, but
    at no time does it hold half of a folder.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise cannot_write(path, "it is a file, not a folder")
    _make_parent(target.absolute(), path)
    mark = os.urandom(6).hex()
    temporary = target.absolute().with_name(f".{target.name}.{mark}.part")
    previous = target.absolute().with_name(f".{target.name}.{mark}.old")
    try:
        temporary.mkdir()
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        if target.exists():
            os.replace(target, previous)
        os.replace(temporary, target)
        _sync(target.absolute().parent)
    except OSError as error:
        if previous.exists() and not target.exists():
            os.replace(previous, target)
        raise cannot_write(path, reason(error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def _into_device(target: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, "content")
        yield temporary
        with temporary.open("rb") as content, target.open("wb") as device:
            shutil.copyfileobj(content, device)


def _real_target(path: Path) -> Path:
    """Where a link points: replacing the link itself would silently turn it into a file."""
    return path.resolve() if path.is_symlink() else path.absolute()


def _make_parent(target: Path, given: str | os.PathLike[str]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(given, reason(error)) from error


def _keep_mode(target: Path, temporary: Path) -> None:
    """An existing file keeps its permissions."""
    if target.exists():
        os.chmod(temporary, target.stat().st_mode & 0o7777)


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk; folders cannot be opened on some systems, and then need no flush."""
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


def reason(error: OSError) -> str:
    """Why the system refused, as the end of a sentence."""
    return (error.strerror or str(error)).lower()


def cannot_write(path: str | os.PathLike[str], why: str) -> DiagnosticError:
    """The error N1002."""
    return DiagnosticError([codes.CANNOT_WRITE.at(path=path, reason=why)], Source(str(path), ""))
