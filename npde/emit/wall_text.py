"""Ghost cells as text, and the transposes of their fills."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from npde.discretize.ghosts import evaluate, lagrange
from npde.discretize.scheme import GhostRule
from npde.emit.printer import PRODUCT, Printer
from npde.emit.stencil_text import StencilEmitter
from npde.graph.graph import Node
from npde.graph.layers import (
    ConvolutionAdjoint,
    Extend,
    Ghost,
)


class WallEmitter(StencilEmitter):
    """Ghost fills, continued arrays, adjoint convolutions."""

    def _ghost(self, node: Node, layer: Ghost, inputs: list[str]) -> None:
        axes = self.graph.scheme.grid.axes
        source = inputs[0]
        is_zero = all(not any(r.data) and not any(w for row in r.weights for w in row) for r in layer.rules)
        if layer.rules and is_zero and not any(a.periodic and w for a, w in zip(axes, layer.widths, strict=True)):
            pads = ", ".join(f"{w}, {w}" for w in reversed(layer.widths))
            self.writer.assign(node.name, f"functional.pad({source}, ({pads}))", "zero behind absorbing layers")
            return
        if all(a.periodic for a in axes):
            pads = ", ".join(f"{w}, {w}" for w in reversed(layer.widths))
            self.writer.assign(node.name, f'functional.pad({source}, ({pads}), mode="circular")')
            return
        data = {k: (inputs[1 + n], node.inputs[1 + n]) for n, k in enumerate(layer.data)}
        extra = inputs[1 + len(layer.data) :]
        symbols = dict(zip(layer.symbols, extra, strict=True))
        todo = [i for i in range(self.dimension) if layer.widths[i]]
        for i in todo:
            name = node.name if i == todo[-1] else f"{node.name}_{axes[i].name}"
            if axes[i].periodic:
                self.writer.assign(
                    name, f"{self._helper('extend')}({source}, {i - self.dimension}, {layer.widths[i]}, True)"
                )
            else:
                self._pad_wall(name, source, i, layer, data, symbols)
            source = name

    def _pad_wall(
        self,
        name: str,
        source: str,
        axis: int,
        layer: Ghost,
        data: dict[tuple[int, int], tuple[str, str]],
        symbols: dict[sp.Symbol, str],
    ) -> None:
        width = layer.widths[axis]
        own = [(k, r) for k, r in enumerate(layer.rules) if r.axis == self.graph.scheme.grid.axes[axis].name]
        lower = next((k, r) for k, r in own if r.side == "lower")
        upper = next((k, r) for k, r in own if r.side == "upper")
        before = [self._ghost_cell(source, axis, k, *lower, data, symbols) for k in reversed(range(width))]
        after = [self._ghost_cell(source, axis, k, *upper, data, symbols) for k in range(width)]
        cells: list[str] = []
        for side, texts in (("lower", before), ("upper", after)):
            for n, text in enumerate(texts):
                if len(text) <= 40:
                    cells.append(text)
                    continue
                k = width - n if side == "lower" else n + 1
                label = f"{name}_{side}" + (f"_{k}" if width > 1 else "")
                self.writer.assign(label, text)
                cells.append(label)
        cells.insert(width, source)
        self.writer.assign(name, f"torch.cat(({', '.join(cells)}), dim={axis - self.dimension})")

    def _ghost_cell(
        self, source: str, axis: int, ghost: int, index: int, rule: GhostRule,
        data: dict[tuple[int, int], tuple[str, str]], symbols: dict[sp.Symbol, str],
    ) -> str:  # fmt: skip
        """`Σ_j w_j u_j + Σ_i v_i g_i` of one ghost cell."""
        printer = self.constants.printer(symbols)
        lower = rule.side == "lower"
        terms: list[tuple[bool, str]] = []
        for j, weight in enumerate(rule.weights[ghost]):
            if weight == 0:
                continue
            cell = self._cells(source, axis, j if lower else -1 - j)
            terms.append(self._term(printer, weight, cell))
        for i, (share, given) in enumerate(zip(rule.data_weights[ghost], rule.data, strict=True)):
            if (index, i) in data:
                text, node_name = data[index, i]
                terms.append(self._term(printer, share, self._at_wall(text, node_name, axis, lower)))
            elif given != 0:
                terms.append(self._term(printer, share * given, ""))
        if not terms:
            return f"torch.zeros_like({self._cells(source, axis, 0)})"
        body = "".join((" - " if negative else " + ") + text for negative, text in terms)
        return body[3:] if body.startswith(" + ") else "-" + body[3:]

    @staticmethod
    def _term(printer: Printer, weight: sp.Expr, cell: str) -> tuple[bool, str]:
        negative = bool(weight.could_extract_minus_sign())
        size = -weight if negative else weight
        if size == 1 and cell:
            return negative, cell
        text = printer.text(size, PRODUCT)
        return negative, f"{text} * {cell}" if cell else text

    def _cells(self, source: str, axis: int, index: int) -> str:
        """One layer of cells across an axis, the axis kept."""
        one = f"{index or ''}:{index + 1 or ''}" if index != 0 else ":1"
        parts = [one if i == axis else ":" for i in range(axis, self.dimension)]
        if axis == 0 or all(p == ":" for p in parts[1:]):
            return f"{source}[..., {', '.join([':'] * 0 + parts)}]"
        return f"{source}[..., {', '.join(parts)}]"

    def _at_wall(self, text: str, name: str, axis: int, lower: bool) -> str:
        """Wall data in one layer of cells along the wall: a constant expanded, an array's cells nearest to the wall."""
        node = self._node(name)
        if node.shape.extents[axis] > 1:
            text = self._cells(text, axis, 0 if lower else -1)
        return text

    def _extend(self, node: Node, layer: Extend, inputs: list[str]) -> None:
        source = inputs[0]
        todo = [i for i, w in enumerate(layer.widths) if w]
        for i in todo:
            name = node.name if i == todo[-1] else f"{node.name}_{self.graph.scheme.grid.axes[i].name}"
            dim, width = i - self.dimension, layer.widths[i]
            if layer.cells > 1 and not layer.periodic[i]:
                call = f"{self._helper('extrapolate')}({source}, {dim}, {extrapolation(layer.cells, width)!r})"
            else:
                call = f"{self._helper('extend')}({source}, {dim}, {width}, {layer.periodic[i]})"
            self.writer.assign(name, call)
            source = name

    def _adjoint(self, node: Node, layer: ConvolutionAdjoint, inputs: list[str]) -> None:
        """Transposed convolution onto cells and ghost cells, then each axis folded back, last first."""
        source, kernel, *extra = inputs
        printer = self.constants.printer(dict(zip(layer.symbols, extra, strict=True)))
        self.writer.assign(node.name, f"functional.conv_transpose{self.dimension}d({source}, {kernel})")
        axes = self.graph.scheme.grid.axes
        for i in reversed(range(self.dimension)):
            width = layer.extents[i] // 2
            if not width:
                continue
            dim = i - self.dimension
            if layer.periodic[i]:
                self.writer.assign(node.name, f"{self._helper('fold_periodic')}({node.name}, {dim}, {width})")
                continue
            sides = []
            for side in ("lower", "upper"):
                rule = next(r for r in layer.rules if (r.axis, r.side) == (axes[i].name, side))
                rows = [f"[{', '.join(printer.text(w) for w in row)}]" for row in rule.weights[:width]]
                sides.append(f"[{', '.join(rows)}]")
            self.writer.assign(
                node.name, f"{self._helper('fold_wall')}({node.name}, {dim}, {width}, {sides[0]}, {sides[1]})"
            )


def extrapolation(cells: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Cell k beyond an end from the nearest `cells`, by the polynomial through them; on a uniform grid the weights are whole."""
    basis, _ = lagrange(cells)
    return tuple(tuple(int(evaluate(p, Fraction(-2 * k - 1, 2))) for p in basis) for k in range(width))
