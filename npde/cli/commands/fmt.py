"""`npde fmt`."""

from __future__ import annotations

import click

from npde.cli.options import files_argument

STANDARD_INPUT = "-"


@click.command()
@files_argument("FILE...")
@click.option("--check", "is_check", is_flag=True, help="Write nothing; the status is 1 if a file would change.")
@click.option("--unicode", "is_unicode", is_flag=True, help="Mathematical spelling: ∇²u, ∂t u, ψ, x².")
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], is_check: bool, is_unicode: bool) -> None:
    """Write each FILE in canonical form, in place; standard input goes to standard output.

    A file with mistakes is left as it is. Formatting twice changes nothing.
    """
    from npde import syntax
    from npde.cli import report
    from npde.cli.app import DONE, WRONG
    from npde.diagnostics import DiagnosticError
    from npde.files import write_text
    from npde.files.text import read_source

    status, changed = DONE, 0
    for file in files:
        try:
            source = read_source(file)
            text = syntax.format(syntax.parse(source), unicode=is_unicode)
        except DiagnosticError as error:
            report.diagnostics(error.diagnostics, error.source, err=True)
            status = WRONG
            continue
        if file == STANDARD_INPUT and not is_check:
            click.echo(text, nl=False)
            continue
        if text == source.text:
            continue
        changed += 1
        if is_check:
            click.echo(f"{source.name} would change")
            status = WRONG
            continue
        write_text(file, text)
        click.echo(f"{source.name} changed")
    if status == DONE and not changed and STANDARD_INPUT not in files:
        report.say(f"{len(files)} file{'s' * (len(files) != 1)} already formatted.")
    ctx.exit(status)
