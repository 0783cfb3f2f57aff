"""`npde compile`."""

from __future__ import annotations

from typing import Any

import click

from npde.cli.options import files_argument, free_option, named, overrides


@click.command()
@files_argument("FILE...")
@click.option("-o", "--output", type=click.Path(path_type=str, allow_dash=True), default="-", metavar="model.py",
              help="File to write; standard output when left out.")  # fmt: skip
@overrides
@free_option
def command(files: tuple[str, ...], output: str, overrides: dict[str, Any], free: str) -> None:
    """Write the model in each FILE as a standalone PyTorch module: it needs torch, and nothing of npde.

    With several files, `{model}` in -o stands for the name of each model.
    """
    from npde.cli import report
    from npde.cli.options import recipe
    from npde.files import write_text

    for file in files:
        compilation = recipe(file, overrides, free).compilation
        source = compilation.source
        report.warnings(compilation)
        target = named(output, compilation.graph.name, len(files))
        if target == "-":
            click.echo(source, nl=False)
            continue
        write_text(target, source)
        report.say(f"Wrote {compilation.graph.class_name} to {target}, {len(source.splitlines())} lines.")
