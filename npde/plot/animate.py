"""Moving pictures of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npde.plot.draw import maps, new_figure, plane, title_of
from npde.plot.run import FRAMES, Run, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def animate(run: Run, path: Path, suffix: str, progress: Callable[[int], None] | None) -> int:
    frames = thinned(len(run.times), FRAMES)
    figure, draw = _moving(run)
    with _writer(figure, path, suffix) as grab:
        for done, frame in enumerate(frames):
            draw(int(frame))
            grab()
            if progress is not None:
                progress(done + 1)
    return len(frames)


def _moving(run: Run) -> tuple[Figure, Callable[[int], None]]:
    """A figure and what brings it to a frame."""
    if len(run.axes) >= 2:
        figure, images, title = maps(run, 0)
        note = title.get_text().split(" = ", 1)[1].partition(",")[2]

        def draw_maps(frame: int) -> None:
            for image, panel in zip(images, run.panels, strict=True):
                image.set_data(plane(panel.read(frame)))
            title.set_text(title_of(run, f"{run.time} = {_fixed(run, frame)}") + (f",{note}" if note else ""))

        return figure, draw_maps
    return _moving_lines(run)


def _moving_lines(run: Run) -> tuple[Figure, Callable[[int], None]]:
    figure, grid = new_figure(len(run.panels), 1, 4.6, 3.0)
    lines = []
    for panel, axes in zip(run.panels, grid[0], strict=True):
        margin = 0.05 * (panel.norm.vmax - panel.norm.vmin)  # type: ignore[operator]
        axes.set(title=panel.label, ylim=(panel.norm.vmin - margin, panel.norm.vmax + margin))  # type: ignore[operator]
        if run.axes:
            name, positions, extent = run.axes[0]
            axes.plot(positions, panel.read(0), color="0.8", linewidth=1)
            axes.set(xlabel=name, xlim=extent)
        else:
            positions = run.times
            axes.set(xlabel=run.time, xlim=(run.times[0], run.times[-1]))
        (line,) = axes.plot(positions[:1], [np.nan], color="#2166ac")
        lines.append((line, positions))
    title = figure.suptitle(" ")

    def draw(frame: int) -> None:
        for (line, positions), panel in zip(lines, run.panels, strict=True):
            if run.axes:
                line.set_data(positions, panel.read(frame))
            else:
                line.set_data(positions[: frame + 1], panel.read(slice(0, frame + 1)))
        title.set_text(title_of(run, f"{run.time} = {_fixed(run, frame)}"))

    return figure, draw


def _fixed(run: Run, frame: int) -> str:
    """The time with as many digits in every frame, so that the title does not jump."""
    step = float(run.times[1] - run.times[0]) if len(run.times) > 1 else 1.0
    digits = max(0, min(6, 1 - math.floor(math.log10(step)))) if step > 0 else 0
    return f"{run.times[frame]:.{digits}f}"


@contextmanager
def _writer(figure: Figure, path: Path, suffix: str) -> Iterator[Callable[[], None]]:
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    writer = PillowWriter(fps=15) if suffix == ".gif" else FFMpegWriter(fps=25, extra_args=["-pix_fmt", "yuv420p"])
    named = path.with_suffix(path.suffix + suffix)  # the writers go by the suffix
    with writer.saving(figure, str(named), dpi=100):
        yield writer.grab_frame
    named.replace(path)
