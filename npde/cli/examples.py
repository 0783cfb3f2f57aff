"""The built-in examples: `examples/` of a checkout, `npde/_examples` of an installed wheel."""

from __future__ import annotations

from pathlib import Path

import click

import npde
from npde.diagnostics import DiagnosticError, InternalError

PLACES = ("../examples", "_examples")


def examples() -> dict[str, Path]:
    """The path of each example by name, in order."""
    package = Path(npde.__file__).parent
    for place in PLACES:
        found = {path.stem: path for path in sorted((package / place).glob("*.npde"))}
        if found:
            return found
    raise InternalError("The examples are not installed.")


def with_name(example: Path, name: str) -> str:
    """The text of an example with its model called otherwise.

    Raises:
        click.BadParameter: a model cannot have that name.
    """
    from npde import syntax
    from npde.files.text import read_source
    from npde.source import Source
    from npde.syntax.tree import Model

    source = read_source(example)
    statement = next(s for s in syntax.parse(source).statements if isinstance(s, Model))
    span = statement.name.span
    text = source.text[: span.start] + name + source.text[span.stop :]
    try:
        renamed = next(s for s in syntax.parse(Source(name, text)).statements if isinstance(s, Model))
        is_name = renamed.name.id == name
    except DiagnosticError:
        is_name = False
    if not is_name:
        raise click.BadParameter(
            f"'{name}' cannot be the name of a model; letters, digits and underscores can.", param_hint="'NAME'"
        )
    return text
