"""What a mistake gets: a coded, spanned message. Errors of the user and bugs of npde are different types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from npde.source import NOWHERE, Source, Span

Severity = Literal["error", "warning"]

MAXIMUM = 20
"""Diagnostics shown a run."""


class NpdeError(Exception):
    """Base of every error that npde raises on purpose."""


class InternalError(NpdeError):
    """A bug in npde, never a mistake of the user."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: a stable code, one sentence, where, why (`label`, `notes`) and what to do (`hint`)."""

    code: str
    message: str
    span: Span
    label: str = ""
    notes: tuple[str, ...] = ()
    hint: str = ""
    severity: Severity = "error"


class DiagnosticError(NpdeError):
    """Raised when a source has errors; carries all diagnostics and the source they point into."""

    def __init__(self, diagnostics: Iterable[Diagnostic], source: Source):
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__(
            "\n".join(
                f"{source.name}:{':'.join(map(str, source.position(d.span.start)))}: "
                f"{d.severity}[{d.code}]: {d.message}"
                for d in self.diagnostics
            )
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.diagnostics, self.source)

    @cached_property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        """The diagnostics with the lines they point at, which a traceback shows below the message."""
        from npde.diagnostics.text import render

        return ["", *(render(d, self.source) for d in self.diagnostics)]

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the diagnostics, and no traceback, for the mistake is in the model's text."""
        return "\n\n".join(self.__notes__[1:]).split("\n")


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of mistake: its stable identifier, templates for message and label, and the text of `npde explain CODE`.

    Templates are filled with the keyword data given to `at`; names stand in single quotes and a message is one
    sentence with a capital and a full stop. `example` is a short `.npde` text that gives this diagnostic.
    """

    id: str
    message: str
    label: str = ""
    explanation: str = ""
    example: str = ""
    severity: Severity = "error"

    def at(self, span: Span = NOWHERE, *, hint: str = "", notes: Iterable[str] = (), **data: object) -> Diagnostic:
        """The diagnostic of this kind at `span`."""
        return Diagnostic(
            self.id, self.message.format(**data), span, self.label.format(**data), tuple(notes), hint, self.severity
        )


@dataclass
class Collector:
    """Gathers the diagnostics of one stage, so that one run can show several mistakes."""

    source: Source
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Remember a diagnostic; the same code at the same span is kept once."""
        if all((d.code, d.span) != (diagnostic.code, diagnostic.span) for d in self.found):
            self.found.append(diagnostic)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.found if d.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.found if d.severity == "warning")

    def raise_errors(self) -> None:
        """Raise `DiagnosticError` with the first `MAXIMUM` diagnostics in source order if any is an error."""
        if self.errors:
            ordered = sorted(self.found, key=lambda d: (d.severity != "error", d.span))
            raise DiagnosticError(ordered[:MAXIMUM], self.source)
