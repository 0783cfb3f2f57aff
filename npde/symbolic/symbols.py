"""The symbols of a problem, and what each varies over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sympy as sp

from npde.diagnostics import InternalError
from npde.model.problem import Field, Input, LearnedClosure, LearnedCoefficient, LearnedStencil, Problem
from npde.symbolic.operators import primed
from npde.symbolic.pairs import Pair
from npde.symbolic.system import CoordinateMeaning, Meaning, Part, Unknown

Shape = tuple[int, ...]


def real(name: str) -> sp.Symbol:
    """A real symbol."""
    return sp.Symbol(name, real=True)


@dataclass(frozen=True)
class Twin:
    """An array read at integration variables: `u(x', y)` is the twin of u with x primed; `w(x - x')` one that is shifted."""

    base: sp.Symbol
    over: frozenset[str]
    shifted: bool = False


@dataclass
class SymbolTable:
    """Every symbol of one problem. `rate[name]` stands for the highest time derivative of a field while its equation is
    being solved; `twins` grows as integrals are read."""

    problem: Problem
    time_orders: dict[str, int]
    coordinates: dict[str, sp.Symbol] = field(default_factory=dict)
    value: dict[str, Pair] = field(default_factory=dict)
    velocity: dict[str, Pair] = field(default_factory=dict)
    rate: dict[str, Pair] = field(default_factory=dict)
    unknowns: list[Unknown] = field(default_factory=list)
    named: dict[str, sp.Symbol] = field(default_factory=dict)
    meanings: dict[sp.Symbol, Meaning] = field(default_factory=dict)
    twins: dict[sp.Symbol, Twin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self.problem
        for c in problem.coordinates:
            self.coordinates[c.name] = real(c.name)
            self.meanings[real(c.name)] = CoordinateMeaning(c.name)
        declared = [*problem.learned, *problem.inputs]
        taken = {d.name for d in [*problem.coordinates, *problem.fields, *problem.lets, *declared]}
        for f in problem.fields:
            self.value[f.name] = self._unknowns(f, "", taken)
        for f in problem.fields:
            order = self.time_orders.get(f.name, 0)
            if order == 2 and problem.marching is not None:
                self.velocity[f.name] = self._unknowns(f, f"_{problem.marching}", taken)
            self.rate[f.name] = Pair(real(f"∂{f.name}"), real(f"∂{f.name}.im") if f.is_complex else sp.Integer(0))
        for d in declared:
            self.named[d.name] = real(d.name)
            self.meanings[real(d.name)] = d
        for c in problem.coordinates:
            self.meanings[primed(real(c.name))] = CoordinateMeaning(c.name, True)

    def _unknowns(self, f: Field, suffix: str, taken: set[str]) -> Pair:
        parts: tuple[Part, ...] = ("re", "im") if f.is_complex else ("value",)
        symbols = []
        for part in parts:
            name = f.name + ("" if part == "value" else f"_{part}") + suffix
            while name in taken and name != f.name:
                name += "_"
            taken.add(name)
            unknown = Unknown(real(name), f.name, part, bool(suffix), f.shape)
            self.unknowns.append(unknown)
            self.meanings[unknown.symbol] = unknown
            symbols.append(unknown.symbol)
        return Pair(*symbols)

    # --- what a symbol varies over ------------------------------------------------------------------------------------

    @property
    def space(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.problem.space)

    def declared_over(self, symbol: sp.Symbol) -> tuple[str, ...]:
        """The coordinates in the declaration of an array; of a kernel the primed ones too."""
        match self.meanings.get(symbol):
            case Unknown(field=name):
                return next(f.coordinates for f in self.problem.fields if f.name == name)
            case LearnedCoefficient(coordinates=over) | Input(coordinates=over):
                return over
            case LearnedStencil(per_step=per_step):
                return (self.problem.marching,) if per_step and self.problem.marching else ()
            case LearnedClosure():
                return ()
            case _:
                raise InternalError(f"'{symbol}' is no array")

    def varies(self, symbol: sp.Symbol) -> frozenset[str]:
        """The coordinates a symbol varies over, primed ones as "x'"."""
        if symbol in self.twins:
            twin = self.twins[symbol]
            if twin.shifted:
                return self.varies(twin.base) | {f"{c}'" for c in twin.over}
            return frozenset(f"{c}'" if c in twin.over else c for c in self.varies(twin.base))
        match self.meanings.get(symbol):
            case CoordinateMeaning(name=name, primed=is_primed):
                return frozenset((f"{name}'" if is_primed else name,))
            case None:
                return frozenset(c.name for c in self.problem.coordinates)
            case _:
                return frozenset(self.declared_over(symbol))

    def is_kernel(self, symbol: sp.Symbol) -> bool:
        """Whether a symbol is a learned nonlocal kernel `W(x, x')`."""
        meaning = self.meanings.get(symbol)
        return isinstance(meaning, LearnedCoefficient) and any(c.endswith("'") for c in meaning.coordinates)

    def twin(self, base: sp.Symbol, over: Iterable[str], shifted: bool = False) -> sp.Symbol:
        """The symbol of `base` with the coordinates `over` primed (or read at x - x')."""
        kept = frozenset(c for c in over if c in self.declared_over(base))
        if not kept:
            return base
        mark = "-" if shifted else ""
        symbol = real(f"{base.name}'({mark}{','.join(sorted(kept))})")
        self.twins[symbol] = Twin(base, kept, shifted)
        return symbol

    def shape(self, symbol: sp.Symbol) -> Shape:
        """Component shape of a symbol."""
        if symbol in self.twins:
            return self.shape(self.twins[symbol].base)
        match self.meanings.get(symbol):
            case (
                Unknown(shape=shape)
                | LearnedCoefficient(shape=shape)
                | LearnedClosure(shape=shape)
                | Input(shape=shape)
            ):
                return shape
            case LearnedStencil(channels=channels):
                return channels
            case None:
                name = symbol.name.removeprefix("∂").removesuffix(".im")
                return next((f.shape for f in self.problem.fields if f.name == name), ())
            case _:
                return ()
