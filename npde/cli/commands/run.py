"""`npde run`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from npde.cli.options import device_options, files_argument, free_option, json_option, named, overrides

PICTURES = (".png", ".svg", ".pdf", ".gif", ".mp4")
TRAJECTORIES = (".h5", ".hdf5", ".nc")


@click.command()
@files_argument("FILE|FOLDER...")
@click.option("-o", "--output", type=click.Path(path_type=str), metavar="out.h5",
              help="HDF5 file to write; MODEL.h5 when neither this nor --plot is given.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=str), multiple=True, metavar="p.png",
              help="Picture to draw: .png .svg .pdf, or moving: .gif, and .mp4 where ffmpeg is installed.")  # fmt: skip
@click.option(
    "--every", type=click.IntRange(min=1), metavar="N", help="Keep a frame every N steps; about 100 frames by default."
)
@click.option(
    "--input", "inputs", multiple=True, metavar="s=d.h5:s", help="An input: a data set of a file, or a number."
)
@click.option("--resize", is_flag=True, help="Interpolate inputs onto the grid.")
@click.option("--noise", type=click.FloatRange(min=0), default=0.0, metavar="0.01",
              help="Gaussian noise on what is written, in standard deviations of each field.")  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Compile one step with torch.compile; pays for long runs.")
@click.option("--watch", is_flag=True, help="Follow mass and norm of every field at each frame, kept or not.")
@overrides
@free_option
@device_options("float64")
@json_option
def command(
    files: tuple[str, ...],
    output: str | None,
    plot: tuple[str, ...],
    every: int | None,
    inputs: tuple[str, ...],
    resize: bool,
    noise: float,
    compiled: bool,
    watch: bool,
    overrides: dict[str, Any],
    free: str,
    dtype: str,
    device: str,
    seed: int,
    is_json: bool,
) -> None:
    """Simulate the model in each FILE forward from its initial data; also that in the FOLDER of a run or of `save_pretrained`.

    With several of them, `{model}` in -o and --plot stands for the name of each model.
    """
    from npde.cli import report
    from npde.cli.models import live_module
    from npde.cli.running import Order, draw, simulate

    given = _pairs(inputs)
    if output is not None and Path(output).suffix.lower() not in TRAJECTORIES:
        raise click.BadParameter(_no_trajectory(output), param_hint="'--output'")
    for picture in plot:
        _check_picture(picture)
    results = []
    for file in files:
        net = live_module(file, overrides, free, dtype=dtype, device=device, seed=seed, compiled=compiled)
        name = net.graph.name
        pictures = [named(picture, name, len(files)) for picture in plot]
        kept = None if output is None and plot else named(output or "{model}.h5", name, len(files))
        order = Order(net, given, resize, every, noise, seed, dtype, watch)
        with tempfile.TemporaryDirectory() as folder:
            target = kept or str(Path(folder, "run.h5"))
            result = simulate(order, target)
            for picture in pictures:
                draw(target, picture)
        written = [*([kept] if kept else []), *pictures]
        results.append(result.plain(written))
        if not is_json:
            click.echo("\n".join([result.text(), *(f"wrote {path}" for path in written)]))
    if is_json:
        report.as_json(results[0] if len(results) == 1 else results)


def _pairs(inputs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in inputs:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            raise click.BadParameter(f"'{text}' is not of the form s=d.h5:s.", param_hint="'--input'")
        if name in found:
            raise click.BadParameter(f"'{name}' is given twice.", param_hint="'--input'")
        found[name] = value
    return found


def _no_trajectory(name: str) -> str:
    text = f"'{name}' should end in one of {', '.join(TRAJECTORIES)}: the run is written as HDF5."
    return f"{text} For a picture use --plot." if Path(name).suffix.lower() in PICTURES else text


def _check_picture(name: str) -> None:
    """Before anything is computed."""
    if Path(name).suffix.lower() not in PICTURES:
        raise click.BadParameter(f"'{name}' should end in one of {', '.join(PICTURES)}.", param_hint="'--plot'")
    from npde.diagnostics import NpdeError
    from npde.plot import check_suffix

    try:
        check_suffix(name)
    except NpdeError as error:
        raise click.BadParameter(str(error), param_hint="'--plot'") from error
