"""`npde check`."""

from __future__ import annotations

from typing import Any

import click

from npde.cli.options import files_argument, free_option, json_option, overrides


@click.command()
@files_argument("FILE...")
@overrides
@free_option
@json_option
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], overrides: dict[str, Any], free: str, is_json: bool) -> None:
    """Report every mistake in each FILE; where there is none, order, step bound, cost and memory.

    The status is 0 if all files are right (warnings are), 1 if not.
    """
    from npde.cli import report
    from npde.cli.summary import Checked, check_file

    results: list[Checked] = []
    for file in files:
        checked = check_file(file, overrides, free)
        results.append(checked)
        if not is_json:
            report.diagnostics(checked.diagnostics, checked.source, err=False)
            click.echo(checked.text())
    if is_json:
        report.as_json({"files": [checked.plain() for checked in results]})
    ctx.exit(max(checked.status for checked in results))
