"""`npde explain`."""

from __future__ import annotations

import re
from typing import Any

import click

from npde.cli.options import files_argument, free_option, json_option, named, overrides

CODE = re.compile(r"[Nn]\d{4}")


@click.command()
@files_argument("FILE|CODE...")
@overrides
@free_option
@json_option
@click.option("-o", "--output", type=click.Path(path_type=str), metavar="report.html",
              help="Write a page instead: stability region with the spectrum, orders, stencils, cost, memory.")  # fmt: skip
def command(files: tuple[str, ...], overrides: dict[str, Any], free: str, is_json: bool, output: str | None) -> None:
    """Explain what the compiler makes of a FILE: discrete equations, stencils, walls, step bound, modified equation, invariants,
    network, cost, memory; or what a diagnostic CODE such as N0203 means.
    """
    if output is not None and not output.endswith((".html", ".htm")):
        raise click.BadParameter(f"'{output}' should end in .html.", param_hint="'-o'")
    for number, what in enumerate(files):
        if number and not is_json:
            click.echo()
        if CODE.fullmatch(what):
            explain_code(what, is_json)
        elif output is not None:
            write_report(what, overrides, free, named(output, _name(what, overrides, free), len(files)))
        else:
            explain_file(what, overrides, free, is_json)


def _name(file: str, overrides: dict[str, Any], free: str) -> str:
    from npde.cli.options import recipe

    return recipe(file, overrides, free).compilation.problem.name


def write_report(file: str, overrides: dict[str, Any], free: str, output: str) -> None:
    """The page of a file."""
    from npde.analysis import analyze
    from npde.analysis.report import report
    from npde.cli.options import recipe
    from npde.files.atomic import write_text

    compilation = recipe(file, overrides, free).compilation
    write_text(output, report(analyze(compilation.scheme, compilation.graph)))
    click.echo(f"wrote {output}")


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
