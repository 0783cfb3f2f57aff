"""What is said to people: diagnostics, problems, bugs. Standard error, and color only where it can be seen."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from npde.diagnostics import Diagnostic, DiagnosticError, render, to_json
from npde.source import NOWHERE, Source

if TYPE_CHECKING:
    from npde.driver import Compilation

PLAIN_WIDTH = 80


def has_color(err: bool = True) -> bool:
    """Whether a stream is a terminal that shows color; NO_COLOR and FORCE_COLOR are honored."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to write for: the terminal's, 80 elsewhere."""
    return min(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, 120) if sys.stderr.isatty() else PLAIN_WIDTH


def paint(text: str, err: bool = True, **style: Any) -> str:
    """Text in a style, where color is seen."""
    return click.style(text, **style) if has_color(err) else text


def say(text: str) -> None:
    """A line of talk."""
    click.echo(text, err=True, color=has_color())


def diagnostics(found: Iterable[Diagnostic], source: Source, *, err: bool) -> None:
    """Diagnostics with the lines they point at, an empty line between them."""
    color = has_color(err)
    for diagnostic in found:
        click.echo(render(diagnostic, source, color=color, width=width()) + "\n", err=err, color=color)


def warnings(compilation: Compilation) -> None:
    """What the compiler warns of, before something is made of a file that has no errors."""
    from npde import api

    found = [d for d in api.check(compilation) if d.severity == "warning"]
    diagnostics(found, compilation.text, err=True)


def as_json(value: Any) -> None:
    """Data for programs, on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def error_json(error: DiagnosticError) -> None:
    """What a command with `--json` gives when the file is wrong."""
    as_json({"diagnostics": [to_json(d, error.source) for d in error.diagnostics]})


def is_about_options(error: DiagnosticError) -> bool:
    """Whether every error is one of an option, not of the file."""
    from npde.diagnostics.catalogue.numerics import OPTION_NAME, OPTION_VALUE
    from npde.diagnostics.catalogue.training import BAD_OPTION, UNKNOWN_OPTION

    options = {OPTION_NAME.id, OPTION_VALUE.id, BAD_OPTION.id, UNKNOWN_OPTION.id}
    errors = [d for d in error.diagnostics if d.severity == "error"]
    return bool(errors) and all(d.span == NOWHERE and d.code in options for d in errors)


def usage(error: click.ClickException) -> None:
    """A mistake in the command line: what, and how to see what is meant."""
    problem(error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        say(f"Try '{context.command_path} --help'.")


def problem(message: str) -> None:
    """A sentence that says what is wrong."""
    say(f"{paint('error', fg='red', bold=True)}: {message}")


def warn(message: str) -> None:
    """A sentence that says what may be wrong."""
    say(f"{paint('warning', fg='yellow', bold=True)}: {message}")


def is_out_of_memory(error: Exception) -> bool:
    """Python's, NumPy's and torch's ways to say so."""
    return (
        isinstance(error, MemoryError) or "allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError"
    )


def bug(error: Exception) -> None:
    """An error that is npde's own: one line that a report needs, and no traceback unless asked for."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    problem(f"this is a bug in npde: {type(error).__name__}: {error}{place}")
    say("Please report it, with the file and the command that led to it. NPDE_DEBUG=1 shows where it happened.")
