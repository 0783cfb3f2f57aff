"""Lowering of operators: differences, convolutions, sums, learned layers."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize import stencils
from npde.discretize.scheme import Stencil
from npde.graph.arrays import ArrayLowering
from npde.graph.builder import identifier, joint
from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    Channels,
    CircularConvolution,
    ClosureNetwork,
    Convolution,
    ConvolutionAdjoint,
    Dense,
    DotChannels,
    Held,
    Join,
    LiftLayer,
    MatrixRow,
    MatrixVector,
    Noise,
    Pointwise,
    ReadOut,
    Reduction,
    RegionIntegrals,
    ReleasedStencil,
    StencilLayer,
    StretchProfile,
    Tap,
    Weight,
)
from npde.graph.names import operator_text
from npde.model.problem import LearnedClosure, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.system import Unknown


class OperatorLowering(ArrayLowering):
    """One method an operator; each asks for its operand on the region it needs."""

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
        elif isinstance(expr, op.Biased):
            parts = [(self.axis(expr.args[1]), stencils.biased(int(expr.args[2]), int(expr.args[3])))]
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

    def _dissipation(self, expr: sp.Expr, region: Region) -> str:
        """The larger speed of the cells at a face times an odd difference there, differenced between faces."""
        speed, operand, x, order = expr.args
        axis, name = self.axis(x), str(x)
        stencil = stencils.dissipation(int(order))
        reach = len(stencil.offsets) // 2
        faces = Region(region.halo, axis)
        near, wide = (Region(tuple(h + (r if i == axis else 0) for i, h in enumerate(region.halo))) for r in (1, reach))
        jump = self._stencil(
            self._operand(operand, wide), self._taps(stencil, axis), faces, f"jump({operand})", f"jump_{name}"
        )
        cell = self.value(speed, near, "speed")
        if self.shape(cell).extents[axis] > 1:
            halves = ((Fraction(-1, 2), "below"), (Fraction(1, 2), "above"))
            still = (0,) * self.dimension
            taps = {side: (Tap(self._offset(axis, s), Fraction(1), still),) for s, side in halves}
            sides = [self._stencil(cell, t, faces, f"speed {side}", f"speed_{side}") for side, t in taps.items()]
        else:
            sides = [cell]
        symbols = [sp.Symbol(n, real=True) for n in (*sides, jump)]
        largest = op.Maximum(*symbols[:2]) if len(sides) == 2 else symbols[0]
        shape = joint([self.shape(n) for n in (*sides, jump)])
        flux = self.builder.add(
            Pointwise(largest * symbols[-1], tuple(symbols)), (*sides, jump), shape, faces, f"dissipation_{name}"
        )
        return self._stencil(
            flux, self._taps(stencils.staggered(2), axis), region, operator_text(expr), f"upwind_{name}"
        )

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
            return self._stencil(
                source, self._taps(stencils.staggered(order), axis), region, text, f"{identifier(text)}_face"
            )
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
        """An array expanded over the whole region, with all its axes: what a convolution needs."""
        return self._expanded(name, self.full(region), region, f"{name}_everywhere")

    def _ranked(self, name: str, region: Region) -> str:
        """An array with all its axes, of the extents that it has."""
        return self._expanded(name, self.shape(name).extents, region, f"{name}_ranked")

    def _expanded(self, name: str, extents: tuple[int, ...], region: Region, hint: str) -> str:
        """An array with all its axes, of these extents; what does not vary over samples may lack some."""
        shape = self.shape(name)
        if shape.batch and shape.extents == extents:
            return name
        return self.builder.add(Join(), (name,), Shape(shape.batch, shape.channels, extents), region, hint)

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
                    rule = self.scheme.ghost(unknown, axis.name, side)
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
        source = self._expanded(source, extents, self.interior, f"{source}_along")
        out = Shape(shape.batch, shape.channels, extents)
        if isinstance(expr, op.NonlocalConvolution):
            kernel = self._symbol(weight, self.interior)
            name = self.builder.add(CircularConvolution(axes), (source, kernel), out, self.interior, "convolved")
        else:
            matrix = self.names.matrix(self, weight, axes)
            name = self.builder.add(
                Dense(axes), (source, matrix), out, self.interior, f"{_last(matrix)}_of_{_last(source)}"
            )
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
        inputs = tuple(self._ranked(self.value(a, region), region) for a in arguments)
        joined = joint([self.shape(i) for i in inputs])
        out = Shape(joined.batch, meaning.shape[0] if meaning.shape else 1, joined.extents)
        return self.builder.add(ClosureNetwork(meaning.name), inputs, out, region, f"{meaning.name}_value")

    def _read_out(self, expr: sp.Expr) -> str:
        source = self._ranked(self.value(expr.args[0], self.interior), self.interior)
        shape = self.shape(source)
        features = shape.channels
        for e in shape.extents:
            features *= e
        name, width = self.names.read_out(int(expr.args[1]), features, int(expr.args[2]))
        out = Shape(shape.batch, width, (1,) * self.dimension)
        return self.builder.add(ReadOut(name, features, width), (source,), out, self.interior, "read_out")

    def _regions(self, expr: sp.Expr) -> str:
        source = self._everywhere(self.value(expr.args[0], self.interior), self.interior)
        count = int(expr.args[1])
        tiles = _tiles(count, self.dimension)
        shape = self.shape(source)
        out = Shape(shape.batch, count, (1,) * self.dimension)
        return self.builder.add(RegionIntegrals(tiles), (source,), out, self.interior, "regions")

    def _hold(self, expr: sp.Expr, region: Region) -> str:
        source = self.value(expr.args[0], self.interior)
        within = dict(self.scheme.layers)
        held = {self.axis(x): within[str(x)] for x in expr.args[1:]}
        layer = Held(tuple(held.get(i, 0) for i in range(self.dimension)))
        name = self.builder.add(layer, (source,), self.shape(source), self.interior, f"{source}_held")
        return self._extended(name, region)

    def _stretch(self, expr: sp.Expr, region: Region) -> str:
        x, kind, lower, upper, width, strength, degree = expr.args
        position = self.value(x, region)
        layer = StretchProfile(int(kind), lower, upper, width, strength, int(degree))
        return self.builder.add(layer, (position,), self.shape(position), region, f"stretch_{x}")

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

    def _components(self, expr: sp.Expr, region: Region) -> str:
        add = self.builder.add
        match expr:
            case op.Component():
                whole = self.value(expr.args[0], region)
                k = int(expr.args[1])
                shape = self.shape(whole)
                if len(getattr(self.meaning(expr.args[0]), "shape", ())) == 2:
                    return add(MatrixRow(k), (whole,), shape, region, f"{whole}_{k}")
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
                return add(
                    MatrixVector(), (matrix, vector), Shape(joined.batch, rows, joined.extents), region, "product"
                )
            case op.DotProduct():
                pair = tuple(self.value(a, region) for a in expr.args)
                joined = joint([self.shape(p) for p in pair])
                return add(DotChannels(), pair, Shape(joined.batch, 1, joined.extents), region, "dot")
            case op.ClosureApply():
                return self._closure(expr, region)
            case op.LiftOf():
                operand = self._ranked(self.value(expr.args[0], region), region)
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


def _tiles(count: int, dimension: int) -> tuple[int, ...]:
    """The factor pair of n nearest to square, the smaller factor first; on one axis n intervals."""
    if dimension == 1:
        return (count,)
    small = max(k for k in range(1, int(count**0.5) + 1) if count % k == 0)
    return (small, count // small) + (1,) * (dimension - 2)


def _last(name: str) -> str:
    return name
