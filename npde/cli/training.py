"""The bodies of `npde train` and `npde eval`: reading data, telling how a fit goes, and what came of it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import click

from npde.cli import report
from npde.cli.progress import Meter
from npde.source import Source

if TYPE_CHECKING:
    from torch import Tensor

    from npde.emit.live import LiveModule
    from npde.files import Data, Layout
    from npde.train import Event, Metrics, Run


def read_data(net: LiveModule, path: str, layout: str | None, names: tuple[str, ...], samples: int | None) -> Data:
    """The data of a model in a file.

    Raises:
        DiagnosticError: N10xx.
        click.BadParameter: a `--name` that is not of the form u=density.
    """
    from npde.files import read

    pairs = {}
    for text in names:
        name, equals, other = (part.strip() for part in text.partition("="))
        if not equals or not name or not other:
            raise click.BadParameter(f"'{text}' is not of the form u=density.", param_hint="'--name'")
        pairs[name] = other
    problem = net.graph.scheme.system.problem
    return read(path, problem, layout=cast("Layout | None", layout), names=pairs, samples=samples)


class Teller:
    """Tells on standard error how a fit goes; used as the reporter of `npde.train.fit`."""

    def __init__(self, epochs: int, source: Source):
        self.meter = Meter("epochs", epochs)
        self.source = source

    def __call__(self, event: Event) -> None:
        from npde.train import EpochDone, Started, Warned

        match event:
            case Started():
                held = f", {event.held_out} held out" if event.held_out else ""
                again = f" after epoch {event.epoch}" if event.epoch else ""
                where = f", to {event.path}" if event.path else ""
                report.say(
                    f"{event.model}: {event.strategy} on {event.samples} sample{'s' * (event.samples != 1)}{held}, "
                    f"loss {event.loss}{again}{where}"
                )
            case EpochDone(record=record):
                held_loss = f", held out {record.val_loss:.4g}" if record.val_loss is not None else ""
                self.meter.update(record.epoch, f"loss {record.loss:.4g}{held_loss}")
            case Warned(diagnostic=diagnostic):
                report.diagnostics([diagnostic], self.source, err=True)
            case _:
                pass

    def __enter__(self) -> Teller:
        self.meter.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.meter.__exit__(kind, error, trace)


def result_text(run: Run) -> str:
    """Losses, and a table of what was learned."""
    why = {"epochs": "all epochs done", "converged": "converged", "patience": "no more gain"}[run.stopped]
    epochs = len(run.history)
    lines = [f"{run.model}: {epochs} epoch{'s' * (epochs != 1)} in {run.seconds:.1f} s, {why}"]
    if run.history:
        first, last = run.history[0], run.history[-1]
        held = f", held out {last.val_loss:.4g}" if last.val_loss is not None else ""
        lines.append(f"  loss {first.loss:.4g} -> {last.loss:.4g}{held}")
    if run.best is not None and run.history and run.best.epoch != run.history[-1].epoch:
        lines.append(f"  best epoch {run.best.epoch}, {run.best.monitored:.4g}")
    rows = [("", "start", "estimate")]
    rows += [
        (f"{name}{' (fixed)' * (name in run.fixed)}", _value(run.start[name]), _value(run.values[name]))
        for name in run.values
    ]
    if len(rows) > 1:
        lines.extend(_table(rows))
    if run.path is not None:
        lines.append(f"wrote {run.path}")
    return "\n".join(lines)


def result_json(run: Run) -> dict[str, Any]:
    """The same for programs; arrays by their mean and range."""
    return {
        "model": run.model,
        "strategy": run.strategy,
        "loss": run.loss,
        "stopped": run.stopped,
        "epochs": len(run.history),
        "history": [record.plain() for record in run.history],
        "best": run.best.plain() if run.best is not None else None,
        "start": {name: _plain(value) for name, value in run.start.items()},
        "values": {name: _plain(value) for name, value in run.values.items()},
        "fixed": list(run.fixed),
        "path": str(run.path) if run.path is not None else None,
    }


def metrics_text(name: str, metrics: Metrics) -> str:
    """Errors a field or output; of classes, how many were right and which were confused."""
    lines = [f"{name}: {metrics.samples} sample{'s' * (metrics.samples != 1)}, loss {metrics.loss:.4g}"]
    rows = [("", "rmse", "relative L2")]
    rows += [(field, f"{e.rmse:.4g}", f"{e.relative_l2:.4g}") for field, e in metrics.errors.items()]
    if len(rows) > 1:
        lines.extend(_table(rows))
    if metrics.accuracy is not None:
        lines.append(f"  accuracy {metrics.accuracy:.2%}")
        lines.extend(_confusion(metrics.confusion))
    return "\n".join(lines)


def _confusion(table: tuple[tuple[int, ...], ...]) -> list[str]:
    """Rows are what it is, columns what was said."""
    size = max(len(str(n)) for row in table for n in row)
    size = max(size, len(str(len(table) - 1)))
    head = "  true \\ said " + " ".join(f"{n:>{size}}" for n in range(len(table)))
    return [
        head,
        *(f"  {n:>11} " + " ".join(f"{count or '.':>{size}}" for count in row) for n, row in enumerate(table)),
    ]


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]


def _value(value: Tensor) -> str:
    if value.numel() == 1:
        return f"{float(value):.6g}"
    return f"{float(value.double().mean()):.4g} on average, {float(value.min()):.4g} … {float(value.max()):.4g}"


def _plain(value: Tensor) -> Any:
    if value.numel() == 1:
        return float(value)
    shape = list(value.shape)
    return {"shape": shape, "mean": float(value.double().mean()), "min": float(value.min()), "max": float(value.max())}
