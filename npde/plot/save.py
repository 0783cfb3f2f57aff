"""From a run file to a picture file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

from npde.diagnostics import NpdeError
from npde.files.atomic import replacing
from npde.files.hdf5 import opened
from npde.plot.animate import animate
from npde.plot.draw import still
from npde.plot.run import read_run

SUFFIXES = (".png", ".svg", ".pdf", ".gif", ".mp4")
ANIMATED = (".gif", ".mp4")
STYLE: dict[Any, Any] = {
    "figure.dpi": 110, "savefig.dpi": 160, "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7, "image.interpolation": "nearest",
    "xtick.major.width": 0.7, "ytick.major.width": 0.7, "lines.linewidth": 1.4, "legend.frameon": False,
    "figure.titlesize": 11, "svg.hashsalt": "npde",
}  # fmt: skip


def save(
    run: str | os.PathLike[str], picture: str | os.PathLike[str], progress: Callable[[int], None] | None = None
) -> int:
    """Draws the run in an HDF5 file; the suffix of `picture` says how (.png .svg .pdf, animated: .gif .mp4).

    Gives the number of frames drawn. `progress` is called with the number of frames done.

    Raises:
        NpdeError: another suffix, or .mp4 without ffmpeg.
        DiagnosticError: a file cannot be read or written.
    """
    suffix = check_suffix(picture)
    with opened(run) as file, matplotlib.rc_context(STYLE), replacing(picture) as temporary:
        shown = read_run(file)
        if suffix not in ANIMATED:
            figure = still(shown)
            # Without these entries the same run gives the same bytes.
            blank = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[suffix[1:]]
            figure.savefig(temporary, format=suffix[1:], metadata=blank)
            return 1
        return animate(shown, temporary, suffix, progress)


def check_suffix(picture: str | os.PathLike[str]) -> str:
    """The suffix of a picture, if npde draws such. Raises NpdeError."""
    suffix = Path(picture).suffix.lower()
    if suffix not in SUFFIXES:
        raise NpdeError(f"'{picture}' should end in one of {', '.join(SUFFIXES)}.")
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise NpdeError("An mp4 is made by ffmpeg, which is not installed here; a gif needs nothing more.")
    return suffix
