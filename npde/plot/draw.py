"""Still pictures of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from npde.plot.run import Array, Panel, Run, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROFILES = 5


def still(run: Run) -> Figure:
    match len(run.axes):
        case 0:
            return _over_time(run)
        case 1:
            return _space_time(run)
        case _:
            figure, _, _ = maps(run, len(run.times) - 1)
            return figure


def new_figure(columns: int, rows: int, width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def title_of(run: Run, when: str) -> str:
    more = f" ({run.left_out} more not shown)" if run.left_out else ""
    return f"{run.model}, {when}{more}"


def _over_time(run: Run) -> Figure:
    figure, grid = new_figure(1, 1, 6.4, 3.2)
    axes: Axes = grid[0, 0]
    for panel in run.panels:
        axes.plot(run.times, panel.read(slice(None)), label=panel.label)
    axes.set(xlabel=run.time, xlim=(run.times[0], run.times[-1] or 1))
    axes.legend(loc="best")
    figure.suptitle(title_of(run, f"{run.time} = {_short(run.times[0])} … {_short(run.times[-1])}"))
    return figure


def _space_time(run: Run) -> Figure:
    """Each field: its map over space and time, and below it the profiles at a few times."""
    name, positions, extent = run.axes[0]
    figure, grid = new_figure(len(run.panels), 2, 4.2, 2.7)
    shown = thinned(len(run.times), 600)
    end = float(run.times[-1])
    span = (float(run.times[0]), end if end > run.times[0] else float(run.times[0]) + 1)
    for panel, (upper, lower) in zip(run.panels, grid.T, strict=True):
        values = panel.read(shown) if len(shown) < len(run.times) else panel.read(slice(None))
        image = upper.imshow(
            values, origin="lower", aspect="auto", extent=(*extent, *span), cmap=panel.colors, norm=panel.norm
        )
        figure.colorbar(image, ax=upper, label=panel.label, pad=0.02)
        upper.set(xlabel=name, ylabel=run.time, title=panel.label)
        _profiles(run, panel, lower, positions)
        lower.set(xlabel=name, ylabel=panel.label, xlim=extent)
    figure.suptitle(title_of(run, f"{run.time} = {_short(span[0])} … {_short(span[1])}"))
    return figure


def _profiles(run: Run, panel: Panel, axes: Axes, positions: Array) -> None:
    """Early profiles light, the last one dark."""
    chosen = thinned(len(run.times), PROFILES)
    shades = matplotlib.colormaps["Blues"](np.linspace(0.35, 1.0, len(chosen)))
    for frame, shade in zip(chosen, shades, strict=True):
        label = f"{run.time} = {_short(run.times[frame])}"
        axes.plot(positions, panel.read(int(frame)), color=shade, label=label)
    axes.legend(loc="best", fontsize=7, handlelength=1.2)


def maps(run: Run, frame: int) -> tuple[Figure, list[Any], Any]:
    """Fields over a plane, at one frame: the figure, its images and its title, for animations to change."""
    (x, _, x_extent), (y, _, y_extent) = run.axes[:2]
    count = len(run.panels)
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    ratio = (y_extent[1] - y_extent[0]) / (x_extent[1] - x_extent[0])
    height = min(max(3.4 * ratio, 1.6), 5.0)
    figure, grid = new_figure(columns, rows, 4.2, height)
    images = []
    for index, axes in enumerate(grid.flat):
        if index >= count:
            axes.set_axis_off()
            continue
        panel = run.panels[index]
        image = axes.imshow(
            plane(panel.read(frame)), origin="lower", extent=(*x_extent, *y_extent), cmap=panel.colors, norm=panel.norm,
            aspect="equal" if 0.2 < ratio < 5 else "auto",
        )  # fmt: skip
        bar = figure.colorbar(image, ax=axes, pad=0.02, shrink=0.9)
        if panel.label.startswith("phase"):
            bar.set_ticks([-math.pi, 0, math.pi], labels=["−π", "0", "π"])
        axes.set(xlabel=x, ylabel=y, title=panel.label)
        images.append(image)
    slice_note = f", {run.axes[2][0]} in the middle" if len(run.axes) == 3 else ""
    title = figure.suptitle(title_of(run, f"{run.time} = {_short(run.times[frame])}{slice_note}"))
    return figure, images, title


def plane(values: Array) -> Array:
    """[x, y] to rows of y, as pictures have them; of a volume the middle slice."""
    return (values[:, :, values.shape[2] // 2] if values.ndim == 3 else values).T


def _short(value: float) -> str:
    return f"{value:.4g}"
