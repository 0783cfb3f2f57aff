"""`npde compile`."""

from __future__ import annotations

from typing import Any

import click

from npde.cli.options import file_argument, free_option, overrides


@click.command()
@file_argument
@click.option("-o", "--output", type=click.Path(path_type=str, allow_dash=True), default="-", metavar="model.py",
              help="File to write; standard output when left out.")  # fmt: skip
@overrides
@free_option
def command(file: str, output: str, overrides: dict[str, Any], free: str) -> None:
    """Write the model in FILE as a standalone PyTorch module: it needs torch, and nothing of npde."""
    from npde.cli import report
    from npde.cli.options import recipe
    from npde.files import write_text

    compilation = recipe(file, overrides, free).compilation
    source = compilation.source
    if output == "-":
        click.echo(source, nl=False)
        return
    write_text(output, source)
    report.say(f"Wrote {compilation.graph.class_name} to {output}, {len(source.splitlines())} lines.")
