"""Diagrams: boxes and edges, before anything is placed. A frame is a box that holds a diagram of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from npde.source import NOWHERE, Span

Family = Literal["port", "stencil", "learned", "pointwise", "sum", "solve", "plumbing", "call", "frame"]
"""What a layer is to the eye: where data enters and leaves; fixed convolutions; layers that learn; functions of each
cell; sums over the grid; implicit and spectral layers; moving data about; another block; a loop."""

FAMILY_NAMES: dict[Family, str] = {
    "port": "data",
    "stencil": "fixed stencil",
    "learned": "learned layer",
    "pointwise": "pointwise",
    "sum": "sum over the grid",
    "solve": "solve, spectral",
    "plumbing": "plumbing",
    "call": "another block",
    "frame": "loop",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    `members` are the nodes of the graph it stands for ("block/name", its own first); `formula` lines in the notation of the
    language, `notes` lines in words; `learned` what trains in it and `count` how many numbers that is, each counted in the
    first box that uses it; `span` the statement it comes from, `also` the wall conditions that fill its ghost cells. `inner`
    makes it a frame that runs `trips` times.
    """

    id: str
    family: Family
    title: str
    formula: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    count: int = 0
    members: tuple[str, ...] = ()
    shape: str = ""
    span: Span = NOWHERE
    also: tuple[Span, ...] = ()
    inner: Diagram | None = None
    trips: int = 1


@dataclass(frozen=True, slots=True)
class Edge:
    """Data from one box to another; the label says which value, or its shape."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes in topological order; `entries` are those through which a block is handed its inputs."""

    name: str
    title: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    entries: tuple[str, ...] = ()

    def box(self, name: str) -> Box:
        """The box of that id; KeyError if there is none."""
        for box in self.boxes:
            if box.id == name:
                return box
        raise KeyError(name)

    def all_boxes(self) -> tuple[Box, ...]:
        """The boxes, those inside frames after their frame."""
        out: list[Box] = []
        for box in self.boxes:
            out.append(box)
            if box.inner is not None:
                out.extend(box.inner.all_boxes())
        return tuple(out)
