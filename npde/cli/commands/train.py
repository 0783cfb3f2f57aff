"""`npde train`."""

from __future__ import annotations

from typing import Any

import click

from npde.cli.options import data_options, device_options, free_option, json_option, overrides


@click.command()
@click.argument("file", metavar="FILE|FOLDER", type=click.Path(path_type=str, allow_dash=True))
@data_options
@click.option(
    "-o", "--output", type=click.Path(path_type=str), metavar="runs/a", help="Folder of the run; runs/MODEL by default."
)
@click.option("--strategy", type=click.Choice(["adam", "lbfgs", "lstsq", "pil", "constrained"]), default="adam",
              show_default=True, help="How to fit.")  # fmt: skip
@click.option("--loss", type=click.Choice(["mse", "relative_l2", "cross_entropy"]),
              help="What to make small; cross_entropy for class numbers, else mse.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=100, show_default=True, help="Passes over the data.")
@click.option("--lr", type=float, help="Learning rate; the strategy's own by default.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples a step; the strategy's own by default.")
@click.option("--val", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="0.2", help="Share held out.")
@click.option("--fix", multiple=True, metavar="r", help="A learnable that keeps its value; may be repeated.")
@click.option("--patience", type=click.IntRange(min=1), metavar="N", help="Stop after N epochs without gain.")
@click.option(
    "--memory", metavar="'200 MB'", help="What a march and its gradient may add; all states where it is left out."
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder, as if it had not been interrupted.")
@overrides
@free_option
@device_options(None)
@json_option
def command(
    file: str,
    data: str,
    layout: str | None,
    names: tuple[str, ...],
    samples: int | None,
    output: str | None,
    overrides: dict[str, Any],
    free: str,
    dtype: str | None,
    device: str,
    seed: int,
    is_json: bool,
    memory: str | None,
    **fit: Any,
) -> None:
    """Fit what the model in FILE learns to data, or go on from the model in a FOLDER.

    The run is kept in a folder, checkpoint by checkpoint: killed at any moment, it goes on with --resume.
    """
    from npde import settings
    from npde.cli import report
    from npde.cli.models import live_module
    from npde.cli.training import Teller, read_data, result_json, result_text
    from npde.train import fit as fit_module

    net = live_module(file, overrides, free, dtype=dtype, device=device, seed=seed, memory=settings.memory(memory))
    folder = output or f"runs/{net.graph.name}"
    dataset = read_data(net, data, layout, names, samples)
    fit["fix"] = [name for text in fit["fix"] for name in text.split(",")]
    with Teller(fit["epochs"], net.graph.scheme.system.problem.source) as teller:
        run = fit_module(net, dataset, run_dir=folder, seed=seed, reporter=teller, **fit)
    if is_json:
        report.as_json(result_json(run))
        return
    click.echo(result_text(run))
