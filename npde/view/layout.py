"""Places a diagram: layers from top to bottom (Sugiyama, Tagawa & Toda, 1981), frames first, from the inside out.

Ranks are longest paths; edges over several ranks get a bend in each; the order within a rank comes from sweeps of
barycenters, the one with the fewest crossings kept; positions minimize squared distances to neighbors under the order,
which is isotonic regression, solved by pooling adjacent violators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from npde.view.diagram import Box, Diagram
from npde.view.metrics import box_size

RANK_GAP = 40.0
NODE_GAP = 26.0
BEND_GAP = 10.0
FRAME_TOP = 62.0
FRAME_SIDE = 30.0
FRAME_LOOP = 76.0
FRAME_BOTTOM = 24.0
BEND = 8.0
SWEEPS = 32


@dataclass(frozen=True, slots=True)
class Placed:
    """A box with its upper left corner and size; a frame with what is placed inside, in the same coordinates."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inner: Layout | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """An edge as points from top to bottom: the foot of its source, its bends, the head of its target."""

    source: str
    target: str
    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A placed diagram; x and y start at 0 unless it was moved."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    routes: tuple[Route, ...]


def place(diagram: Diagram) -> Layout:
    """Positions for everything in a diagram."""
    inner = {b.id: place(b.inner) for b in diagram.boxes if b.inner is not None}
    sizes = {b.id: _size(b, inner.get(b.id)) for b in diagram.boxes}
    web = _Web([b.id for b in diagram.boxes], sizes, [(e.source, e.target) for e in diagram.edges])
    web.solve()
    placed = []
    for box in diagram.boxes:
        width, height = sizes[box.id]
        x, y = web.x[box.id] - width / 2, web.y[box.id]
        contents = inner.get(box.id)
        if contents is not None:
            contents = moved(contents, x + (width - FRAME_LOOP - contents.width) / 2, y + FRAME_TOP)
        placed.append(Placed(box, x, y, width, height, contents))
    routes = [
        Route(e.source, e.target, e.label, tuple(web.points(e.source, e.target))) for e in diagram.edges
    ]  # fmt: skip
    width = max((p.x + p.width for p in placed), default=0.0)
    height = max((p.y + p.height for p in placed), default=0.0)
    return Layout(width, height, tuple(placed), tuple(routes))


def _size(box: Box, inner: Layout | None) -> tuple[float, float]:
    width, height = box_size(box)
    if inner is None:
        return width, height
    return (
        max(width + FRAME_LOOP, inner.width + 2 * FRAME_SIDE + FRAME_LOOP),
        inner.height + FRAME_TOP + FRAME_BOTTOM,
    )


def moved(layout: Layout, dx: float, dy: float) -> Layout:
    """The layout shifted by (dx, dy)."""
    boxes = tuple(
        Placed(p.box, p.x + dx, p.y + dy, p.width, p.height, moved(p.inner, dx, dy) if p.inner else None)
        for p in layout.boxes
    )
    routes = tuple(
        Route(r.source, r.target, r.label, tuple((x + dx, y + dy) for x, y in r.points)) for r in layout.routes
    )
    return Layout(layout.width, layout.height, boxes, routes)


@dataclass
class _Web:
    """The layered graph with bends as nodes; `x` is a center, `y` a top."""

    names: list[str]
    sizes: dict[str, tuple[float, float]]
    edges: list[tuple[str, str]]
    rank: dict[str, int] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)
    chains: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    above: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    x: dict[str, float] = field(default_factory=dict)
    y: dict[str, float] = field(default_factory=dict)

    def solve(self) -> None:
        self._ranks()
        self._bends()
        self._order()
        self._columns()
        self._heights()

    def points(self, source: str, target: str) -> list[tuple[float, float]]:
        """The points of an edge; feet and heads are spread along the sides of their boxes."""
        chain = self.chains[source, target]
        first, last = chain[0], chain[-1]
        out = [(self._port(source, self.below[source], chain[1]), self.y[source] + self.sizes[source][1])]
        for bend in chain[1:-1]:
            out.append((self.x[bend], self.y[bend]))
            out.append((self.x[bend], self.y[bend] + self.sizes[bend][1]))
        out.append((self._port(last, self.above[last], chain[-2]), self.y[last]))
        assert first == source
        return out

    def _port(self, name: str, neighbors: list[str], neighbor: str) -> float:
        ordered = sorted(dict.fromkeys(neighbors), key=lambda n: self.x[n])
        room = min(self.sizes[name][0] - 24.0, 22.0 * (len(ordered) - 1))
        if len(ordered) == 1:
            return self.x[name]
        return self.x[name] - room / 2 + room * ordered.index(neighbor) / (len(ordered) - 1)

    # --- ranks --------------------------------------------------------------------------------------------------------

    def _ranks(self) -> None:
        into: dict[str, list[str]] = {n: [] for n in self.names}
        out: dict[str, list[str]] = {n: [] for n in self.names}
        for source, target in self.edges:
            into[target].append(source)
            out[source].append(target)
        for name in self.names:
            self.rank[name] = max((self.rank[s] + 1 for s in into[name]), default=0)
        for name in reversed(self.names):
            if not into[name] and out[name]:
                self.rank[name] = max(min(self.rank[t] for t in out[name]) - 1, 0)

    def _bends(self) -> None:
        self.rows = [[] for _ in range(max(self.rank.values(), default=-1) + 1)]
        for name in self.names:
            self.rows[self.rank[name]].append(name)
        for source, target in self.edges:
            chain = [source]
            for rank in range(self.rank[source] + 1, self.rank[target]):
                bend = f"{source}\0{target}\0{rank}"
                self.sizes[bend] = (BEND, 0.0)
                self.rows[rank].append(bend)
                chain.append(bend)
            chain.append(target)
            self.chains[source, target] = chain
        members = [n for row in self.rows for n in row]
        self.above = {n: [] for n in members}
        self.below = {n: [] for n in members}
        for chain in self.chains.values():
            for upper, lower in pairwise(chain):
                self.below[upper].append(lower)
                self.above[lower].append(upper)

    # --- order --------------------------------------------------------------------------------------------------------

    def _order(self) -> None:
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(12):
            downward = sweep % 2 == 0
            rows = range(1, len(self.rows)) if downward else range(len(self.rows) - 2, -1, -1)
            for k in rows:
                self._sort(k, k - 1 if downward else k + 1, self.above if downward else self.below)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _sort(self, row: int, fixed: int, neighbors: dict[str, list[str]]) -> None:
        place = {n: i for i, n in enumerate(self.rows[fixed])}
        own = {n: i for i, n in enumerate(self.rows[row])}

        def key(name: str) -> tuple[float, int]:
            places = [place[n] for n in neighbors[name]]
            return (sum(places) / len(places) if places else own[name], own[name])

        self.rows[row].sort(key=key)

    def _crossings(self) -> int:
        total = 0
        for upper, lower in pairwise(self.rows):
            place = {n: i for i, n in enumerate(lower)}
            ends = [place[b] for n in upper for b in sorted(self.below[n], key=lambda m: place[m])]
            total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
        return total

    # --- positions ----------------------------------------------------------------------------------------------------

    def _columns(self) -> None:
        for row in self.rows:
            cursor = 0.0
            for name in row:
                width = self.sizes[name][0]
                self.x[name] = cursor + width / 2
                cursor += width + NODE_GAP
        for sweep in range(SWEEPS):
            downward = sweep % 2 == 0
            order = range(len(self.rows)) if downward else range(len(self.rows) - 1, -1, -1)
            for k in order:
                self._relax(self.rows[k], self.above if downward else self.below)
        for row in self.rows:
            self._relax(row, {n: self.above[n] + self.below[n] for n in row})
        self._straighten()
        left = min((self.x[n] - self.sizes[n][0] / 2 for n in self.x), default=0.0)
        for name in self.x:
            self.x[name] -= left

    def _relax(self, row: Sequence[str], neighbors: dict[str, list[str]]) -> None:
        wanted, weights, offsets = [], [], []
        cursor = 0.0
        for i, name in enumerate(row):
            if i:
                cursor += self._distance(row[i - 1], name)
            pulls = [(self._pull(name, n), self.x[n]) for n in neighbors[name]]
            strength = sum(pull for pull, _ in pulls)
            wanted.append((sum(pull * x for pull, x in pulls) / strength if pulls else self.x[name]) - cursor)
            weights.append(strength if pulls else 0.01)
            offsets.append(cursor)
        for name, base, offset in zip(row, isotonic(wanted, weights), offsets, strict=True):
            self.x[name] = base + offset

    def _distance(self, left: str, right: str) -> float:
        """The least distance of two centers; bends may come close."""
        gap = BEND_GAP if "\0" in left and "\0" in right else NODE_GAP
        return (self.sizes[left][0] + self.sizes[right][0]) / 2 + gap

    def _straighten(self) -> None:
        """Puts all bends of an edge above each other where there is room, as near as can be to where they were."""
        where = {n: (row, i) for row in self.rows for i, n in enumerate(row)}
        for chain in sorted(self.chains.values(), key=len, reverse=True):
            bends = chain[1:-1]
            if len(bends) < 2:
                continue
            rooms = [self._room(*where[b]) for b in bends]
            left, right = max(room[0] for room in rooms), min(room[1] for room in rooms)
            if left <= right:
                middle = sum(self.x[b] for b in bends) / len(bends)
                self.x.update(dict.fromkeys(bends, min(max(middle, left), right)))

    def _room(self, row: list[str], place: int) -> tuple[float, float]:
        """Between which positions a node may move without coming too near to its neighbors."""
        left, right = -inf, inf
        if place > 0:
            left = self.x[row[place - 1]] + self._distance(row[place - 1], row[place])
        if place + 1 < len(row):
            right = self.x[row[place + 1]] - self._distance(row[place], row[place + 1])
        return left, right

    @staticmethod
    def _pull(name: str, neighbor: str) -> float:
        """How strongly an edge wants to be vertical: most between two bends, least between two boxes."""
        return (1.0, 3.0, 20.0)[("\0" in name) + ("\0" in neighbor)]

    def _heights(self) -> None:
        top = 0.0
        for row in self.rows:
            tallest = max(self.sizes[n][1] for n in row)
            for name in row:
                if "\0" in name:
                    self.sizes[name] = (BEND, tallest)
                    self.y[name] = top
                else:
                    self.y[name] = top + (tallest - self.sizes[name][1]) / 2
            top += tallest + RANK_GAP


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to `values` in weighted least squares, by pooling adjacent violators."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, u, m), (b, v, n) = pools[-2], pools[-1]
            pools[-2:] = [((a * u + b * v) / (u + v), u + v, m + n)]
    return [value for value, _, count in pools for _ in range(count)]
