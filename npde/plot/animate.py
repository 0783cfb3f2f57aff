"""Moving pictures of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npde.plot.draw import BLUE, RED, maps, new_figure, plane, plane_or_none, slice_note, title_of
from npde.plot.run import FRAMES, Panel, Read, Run, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 8.0
"""A long run is played in about this time."""


def animate(run: Run, path: Path, suffix: str, progress: Callable[[int], None] | None) -> int:
    """Writes an animation to `path`; the number of its frames."""
    frames = thinned(len(run.times), FRAMES)
    figure, draw = _moving(run)
    with _writer(figure, path, suffix, max(4, round(len(frames) / SECONDS))) as grab:
        for done, frame in enumerate(frames):
            draw(int(frame))
            grab()
            if progress is not None:
                progress(done + 1)
    return len(frames)


def _moving(run: Run) -> tuple[Figure, Callable[[int], None]]:
    """A figure and what brings it to a frame."""
    if len(run.axes) < 2:
        return _moving_lines(run)
    figure, images, title = maps(run, 0, over_run=True)

    def draw(frame: int) -> None:
        for image, panel in zip(images, run.panels, strict=True):
            image.set_data(plane(panel.read(frame)))
            if panel.values is not None:
                image.set_alpha(plane_or_none(panel.opacity(frame)))
        title.set_text(title_of(run, f"{run.time} = {_fixed(run, frame)}{slice_note(run)}"))

    return figure, draw


def _moving_lines(run: Run) -> tuple[Figure, Callable[[int], None]]:
    """Profiles over one axis, with the start in gray; or curves that grow over time."""
    columns = min(len(run.panels), 3)
    figure, grid = new_figure(columns, math.ceil(len(run.panels) / columns), 4.6, 3.0)
    for axes in grid.flat[len(run.panels) :]:
        axes.set_axis_off()
    lines: list[tuple[Any, Read]] = []
    for panel, axes in zip(run.panels, grid.flat, strict=False):
        curves, low, high = _curves(panel, run)
        margin = 0.05 * (high - low)
        axes.set(title=panel.label, ylim=(low - margin, high + margin))
        at, extent = (run.axes[0][1], run.axes[0][2]) if run.axes else (run.times, (run.times[0], run.times[-1]))
        axes.set(xlabel=run.axes[0][0] if run.axes else run.time, xlim=extent)
        for read, color, label in curves:
            if run.axes:
                axes.plot(at, read(0), color="0.85", linewidth=1)
            (line,) = axes.plot(at, np.full(len(at), np.nan), color=color, label=label)
            lines.append((line, read))
        if len(curves) > 1:
            axes.set_title(" and ".join(label for _, _, label in curves))
            axes.legend(loc="upper right", fontsize=7, handlelength=1.2)
    title = figure.suptitle(title_of(run, f"{run.time} = {_fixed(run, 0)}"))

    def draw(frame: int) -> None:
        for line, read in lines:
            if run.axes:
                line.set_ydata(read(frame))
            else:
                line.set_data(run.times[: frame + 1], read(slice(0, frame + 1)))
        title.set_text(title_of(run, f"{run.time} = {_fixed(run, frame)}"))

    return figure, draw


def _curves(panel: Panel, run: Run) -> tuple[list[tuple[Read, str, str]], float, float]:
    """What is drawn for a panel, and its range: instead of a phase, which jumps, the real and the imaginary part."""
    values = panel.values
    if values is None:
        return [(panel.read, BLUE, panel.label)], float(panel.norm.vmin or 0), float(panel.norm.vmax or 0)
    name = panel.label.removeprefix("phase of ")
    reach = max(float(np.abs(values(int(n))).max()) for n in thinned(len(run.times), FRAMES))
    curves: list[tuple[Read, str, str]] = [
        (lambda frames: values(frames).real, BLUE, f"re {name}"),
        (lambda frames: values(frames).imag, RED, f"im {name}"),
    ]
    return curves, -reach, reach


def _fixed(run: Run, frame: int) -> str:
    """The time with as many digits in every frame, so that the title does not jump."""
    step = float(run.times[1] - run.times[0]) if len(run.times) > 1 else 1.0
    digits = max(0, min(6, 1 - math.floor(math.log10(step)))) if step > 0 else 0
    return f"{run.times[frame]:.{digits}f}"


@contextmanager
def _writer(figure: Figure, path: Path, suffix: str, rate: int) -> Iterator[Callable[[], None]]:
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    writer = PillowWriter(fps=rate) if suffix == ".gif" else FFMpegWriter(fps=rate, extra_args=["-pix_fmt", "yuv420p"])
    named = path.with_suffix(path.suffix + suffix)  # the writers go by the suffix
    with writer.saving(figure, str(named), dpi=100):
        yield writer.grab_frame
    named.replace(path)
