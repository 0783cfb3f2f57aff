"""Lowers SymPy expressions of a scheme to nodes of a block.

A value is asked for on a `Region`. An operator that looks at its neighbors asks for its operand on a larger one, down to the
unknowns, which are given ghost cells once, as many as the widest request. Lowering therefore runs twice: the first run only
collects the widths (`Lowering.requested`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import sympy as sp
from sympy.core.relational import Relational

from npde.diagnostics import InternalError
from npde.discretize import stencils
from npde.discretize.ghosts import interior_cells
from npde.discretize.scheme import GhostRule, Scheme, Stencil
from npde.graph.builder import BlockBuilder, identifier, joint
from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    Channels,
    CircularConvolution,
    ClosureNetwork,
    Convolution,
    ConvolutionAdjoint,
    CoordinateArray,
    Crop,
    Dense,
    DotChannels,
    Extend,
    Ghost,
    InputArray,
    Join,
    Layer,
    LiftLayer,
    MatrixVector,
    Noise,
    Pointwise,
    ReadOut,
    Reduction,
    RegionIntegrals,
    ReleasedStencil,
    StencilLayer,
    Tap,
    Weight,
)
from npde.graph.names import Names, argument, operator_text
from npde.model.problem import Input, LearnedClosure, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, Unknown

DEEPEST = 8
"""Nesting of one pointwise expression; deeper parts become nodes of their own."""

LONGEST = 24
"""Summands or factors of one pointwise expression."""


@dataclass(frozen=True)
class Released:
    """A stencil occurrence that `--free` turned into a weight."""

    name: str
    operator: str
    taps: tuple[Tap, ...]
    extents: tuple[int, ...]
    per_step: bool


@dataclass
class Lowering:
    """Expressions of `scheme` → nodes of `builder`. `unknowns` gives each unknown's node (interior, all its channels)."""

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
    _memo: dict[tuple[sp.Expr, Region, bool], str] = field(default_factory=dict)
    _at_wall: bool = False
    _ghosts: dict[sp.Symbol, str] = field(default_factory=dict)

    # --- shared facts -------------------------------------------------------------------------------------------------

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

    # --- values -------------------------------------------------------------------------------------------------------

    def value(self, expr: sp.Expr, region: Region, hint: str = "") -> str:
        """The node of `expr` on `region`."""
        key = (expr, region, self._at_wall)
        if key not in self._memo:
            self._memo[key] = self._value(expr, region, hint)
        return self._memo[key]

    def _value(self, expr: sp.Expr, region: Region, hint: str) -> str:
        if isinstance(expr, sp.Symbol | op.GridOperator):
            return self._leaf(expr, region)
        return self._pointwise(expr, region, hint or "term")

    def _pointwise(self, expr: sp.Expr, region: Region, hint: str) -> str:
        inputs: dict[str, sp.Symbol] = {}

        def node_symbol(name: str) -> sp.Expr:
            return inputs.setdefault(name, sp.Symbol(name, real=True))

        def apart(e: sp.Expr) -> sp.Expr:
            return node_symbol(self.value(e, region))

        def rebuild(e: sp.Expr, depth: int) -> sp.Expr:
            if isinstance(e, sp.Symbol | op.GridOperator):
                return apart(e)
            if not e.free_symbols and not e.has(op.GridOperator):
                return e
            fixed = self.hoists and not self.varies(e) and not isinstance(e, Relational)
            if depth and (depth >= DEEPEST or fixed):
                return apart(e)
            if isinstance(e, sp.Add | sp.Mul):
                return self._associative(e, depth, rebuild, apart)
            return e.func(*(rebuild(a, depth + 1) for a in e.args))

        body = rebuild(expr, 0)
        used = {n: s for n, s in inputs.items() if s in body.free_symbols}
        shape = joint([self.shape(n) for n in used]) if used else Shape(False, 1, (1,) * self.dimension)
        return self.builder.add(Pointwise(body, tuple(used.values())), tuple(used), shape, region, hint)

    def _associative(
        self,
        e: sp.Expr,
        depth: int,
        rebuild: Callable[[sp.Expr, int], sp.Expr],
        apart: Callable[[sp.Expr], sp.Expr],
    ) -> sp.Expr:
        """A sum or product: what does not vary during a march is set apart (it will be hoisted), long ones are cut."""
        arguments = list(sp.Add.make_args(e) if isinstance(e, sp.Add) else sp.Mul.make_args(e))
        fixed = [a for a in arguments if self.hoists and a.free_symbols and not self.varies(a)]
        if depth == 0 and len(fixed) == len(arguments):
            fixed = []
        if len(fixed) > 1 or (fixed and len(fixed) < len(arguments) and not fixed[0].is_Symbol):
            arguments = [a for a in arguments if a not in fixed]
            together = apart(e.func(*fixed))
        else:
            together = None
        if len(arguments) > LONGEST:
            pieces = [arguments[i : i + LONGEST] for i in range(0, len(arguments), LONGEST)]
            parts = [apart(e.func(*piece)) for piece in pieces]
        else:
            parts = [rebuild(a, depth + 1) for a in arguments]
        return e.func(*parts) if together is None else e.func(together, *parts)

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _leaf(self, expr: sp.Expr, region: Region) -> str:
        if isinstance(expr, sp.Symbol):
            return self._symbol(expr, region)
        if region.face is not None and not isinstance(expr, op.Component | op.Stack | op.ClosureApply):
            return self._on_face(expr, region)
        match expr:
            case op.Diff() | op.Lap():
                return self._differential(expr, region)
            case op.FaceDiff():
                return self._face_difference(expr, region)
            case op.KernelApply():
                return self._convolution(expr, region)
            case op.KernelAdjoint():
                return self._extended(self._adjoint(expr), region)
            case op.Nonlocal() | op.NonlocalConvolution():
                return self._nonlocal(expr, region)
            case op.IntegralOf() | op.MeanOf() | op.SumOf():
                return self._reduction(expr, region)
            case _:
                return self._components(expr, region)

    def _components(self, expr: sp.Expr, region: Region) -> str:
        add = self.builder.add
        match expr:
            case op.Component():
                whole = self.value(expr.args[0], region)
                k = int(expr.args[1])
                shape = self.shape(whole)
                one = Shape(shape.batch, 1, shape.extents)
                return add(Channels(k, k + 1), (whole,), one, region, f"{whole}_{k}")
            case op.Stack():
                parts = tuple(self.value(a, region) for a in expr.args)
                joined = joint([self.shape(p) for p in parts])
                return add(Join(), parts, Shape(joined.batch, len(parts), joined.extents), region, "stack")
            case op.MatVec():
                matrix, vector = (self.value(a, region) for a in expr.args)
                rows = self.names.rows(expr.args[0])
                joined = joint([self.shape(matrix), self.shape(vector)])
                return add(MatrixVector(), (matrix, vector), Shape(joined.batch, rows, joined.extents), region, "product")
            case op.DotProduct():
                pair = tuple(self.value(a, region) for a in expr.args)
                joined = joint([self.shape(p) for p in pair])
                return add(DotChannels(), pair, Shape(joined.batch, 1, joined.extents), region, "dot")
            case op.ClosureApply():
                return self._closure(expr, region)
            case op.LiftOf():
                operand = self.value(expr.args[0], region)
                channels = int(expr.args[2])
                layer = self.names.lift(int(expr.args[1]), self.shape(operand).channels, channels)
                shape = self.shape(operand)
                return add(LiftLayer(*layer), (operand,), Shape(shape.batch, channels, shape.extents), region, "lifted")
            case op.LinearOf():
                return self._read_out(expr)
            case op.RegionsOf():
                return self._regions(expr)
            case op.NoiseOf():
                return self._noise(expr, region)
            case _:
                raise InternalError(f"no layer for {type(expr).__name__}")

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
                    rule = self.scheme.ghost(symbol, axis.name, side)  # type: ignore[arg-type]
                    if rule is None:
                        raise InternalError(f"no ghost rule for {symbol} at the {side} end of {axis.name}")
                    rules.append(rule)
        base = self.unknowns[symbol]
        data, arrays = [], []
        for k, rule in enumerate(rules):
            if not rule.data.is_number and not self.homogeneous:
                data.append(k)
                arrays.append(self._wall_data(rule.data, rule.axis, rule.side, widths))
        rules, symbols, extra = self._along_walls(rules, widths)
        shape = self.shape(base)
        parts = [shape, *(self.shape(n) for n in [*arrays, *extra])]
        extents = tuple(
            a.cells + 2 * w for a, w in zip(self.scheme.grid.axes, widths, strict=True)
        )
        if self.homogeneous:
            rules = [replace(r, data=sp.Integer(0)) for r in rules]
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
            weights = tuple(tuple(w.xreplace(names) for w in row) for row in rule.weights)
            own.append(replace(rule, weights=weights, data_weights=tuple(w.xreplace(names) for w in rule.data_weights)))
        return own, tuple(found), list(found.values())

    def _wall_data(self, data: sp.Expr, axis: str, side: str, widths: tuple[int, ...]) -> str:
        """Wall data along the wall, ghost cells of earlier axes included; the coordinate across it is the wall's position."""
        index = next(i for i, a in enumerate(self.scheme.grid.axes) if a.name == axis)
        bound = self.scheme.grid.axes[index]
        position = bound.lower if side == "lower" else bound.upper
        number = sp.Rational(position.numerator, position.denominator) if isinstance(position, Fraction) else sp.Float(position)
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

    # --- operators ----------------------------------------------------------------------------------------------------

    def _operand(self, expr: sp.Expr, region: Region) -> str:
        """As `value`, but an unknown may come with more ghost cells than asked for: stencils read what they need."""
        if isinstance(expr, sp.Symbol) and isinstance(self.meaning(expr), Unknown) and region != self.interior:
            return self._ghosted(expr, region)
        return self.value(expr, region)

    def _taps(self, stencil: Stencil, axis: int) -> tuple[Tap, ...]:
        powers = tuple(stencil.derivative if i == axis else 0 for i in range(self.dimension))
        return tuple(
            Tap(self._offset(axis, offset), weight, powers)
            for offset, weight in zip(stencil.offsets, stencil.weights, strict=True)
            if weight != 0
        )

    def _differential(self, expr: sp.Expr, region: Region) -> str:
        order = self.scheme.order
        if isinstance(expr, op.Lap):
            parts = [(i, stencils.centered(2, order)) for i in range(self.dimension)]
        else:
            parts = [(self.axis(expr.args[1]), stencils.centered(int(expr.args[2]), order))]
        taps = tuple(t for i, s in parts for t in self._taps(s, i))
        text = operator_text(expr)
        return self._apply(expr.args[0], taps, region, text)

    def _apply(self, operand: sp.Expr, taps: tuple[Tap, ...], region: Region, text: str) -> str:
        reach = [max(int(abs(t.offset[i])) for t in taps) for i in range(self.dimension)]
        halo = tuple(h + r for h, r in zip(region.halo, reach, strict=True))
        source = self._operand(operand, Region(halo))
        if self.release is not None:
            return self._released(operand, taps, region, text)
        return self._stencil(source, taps, region, text, identifier(text))

    def _released(self, operand: sp.Expr, taps: tuple[Tap, ...], region: Region, text: str) -> str:
        assert self.release is not None
        reach = [max(int(abs(t.offset[i])) for t in taps) for i in range(self.dimension)]
        extents = tuple(2 * r + 1 for r in reach)
        released = self.release(text, taps, extents)
        exact = Region(tuple(h + r for h, r in zip(region.halo, reach, strict=True)))
        source = self.value(operand, exact)
        kernel = self.builder.add(
            Weight(released.name, released.per_step), (), Shape(False, 1, extents), self.interior, released.name
        )
        shape = self.shape(source)
        out = Shape(shape.batch, shape.channels, self.full(region))
        layer = ReleasedStencil(text, extents)
        return self.builder.add(layer, (source, kernel), out, region, identifier(text))

    def _stencil(self, source: str, taps: tuple[Tap, ...], region: Region, text: str, hint: str) -> str:
        shape = self.shape(source)
        touched = [any(t.offset[i] != 0 for t in taps) for i in range(self.dimension)]
        extents = tuple(
            self.extent(i, region) if shape.extents[i] > 1 or touched[i] else 1 for i in range(self.dimension)
        )
        out = Shape(shape.batch, shape.channels, extents)
        return self.builder.add(StencilLayer(text, taps), (source,), out, region, hint)

    def _face_difference(self, expr: sp.Expr, region: Region) -> str:
        axis = self.axis(expr.args[1])
        stencil = stencils.staggered(self.scheme.order)
        reach = self.scheme.order // 2 - 1
        halo = tuple(h + (reach if i == axis else 0) for i, h in enumerate(region.halo))
        flux = self.value(expr.args[0], Region(halo, axis), f"flux_{self.scheme.grid.axes[axis].name}")
        text = operator_text(expr)
        hint = f"div_{self.scheme.grid.axes[axis].name}"
        return self._stencil(flux, self._taps(stencil, axis), region, text, hint)

    def _on_face(self, expr: sp.Expr, region: Region) -> str:
        """An operator or unknown at faces: its own first derivative staggered, anything else interpolated."""
        axis = region.face
        assert axis is not None
        order = self.scheme.order
        halo = tuple(h + (order // 2 if i == axis else 0) for i, h in enumerate(region.halo))
        name = self.scheme.grid.axes[axis].name
        if isinstance(expr, op.Diff) and self.axis(expr.args[1]) == axis and expr.args[2] == 1:
            source = self._operand(expr.args[0], Region(halo))
            text = operator_text(expr)
            return self._stencil(source, self._taps(stencils.staggered(order), axis), region, text, f"{identifier(text)}_face")
        source = self._operand(expr, Region(halo))
        if self.shape(source).extents[axis] == 1:
            return source
        return self._stencil(
            source, self._taps(stencils.interpolation(order), axis), region, f"mean({expr})", f"{source}_face_{name}"
        )

    def _convolution(self, expr: sp.Expr, region: Region) -> str:
        kernel, operand = expr.args
        meaning = self.meaning(kernel)
        assert isinstance(meaning, LearnedStencil)
        halo = tuple(h + e // 2 for h, e in zip(region.halo, meaning.extents, strict=True))
        source = self._everywhere(self.value(operand, Region(halo)), Region(halo))
        weight = self._kernel(kernel, meaning)
        channels = meaning.channels[0] if meaning.channels else self.shape(source).channels
        out = Shape(True, channels, self.full(region))
        layer = Convolution(meaning.name, meaning.extents)
        return self.builder.add(layer, (source, weight), out, region, f"{meaning.name}_of_{_last(source)}")

    def _everywhere(self, name: str, region: Region) -> str:
        """An array expanded over the whole region: what a convolution needs."""
        shape = self.shape(name)
        if shape.extents == self.full(region):
            return name
        whole = Shape(shape.batch, shape.channels, self.full(region))
        return self.builder.add(Join(), (name,), whole, region, f"{name}_everywhere")

    def _kernel(self, symbol: sp.Symbol, meaning: LearnedStencil) -> str:
        layer = Weight(self.names.weight(symbol), meaning.per_step)
        return self.builder.add(layer, (), Shape(False, 1, meaning.extents), self.interior, meaning.name)

    def _adjoint(self, expr: sp.Expr) -> str:
        kernel, operand, unknown = expr.args
        meaning = self.meaning(kernel)
        assert isinstance(meaning, LearnedStencil)
        source = self._everywhere(self.value(operand, self.interior), self.interior)
        weight = self._kernel(kernel, meaning)
        rules = []
        for axis in self.scheme.grid.axes:
            if not axis.periodic:
                for side in ("lower", "upper"):
                    rule = self.scheme.ghost(unknown, axis.name, side)  # type: ignore[arg-type]
                    if rule is None:
                        raise InternalError(f"no ghost rule for {unknown} at the {side} end of {axis.name}")
                    rules.append(rule)
        rules, symbols, extra = self._along_walls(rules, tuple(e // 2 for e in meaning.extents))
        periodic = tuple(a.periodic for a in self.scheme.grid.axes)
        channels = meaning.channels[1] if meaning.channels else self.shape(source).channels
        layer = ConvolutionAdjoint(meaning.name, meaning.extents, tuple(rules), periodic, symbols)
        out = Shape(True, channels, self.full(self.interior))
        return self.builder.add(layer, (source, weight, *extra), out, self.interior, f"{meaning.name}_adjoint")

    def _nonlocal(self, expr: sp.Expr, region: Region) -> str:
        weight, density, *over = expr.args
        axes = tuple(self.axis(x) for x in over)
        source = self.value(density, Region(tuple(0 if i in axes else h for i, h in enumerate(region.halo))))
        shape = self.shape(source)
        extents = tuple(a.cells if i in axes else shape.extents[i] for i, a in enumerate(self.scheme.grid.axes))
        out = Shape(shape.batch, shape.channels, extents)
        if isinstance(expr, op.NonlocalConvolution):
            kernel = self._symbol(weight, self.interior)
            name = self.builder.add(CircularConvolution(axes[0]), (source, kernel), out, self.interior, "convolved")
        else:
            matrix = self.names.matrix(self, weight, axes)
            name = self.builder.add(Dense(axes), (source, matrix), out, self.interior, f"{_last(matrix)}_of_{_last(source)}")
        return self._extended(name, region)

    def _reduction(self, expr: sp.Expr, region: Region) -> str:
        operand, *over = expr.args
        axes = tuple(self.axis(x) for x in over)
        source = self.value(operand, Region(tuple(0 if i in axes else h for i, h in enumerate(region.halo))))
        shape = self.shape(source)
        missing = [i for i in axes if shape.extents[i] == 1]
        present = tuple(i for i in axes if shape.extents[i] > 1)
        grid = self.scheme.grid.axes
        cells = sp.Integer(1)
        volume: sp.Expr = sp.Integer(1)
        for i in axes:
            h = grid[i].spacing
            volume *= sp.Rational(h.numerator, h.denominator) if isinstance(h, Fraction) else sp.Float(h)
        for i in missing:
            cells *= grid[i].cells
        match expr:
            case op.IntegralOf():
                kind, scale = "integral", volume * cells
            case op.MeanOf():
                kind, scale = "mean", sp.Integer(1)
            case _:
                kind, scale = "sum", cells
        extents = tuple(1 if i in axes else e for i, e in enumerate(shape.extents))
        layer = Reduction(kind, present, scale)  # type: ignore[arg-type]
        out = Shape(shape.batch, shape.channels, extents)
        return self.builder.add(layer, (source,), out, region, f"{kind}_{_last(source)}")

    def _closure(self, expr: sp.Expr, region: Region) -> str:
        closure, *arguments = expr.args
        meaning = self.meaning(closure)
        assert isinstance(meaning, LearnedClosure)
        inputs = tuple(self.value(a, region) for a in arguments)
        joined = joint([self.shape(i) for i in inputs])
        out = Shape(joined.batch, meaning.shape[0] if meaning.shape else 1, joined.extents)
        return self.builder.add(ClosureNetwork(meaning.name), inputs, out, region, f"{meaning.name}_value")

    def _read_out(self, expr: sp.Expr) -> str:
        source = self.value(expr.args[0], self.interior)
        shape = self.shape(source)
        features = shape.channels
        for e in shape.extents:
            features *= e
        name, width = self.names.read_out(int(expr.args[1]), features, int(expr.args[2]))
        out = Shape(True, width, (1,) * self.dimension)
        return self.builder.add(ReadOut(name, features, width), (source,), out, self.interior, "read_out")

    def _regions(self, expr: sp.Expr) -> str:
        source = self.value(expr.args[0], self.interior)
        count = int(expr.args[1])
        tiles = _tiles(count, self.dimension)
        shape = self.shape(source)
        out = Shape(shape.batch, count, (1,) * self.dimension)
        return self.builder.add(RegionIntegrals(tiles), (source,), out, self.interior, "regions")

    def _noise(self, expr: sp.Expr, region: Region) -> str:
        seed, amplitude, channels = expr.args
        extents = self.full(self.interior)
        shape = Shape(False, int(channels), extents)
        unit = self.builder.add(Noise(int(seed)), (), shape, self.interior, "noise")
        scale = self.value(amplitude, self.interior)
        a, b = sp.Symbol(scale, real=True), sp.Symbol(unit, real=True)
        layer = Pointwise(a * b, (a, b))
        name = self.builder.add(layer, (scale, unit), joint([shape, self.shape(scale)]), self.interior, "noise")
        return self._extended(name, region)


def _tiles(count: int, dimension: int) -> tuple[int, ...]:
    """The factor pair of n nearest to square, the smaller factor first; on one axis n intervals."""
    if dimension == 1:
        return (count,)
    small = max(k for k in range(1, int(count**0.5) + 1) if count % k == 0)
    return (small, count // small) + (1,) * (dimension - 2)


def _weights(rule: GhostRule) -> Iterable[sp.Expr]:
    """All weights of a rule."""
    for row in rule.weights:
        yield from row
    yield from rule.data_weights


def _last(name: str) -> str:
    return name
