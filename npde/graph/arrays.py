"""Lowering of what an expression is made of: unknowns with ghost cells, coordinates, learned arrays, inputs, wall data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize.ghosts import interior_cells
from npde.discretize.scheme import GhostRule, Scheme
from npde.graph.builder import BlockBuilder
from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    CoordinateArray,
    Crop,
    Extend,
    Ghost,
    InputArray,
    Layer,
    Tap,
    Weight,
)
from npde.graph.names import Names, argument
from npde.model.problem import Input, LearnedCoefficient, LearnedStencil
from npde.symbolic.system import CoordinateMeaning, Unknown


@dataclass(frozen=True)
class Released:
    """A stencil occurrence that `--free` turned into a weight."""

    name: str
    operator: str
    taps: tuple[Tap, ...]
    extents: tuple[int, ...]
    per_step: bool


@dataclass
class ArrayLowering(ABC):
    """The arrays that expressions hold, on any region. `unknowns` gives each unknown's node (interior, all its channels)."""

    scheme: Scheme
    builder: BlockBuilder
    names: Names
    unknowns: dict[sp.Symbol, str]
    time: str | None
    widths: dict[sp.Symbol, tuple[int, ...]] = field(default_factory=dict)
    requested: dict[sp.Symbol, tuple[int, ...]] = field(default_factory=dict)
    homogeneous: bool = False
    hoists: bool = True
    release: Callable[[str, tuple[Tap, ...], tuple[int, ...]], Released] | None = None
    _at_wall: bool = False
    _ghosts: dict[sp.Symbol, str] = field(default_factory=dict)

    @abstractmethod
    def value(self, expr: sp.Expr, region: Region, hint: str = "") -> str:
        """The node of `expr` on `region`."""

    @abstractmethod
    def _on_face(self, expr: sp.Expr, region: Region) -> str:
        """An operator or unknown at faces."""

    @abstractmethod
    def _stencil(self, source: str, taps: tuple[Tap, ...], region: Region, text: str, hint: str) -> str:
        """A fixed stencil of a node."""

    @property
    def dimension(self) -> int:
        return len(self.scheme.grid.axes)

    @property
    def interior(self) -> Region:
        return Region((0,) * self.dimension)

    def axis(self, coordinate: sp.Expr) -> int:
        """Index of the axis a coordinate symbol names."""
        name = str(coordinate).rstrip("'")
        return next(i for i, a in enumerate(self.scheme.grid.axes) if a.name == name)

    def extent(self, axis: int, region: Region) -> int:
        """Entries of a varying array along an axis of a region."""
        return self.scheme.grid.axes[axis].cells + 2 * region.halo[axis] + (1 if region.face == axis else 0)

    def full(self, region: Region) -> tuple[int, ...]:
        return tuple(self.extent(i, region) for i in range(self.dimension))

    def shape(self, name: str) -> Shape:
        return self.builder.nodes[name].shape

    def meaning(self, symbol: sp.Symbol) -> object:
        return self.names.meanings.get(symbol)

    def varies(self, expr: sp.Expr) -> bool:
        """Whether a value changes during a march: it holds an unknown, the time, or a per-step value."""
        return any(self._symbol_varies(s) for s in expr.free_symbols)

    def _symbol_varies(self, symbol: sp.Symbol) -> bool:
        marching = self.scheme.system.problem.marching
        match self.meaning(symbol):
            case Unknown():
                return True
            case CoordinateMeaning(name=name):
                return name == marching
            case LearnedCoefficient(coordinates=coordinates) | Input(coordinates=coordinates):
                return marching in coordinates
            case LearnedStencil(per_step=per_step):
                return per_step
            case _:
                return False

    def _symbol(self, symbol: sp.Symbol, region: Region) -> str:
        meaning = self.meaning(symbol)
        match meaning:
            case Unknown():
                return self._unknown(symbol, region)
            case CoordinateMeaning(name=name) if name == self.scheme.system.problem.marching:
                if self.time is None:
                    raise InternalError("the time is not known in this block")
                return self.time
            case CoordinateMeaning(name=name):
                return self._coordinate(self.axis(symbol), region)
            case LearnedCoefficient():
                marching = self.scheme.system.problem.marching
                layer: Layer = Weight(self.names.weight(symbol), marching in meaning.coordinates)
                return self._array(layer, meaning.shape, meaning.coordinates, region, symbol.name, batch=False)
            case Input():
                marching = self.scheme.system.problem.marching
                name = argument(meaning.name)
                layer = InputArray(name, marching in meaning.coordinates)
                return self._array(layer, meaning.shape, meaning.coordinates, region, name, batch=True)
            case _:
                raise InternalError(f"symbol {symbol} has no meaning as a value")

    def _unknown(self, symbol: sp.Symbol, region: Region) -> str:
        if region == self.interior:
            return self.unknowns[symbol]
        if region.face is not None:
            return self._on_face(symbol, region)
        ghosted = self._ghosted(symbol, region)
        if self.builder.nodes[ghosted].region == region:
            return ghosted
        shape = self.shape(ghosted)
        cropped = Shape(shape.batch, shape.channels, self.full(region))
        return self.builder.add(Crop(), (ghosted,), cropped, region, f"{symbol.name}_near")

    def _coordinate(self, axis: int, region: Region) -> str:
        extents = tuple(self.extent(i, region) if i == axis else 1 for i in range(self.dimension))
        name = self.scheme.grid.axes[axis].name
        return self.builder.add(CoordinateArray(axis), (), Shape(False, 1, extents), region, name)

    def _array(
        self,
        layer: Layer,
        component_shape: tuple[int, ...],
        coordinates: tuple[str, ...],
        region: Region,
        name: str,
        *,
        batch: bool,
    ) -> str:
        axes = self.scheme.grid.axes
        extents = tuple(a.cells if a.name in coordinates else 1 for a in axes)
        channels = component_shape[-1] if component_shape else 1
        base = self.builder.add(layer, (), Shape(batch, channels, extents), self.interior, name)
        return self._extended(base, region)

    def _extended(self, base: str, region: Region) -> str:
        """An array without ghost rule on a larger region: wrapped or continued by its nearest cell (wall data: by a polynomial, as
        ghost cells are); faces by means."""
        shape = self.shape(base)
        varying = [e > 1 for e in shape.extents]
        if region.face is not None:
            if not varying[region.face]:
                return self._extended(base, Region(region.halo))
            return self._face_mean(base, region)
        widths = tuple(h if v else 0 for h, v in zip(region.halo, varying, strict=True))
        if not any(widths):
            return base
        extents = tuple(e + 2 * w for e, w in zip(shape.extents, widths, strict=True))
        periodic = tuple(a.periodic for a in self.scheme.grid.axes)
        wide = Shape(shape.batch, shape.channels, extents)
        layer = Extend(widths, periodic, interior_cells(self.scheme.order) if self._at_wall else 1)
        return self.builder.add(layer, (base,), wide, region, f"{base}_wide")

    def _face_mean(self, base: str, region: Region) -> str:
        axis = region.face
        assert axis is not None
        halo = tuple(h + (1 if i == axis else 0) for i, h in enumerate(region.halo))
        wide = self._extended(base, Region(halo))
        half = Fraction(1, 2)
        taps = tuple(Tap(self._offset(axis, side * half), half, (0,) * self.dimension) for side in (-1, 1))
        return self._stencil(wide, taps, region, f"mean({base})", f"{base}_face")

    def _offset(self, axis: int, value: Fraction) -> tuple[Fraction, ...]:
        return tuple(value if i == axis else Fraction(0) for i in range(self.dimension))

    def _ghosted(self, symbol: sp.Symbol, region: Region) -> str:
        asked = self.requested.get(symbol, (0,) * self.dimension)
        self.requested[symbol] = tuple(max(a, h) for a, h in zip(asked, region.halo, strict=True))
        widths = self.widths.get(symbol)
        if widths is None:
            widths = region.halo
        elif symbol in self._ghosts:
            return self._ghosts[symbol]
        name = self._ghost(symbol, widths)
        self._ghosts[symbol] = name
        return name

    def _ghost(self, symbol: sp.Symbol, widths: tuple[int, ...]) -> str:
        rules = []
        for i, axis in enumerate(self.scheme.grid.axes):
            if widths[i] and not axis.periodic:
                for side in ("lower", "upper"):
                    rule = self.scheme.ghost(symbol, axis.name, side)
                    if rule is None:
                        raise InternalError(f"no ghost rule for {symbol} at the {side} end of {axis.name}")
                    rules.append(rule)
        base = self.unknowns[symbol]
        data, arrays = [], []
        for k, rule in enumerate(rules):
            for i, given in enumerate(rule.data):
                if not given.is_number and not self.homogeneous:
                    data.append((k, i))
                    arrays.append(self._wall_data(given, rule.axis, rule.side, widths))
        rules, symbols, extra = self._along_walls(rules, widths)
        shape = self.shape(base)
        parts = [shape, *(self.shape(n) for n in [*arrays, *extra])]
        extents = tuple(a.cells + 2 * w for a, w in zip(self.scheme.grid.axes, widths, strict=True))
        if self.homogeneous:
            rules = [replace(r, data=(sp.Integer(0),) * len(r.data)) for r in rules]
        layer = Ghost(symbol, widths, tuple(rules), tuple(data), symbols)
        padded = Shape(any(p.batch for p in parts), shape.channels, extents)
        return self.builder.add(layer, (base, *arrays, *extra), padded, Region(widths), f"{symbol.name}_ghost")

    def _along_walls(
        self, rules: list[GhostRule], widths: tuple[int, ...]
    ) -> tuple[list[GhostRule], tuple[sp.Symbol, ...], list[str]]:
        """Rules, the symbols of their weights and the nodes of these. A coefficient that varies along a wall is asked for on
        the ghost cells of earlier axes as well; there it has a name of its own, since walls of several axes may hold it."""
        found: dict[sp.Symbol, str] = {}
        own = []
        for rule in rules:
            axis = next(i for i, a in enumerate(self.scheme.grid.axes) if a.name == rule.axis)
            region = Region(tuple(w if i < axis else 0 for i, w in enumerate(widths)))
            symbols = sorted({s for w in _weights(rule) for s in w.free_symbols}, key=str)
            inner = region == self.interior
            names = {s: s if inner else sp.Symbol(f"{s.name} along {rule.axis}", real=True) for s in symbols}
            found |= {names[s]: self._wall_value(s, region) for s in symbols}
            weights, shares = (
                tuple(tuple(w.xreplace(names) for w in row) for row in rows)
                for rows in (rule.weights, rule.data_weights)
            )
            own.append(replace(rule, weights=weights, data_weights=shares))
        return own, tuple(found), list(found.values())

    def _wall_data(self, data: sp.Expr, axis: str, side: str, widths: tuple[int, ...]) -> str:
        """Wall data along the wall, ghost cells of earlier axes included; the coordinate across it is the wall's position."""
        index = next(i for i, a in enumerate(self.scheme.grid.axes) if a.name == axis)
        bound = self.scheme.grid.axes[index]
        position = bound.lower if side == "lower" else bound.upper
        number = (
            sp.Rational(position.numerator, position.denominator)
            if isinstance(position, Fraction)
            else sp.Float(position)
        )
        across = self.names.symbol(axis)
        region = Region(tuple(w if i < index else 0 for i, w in enumerate(widths)))
        return self._wall_value(data.xreplace({across: number}), region, f"wall_{axis}_{side}")

    def _wall_value(self, expr: sp.Expr, region: Region, hint: str = "") -> str:
        """`value` along a wall: beyond its ends arrays are extrapolated."""
        self._at_wall = True
        try:
            return self.value(expr, region, hint)
        finally:
            self._at_wall = False


def _weights(rule: GhostRule) -> Iterable[sp.Expr]:
    """All weights of a rule."""
    for row in (*rule.weights, *rule.data_weights):
        yield from row
