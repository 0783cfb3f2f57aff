"""Options that many commands share, and the models they are about."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from npde.recipe import Recipe

Command = TypeVar("Command", bound=Callable[..., Any])

OVERRIDES = ("grid", "order", "march", "network", "set", "extent")


def files_argument(metavar: str) -> Callable[[Command], Command]:
    """One or more `.npde` files, or `-`; or what `metavar` says."""
    kind = click.Path(path_type=str, allow_dash=True)
    return click.argument("files", nargs=-1, required=True, type=kind, metavar=metavar)


def named(output: str, model: str, count: int) -> str:
    """The file for one of `count` models: `{model}` in an option stands for its name, and has to when there are several.

    Raises:
        click.UsageError: several models would go to one file.
    """
    if "{model}" in output:
        return output.replace("{model}", model)
    if count > 1 and output != "-":
        raise click.UsageError(
            f"{count} models cannot all go to '{output}'; write '{{model}}' where the name should stand."
        )
    return output


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "is_json", is_flag=True, help="Write JSON.")(command)


def overrides(command: Command) -> Command:
    """Everything that a file says as a default. The command gets them as the mapping `overrides`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        found = {name: values.pop(name) for name in OVERRIDES}
        for name in ("grid", "set", "extent"):
            found[name] = ",".join(found[name]) or None
        return command(*args, overrides=found, **values)

    options = (
        click.option("--grid", multiple=True, metavar="x=256,y=256", help="Cells an axis."),
        click.option("--order", type=click.IntRange(min=1), metavar="4", help="Order of accuracy in space."),
        click.option("--march", metavar="rk4,steps=100", help="Time scheme; steps=N, dt=H or dt=auto."),
        click.option("--set", multiple=True, metavar="D=0.2", help="Value of a constant, start of a learnable."),
        click.option("--extent", multiple=True, metavar="t=0,20", help="Ends of a coordinate."),
        click.option("--network", type=click.Choice(["cnn", "mlp", "rnn"]), help="How operators become layers."),
    )
    for option in reversed(options):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]


def free_option(command: Command) -> Command:
    """`--free`."""
    choice = click.Choice(["none", "kernels", "layers"])
    text = "What trains beside the learnables: nothing, every operator's kernel, or a kernel a layer."
    return click.option("--free", type=choice, default="none", show_default=True, help=text)(command)


def data_options(command: Command) -> Command:
    """`--data` and how to read it."""
    options = (
        click.option("--data", required=True, type=click.Path(path_type=str), metavar="d.h5", help="HDF5 file with the data."),
        click.option("--layout", type=click.Choice(["npde", "pdebench", "the_well"]), help="Recognized by default."),
        click.option("--name", "names", multiple=True, metavar="u=density", help="What the file calls a field; may be repeated."),
        click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Read the first N samples only."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def device_options(dtype: str | None) -> Callable[[Command], Command]:
    """`--dtype` with this default, `--device` and `--seed`."""

    def decorate(command: Command) -> Command:
        options = (
            click.option("--dtype", type=click.Choice(["float32", "float64"]), default=dtype,
                         show_default=dtype is not None, help="Type of the numbers."),
            click.option("--device", metavar="cpu", default="cpu", show_default=True, help="Where to compute."),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random."),
        )  # fmt: skip
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def recipe(file: str, overrides: dict[str, Any], free: str = "none") -> Recipe:
    """The text of a file with its overrides.

    Raises:
        DiagnosticError: the file cannot be read.
        OptionError: an override cannot be understood.
    """
    from npde import settings
    from npde.files.text import read_source
    from npde.recipe import Recipe

    values = settings.overrides(**overrides)
    options = settings.compile_options(overrides.get("network"), free)
    if Path(file).is_dir():
        raise click.BadParameter(f"'{file}' is a folder; a .npde file is expected here.")
    return Recipe(read_source(file), values, options)
