"""The adjoint of a step: for each value, the gradient with respect to it, as values again.

    v = f(… r_j = x(· + s_j) …)        x̄ += (∂f/∂r_j · v̄)(· - s_j),      zero outside of the box of v
    G = Fill(x)                        x̄ += Fold(Ḡ),   wall data: Σ_k ∂ghost_k/∂g · Ḡ_k
    y = Fold(g)                        ḡ += Fill(ȳ), homogeneous
    y_c = Σ_s Σ_k W_csk x_s(· + k)     x̄_s += Σ_c Σ_k W_csk ȳ_c(· - k),   W̄_csk += Σ ȳ_c x_s(· + k)
    y = W x                            x̄ += Wᵀ ȳ,  W̄ += ȳ xᵀ
    y = Σ x over axes                  x̄ += ȳ on all cells

Factors that do not vary over the grid are kept apart, so that a transposed stencil is a sum of shifted reads times a number. What
reaches an unknown around its ghost cells is added before the fold: the fold leaves it as it is, and one sweep computes both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from npde.native.derivative import gradients
from npde.native.lowering import Step, Unfit
from npde.native.reverse_sums import SumReversal, Term, scalar_symbol
from npde.native.values import (
    Box,
    Correlation,
    Cotangent,
    Element,
    Fill,
    Fold,
    Map,
    Product,
    Shift,
    State,
    Total,
    Value,
    Values,
    Wall,
    operands,
)


@dataclass(frozen=True, slots=True)
class Gradient:
    """`value`, summed over what it has beyond the argument's own axes, is a part of the gradient of an argument's element."""

    argument: int
    element: int
    value: int


@dataclass(frozen=True)
class Adjoint:
    """The gradients of a step: `states[c]` with respect to channel c of what the loop carries (None: it has no influence);
    `tables`: the values that are gradients of tables."""

    values: Values
    states: tuple[int | None, ...]
    gradients: tuple[Gradient, ...]
    tables: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chain:
    """Fills of one value, the last one first, and the terms of the gradient of the last."""

    fills: tuple[int, ...]
    terms: tuple[Term, ...]


def reverse(step: Step, wanted: frozenset[int]) -> Adjoint:
    """The adjoint of a step; `wanted` are the arguments whose gradients are asked for.

    Raises:
        Unfit: a gradient has no native form.
    """
    return _Reversal(step.values, wanted).run(step.outputs)


@dataclass
class _Reversal(SumReversal):
    terms: dict[int, list[Term]] = field(default_factory=dict)
    pending: dict[int, list[_Chain]] = field(default_factory=dict)
    found: list[Gradient] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)

    def run(self, outputs: tuple[int, ...]) -> Adjoint:
        values = self.values
        count = len(values.items)
        active = self._active(count)
        for channel, output in enumerate(outputs):
            seed = values.add(Cotangent(channel), values.interior, True, f"bar_{channel}")
            self._give(output, Term(sp.Integer(1), seed, values.here), active)
        order = _order(values, count)
        self._collect(order)
        for number in reversed(order):
            if number in active:
                self._value(number, active)
        states = tuple(self.states.get(c) for c in range(len(outputs)))
        return Adjoint(values, states, tuple(self.found), tuple(self.tables))

    def _active(self, count: int) -> frozenset[int]:
        """Values that depend on the state or on a wanted argument."""
        found: set[int] = set()
        for number in range(count):
            match self.values[number].operation:
                case State():
                    found.add(number)
                case Element(argument=argument):
                    if argument in self.wanted:
                        found.add(number)
                case operation:
                    learned = isinstance(operation, Correlation | Product) and operation.table in self.wanted
                    if learned or any(o in found for o in operands(operation)):
                        found.add(number)
        return frozenset(found)

    def _give(self, value: int, term: Term, active: frozenset[int]) -> None:
        if value in active and term.factor != 0:
            self.terms.setdefault(value, []).append(term)

    # --- one value ----------------------------------------------------------------------------------------------------

    def _value(self, number: int, active: frozenset[int]) -> None:
        value = self.values[number]
        terms = self.terms.pop(number, [])
        pending = self.pending.pop(number, [])
        if isinstance(value.operation, Fill):
            if terms or pending:
                chain = self._extended(number, pending, terms, active)
                self.pending.setdefault(value.operation.source, []).append(chain)
            return
        if pending:
            chain = self._merged(pending, terms, active)
            terms = [Term(sp.Integer(1), self._folded(chain, active), self.values.here)]
        if isinstance(value.operation, Correlation):
            self._correlation(number, value.operation, terms, active)
            return
        for box, group in self._by_box(value, terms):
            self._propagate(value, box, group, active)

    def _extended(self, fill: int, pending: list[_Chain], terms: list[Term], active: frozenset[int]) -> _Chain:
        if not pending:
            return _Chain((fill,), tuple(terms))
        chain = self._merged(pending, terms, active)
        return _Chain((*chain.fills, fill), chain.terms)

    def _merged(self, pending: list[_Chain], terms: list[Term], active: frozenset[int]) -> _Chain:
        """The first chain, with everything else that reaches the value added before its folds."""
        first, *others = pending
        folded = [Term(sp.Integer(1), self._folded(c, active), self.values.here) for c in others]
        return _Chain(first.fills, (*first.terms, *terms, *folded))

    def _by_box(self, value: Value, terms: list[Term]) -> list[tuple[Box, list[Term]]]:
        """Terms by the box on which they are summed: the value's own, or the reader's where the value does not vary."""
        groups: dict[tuple[Box, int], list[Term]] = {}
        for k, term in enumerate(terms):
            of = self.values[term.value].box
            box = tuple(o if own is None else own for own, o in zip(value.box, of, strict=True))
            groups.setdefault((box, k if term.apart else -1), []).append(term)
        return [(box, group) for (box, _), group in groups.items()]

    def _propagate(self, value: Value, box: Box, group: list[Term], active: frozenset[int]) -> None:
        match value.operation:
            case State(channel=channel):
                self.states[channel] = self._summed(group, box, f"{value.name}_bar")
            case Element(argument=argument, element=element):
                bar = self._summed(group, box, f"{value.name}_bar")
                if not isinstance(self.values[bar].operation, Map):  # only maps are added to what is collected
                    bar = self.values.copy(bar, f"{value.name}_bar")
                self.found.append(Gradient(argument, element, bar))
            case Map() as operation:
                term = group[0]
                if len(group) > 1:
                    term = Term(sp.Integer(1), self._summed(group, box, f"{value.name}_bar"), self.values.here)
                self._map(operation, value, box, term, active)
            case Fold() as operation:
                self._fold(operation, value, box, group, active)
            case Product() as operation:
                self._product(operation, value, self._bar(value, box, group), active)
            case Total(source=source):
                self._total(source, value, box, group, active)
            case _:
                raise Unfit("a gradient through a ghost fill of a gradient")

    def _map(self, operation: Map, value: Value, box: Box, term: Term, active: frozenset[int]) -> None:
        reads = dict(zip(operation.symbols, operation.reads, strict=True))
        wanted = [s for s, r in reads.items() if r.value in active]
        for symbol, derivative in gradients(operation.expression, wanted).items():
            read = reads[symbol]
            back = tuple(-s for s in read.shift)
            if all(s not in reads or self.values[reads[s].value].is_scalar for s in derivative.free_symbols):
                named = {s: scalar_symbol(r.value) for s, r in reads.items()}
                factor = term.factor * derivative.xreplace(named)
                self._give(read.value, Term(factor, term.value, _plus(term.shift, back), term.apart), active)
                continue
            names = {s: sp.Symbol(f"f{k}", real=True) for k, s in enumerate(reads)}
            bar = sp.Symbol("bar", real=True)
            terms = [(names[s], r.value, r.shift) for s, r in reads.items()]
            terms.append((bar, term.value, term.shift))
            factor, more = self._factor(term.factor)
            body = factor * bar * derivative.xreplace(names)
            product = self.values.map(body, [*terms, *more], box, f"{value.name}_share")
            self._give(read.value, Term(sp.Integer(1), product, back, term.apart), active)

    def _fold(self, operation: Fold, value: Value, box: Box, group: list[Term], active: frozenset[int]) -> None:
        fill = operation.fill
        if any(v in active for v in fill.values):
            raise Unfit("the gradient of a learned wall coefficient under an adjoint convolution")
        bar = self._own(group, box, f"{value.name}_bar")
        plain = None
        if fill.walls is not None:
            lower, upper = (Wall(w.weights, (sp.Integer(0),) * len(w.data)) for w in fill.walls)
            plain = (lower, upper)
        filled = Fill(bar, fill.axis, fill.width, plain, fill.symbols, fill.values)
        ghosted = self.values.add(filled, self.values[operation.source].box, True, f"{value.name}_bar")
        self._give(operation.source, Term(sp.Integer(1), ghosted, self.values.here), active)

    # --- ghost cells --------------------------------------------------------------------------------------------------

    def _folded(self, chain: _Chain, active: frozenset[int]) -> int:
        """The gradient of what a chain of fills continues; wall data get theirs."""
        outermost = self.values[chain.fills[0]]
        terms: list[Term] = []
        for box, group in self._by_box(outermost, list(chain.terms)):
            if box == outermost.box:
                terms += group
            else:  # readers vary along axes on which the value does not
                terms.append(Term(sp.Integer(1), self._bar(outermost, box, group), self.values.here))
        bar = self._own(terms, outermost.box, f"{outermost.name}_bar")
        for number in chain.fills:
            fill = self.values[number].operation
            assert isinstance(fill, Fill)
            self._walls(fill, self.values[number], bar, active)
            box = self.values[fill.source].box
            bar = self.values.add(Fold(bar, fill), box, True, f"{outermost.name}_folded")
        return bar

    def _walls(self, fill: Fill, value: Value, bar: int, active: frozenset[int]) -> None:
        n = self.values.grid[fill.axis]
        for side, wall in enumerate(fill.walls or ()):
            at = 0 if side == 0 else n - 1
            outward = -1 if side == 0 else 1
            box = tuple((at, at + 1) if i == fill.axis else b for i, b in enumerate(value.box))
            for symbol, source in zip(fill.symbols, fill.values, strict=True):
                if source not in active:
                    continue
                terms: list[tuple[sp.Symbol, int, Shift]] = []
                total = sp.Integer(0)
                for k, (row, data) in enumerate(zip(wall.weights, wall.data, strict=True)):
                    ghost = sp.Symbol(f"bar {k}", real=True)
                    terms.append((ghost, bar, self._across(fill.axis, outward * (k + 1))))
                    share = data.diff(symbol)
                    for j, weight in enumerate(row):
                        cell = sp.Symbol(f"cell {j}", real=True)
                        terms.append((cell, fill.source, self._across(fill.axis, -outward * j)))
                        share += weight.diff(symbol) * cell
                    total += share * ghost
                if total == 0:
                    continue
                terms += [(s, v, self.values.here) for s, v in zip(fill.symbols, fill.values, strict=True)]
                found = self.values.map(total, terms, box, f"{self.values[source].name}_bar")
                self._give(source, Term(sp.Integer(1), found, self.values.here, apart=True), active)

    def _across(self, axis: int, distance: int) -> Shift:
        return tuple(distance if i == axis else 0 for i in range(self.values.dimension))


def _plus(a: Shift, b: Shift) -> Shift:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _order(values: Values, count: int) -> list[int]:
    """Topological order in which wall data come before the value that they close."""
    before: dict[int, set[int]] = {n: set(operands(values[n].operation)) for n in range(count)}
    for n in range(count):
        operation = values[n].operation
        if isinstance(operation, Fill):
            walls, source = operation.values, operation.source
            while isinstance(operation, Fill):
                source = operation.source
                operation = values[source].operation
            before[source] |= set(walls)
    order: list[int] = []
    done: set[int] = set()
    for root in range(count):
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [b for b in before[at] if b not in done]
            if at in done:
                stack.pop()
            elif missing:
                stack.extend(missing)
            else:
                done.add(at)
                order.append(at)
                stack.pop()
    return order
