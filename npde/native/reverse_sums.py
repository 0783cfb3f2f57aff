"""Sums in the adjoint of a step: weighted sums of shifted reads, and what contractions give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

import sympy as sp

from npde.native.values import (
    Box,
    Correlation,
    KernelGradient,
    MatrixGradient,
    Product,
    Shift,
    Total,
    Value,
    Values,
)


@dataclass(frozen=True, slots=True)
class Term:
    """`factor · value(· + shift)`; the factor holds scalar values as symbols. Terms `apart`, which come from ghost cells that are
    soon folded away, are not added to others."""

    factor: sp.Expr
    value: int
    shift: Shift
    apart: bool = False


def scalar_symbol(value: int) -> sp.Symbol:
    """The symbol that stands for a scalar value in factors."""
    return sp.Symbol(f"@{value}", real=True)


@dataclass
class SumReversal(ABC):
    """What collects gradients; `tables` are the values that are gradients of tables, `own` those that nothing else reads."""

    values: Values
    wanted: frozenset[int]
    tables: list[int] = field(default_factory=list)
    bars: dict[int, int] = field(default_factory=dict)
    groups: dict[object, list[int]] = field(default_factory=dict)
    own: set[int] = field(default_factory=set)

    @abstractmethod
    def _give(self, value: int, term: Term, active: frozenset[int]) -> None:
        """Adds a term to the gradient of a value."""

    # --- weighted sums ------------------------------------------------------------------------------------------------

    def _factor(self, factor: sp.Expr) -> tuple[sp.Expr, list[tuple[sp.Symbol, int, Shift]]]:
        """A factor as a number or the symbol of a scalar value, and what that symbol stands for."""
        scalars = {s: int(s.name[1:]) for s in factor.free_symbols if s.name.startswith("@")}
        if not scalars:
            return factor, []
        nowhere: Box = (None,) * self.values.dimension
        terms = [(s, v, self.values.here) for s, v in scalars.items()]
        number = self.values.map(factor, terms, nowhere, "factor")
        symbol = scalar_symbol(number)
        return symbol, [(symbol, number, self.values.here)]

    def _summed(self, group: list[Term], box: Box, name: str) -> int:
        """`Σ factor · value(· + shift)` on a box; terms of one factor are added first."""
        merged: dict[tuple[int, Shift], sp.Expr] = {}
        for t in group:
            key = (t.value, t.shift)
            merged[key] = merged.get(key, sp.Integer(0)) + t.factor
        by_factor: dict[sp.Expr, list[tuple[int, Shift]]] = {}
        for key, factor in merged.items():
            by_factor.setdefault(factor, []).append(key)
        terms: list[tuple[sp.Symbol, int, Shift]] = []
        total = sp.Integer(0)
        for k, (factor, keys) in enumerate(by_factor.items()):
            symbols = [sp.Symbol(f"t{k} {n}", real=True) for n in range(len(keys))]
            reads = [(s, *key) for s, key in zip(symbols, keys, strict=True)]
            scale, more = self._factor(factor)
            body = sp.Add(*symbols)
            if len(keys) > 1 and scale != 1 and len(by_factor) > 1:
                symbol = sp.Symbol(f"t{k}", real=True)
                reads = [(symbol, self.values.map(body, reads, box, f"{name}_sum"), self.values.here)]
                body = symbol
            terms += [*reads, *more]
            total += scale * body
        return self.values.map(total, terms, box, name)

    def _own(self, terms: list[Term], box: Box, name: str) -> int:
        """The sum of terms as a value that nothing else reads: folds and fills work in place."""
        before = len(self.values.items)
        source = self._summed(terms, box, name)
        if source in self.own:
            self.own.remove(source)
            return source
        return source if source >= before else self.values.copy(source, name)

    # --- contractions ---------------------------------------------------------------------------------------------------------

    def _collect(self, order: Iterable[int]) -> None:
        """Finds the channels of each layer."""
        for number in order:
            operation = self.values[number].operation
            if isinstance(operation, Correlation):
                self.groups.setdefault((operation.group, self.values[number].box), []).append(number)

    def _correlation(self, number: int, operation: Correlation, terms: list[Term], active: frozenset[int]) -> None:
        """Channels of a layer are collected until the first one is met; every reader of theirs has been by then."""
        box = self.values[number].box
        if terms:
            self.bars[number] = self._own(terms, box, f"{self.values[number].name}_bar")
        group = self.groups[operation.group, box]
        channels = [n for n in group if n in self.bars]
        if number != group[0] or not channels:
            return
        bars = tuple(self.bars[n] for n in channels)
        rows = tuple(c.row for n in channels if isinstance(c := self.values[n].operation, Correlation))
        back = tuple(tuple(-s for s in shift) for shift in operation.shifts)
        for source, column in zip(operation.sources, operation.columns, strict=True):
            if source in active:
                layer = Correlation(bars, operation.table, column, rows, back)
                self._alone(layer, source, f"{self.values[source].name}_share", active)
        if operation.table in self.wanted:
            gradient = KernelGradient(
                bars, operation.sources, operation.table, rows, operation.columns, operation.shifts
            )
            self.tables.append(self.values.add(gradient, box, True, self.values.arguments[operation.table].name))

    def _product(self, operation: Product, value: Value, bar: int, active: frozenset[int]) -> None:
        source, table = operation.source, operation.table
        if source in active:
            layer = Product(bar, table, operation.first, operation.axes, not operation.transposed)
            self._alone(layer, source, f"{self.values[source].name}_share", active)
        if table in self.wanted:
            pair = (source, bar) if operation.transposed else (bar, source)
            gradient = MatrixGradient(*pair, table, operation.first, operation.axes)
            self.tables.append(self.values.add(gradient, value.box, True, self.values.arguments[table].name))

    def _alone(self, layer: Correlation | Product, source: int, name: str, active: frozenset[int]) -> None:
        """Gives a source its gradient, an array that nothing else reads."""
        before = len(self.values.items)
        share = self.values.add(layer, self.values[source].box, True, name)
        if share >= before:
            self.own.add(share)
        self._give(source, Term(sp.Integer(1), share, self.values.here), active)

    def _bar(self, value: Value, box: Box, group: list[Term]) -> int:
        """The sum of terms, also over axes along which the value does not vary but its readers do."""
        bar = self._summed(group, box, f"{value.name}_bar")
        axes = tuple(a for a, (own, b) in enumerate(zip(value.box, box, strict=True)) if own is None and b is not None)
        return self.values.add(Total(bar, axes), value.box, True, f"{value.name}_bar") if axes else bar

    def _total(self, source: int, value: Value, box: Box, group: list[Term], active: frozenset[int]) -> None:
        bar = self._bar(value, box, group)
        symbol = sp.Symbol("a", real=True)
        spread = self.values.map(
            symbol, [(symbol, bar, self.values.here)], self.values[source].box, f"{value.name}_share"
        )
        self._give(source, Term(sp.Integer(1), spread, self.values.here), active)
