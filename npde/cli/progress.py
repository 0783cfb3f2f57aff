"""How far a long command is: a bar on a terminal, plain lines elsewhere, nothing for what takes under two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from npde.cli import report

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0


class Meter:
    """`with Meter("steps", 400) as meter: meter.update(done)`; written to standard error."""

    def __init__(self, unit: str, total: int):
        self.unit, self.total = unit, total
        self.began = self.said = time.monotonic()
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def update(self, done: int, note: str = "") -> None:
        """`done` of the total; `note` says how things stand."""
        now = time.monotonic()
        if now - self.began < QUIET_SECONDS and self.bar is None:
            return
        if sys.stderr.isatty():
            self._draw(done, note)
        elif now - self.said >= LINE_SECONDS:
            self.said = now
            share = f"{done / self.total:.0%}" if self.total else "100%"
            report.say(f"{done:,} of {self.total:,} {self.unit} ({share})" + (f", {note}" if note else ""))

    def _draw(self, done: int, note: str) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )  # fmt: skip
            console = Console(stderr=True, no_color=not report.has_color())
            self.bar = Progress(*columns, console=console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.unit, total=self.total, note=note)
        assert self.task is not None
        self.bar.update(self.task, completed=done, note=note)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
