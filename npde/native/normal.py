"""Fewer operations: a value that is a polynomial of what it reads, and of values that nothing else reads, in one normal form.

    u + dt (D (100 s - 400 u) + r u (1 - u))   →   (100 dt D) s + u (1 - 400 dt D + dt r - dt r u)

Coefficients that do not vary over the grid are values of their own, computed once a sweep; linear terms of one coefficient are
added first; the rest is a Horner scheme in the value that occurs most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import sympy as sp

from npde.native.lowering import Step
from npde.native.program import inside, moved
from npde.native.values import Box, Correlation, Fill, Fold, Map, Product, Read, Shift, Total, Values, operands

LONGEST = 40
"""Terms of a polynomial that is rewritten."""

Monomial = tuple[tuple[sp.Symbol, ...], sp.Expr]
"""Factors that vary over the grid, with repetition, and the coefficient."""


def normalized(step: Step) -> Step:
    """The same step, its polynomials in normal form."""
    return _Rewrite(step.values, step.outputs).run()


@dataclass
class _Rewrite:
    old: Values
    outputs: tuple[int, ...]
    new: Values = field(init=False)
    readers: Counter[int] = field(init=False)
    renumbered: dict[int, int] = field(default_factory=dict)

    def run(self) -> Step:
        self.new = Values(self.old.grid, self.old.arguments)
        self.readers = Counter(o for v in self.old.items for o in set(operands(v.operation)))
        self.readers.update(self.outputs)
        return Step(self.new, tuple(self.value(o) for o in self.outputs))

    def value(self, number: int) -> int:
        if number not in self.renumbered:
            self.renumbered[number] = self._value(number)
        return self.renumbered[number]

    def _value(self, number: int) -> int:
        item = self.old[number]
        match item.operation:
            case Map() as operation:
                return self._map(operation, item.box, item.name)
            case Fill() as fill:
                return self.new.add(self._fill(fill), item.box, item.batch, item.name)
            case Fold(source=source, fill=fill):
                return self.new.add(Fold(self.value(source), self._fill(fill)), item.box, item.batch, item.name)
            case Correlation(sources=sources) as operation:
                moved_to = replace(operation, sources=tuple(self.value(s) for s in sources))
                return self.new.add(moved_to, item.box, item.batch, item.name)
            case Product(source=source) | Total(source=source) as operation:
                return self.new.add(replace(operation, source=self.value(source)), item.box, item.batch, item.name)
            case operation:
                return self.new.add(operation, item.box, item.batch, item.name)

    def _fill(self, fill: Fill) -> Fill:
        walls = tuple(self.value(v) for v in fill.values)
        return Fill(self.value(fill.source), fill.axis, fill.width, fill.walls, fill.symbols, walls)

    # --- one map ------------------------------------------------------------------------------------------------------

    def _map(self, operation: Map, box: Box, name: str) -> int:
        if self._is_copy(operation, box):
            return self.new.copy(self.value(operation.reads[0].value), name, box)
        reads: dict[sp.Symbol, Read] = {}
        flat = self._flat(operation, self.old.here, box, reads)
        fields = sorted({s for s, r in reads.items() if not self.old[r.value].is_scalar} & flat.free_symbols, key=str)
        terms = {s: (self.value(r.value), r.shift) for s, r in reads.items()}
        polynomial = sp.Poly(flat, *fields) if fields and flat.is_polynomial(*fields) else None
        if polynomial is None or len(polynomial.terms()) > LONGEST:
            plain = [(s, self.value(r.value), r.shift) for s, r in zip(operation.symbols, operation.reads, strict=True)]
            return self.new.map(operation.expression, plain, box, name)
        monomials: list[Monomial] = []
        for powers, coefficient in polynomial.terms():
            factors = tuple(s for s, k in zip(fields, powers, strict=True) for _ in range(k))
            monomials.append((factors, self._coefficient(coefficient, terms)))
        body = self._horner(monomials, terms, box, name)
        return self.new.map(body, [(s, v, shift) for s, (v, shift) in terms.items()], box, name)

    def _is_copy(self, operation: Map, box: Box) -> bool:
        """Whether a value was copied so that it is shared with nothing: for what works in place, or reads zeros around it."""
        is_same = isinstance(operation.expression, sp.Symbol) and operation.reads[0].shift == self.old.here
        return is_same and self.old[operation.reads[0].value].box == box

    def _opens(self, value: int) -> bool:
        """Whether a value is written out where it is read: a map that nothing else reads."""
        item = self.old[value]
        return isinstance(item.operation, Map) and self.readers[value] == 1 and not item.is_scalar

    def _cell(self, value: int, box: Box) -> int:
        """What a value continues by ghost cells, if only its cells are read."""
        operation = self.old[value].operation
        while isinstance(operation, Fill) and inside(box, self.old[operation.source].box):
            value = operation.source
            operation = self.old[value].operation
        return value

    def _flat(self, operation: Map, shift: Shift, box: Box, reads: dict[sp.Symbol, Read]) -> sp.Expr:
        names: dict[sp.Symbol, sp.Expr] = {}
        for symbol, read in zip(operation.symbols, operation.reads, strict=True):
            at = tuple(
                0 if i is None else a + s for i, a, s in zip(self.old[read.value].box, shift, read.shift, strict=True)
            )
            inner = self.old[read.value].operation
            if isinstance(inner, Map) and self._opens(read.value):
                names[symbol] = self._flat(inner, at, box, reads)
                continue
            there = Read(self._cell(read.value, moved(box, at)), at)
            own = next((s for s, r in reads.items() if r == there), None)
            if own is None:
                own = sp.Symbol(f"n{len(reads)}", real=True)
                reads[own] = there
            names[symbol] = own
        return operation.expression.xreplace(names)

    # --- a polynomial -------------------------------------------------------------------------------------------------

    def _coefficient(self, value: sp.Expr, terms: dict[sp.Symbol, tuple[int, Shift]]) -> sp.Expr:
        """A coefficient as a number or the symbol of a scalar value."""
        if not value.free_symbols & terms.keys():
            return value
        nowhere: Box = (None,) * self.new.dimension
        number = self.new.map(value, [(s, v, shift) for s, (v, shift) in terms.items()], nowhere, "coefficient")
        symbol = sp.Symbol(f"c {number}", real=True)
        terms[symbol] = (number, self.new.here)
        return symbol

    def _horner(
        self, monomials: list[Monomial], terms: dict[sp.Symbol, tuple[int, Shift]], box: Box, name: str
    ) -> sp.Expr:
        counts = Counter(s for factors, _ in monomials if len(factors) > 1 for s in set(factors))
        if not counts:
            return self._linear(monomials, terms, box, name)
        most = max(sorted(counts, key=str), key=lambda s: counts[s])
        inner, rest = [], []
        for factors, coefficient in monomials:
            if most in factors:
                k = factors.index(most)
                inner.append(((*factors[:k], *factors[k + 1 :]), coefficient))
            else:
                rest.append((factors, coefficient))
        product = sp.Mul(most, self._horner(inner, terms, box, name), evaluate=len(inner) == 1)
        return product if not rest else sp.Add(self._horner(rest, terms, box, name), product)

    def _linear(
        self, monomials: list[Monomial], terms: dict[sp.Symbol, tuple[int, Shift]], box: Box, name: str
    ) -> sp.Expr:
        groups: dict[sp.Expr, list[tuple[sp.Symbol, int]]] = {}
        total = sp.Integer(0)
        for factors, coefficient in monomials:
            if not factors:
                total += coefficient
                continue
            negative = bool(coefficient.could_extract_minus_sign())
            groups.setdefault(-coefficient if negative else coefficient, []).append((factors[0], -1 if negative else 1))
        for coefficient, members in groups.items():
            body = sp.Add(*(sign * s for s, sign in members))
            if len(members) > 1 and coefficient != 1:
                reads = [(s, *terms[s]) for s, _ in members]
                symbol = sp.Symbol(f"s {len(terms)}", real=True)
                terms[symbol] = (self.new.map(body, reads, box, f"{name}_sum"), self.new.here)
                body = symbol
            total += coefficient * body
        return total
