"""`npde eval`."""

from __future__ import annotations

from typing import Any, Literal

import click

from npde.cli.options import data_options, free_option, json_option, overrides


@click.command()
@click.argument("run", metavar="RUN|FOLDER|FILE", type=click.Path(path_type=str))
@data_options
@click.option("--loss", type=click.Choice(["mse", "relative_l2", "cross_entropy"]), help="As in training.")
@click.option("--which", type=click.Choice(["best", "latest", "start"]), default="best", show_default=True,
              help="Of a run: the best epoch, the newest, or before training.")  # fmt: skip
@click.option("--device", metavar="cpu", default="cpu", show_default=True, help="Where to compute.")
@overrides
@free_option
@json_option
def command(
    run: str,
    data: str,
    layout: str | None,
    names: tuple[str, ...],
    samples: int | None,
    loss: str | None,
    which: Literal["best", "latest", "start"],
    device: str,
    overrides: dict[str, Any],
    free: str,
    is_json: bool,
) -> None:
    """Compare the model of a trained RUN with data; also one saved in a FOLDER, or a FILE as it starts."""
    from npde.cli import report
    from npde.cli.models import live_module
    from npde.cli.training import metrics_text, read_data
    from npde.train import evaluate

    net = live_module(run, overrides, free, dtype=None, device=device, seed=0, which=which)
    found = evaluate(net, read_data(net, data, layout, names, samples), loss=loss)
    if is_json:
        report.as_json({"model": net.graph.name, **found.plain()})
        return
    click.echo(metrics_text(net.graph.name, found))
