"""Pictures of what was learned."""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from demo.digits import Outcome, images
from demo.fisher import Recovered
from npde.plot.save import STYLE

INK, WARM, PALE = "#1f4e79", "#c0392b", "0.65"


def confusion(outcome: Outcome, path: Path) -> None:
    """Which digit was read as which, and the test images that were read wrong."""
    from matplotlib.figure import Figure

    table = np.array(outcome.test.confusion)
    pixels, digits = images()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
        _matrix(left.subplots(), table)
        shown = list(zip(outcome.wrong, outcome.said))[:16]
        side = max(2, ceil(sqrt(len(shown))))
        right.suptitle(f"{len(outcome.wrong)} of {outcome.test.samples} read wrong")
        panels = right.subplots(side, side)
        for axes in panels.flat:
            axes.set_axis_off()
        for axes, (index, said) in zip(panels.flat, shown):
            axes.imshow(pixels[index], cmap="gray_r", vmin=0, vmax=1)
            axes.set_title(f"{int(digits[index])} read as {said}", fontsize=8, color=WARM)
        figure.suptitle(f"parabolic_cnn on unseen handwritten digits: {outcome.accuracy:.1%} right")
        figure.savefig(path, dpi=160, metadata={"Software": None})


def _matrix(axes: Any, table: np.ndarray[Any, Any]) -> None:
    shares = table / table.sum(1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true in range(len(table)):
        for said in range(len(table)):
            count = table[true, said]
            if count:
                color = "white" if shares[true, said] > 0.5 else (INK if true == said else WARM)
                axes.text(said, true, str(count), ha="center", va="center", color=color, fontsize=8)
    axes.set(xlabel="read as", ylabel="digit", xticks=range(len(table)), yticks=range(len(table)))
    axes.tick_params(length=0)


def fisher(found: Recovered, path: Path) -> None:
    """Above, what was observed; below, the same cut through data, model before and model after."""
    from matplotlib.figure import Figure

    frames = np.linspace(1, len(found.times) - 1, 4).round().astype(int)
    middle = found.frames.shape[2] // 2
    x = np.arange(found.frames.shape[1]) * 20 / found.frames.shape[1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axes = figure.subplots(2, 4, gridspec_kw={"height_ratios": (1.1, 1)})
        for (upper, lower), frame in zip(axes.T, frames):
            upper.imshow(found.frames[frame].T, origin="lower", extent=(0, 20, 0, 20), cmap="viridis", vmin=0, vmax=1)
            upper.axhline(10, color="white", linewidth=0.6, alpha=0.7)
            upper.set(title=f"observed, t = {found.times[frame]:.3g}", xticks=(0, 10, 20), yticks=(0, 10, 20))
            lower.plot(x, found.frames[frame, :, middle], ".", color=PALE, markersize=3, label="observed")
            lower.plot(x, found.before[frame, :, middle], "--", color=WARM, linewidth=1.1, label="start")
            lower.plot(x, found.after[frame, :, middle], color=INK, label="learned")
            lower.set(xlabel="x", ylim=(-0.08, 1.12), xlim=(0, 20), xticks=(0, 10, 20))
        axes[0, 0].set_ylabel("y")
        axes[1, 0].set_ylabel("u(x, 10)")
        axes[1, 0].legend(loc="upper right", fontsize=7, handlelength=1.2)
        for plain in axes[:, 1:].flat:
            plain.tick_params(labelleft=False)
        figure.savefig(path, dpi=160, metadata={"Software": None})
