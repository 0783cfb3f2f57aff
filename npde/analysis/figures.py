"""Figures of the report, as SVG in the page's colors: the stability region with the spectrum in it, the orders, stencils."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from html import escape

import numpy as np

from npde.analysis.eigenvalues import Eigenvalues
from npde.discretize import regions
from npde.discretize.numeric import Array
from npde.discretize.scheme import AdamsBashforth, Implicit, Leapfrog, RungeKutta, Scheme
from npde.graph.layers import StencilLayer
from npde.view.notation import exact_text

SIZE = (560, 400)
"""Width and height of a plot."""

MARGIN = (58, 16, 16, 44)
"""Left, right, top, bottom."""

MOST_POINTS = 1200
"""Eigenvalues that are drawn."""

ROWS, COLUMNS = 241, 321
"""Samples of a region."""


class Plot:
    """A frame with two linear or logarithmic axes, and what is drawn in it."""

    def __init__(self, title: str, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str]):
        self.title, self.x, self.y, self.labels = title, x, y, labels
        self.parts: list[str] = []
        left, right, top, bottom = MARGIN
        self.box = (left, top, SIZE[0] - left - right, SIZE[1] - top - bottom)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the plane lies."""
        left, top, width, height = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + width * across, top + height * (1 - up)

    def path(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """A line through points."""
        placed = [self.at(*p) for p in points]
        self.parts.append(f'<path class="{css}" d="M{" L".join(f"{a:.1f},{b:.1f}" for a, b in placed)}"/>')

    def dot(self, x: float, y: float, radius: float, css: str) -> None:
        """A point."""
        a, b = self.at(x, y)
        self.parts.append(f'<circle class="{css}" cx="{a:.1f}" cy="{b:.1f}" r="{radius}"/>')

    def text(self, x: float, y: float, words: str, css: str = "label", anchor: str = "start") -> None:
        """Words at a point of the plane."""
        a, b = self.at(x, y)
        self.parts.append(f'<text class="{css}" text-anchor="{anchor}" x="{a:.1f}" y="{b:.1f}">{escape(words)}</text>')

    def svg(self, ticks: tuple[Sequence[tuple[float, str]], Sequence[tuple[float, str]]]) -> str:
        """The picture."""
        left, top, width, height = self.box
        frame = f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>'
        clip = f'<clipPath id="c"><rect x="{left}" y="{top}" width="{width}" height="{height}"/></clipPath>'
        marks = []
        for value, words in ticks[0]:
            a, _ = self.at(value, self.y[0])
            marks.append(f'<path class="grid" d="M{a:.1f},{top}v{height}"/>')
            marks.append(f'<text class="tick" text-anchor="middle" x="{a:.1f}" y="{top + height + 16}">{words}</text>')
        for value, words in ticks[1]:
            _, b = self.at(self.x[0], value)
            marks.append(f'<path class="grid" d="M{left},{b:.1f}h{width}"/>')
            marks.append(f'<text class="tick" text-anchor="end" x="{left - 7}" y="{b + 4:.1f}">{words}</text>')
        words = (
            f'<text class="label" text-anchor="middle" x="{left + width / 2}" y="{SIZE[1] - 8}">{escape(self.labels[0])}</text>'
            f'<text class="label" text-anchor="middle" transform="translate(14 {top + height / 2}) rotate(-90)">'
            f"{escape(self.labels[1])}</text>"
        )
        head = f'<svg class="plot" viewBox="0 0 {SIZE[0]} {SIZE[1]}" role="img" aria-label="{escape(self.title)}">'
        drawn = f'<g clip-path="url(#c)">{"".join(self.parts)}</g>'
        title = f"<title>{escape(self.title)}</title><defs>{clip}</defs>"
        return f"{head}{title}{''.join(marks)}{drawn}{frame}{words}</svg>"


# --- stability --------------------------------------------------------------------------------------------------------


def growth_of(scheme: Scheme) -> Callable[[Array], Array] | None:
    """|R(z)| of a scheme that is one function of z = λ dt; None for splittings and others."""
    time = scheme.time
    match time:
        case RungeKutta() | AdamsBashforth():
            return lambda z: regions.growth(time, z)
        case Implicit(name="crank_nicolson"):
            return lambda z: np.abs((1 + z / 2) / (1 - z / 2))
        case Implicit(name="backward_euler"):
            return lambda z: 1 / np.abs(1 - z)
        case Implicit(name="bdf2"):
            return _bdf2
        case _:
            return None


def _bdf2(z: Array) -> Array:
    """The larger root of (3/2 - z) ζ² - 2 ζ + 1/2 = 0."""
    root = np.sqrt(1 + 2 * z + 0j)
    return np.maximum(np.abs(2 + root), np.abs(2 - root)) / np.abs(3 - 2 * z)


def stability(scheme: Scheme, found: Eigenvalues) -> str:
    """The region |R(z)| ≤ 1, shaded, and the eigenvalues times the step."""
    dt = float(scheme.dt)
    if isinstance(scheme.time, Leapfrog):
        spectrum = np.concatenate([found.periodic * dt, found.closed * dt])
    else:
        spectrum = np.concatenate([found.periodic, found.closed]) * dt
    spectrum = spectrum[np.isfinite(spectrum)]
    window = _window(scheme, spectrum)
    plot = Plot("Stability region and spectrum", *window, ("Re λ dt", "Im λ dt"))
    growth = growth_of(scheme)
    if growth is not None:
        _shade(plot, growth)
    if isinstance(scheme.time, Leapfrog):
        plot.path([(0, -2), (0, 2)], "segment")
    plot.path([(window[0][0], 0), (window[0][1], 0)], "axis")
    plot.path([(0, window[1][0]), (0, window[1][1])], "axis")
    for values, radius, css in ((found.periodic, 2.2, "eigen"), (found.closed, 3.0, "wall")):
        for z in _thinned(values * dt):
            plot.dot(z.real, z.imag, radius, css)
    return plot.svg((_ticks(*window[0]), _ticks(*window[1])))


def _window(scheme: Scheme, spectrum: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """What is shown: the region near the origin and all eigenvalues, with some room."""
    real, imaginary = 3.2, 3.2
    if isinstance(scheme.time, RungeKutta | AdamsBashforth):
        real = 1.15 * regions.real_interval(scheme.time)
        imaginary = max(1.3 * regions.imaginary_interval(scheme.time), 0.9 * real)
    if len(spectrum):
        real = max(real, 1.1 * float(-spectrum.real.min()))
        imaginary = max(imaginary, 1.1 * float(np.abs(spectrum.imag).max()))
    right = max(0.35 * real, 1.2 * float(spectrum.real.max())) if len(spectrum) else 0.35 * real
    return (-real, right), (-imaginary, imaginary)


def _thinned(values: Array) -> Array:
    """Some of the eigenvalues, both halves of the plane, each place once."""
    kept = values[np.isfinite(values)]
    scale = float(np.max(np.abs(kept), initial=0.0)) or 1.0
    _, first = np.unique(np.round(kept / scale * 400), return_index=True)
    distinct = kept[np.sort(first)]
    step = max(1, -(-len(distinct) // MOST_POINTS))
    return np.concatenate([distinct[::step], np.conj(distinct[::step])])


def _shade(plot: Plot, growth: Callable[[Array], Array]) -> None:
    """Rows of the region, their ends interpolated; and its edge."""
    x, y = np.linspace(*plot.x, COLUMNS), np.linspace(*plot.y, ROWS)
    with np.errstate(all="ignore"):
        level = growth(x[None, :] + 1j * y[:, None]) - 1 - 1e-9
    level = np.where(np.isfinite(level), level, 1.0)
    height = (y[1] - y[0]) / 2
    boxes = []
    for k, row in enumerate(level):
        for start, stop in _runs(x, row):
            a, b = plot.at(start, y[k] + height)
            c, d = plot.at(stop, y[k] - height)
            boxes.append(f"M{a:.1f},{b:.1f}H{c:.1f}V{d:.1f}H{a:.1f}z")
    plot.parts.append(f'<path class="region" d="{"".join(boxes)}"/>')


def _runs(x: Array, row: Array) -> Iterator[tuple[float, float]]:
    """The intervals of a row where the level is not positive."""
    inside = row <= 0
    changes = np.flatnonzero(inside[1:] != inside[:-1])
    ends = [float(x[k] + (x[k + 1] - x[k]) * row[k] / (row[k] - row[k + 1])) for k in changes]
    if inside[0]:
        ends.insert(0, float(x[0]))
    if inside[-1]:
        ends.append(float(x[-1]))
    yield from zip(ends[::2], ends[1::2], strict=True)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """About six round numbers."""
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    first = math.ceil(low / step)
    return [(k * step, f"{k * step:.6g}") for k in range(first, math.floor(high / step) + 1)]


# --- orders -----------------------------------------------------------------------------------------------------------


def orders(lines: Sequence[tuple[str, int, float]]) -> str:
    """Predicted errors against refinement: (name, order, error on this grid) a line, both axes logarithmic, base ten up."""
    factors = [2.0**k for k in range(-2, 5)]
    values = [error * factor**-order for _, order, error in lines for factor in factors]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    plot = Plot(
        "Predicted errors",
        (-2.3, 4.3),
        (low, max(high, low + 1)),
        ("refinement of h and dt", "error of the rates, relative"),
    )
    for k, (name, order, error) in enumerate(lines):
        points = [(math.log2(f), math.log10(error) - order * math.log10(f)) for f in factors]
        plot.path(points, f"line line{k}")
        for p in points:
            plot.dot(*p, 3, f"mark line{k}")
        x, y = points[3 if k else 1]
        plot.text(x + 0.12, y + 0.02 * (plot.y[1] - plot.y[0]), f"{name}: order {order}")
    steps = max(1, -(-(high - low) // 8))
    across = [(float(k), f"{2**k}" if k >= 0 else f"1/{2**-k}") for k in range(-2, 5)]
    up = [(float(k), f"10<tspan dy='-5' font-size='9'>{k}</tspan>") for k in range(low, high + 1, steps)]
    return plot.svg((across, up))


# --- stencils ---------------------------------------------------------------------------------------------------------


def stencil(layer: StencilLayer, axes: Sequence[str]) -> str:
    """The taps on their cells, one or two axes; empty for three."""
    dimension = len(layer.taps[0].offset)
    if dimension > 2:
        return ""
    placed: dict[tuple[Fraction, Fraction], list[str]] = {}
    for tap in layer.taps:
        x, y = tap.offset[0], tap.offset[1] if dimension == 2 else Fraction(0)
        below = "".join(f"h{a}{'' if p == 1 else f'^{p}'}" for a, p in zip(axes, tap.powers, strict=True) if p > 0)
        placed.setdefault((x, y), []).append(f"{exact_text(tap.weight)}{'/' + below if below else ''}")
    width = 30 + max(len(t) for texts in placed.values() for t in texts) * 7.2
    height = 26 + 14 * (max(map(len, placed.values())) - 1)
    xs, ys = ([p[k] for p in placed] for k in (0, 1))
    most = max(map(len, placed.values()))
    cells = []
    for (x, y), texts in sorted(placed.items()):
        a, b = float(x - min(xs)) * (width + 6) + 4, float(max(ys) - y) * (height + 6) + 4
        center = " center" if x == y == 0 else ""
        cells.append(
            f'<rect class="tap{center}" x="{a:.1f}" y="{b:.1f}" width="{width:.1f}" height="{height}" rx="7"/>'
        )
        middle = a + width / 2
        for n, words in enumerate(texts):
            line = b + 17 + 14 * n + 7 * (most - len(texts))
            cells.append(
                f'<text class="weight" text-anchor="middle" x="{middle:.1f}" y="{line:.1f}">{escape(words)}</text>'
            )
    w = float(max(xs) - min(xs)) * (width + 6) + width + 8
    h = float(max(ys) - min(ys)) * (height + 6) + height + 8
    box = f'width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}"'
    return f'<svg class="taps" {box} role="img" aria-label="{escape(layer.operator)}">{"".join(cells)}</svg>'
