"""Fewer operations: a value that is a polynomial of what it reads, and of values that nothing else reads, in one normal form.

    u + dt (D (100 s - 400 u) + r u (1 - u))   →   (100 dt D) s + u (1 - 400 dt D + dt r - dt r u)

Coefficients that do not vary over the grid are values of their own, computed once a sweep; linear terms of one coefficient are
added first; the rest is a Horner scheme in the value that occurs most, or sums of products of one coefficient.

Adjoint steps are rewritten where that takes fewer operations. Their values are zero outside of their boxes, and are opened only
where that is kept. A number that all terms of a value share is multiplied by its readers, which often add several such values:

    10 dt (λ_j - λ_(j-1)),  10 (a_j f_j - a_(j+1) f_(j+1))   →   100 dt (a_j (λ_j - λ_(j-1)) - …)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import sympy as sp

from npde.graph.expression_blocks import DT
from npde.native.counting import operations
from npde.native.lowering import Step
from npde.native.program import inside, moved
from npde.native.reverse import Adjoint
from npde.native.values import (
    Box,
    Contraction,
    Correlation,
    Fill,
    Fold,
    Map,
    Product,
    Read,
    Shift,
    Total,
    Values,
    operands,
    vanishing,
)

LONGEST = 40
"""Terms of a polynomial that is rewritten."""

Monomial = tuple[tuple[sp.Symbol, ...], sp.Expr]
"""Factors that vary over the grid, with repetition, and the coefficient."""


def normalized(step: Step) -> Step:
    """The same step, its polynomials in normal form."""
    return _Rewrite(step.values, step.outputs).run()


def normalized_adjoint(adjoint: Adjoint) -> Adjoint:
    """The same adjoint, its polynomials in whichever form takes fewer operations. Adjoints of sums over the grid, of
    matrices and of wide kernels stay as they are."""
    if any(isinstance(v.operation, Contraction) for v in adjoint.values.items):
        return adjoint
    known = [s for s in adjoint.states if s is not None]
    gradients = [g.value for g in adjoint.gradients]
    found = _Rewrite(adjoint.values, (*known, *gradients), is_adjoint=True).run()
    new = dict(zip((*known, *gradients), found.outputs, strict=True))
    states = tuple(None if s is None else new[s] for s in adjoint.states)
    return Adjoint(found.values, states, tuple(replace(g, value=new[g.value]) for g in adjoint.gradients))


@dataclass
class _Rewrite:
    old: Values
    outputs: tuple[int, ...]
    is_adjoint: bool = False
    new: Values = field(init=False)
    readers: Counter[int] = field(init=False)
    renumbered: dict[int, int] = field(default_factory=dict)
    factors: dict[int, sp.Expr] = field(default_factory=dict)
    """What readers multiply a value by."""

    def run(self) -> Step:
        self.new = Values(self.old.grid, self.old.arguments)
        needed = set(self.outputs)
        for number in range(len(self.old.items) - 1, -1, -1):
            if number in needed:
                needed.update(operands(self.old[number].operation))
        self.readers = Counter(o for n in needed for o in set(operands(self.old[n].operation)))
        self.readers.update(self.outputs)
        self.vanish = vanishing(self.old, sorted(needed))
        others = [v.operation for v in self.old.items if not isinstance(v.operation, Map)]
        copies = [
            v.operation for v in self.old.items if isinstance(v.operation, Map) and self._is_copy(v.operation, v.box)
        ]
        self.fixed = {*self.outputs, *(o for operation in (*others, *copies) for o in operands(operation))}
        return Step(self.new, tuple(self.value(o) for o in self.outputs))

    def value(self, number: int) -> int:
        if number not in self.renumbered:
            self.renumbered[number] = self._value(number)
        return self.renumbered[number]

    def _value(self, number: int) -> int:
        item = self.old[number]
        match item.operation:
            case Map() as operation:
                return self._map(number, operation, item.box, item.name)
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

    def _map(self, number: int, operation: Map, box: Box, name: str) -> int:
        if self._is_copy(operation, box):
            return self.new.copy(self.value(operation.reads[0].value), name, box)
        reads: dict[sp.Symbol, Read] = {}
        opened: list[int] = []
        flat = self._flat(operation, self.old.here, box, reads, opened)
        fields = sorted({s for s, r in reads.items() if not self.old[r.value].is_scalar} & flat.free_symbols, key=str)
        terms = {s: (self.value(r.value), r.shift) for s, r in reads.items()}
        polynomial = sp.Poly(flat, *fields) if fields and flat.is_polynomial(*fields) else None
        if polynomial is None or len(polynomial.terms()) > LONGEST:
            return self._plain(operation, box, name)
        shared = self._shared_factor(number, polynomial)
        if shared != 1:
            self.factors[number], polynomial = shared, sp.Poly(sp.expand(flat / shared), *fields)
        before = len(self.new.items)
        monomials: list[Monomial] = []
        for powers, coefficient in polynomial.terms():
            factors = tuple(s for s, k in zip(fields, powers, strict=True) for _ in range(k))
            monomials.append((factors, self._coefficient(coefficient, terms)))
        body = self._horner(monomials, terms, box, name)
        if self.is_adjoint and shared == 1:
            own = [
                v.operation.expression
                for v in self.new.items[before:]
                if isinstance(v.operation, Map) and not v.is_scalar
            ]
            old = [self.old[n].operation for n in opened]
            written = sum(operations(o.expression) for o in (operation, *old) if isinstance(o, Map))
            if sum(map(operations, own)) + operations(body) > written:
                return self._plain(operation, box, name)
        return self.new.map(body, [(s, v, shift) for s, (v, shift) in terms.items()], box, name)

    def _is_copy(self, operation: Map, box: Box) -> bool:
        """Whether a value was copied so that it is shared with nothing: for what works in place, or reads zeros around it."""
        is_same = isinstance(operation.expression, sp.Symbol) and operation.reads[0].shift == self.old.here
        return is_same and self.old[operation.reads[0].value].box == box

    def _plain(self, operation: Map, box: Box, name: str) -> int:
        """As it is written."""
        terms = [(s, self.value(r.value), r.shift) for s, r in zip(operation.symbols, operation.reads, strict=True)]
        reads = zip(operation.symbols, operation.reads, strict=True)
        scaled = {s: s * self.factors[r.value] for s, r in reads if r.value in self.factors}
        return self.new.map(operation.expression.xreplace(scaled), terms, box, name)

    def _shared_factor(self, number: int, polynomial: sp.Poly) -> sp.Expr:
        """The coefficient of all terms of an adjoint's value, but for signs; 1 if there is none, or something else than maps reads
        the value."""
        if not self.is_adjoint or number in self.fixed:
            return sp.Integer(1)
        sizes = {-c if c.could_extract_minus_sign() else c for c in polynomial.coeffs()}
        shared = sizes.pop()
        return shared if not sizes and shared != 0 and shared.free_symbols <= {DT} else sp.Integer(1)

    def _opens(self, value: int, at: Box) -> bool:
        """Whether a value is written out where it is read, on the box `at`: a map that nothing else reads. Around its own box it is
        zero; what it is made of may not be."""
        item = self.old[value]
        fits = inside(at, item.box) or value in self.vanish
        return isinstance(item.operation, Map) and self.readers[value] == 1 and not item.is_scalar and fits

    def _cell(self, value: int, box: Box) -> int:
        """What a value continues by ghost cells, if only its cells are read."""
        operation = self.old[value].operation
        while isinstance(operation, Fill) and inside(box, self.old[operation.source].box):
            value = operation.source
            operation = self.old[value].operation
        return value

    def _flat(self, operation: Map, shift: Shift, box: Box, reads: dict[sp.Symbol, Read], opened: list[int]) -> sp.Expr:
        names: dict[sp.Symbol, sp.Expr] = {}
        for symbol, read in zip(operation.symbols, operation.reads, strict=True):
            at = tuple(
                0 if i is None else a + s for i, a, s in zip(self.old[read.value].box, shift, read.shift, strict=True)
            )
            inner = self.old[read.value].operation
            if isinstance(inner, Map) and self._opens(read.value, moved(box, at)):
                opened.append(read.value)
                names[symbol] = self._flat(inner, at, box, reads, opened)
                continue
            self.value(read.value)
            there = Read(self._cell(read.value, moved(box, at)), at)
            own = next((s for s, r in reads.items() if r == there), None)
            if own is None:
                own = sp.Symbol(f"n{len(reads)}", real=True)
                reads[own] = there
            names[symbol] = own * self.factors.get(read.value, sp.Integer(1))
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
        products = [-c if c.could_extract_minus_sign() else c for factors, c in monomials if len(factors) > 1]
        are_apart = all(k == 1 for k in counts.values()) and all(len({*f}) == len(f) for f, _ in monomials)
        if are_apart and (not products or len({*products}) < len(products)):
            return self._sums(monomials, terms, box, name)
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

    def _sums(
        self, monomials: list[Monomial], terms: dict[sp.Symbol, tuple[int, Shift]], box: Box, name: str
    ) -> sp.Expr:
        """Terms of one coefficient are added first."""
        groups: dict[sp.Expr, list[tuple[tuple[sp.Symbol, ...], int]]] = {}
        total = sp.Integer(0)
        for factors, coefficient in monomials:
            if not factors:
                total += coefficient
                continue
            negative = bool(coefficient.could_extract_minus_sign())
            groups.setdefault(-coefficient if negative else coefficient, []).append((factors, -1 if negative else 1))
        for coefficient, members in groups.items():
            body = sp.Add(*(sign * sp.Mul(*factors) for factors, sign in members))
            if len(members) > 1 and coefficient != 1:
                reads = [(s, *terms[s]) for factors, _ in members for s in factors]
                symbol = sp.Symbol(f"s {len(terms)}", real=True)
                terms[symbol] = (self.new.map(body, reads, box, f"{name}_sum"), self.new.here)
                body = symbol
            total += coefficient * body
        return total
