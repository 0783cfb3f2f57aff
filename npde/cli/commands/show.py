"""`npde show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from npde.cli.options import files_argument, free_option, json_option, overrides

if TYPE_CHECKING:
    from npde.api import Stage

STAGES: tuple[Stage, ...] = ("syntax", "problem", "system", "scheme", "graph", "source", "kernels")


@click.command()
@files_argument("FILE...")
@click.option("--stage", type=click.Choice(STAGES), default="graph", show_default=True, help="Which record to print.")
@overrides
@free_option
@json_option
def command(files: tuple[str, ...], stage: Stage, overrides: dict[str, Any], free: str, is_json: bool) -> None:
    """Print a stage of the compiler for each FILE.

    From text to network: syntax (what was written), problem (what was meant), system (the mathematics), scheme (the
    numerics), graph (the network), source (the PyTorch module), kernels (the loops that march it natively).
    """
    from npde import api
    from npde.cli.options import recipe

    for number, file in enumerate(files):
        compilation = recipe(file, overrides, free).compilation
        if number and not is_json:
            click.echo()
        click.echo(api.show_json(compilation, stage) if is_json else api.show(compilation, stage), nl=False)
