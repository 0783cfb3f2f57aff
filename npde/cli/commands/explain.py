"""`npde explain`."""

from __future__ import annotations

import re
from typing import Any

import click

from npde.cli.options import files_argument, free_option, json_option, overrides

CODE = re.compile(r"[Nn]\d{4}")


@click.command()
@files_argument("FILE|CODE...")
@overrides
@free_option
@json_option
def command(files: tuple[str, ...], overrides: dict[str, Any], free: str, is_json: bool) -> None:
    """Explain what the compiler makes of a FILE: discrete equations, stencils, walls, step bound, network, cost;
    or what a diagnostic CODE such as N0203 means.
    """
    for number, what in enumerate(files):
        if number and not is_json:
            click.echo()
        if CODE.fullmatch(what):
            explain_code(what, is_json)
        else:
            explain_file(what, overrides, free, is_json)


def explain_file(file: str, overrides: dict[str, Any], free: str, is_json: bool) -> None:
    """What the compiler makes of a file."""
    from npde.analysis import analyze
    from npde.analysis.explain import explain
    from npde.cli import report
    from npde.cli.options import recipe
    from npde.cli.summary import plain_analysis

    compilation = recipe(file, overrides, free).compilation
    if is_json:
        report.as_json(
            plain_analysis(compilation.scheme, analyze(compilation.scheme, compilation.graph), is_whole=True)
        )
        return
    click.echo(explain(compilation.graph), nl=False)


def explain_code(code: str, is_json: bool) -> None:
    """The text of a code."""
    from npde import diagnostics
    from npde.cli import report

    wanted = code.upper()
    if wanted not in diagnostics.CATALOGUE:
        try:
            diagnostics.explain(code)
        except diagnostics.NpdeError as error:
            raise click.BadParameter(str(error), param_hint="'CODE'") from error
    if not is_json:
        click.echo(diagnostics.explain(code, width=report.width()), nl=False)
        return
    entry = diagnostics.CATALOGUE[wanted]
    report.as_json({
        "code": entry.id, "severity": entry.severity, "message": entry.message,
        "explanation": entry.explanation, "example": entry.example,
    })  # fmt: skip
