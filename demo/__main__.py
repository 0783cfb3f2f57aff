"""`python -m demo [FOLDER]`: runs the tour and leaves its files in FOLDER (default `demo_output`)."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from demo import artifacts, digits, fisher, gray_scott, pictures
from demo.paths import example, shown
from npde.train import EpochDone, Event, Reporter, Started

WIDTH = 80
MODELS = ("gray_scott", "parabolic_cnn", "fisher")
MARK = "the tour of npde: this folder was made by `python -m demo` and may be removed\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo_output"), help="where files are left")
    folder: Path = parser.parse_args().folder
    console = Console(width=min(WIDTH, Console().width) if Console().is_terminal else WIDTH, highlight=False)
    prepare(folder, console)
    began = time.perf_counter()
    console.print()
    console.print(Text("npde: from an equation to a trained PyTorch module", style="bold"), justify="center")
    tour_simulation(console, folder)
    tour_digits(console, folder)
    tour_fisher(console, folder)
    tour_artifacts(console, folder)
    console.print()
    console.print(
        f"Done in {time.perf_counter() - began:.0f} s. Next: [bold]npde new mine --like fisher[/bold]", style="green"
    )


def prepare(folder: Path, console: Console) -> None:
    """An empty folder; one of an earlier tour is replaced, anything else is left alone."""
    mark = folder / ".npde-demo"
    if folder.exists() and not mark.is_file() and any(folder.iterdir()):
        console.print(f"'{folder}' holds other files; give the tour a folder of its own: python -m demo FOLDER")
        raise SystemExit(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.write_text(MARK, encoding="utf-8")


# --- the four stops ---------------------------------------------------------------------------------------------------


def tour_simulation(console: Console, folder: Path) -> None:
    heading(console, 1, "Simulate", "Gray-Scott: two substances diffuse, react, and draw a labyrinth")
    equations(console, "gray_scott")
    with console.status("marching and drawing …"):
        done = gray_scott.simulate(folder)
    rate = done.steps * done.cells / done.seconds / 1e6
    facts(
        console,
        ("computed", f"{done.steps:,} steps of {done.cells:,} cells in {done.seconds:.1f} s ({rate:.0f} M cells/s)"),
        ("film", shown(done.film)),
        ("picture", shown(done.picture)),
        ("data", f"{shown(done.data)}, opens with xarray"),
    )
    shell(console, gray_scott.COMMAND.format(example=shown(example("gray_scott")), gif=shown(done.film)))


def tour_digits(console: Console, folder: Path) -> None:
    from sklearn.model_selection import train_test_split

    heading(console, 2, "Classify", "Handwritten digits, read by a convolutional network that is a PDE")
    equations(console, "parabolic_cnn")
    _, labels = digits.images()
    everything = list(range(len(labels)))
    train, test = train_test_split(everything, test_size=0.2, stratify=labels, random_state=0)
    train, test = sorted(train), sorted(test)
    run_dir = folder / "runs" / "parabolic_cnn"
    with reading(console) as reporter:
        outcome = digits.learn("parabolic_cnn", train, test, run_dir=run_dir, reporter=reporter)
    picture = folder / "digits_confusion.png"
    pictures.confusion(outcome, picture)
    data = folder / "digits_test.h5"
    digits.write(data, "parabolic_cnn", test)
    digits.write(folder / "digits_train.h5", "parabolic_cnn", train)
    count = sum(parameter.numel() for parameter in outcome.net.parameters())
    assert outcome.train.accuracy is not None
    facts(
        console,
        ("trained", f"{count:,} parameters on {len(train):,} images, {outcome.run.seconds:.0f} s"),
        ("training images", f"{outcome.train.accuracy:.1%} right"),
        ("unseen images", f"[bold green]{outcome.accuracy:.1%} right[/] ({len(test)} images, stratified split)"),
        ("confusion", shown(picture)),
        ("run", f"{shown(run_dir)}, can be resumed and evaluated"),
    )
    shell(console, f"npde eval {shown(run_dir)} --data {shown(data)}")


def tour_fisher(console: Console, folder: Path) -> None:
    heading(console, 3, "Recover", "Two unknown coefficients, from frames with one percent noise")
    equations(console, "fisher")
    with reading(console) as reporter:
        found = fisher.recover(folder, reporter)
    picture = folder / "fisher_recovered.png"
    pictures.fisher(found, picture)
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("coefficient")
    for title in ("truth", "start", "estimate", "error"):
        table.add_column(title, justify="right")
    for row in found.run.table:
        truth = fisher.TRUTH[row.name]
        error = f"[green]{abs(row.estimate / truth - 1):.2%}[/]"
        table.add_row(row.name, f"{truth:g}", f"{row.start:g}", f"[bold]{row.estimate:.5f}[/]", error)
    console.print(Padding(table, (0, 0, 1, 2)))
    frames = f"{len(found.times)} frames of {found.frames.shape[1]}×{found.frames.shape[2]} cells"
    epochs = len(found.run.history)
    facts(
        console,
        ("learned", f"from {frames} in {epochs} iterations of L-BFGS, {found.run.seconds:.0f} s"),
        ("picture", shown(picture)),
    )
    grid = "--grid x=64,y=64 --march rk4,steps=200"
    line = (
        f"npde train {shown(example('fisher'))} --data {shown(found.data)} \\\n    {grid} --strategy lbfgs -o runs/mine"
    )
    shell(console, line)


def tour_artifacts(console: Console, folder: Path) -> None:
    heading(console, 4, "Look inside", "Emitted modules need torch only; pages show the architecture")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    columns = ((f"in {shown(folder)}", "left"), ("lines", "right"), ("parameters", "right"), ("architecture", "left"))
    for title, side in columns:
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    for name in MODELS:
        made = artifacts.write(folder, name)
        table.add_row(made.module.name, str(made.lines), f"{made.parameters:,}", f"{made.page.name}, .svg")
    console.print(Padding(table, (0, 0, 0, 2)))


# --- how it is said ---------------------------------------------------------------------------------------------------


def heading(console: Console, number: int, title: str, what: str) -> None:
    console.print()
    console.print(Rule(Text(f" {number}  {title} ", style="bold cyan"), align="left", style="cyan"))
    console.print(f"  {what}", style="italic")


def equations(console: Console, name: str) -> None:
    """The lines of a file that say what is solved and what is learned."""
    wanted = ("learn ", "dt(", "boundary ", "initial ", "output ", "march ")
    lines = [line for line in example(name).read_text(encoding="utf-8").splitlines() if line.startswith(wanted)]
    code = Syntax("\n".join(lines), "text", theme="ansi_light", background_color="default", word_wrap=True)
    console.print(Padding(Group(Text(shown(example(name)), style="dim"), Padding(code, (0, 0, 0, 2))), (1, 0, 1, 2)))


def facts(console: Console, *pairs: tuple[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in pairs:
        table.add_row(name, value)
    console.print(Padding(table, (0, 0, 0, 2)))


def shell(console: Console, command: str) -> None:
    """The same thing from the command line."""
    first, *rest = command.split("\n")
    console.print(
        Padding(Text("\n".join([f"$ {first}", *(f"  {line}" for line in rest)]), style="yellow"), (1, 0, 0, 2))
    )


@contextmanager
def reading(console: Console) -> Iterator[Reporter]:
    """A progress bar that listens to a fit; nothing where there is no terminal."""
    columns = (TextColumn("  training"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, loss="")

        def reporter(event: Event) -> None:
            match event:
                case Started():
                    progress.update(task, total=event.epochs)
                case EpochDone(record=record):
                    progress.update(task, completed=record.epoch, loss=f"loss {record.loss:.3g}")
                case _:
                    pass

        yield reporter


if __name__ == "__main__":
    # At these sizes a second thread gains little, and costs much where other programs keep the cores busy. With one, the
    # figures are the same on every machine of a kind.
    torch.set_num_threads(1)
    main()
