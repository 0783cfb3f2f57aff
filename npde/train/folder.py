"""The directory of a run, which survives being killed at any moment.

    model.npde           the text that was compiled
    options.json         everything that decides the run's course
    metrics.jsonl        one line an epoch
    checkpoints/NNNN/    the state after epoch NNNN: complete or not there
    latest               name of the newest checkpoint, switched last

The order of writes is the proof: metrics reach the disk before the checkpoint, the checkpoint before `latest` names it. Whatever
stands after the epoch that `latest` names is left over from a killed process and is computed again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from torch import nn

from npde.diagnostics import Code, DiagnosticError
from npde.diagnostics.catalogue import training as codes
from npde.files.atomic import cannot_write, reason, replacing_folder, write_text
from npde.source import NOWHERE, Source
from npde.train.run import EpochRecord
from npde.train.snapshot import DamagedError, Snapshot, files_of, read

MODEL, OPTIONS, METRICS, CHECKPOINTS, LATEST, LOCK = (
    "model.npde",
    "options.json",
    "metrics.jsonl",
    "checkpoints",
    "latest",
    ".lock",
)
KEPT = 3
"""Checkpoints kept besides the first, which holds the start values."""


class RunFolder:
    """A run directory, open for one process. Use as a context manager."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._lock: int | None = None

    # --- one process at a time ----------------------------------------------------------------------------------------

    def __enter__(self) -> RunFolder:
        try:
            (self.path / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise cannot_write(self.path, reason(error)) from error
        if not _locked(self._lock):
            os.close(self._lock)
            self._lock = None
            self.fail(codes.BUSY_RUN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- what is there ------------------------------------------------------------------------------------------------

    @property
    def has_run(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / OPTIONS).exists() or (self.path / LATEST).exists()

    @property
    def latest(self) -> Path | None:
        """The newest complete checkpoint, None before the first."""
        try:
            name = (self.path / LATEST).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.fail(codes.DAMAGED_RUN, reason="'latest' cannot be read", cause=error)
        if not name.isdigit() or not (self.path / CHECKPOINTS / name).is_dir():
            self.fail(codes.DAMAGED_RUN, reason=f"'latest' names '{name[:40]}', which is no checkpoint")
        return self.path / CHECKPOINTS / name

    def options(self) -> dict[str, Any]:
        """What `begin` wrote.

        Raises:
            DiagnosticError: N1107, N1108.
        """
        if not (self.path / OPTIONS).is_file():
            self.fail(codes.NOT_A_RUN, reason=f"there is no '{OPTIONS}' in it")
        try:
            options = json.loads((self.path / OPTIONS).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            self.fail(codes.DAMAGED_RUN, reason=f"'{OPTIONS}' is not JSON", cause=error)
        if not isinstance(options, dict):
            self.fail(codes.DAMAGED_RUN, reason=f"'{OPTIONS}' holds no options")
        return options

    def snapshot(self, module: nn.Module, checkpoint: Path | None = None) -> Snapshot:
        """The state in a checkpoint, the newest by default. Raises `DiagnosticError` (N1107, N1108)."""
        folder = checkpoint or self.latest
        if folder is None:
            self.fail(codes.NOT_A_RUN, reason="it has no checkpoint")
        try:
            return read(folder, module)
        except DamagedError as error:
            self.fail(codes.DAMAGED_RUN, reason=str(error), cause=error)

    @property
    def first(self) -> Path | None:
        """The checkpoint with the start values."""
        path = self.path / CHECKPOINTS / _name(0)
        return path if path.is_dir() else None

    def history(self, epochs: int) -> tuple[EpochRecord, ...]:
        """The records of the first `epochs` epochs."""
        try:
            lines = (self.path / METRICS).read_text(encoding="utf-8").splitlines()[:epochs]
            records = tuple(EpochRecord(**json.loads(line)) for line in lines)
        except FileNotFoundError:
            records = ()
        except (OSError, ValueError, TypeError) as error:
            self.fail(codes.DAMAGED_RUN, reason=f"'{METRICS}' is not what was written", cause=error)
        if [record.epoch for record in records] != list(range(1, epochs + 1)):
            self.fail(codes.DAMAGED_RUN, reason=f"'{METRICS}' does not hold the epochs 1 to {epochs}")
        return records

    # --- writing ------------------------------------------------------------------------------------------------------

    def begin(self, text: str | None, options: Mapping[str, Any]) -> None:
        """Start a run: the text first, then the options, so that a folder with options is whole."""
        self._sweep()
        if text is not None:
            write_text(self.path / MODEL, text)
        write_text(self.path / METRICS, "")
        self.write_options(options)

    def write_options(self, options: Mapping[str, Any]) -> None:
        """Replace the options."""
        write_text(self.path / OPTIONS, json.dumps(options, indent=2, sort_keys=True) + "\n")

    def rewind(self, records: tuple[EpochRecord, ...]) -> None:
        """Drop what a killed process left after the newest checkpoint."""
        self._sweep()
        write_text(self.path / METRICS, "".join(_line(record) for record in records))

    def append(self, record: EpochRecord) -> None:
        """Add a line to the metrics; the next checkpoint makes sure of it."""
        try:
            with (self.path / METRICS).open("a", encoding="utf-8", newline="\n") as file:
                file.write(_line(record))
        except OSError as error:
            raise cannot_write(self.path / METRICS, reason(error)) from error

    def save(self, snapshot: Snapshot) -> Path:
        """Write a checkpoint and let `latest` name it; older ones are removed."""
        self._flush_metrics()
        target = self.path / CHECKPOINTS / _name(snapshot.epoch)
        with replacing_folder(target) as folder:
            for name, content in files_of(snapshot).items():
                (folder / name).write_bytes(content)
        write_text(self.path / LATEST, target.name + "\n")
        self._prune()
        return target

    def _flush_metrics(self) -> None:
        try:
            with (self.path / METRICS).open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path / METRICS, reason(error)) from error

    def _prune(self) -> None:
        """Remove old checkpoints. They are renamed first: a name never stands for half of a folder."""
        folders = sorted(p for p in (self.path / CHECKPOINTS).iterdir() if p.name.isdigit() and int(p.name) > 0)
        for folder in folders[:-KEPT]:
            aside = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(folder, aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed process left half written, and checkpoints newer than `latest`."""
        newest = self.latest
        for path in sorted((self.path / CHECKPOINTS).iterdir()):
            is_left_over = path.name.isdigit() and (newest is None or int(path.name) > int(newest.name))
            if path.name.startswith(".") or is_left_over:
                shutil.rmtree(path, ignore_errors=True)
        for path in sorted(self.path.glob(".*.part")):
            path.unlink(missing_ok=True)

    def fail(self, code: Code, *, cause: BaseException | None = None, hint: str = "", **data: str) -> NoReturn:
        """Raise a `DiagnosticError` about this folder."""
        raise DiagnosticError(
            [code.at(NOWHERE, hint=hint, notes=(), path=self.path, **data)], Source(str(self.path), "")
        ) from cause


def _name(epoch: int) -> str:
    return f"{epoch:04d}"


def _line(record: EpochRecord) -> str:
    return json.dumps(record.plain(), sort_keys=True) + "\n"


def _locked(handle: int) -> bool:
    """Take the lock of a file without waiting; the system gives it back when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
