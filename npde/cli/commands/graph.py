"""`npde graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from npde.cli.options import files_argument, free_option, named, overrides

if TYPE_CHECKING:
    from npde.graph import LayerGraph
    from npde.view import Format

KINDS = ("txt", "json", "dot", "mmd", "svg", "png", "html", "onnx")


@click.command()
@files_argument("FILE|FOLDER...")
@click.option("-o", "--output", type=click.Path(path_type=str, allow_dash=True), default="-", metavar="g.svg",
              help=f"File to write, as .{' .'.join(KINDS)}; text on standard output when left out.")  # fmt: skip
@overrides
@free_option
def command(files: tuple[str, ...], output: str, overrides: dict[str, Any], free: str) -> None:
    """Draw the network of each .npde FILE, or of the model in the FOLDER of a run or of `save_pretrained`.

    With several of them, `{model}` in -o stands for the name of each model.
    """
    from npde import view
    from npde.cli import report
    from npde.files import write_bytes

    kind = "txt" if output == "-" else Path(output).suffix.lower().lstrip(".")
    if kind not in KINDS:
        raise click.BadParameter(f"'{output}' should end in one of .{', .'.join(KINDS)}.", param_hint="'-o'")
    for file in files:
        graph = graph_of(file, overrides, free)
        target = named(output, graph.name, len(files))
        drawn = view.render(graph, cast("Format", kind))
        if target == "-":
            click.echo(drawn, nl=False)
            continue
        write_bytes(target, drawn.encode("utf-8") if isinstance(drawn, str) else drawn)
        nodes = sum(len(block.nodes) for block in graph.blocks)
        report.say(f"Wrote the graph of {graph.name} to {target}: {nodes} nodes in {len(graph.blocks)} blocks.")


def graph_of(file: str, overrides: dict[str, Any], free: str) -> LayerGraph:
    """The graph of a file, or of a folder's model (which torch has to be there for)."""
    if not Path(file).is_dir():
        from npde.cli.options import recipe

        return recipe(file, overrides, free).compilation.graph
    from npde.cli.models import open_folder

    if any(overrides.values()) or free != "none":
        raise click.UsageError("A saved model is drawn as it was compiled; overrides need its .npde file.")
    return open_folder(file).graph
