"""What a march keeps, where it can be proved from the equation and the scheme.

    mass       Σ_j u_j of a field, or of a combination of fields: every term is a difference of fluxes that vanish or wrap at
               the ends, or cancels between the fields. Every scheme here keeps linear invariants; a splitting does if both
               halves do.
    norm       Σ_j |q_j|²: the rates are q' = A q with A skew (or turn a phase), and the scheme is unitary.
    energy     K(v) + U(x) with v' = -∇U, x' = ∇K: leapfrog is symplectic, so that the energy stays near its start, without
               a trend.
    maximum    no new extrema: a step has non-negative weights that sum to one.

A claim names its reason. What is not claimed can be watched in a run (`npde run --watch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from npde.discretize.scheme import (
    Exponential,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    Scheme,
    Splitting,
)
from npde.model.problem import Input, LearnedCoefficient, Side
from npde.symbolic import operators as op
from npde.symbolic.classify import degrees
from npde.symbolic.context import calculus_of
from npde.symbolic.system import CoordinateMeaning

Kind = Literal["mass", "norm", "energy", "maximum"]

SIDES: tuple[Side, ...] = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Invariant:
    """A claim. `weights` by unknown: Σ weights · u of a mass; the unknowns of a norm. `exact`: to rounding, else bounded."""

    kind: Kind
    name: str
    reason: str
    exact: bool
    weights: tuple[tuple[sp.Symbol, int], ...] = ()


def invariants(scheme: Scheme) -> tuple[Invariant, ...]:
    """All that is proved of a scheme."""
    from npde.analysis.maximum import maximum_principle

    prover = _Prover(scheme)
    return (*prover.masses(), *prover.norm(), *prover.energy(), *maximum_principle(scheme))


@dataclass
class _Prover:
    scheme: Scheme

    def __post_init__(self) -> None:
        system = self.scheme.system
        self.unknowns = system.unknowns
        self.symbols = [u.symbol for u in system.unknowns]
        self.calculus = calculus_of(system)
        self.periodic = {a.name for a in self.scheme.grid.axes if a.periodic}
        self.bounded = {a.name for a in self.scheme.grid.axes} - self.periodic
        self.walls = {(w.unknown, w.coordinate, w.side): w for w in system.walls}

    # --- mass ---------------------------------------------------------------------------------------------------------

    def masses(self) -> Iterator[Invariant]:
        """Combinations of fields whose sum over the grid stays."""
        if self.scheme.system.kind != "evolution":
            return
        real = [k for k, u in enumerate(self.unknowns) if u.part == "value"]
        for weights in _common([self._kept(rates, real) for rates in self._halves()]):
            parts = [(self.symbols[k], w) for k, w in zip(real, weights, strict=True) if w]
            if any(self.unknowns[k].shape for k, w in zip(real, weights, strict=True) if w) and len(parts) > 1:
                continue
            moving = any(rates[self.symbols.index(s)] != 0 for rates in self._halves() for s, _ in parts)
            if moving:
                yield Invariant("mass", f"mass of {_sum_text(parts)}", self._mass_reason(parts), True, tuple(parts))

    def _halves(self) -> tuple[tuple[sp.Expr, ...], ...]:
        match self.scheme.time:
            case Splitting(linear=linear, pointwise=rest) | Exponential(linear=linear, explicit=rest):
                return linear, rest
            case ImplicitExplicit(implicit=linear, explicit=rest):
                return linear, rest
            case _:
                return (self.scheme.system.rates,)

    def _kept(self, rates: tuple[sp.Expr, ...], real: list[int]) -> list[dict[sp.Expr, sp.Expr]]:
        """What is left of each rate when terms that sum to zero over the grid are dropped: monomial → number."""
        found = []
        for k in real:
            left: dict[sp.Expr, sp.Expr] = {}
            for term in sp.Add.make_args(sp.expand_mul(rates[k])):
                for monomial in sp.Add.make_args(term if self._sums_to_zero(term) else _expanded(term)):
                    if not self._sums_to_zero(monomial):
                        number, rest = monomial.as_coeff_Mul()
                        left[rest] = left.get(rest, 0) + number
            found.append({m: c for m, c in left.items() if c != 0})
        return found

    def _sums_to_zero(self, term: sp.Expr) -> bool:
        """Whether Σ_j of a term vanishes to rounding, whatever the state."""
        moving = [f for f in sp.Mul.make_args(term) if self.calculus.varies(f) & (self.periodic | self.bounded)]
        if not moving:
            return term == 0
        if len(moving) > 1:
            return False
        match moving[0]:
            case op.Diff(args=(e, x, n)):
                return str(x) in self.periodic or (n == 2 and self._no_flux(op.Diff(e, x, 1), str(x)))
            case op.FaceDiff(args=(flux, x)):
                return str(x) in self.periodic or self._no_flux(flux, str(x))
            case op.Lap(args=(e,)):
                return all(self._no_flux(op.Diff(e, self.calculus.table.coordinates[x], 1), x) for x in self.bounded)
            case op.Component(args=(e, _)):
                return self._sums_to_zero(e)
            case op.Stack(args=parts):
                return all(p == 0 or self._sums_to_zero(p) for p in parts)
            case _:
                return False

    def _no_flux(self, flux: sp.Expr, axis: str) -> bool:
        """Whether a flux at the faces of two walls is zero: order 2, and a factor ∂u/∂n of each summand that is stated zero."""
        if self.scheme.order != 2:
            return False
        for summand in sp.Add.make_args(sp.expand_mul(flux)):
            slopes = [f for f in sp.Mul.make_args(summand) if isinstance(f, op.Diff) and str(f.args[1]) == axis]
            if not any(f.args[2] == 1 and self._insulated(f.args[0], axis) for f in slopes):
                return False
        return True

    def _insulated(self, e: sp.Expr, axis: str) -> bool:
        return e in self.symbols and all(self._wall(e, axis, side) == "neumann" for side in SIDES)

    def _wall(self, symbol: sp.Symbol, axis: str, side: Side) -> str:
        wall = self.walls.get((symbol, axis, side))
        if wall is None or wall.data != 0:
            return "other"
        present = [m for m, c in enumerate(wall.coefficients) if c != 0]
        return "dirichlet" if present == [0] else "neumann" if present == [1] else "other"

    def _mass_reason(self, parts: list[tuple[sp.Symbol, int]]) -> str:
        own = [self.scheme.system.rates[self.symbols.index(s)] for s, _ in parts]
        cancels = len(parts) > 1 and any(
            not self._sums_to_zero(t) for e in own for t in sp.Add.make_args(sp.expand_mul(e))
        )
        if not self.scheme.grid.axes:
            return "the rates cancel"
        ends = "wrap around" if not self.bounded else "vanish at the walls"
        return f"differences of fluxes that {ends}" + ("; the other terms cancel" if cancels else "")

    # --- quadratic forms ----------------------------------------------------------------------------------------------

    def _matrix(self, rates: Iterable[sp.Expr]) -> dict[tuple[int, int], dict[sp.Expr, sp.Expr]] | None:
        """The linear rates as B[k, l]: operator (applied to a stand-in) → coefficient; None where they are not of a kind
        whose transpose is known."""
        found: dict[tuple[int, int], dict[sp.Expr, sp.Expr]] = {}
        for k, rate in enumerate(rates):
            for term in sp.Add.make_args(_expanded(rate)):
                if term == 0:
                    continue
                read = [n for n, s in enumerate(self.symbols) if s in term.free_symbols]
                if len(read) != 1 or self.unknowns[k].shape:
                    return None
                chain = self._chain(term, self.symbols[read[0]])
                if chain is None:
                    return None
                key, coefficient = chain
                entry = found.setdefault((k, read[0]), {})
                entry[key] = entry.get(key, 0) + coefficient
        return found

    def _chain(self, term: sp.Expr, symbol: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
        """(operator on a stand-in, constant) of one linear term."""
        factors = sp.Mul.make_args(term)
        holding = [f for f in factors if symbol in f.free_symbols]
        others = [f for f in factors if symbol not in f.free_symbols]
        if len(holding) != 1:
            return None
        inner = holding[0]
        if inner == symbol:
            constant = [f for f in others if not self.calculus.varies(f)]
            return sp.Mul(*(f for f in others if self.calculus.varies(f))) * STAND_IN, sp.Mul(*constant)
        if any(self.calculus.varies(f) for f in others) or not self._is_chain(inner, symbol):
            return None
        return inner.xreplace({symbol: STAND_IN}), sp.Mul(*others)

    def _is_chain(self, e: sp.Expr, symbol: sp.Symbol) -> bool:
        match e:
            case op.FaceDiff(args=(flux, x)) if symbol in flux.free_symbols:
                slope = op.Diff(symbol, x, 1)
                holding = [
                    [f for f in sp.Mul.make_args(part) if symbol in f.free_symbols] for part in sp.Add.make_args(flux)
                ]
                return all(h == [slope] for h in holding) and self._symmetric(symbol, {str(x)} - self.periodic)
            case op.Lap(args=(inner,)) if inner == symbol:
                return self._symmetric(symbol, self.bounded)
            case op.Diff(args=(inner, x, n)) if inner == symbol:
                return str(x) in self.periodic or (n == 2 and self._symmetric(symbol, {str(x)}))
            case op.Lap(args=(inner,)) | op.Diff(args=(inner, _, _)):
                return not self.bounded and not isinstance(inner, op.FaceDiff) and self._is_chain(inner, symbol)
            case _:
                return False

    def _symmetric(self, symbol: sp.Symbol, bounded: Iterable[str]) -> bool:
        """Whether second differences across bounded axes are symmetric: mirrored ghost cells, order 2."""
        sides = [(a, side) for a in bounded for side in SIDES]
        return not sides or (self.scheme.order == 2 and all(self._wall(symbol, *s) != "other" for s in sides))

    def _is(self, sign: int, matrix: dict[tuple[int, int], dict[sp.Expr, sp.Expr]]) -> bool:
        """Whether B[j, k]ᵀ = sign · B[k, j] for all entries."""
        for (k, j), entry in matrix.items():
            mirrored = matrix.get((j, k), {})
            for key in {*entry, *mirrored}:
                parity = -1 if _odd(key) else 1
                if sp.expand(entry.get(key, 0) - sign * parity * mirrored.get(key, 0)) != 0:
                    return False
        return True

    def norm(self) -> Iterator[Invariant]:
        """Σ |q|² under unitary schemes."""
        time = self.scheme.time
        if any(w.data != 0 for w in self.scheme.system.walls) or any(u.is_velocity for u in self.unknowns):
            return
        match time:
            case Implicit(name="crank_nicolson", linear=found) if found is not None:
                linear, why = self.scheme.system.rates, "the operator is skew and the Cayley transform of it unitary"
            case Splitting(linear=linear, pointwise=pointwise, flow=flow) if flow is not None and self._turns(
                pointwise
            ):
                why = "the linear half is unitary, the pointwise half turns the phase"
            case _:
                return
        matrix = self._matrix(linear)
        if matrix and self._is(-1, matrix) and not self._depends_on_time(linear):
            fields = list(dict.fromkeys(u.field for u in self.unknowns))
            yield Invariant("norm", f"norm of {', '.join(fields)}", why, True, tuple((s, 1) for s in self.symbols))

    def _turns(self, pointwise: tuple[sp.Expr, ...]) -> bool:
        """Whether Σ q N(q) = 0: the pointwise half keeps the sum of squares of every cell."""
        return sp.expand(sp.Add(*(s * e for s, e in zip(self.symbols, pointwise, strict=True)))) == 0

    def _depends_on_time(self, rates: Iterable[sp.Expr]) -> bool:
        marching = self.scheme.system.problem.marching
        meanings = dict(self.scheme.system.symbols)
        for s in {s for e in rates for s in e.free_symbols}:
            match meanings.get(s):
                case CoordinateMeaning(name=name) if name == marching:
                    return True
                case LearnedCoefficient(coordinates=over) | Input(coordinates=over) if marching in over:
                    return True
                case _:
                    continue
        return False

    def energy(self) -> Iterator[Invariant]:
        """K + U of separable Hamiltonian systems under leapfrog."""
        time, rates = self.scheme.time, self.scheme.system.rates
        if not isinstance(time, Leapfrog) or self._depends_on_time(rates):
            return
        if any(w.data != 0 for w in self.scheme.system.walls):
            return
        for group, other in ((time.kicked, time.drifted), (time.drifted, time.kicked)):
            own = [self.symbols[k] for k in other]
            if not self._is_gradient([rates[k] for k in group], own, group, other):
                return
        yield Invariant(
            "energy", "energy", "leapfrog is symplectic for this Hamiltonian: bounded, without a trend", False
        )

    def _is_gradient(
        self, rates: list[sp.Expr], symbols: list[sp.Symbol], group: tuple[int, ...], other: tuple[int, ...]
    ) -> bool:
        """Whether rates are the gradient of a function of the symbols: symmetric linear terms, and pointwise ones whose
        derivatives are symmetric."""
        if len(rates) != len(symbols):
            return False
        linear, local = [sp.Integer(0)] * len(self.symbols), [sp.Integer(0)] * len(self.symbols)
        place = dict(zip(group, other, strict=True))
        for k, rate in zip(group, rates, strict=True):
            for term in sp.Add.make_args(_expanded(rate)):
                if not term.has(op.GridOperator) and degrees(term, symbols) != {1}:
                    local[place[k]] += term
                else:
                    linear[place[k]] += term
        matrix = self._matrix(linear)
        if matrix is None or not self._is(1, matrix):
            return False
        pairs = [(a, b) for a in other for b in other if a < b]
        return all(
            sp.expand(sp.diff(local[a], self.symbols[b]) - sp.diff(local[b], self.symbols[a])) == 0 for a, b in pairs
        )


STAND_IN = sp.Symbol("q", real=True)
"""What an operator of a matrix is applied to."""


def _odd(key: sp.Expr) -> bool:
    return sum(int(d.args[2]) for d in key.atoms(op.Diff) if not _in_flux(d, key)) % 2 == 1


def _in_flux(d: sp.Expr, key: sp.Expr) -> bool:
    return any(d in f.args[0].atoms(op.Diff) for f in key.atoms(op.FaceDiff))


def _expanded(e: sp.Expr) -> sp.Expr:
    return sp.expand(e, power_base=False, power_exp=False, log=False, trig=False)


def _common(lists: list[list[dict[sp.Expr, sp.Expr]]]) -> Iterator[tuple[int, ...]]:
    """Whole-number combinations of the rows that cancel in every one of the lists."""
    count = len(lists[0])
    columns = [
        [row.get(monomial, sp.Integer(0)) for row in rows]
        for rows in lists
        for monomial in dict.fromkeys(m for row in rows for m in row)
    ]
    if not count:
        return
    if any(not c.is_Rational for column in columns for c in column):
        columns = [[c if c.is_Rational else sp.nsimplify(c, rational=True) for c in column] for column in columns]
    matrix = sp.Matrix(columns) if columns else sp.zeros(1, count)
    for vector in matrix.nullspace():
        scale = sp.ilcm(*(v.q for v in vector)) if count > 1 else 1
        yield tuple(int(v * scale) for v in vector)


def _sum_text(parts: list[tuple[sp.Symbol, int]]) -> str:
    text = " ".join(f"{'-' if w < 0 else '+'} {'' if abs(w) == 1 else f'{abs(w)}*'}{s}" for s, w in parts)
    return text.removeprefix("+ ")
