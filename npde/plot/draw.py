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
ROWS = 600
"""Times that a space–time map shows at most."""
BLUE, RED = "#2166ac", "#b2182b"


def still(run: Run) -> Figure:
    """The picture of a whole run, or of its last frame where there is no room for time."""
    match len(run.axes):
        case 0:
            return _over_time(run)
        case 1 if not run.time:
            return _curves(run)
        case 1:
            return _space_time(run)
        case _:
            figure, _, _ = maps(run, len(run.times) - 1, over_run=False)
            return figure


def new_figure(columns: int, rows: int, width: float, height: float) -> tuple[Figure, Any]:
    """A figure with `rows` × `columns` axes of this size in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows + 0.4), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def title_of(run: Run, when: str) -> str:
    """The model and the time."""
    more = f" ({run.left_out} more not shown)" if run.left_out else ""
    return f"{run.model}, {when}{more}"


def _over_time(run: Run) -> Figure:
    figure, grid = new_figure(1, 1, 6.8, 3.2)
    axes: Axes = grid[0, 0]
    for panel in run.panels:
        axes.plot(run.times, panel.read(slice(None)), label=panel.label)
    axes.set(xlabel=run.time, xlim=_span(run))
    _legend(axes, 9, in_layout=True)
    figure.suptitle(title_of(run, f"{run.time} = {_short(run.times[0])} … {_short(run.times[-1])}"))
    return figure


def _curves(run: Run) -> Figure:
    """A steady solution on one axis: each field over it; below a phase, real and imaginary part."""
    name, positions, extent = run.axes[0]
    figure, grid = new_figure(len(run.panels), 1, 4.6, 2.9)
    for panel, axes in zip(run.panels, grid[0], strict=True):
        if panel.values is not None:
            value = panel.values(0)
            of = panel.label.removeprefix("phase of ")
            axes.plot(positions, value.real, color=BLUE, label=f"re {of}")
            axes.plot(positions, value.imag, color=RED, label=f"im {of}")
            _legend(axes, 8)
        else:
            axes.plot(positions, panel.read(0), color=BLUE)
            axes.set_title(panel.label)
        axes.set(xlabel=name, xlim=extent)
    figure.suptitle(run.model)
    return figure


def _space_time(run: Run) -> Figure:
    """Each field: its map over space and time, and below it the profiles at a few times."""
    name, positions, extent = run.axes[0]
    figure, grid = new_figure(len(run.panels), 2, 4.6, 2.7)
    # Legends stand below the color bars, in room that the layout does not count for them.
    figure.get_layout_engine().set(w_pad=0.12, rect=(0, 0, 0.97, 1))  # type: ignore[union-attr, call-arg]
    shown = thinned(len(run.times), ROWS) if len(run.times) > ROWS else slice(None)
    for panel, (upper, lower) in zip(run.panels, grid.T, strict=True):
        image = upper.imshow(
            panel.read(shown), origin="lower", aspect="auto", extent=(*extent, *_span(run)), cmap=panel.colors,
            norm=panel.norm, alpha=panel.opacity(shown),
        )  # fmt: skip
        _bar(figure, upper, image, panel)
        upper.set(xlabel=name, ylabel=run.time, title=panel.label)
        _profiles(run, panel, lower, positions)
        lower.set(xlabel=name, xlim=extent)
        for axes in (upper, lower):
            axes.locator_params(axis="x", nbins=5)
    figure.suptitle(title_of(run, f"{run.time} = {_short(run.times[0])} … {_short(run.times[-1])}"))
    return figure


def _profiles(run: Run, panel: Panel, axes: Axes, positions: Array) -> None:
    """Early profiles light, the last one dark; below a phase the real and the imaginary part at the end."""
    if panel.values is not None:
        last = panel.values(len(run.times) - 1)
        of = panel.label.removeprefix("phase of ")
        axes.plot(positions, last.real, color=BLUE, label=f"re {of}")
        axes.plot(positions, last.imag, color=RED, label=f"im {of}")
        axes.set_ylabel(f"at {run.time} = {_short(run.times[-1])}")
        _legend(axes, 7)
        return
    chosen = thinned(len(run.times), PROFILES)
    shades = matplotlib.colormaps["Blues"](np.linspace(0.35, 1.0, len(chosen)))
    for frame, shade in zip(chosen, shades, strict=True):
        label = f"{run.time} = {run.times[frame]:.3g}"
        axes.plot(positions, panel.read(int(frame)), color=shade, label=label)
    axes.set_ylabel(panel.label)
    _legend(axes, 7)


def maps(run: Run, frame: int, *, over_run: bool) -> tuple[Figure, list[Any], Any]:
    """Fields over a plane at one frame, colored by the range of the whole run or of the frame: the figure, its images and its
    title, for animations to change."""
    (x, _, x_extent), (y, _, y_extent) = run.axes[:2]
    count = len(run.panels)
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    ratio = (y_extent[1] - y_extent[0]) / (x_extent[1] - x_extent[0])
    figure, grid = new_figure(columns, rows, 4.2, min(max(3.4 * ratio, 1.6), 5.0))
    images = []
    for index, axes in enumerate(grid.flat):
        if index >= count:
            axes.set_axis_off()
            continue
        panel = run.panels[index]
        shown = plane(panel.read(frame))
        image = axes.imshow(
            shown, origin="lower", extent=(*x_extent, *y_extent), aspect="equal" if 0.2 < ratio < 5 else "auto",
            cmap=panel.colors if over_run else panel.colors_at(shown),
            norm=panel.norm if over_run else panel.norm_of(shown), alpha=plane_or_none(panel.opacity(frame)),
        )  # fmt: skip
        _bar(figure, axes, image, panel)
        axes.set(xlabel=x, ylabel=y, title=panel.label)
        images.append(image)
    when = f"{run.time} = {_short(run.times[frame])}" if run.time else "steady"
    title = figure.suptitle(title_of(run, f"{when}{slice_note(run)}"))
    return figure, images, title


def slice_note(run: Run) -> str:
    """Where a volume is cut."""
    return f", {run.axes[2][0]} in the middle" if len(run.axes) == 3 else ""


def plane(values: Array) -> Array:
    """[x, y] to rows of y, as pictures have them; of a volume the middle slice."""
    return (values[:, :, values.shape[2] // 2] if values.ndim == 3 else values).T


def plane_or_none(values: Array | None) -> Array | None:
    """As `plane`."""
    return None if values is None else plane(values)


def _bar(figure: Figure, axes: Axes, image: Any, panel: Panel) -> None:
    if panel.values is None:
        figure.colorbar(image, ax=axes, pad=0.02)
        return
    # A bar for an image with opacities would be as faint as the image.
    solid = matplotlib.cm.ScalarMappable(norm=panel.norm, cmap=panel.colors)
    bar = figure.colorbar(solid, ax=axes, pad=0.02)
    bar.set_ticks([-math.pi, 0, math.pi], labels=["−π", "0", "π"])


def _legend(axes: Axes, size: int, in_layout: bool = False) -> None:
    """To the right of the curves, which it never hides."""
    legend = axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=size, handlelength=1.2, borderaxespad=0.3
    )
    legend.set_in_layout(in_layout)


def _span(run: Run) -> tuple[float, float]:
    start, end = float(run.times[0]), float(run.times[-1])
    return start, end if end > start else start + 1


def _short(value: float) -> str:
    return f"{value:.4g}"
