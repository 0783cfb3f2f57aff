"""What a newcomer may want to open: the emitted modules and the pages that show their architecture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import npde
from demo.paths import example
from npde.files import write_text
from npde.view import render

if TYPE_CHECKING:
    from npde.emit.live import LiveModule


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files of one model."""

    model: str
    lines: int
    parameters: int
    module: Path
    page: Path
    picture: Path


def write(folder: Path, name: str) -> Artifact:
    """`NAME.py`, `NAME.html` and `NAME.svg` of an example as its file says it."""
    net: LiveModule = npde.load(example(name)).compile()
    module, page, picture = (folder / f"{name}.{kind}" for kind in ("py", "html", "svg"))
    write_text(module, net.source)
    write_text(page, str(render(net.graph, "html")))
    write_text(picture, str(render(net.graph, "svg")))
    count = sum(parameter.numel() for parameter in net.parameters())
    return Artifact(name, len(net.source.splitlines()), count, module, page, picture)
