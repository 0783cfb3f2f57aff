"""`Problem` → `System`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import sympy as sp

from npde.diagnostics import Collector, InternalError
from npde.diagnostics.catalogue import not_yet as codes
from npde.diagnostics.catalogue.types import TOO_LARGE
from npde.model.problem import Initial, LearnedCoefficient, Output, Problem
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus
from npde.symbolic.classify import Classifier
from npde.symbolic.convert import Converter, number
from npde.symbolic.evolution import Piece, RealEquation, real_equations, solve, time_orders
from npde.symbolic.pairs import ZERO, Pair
from npde.symbolic.refusal import Refused
from npde.symbolic.symbols import SymbolTable
from npde.symbolic.system import CoordinateMeaning, Meaning, System, SystemOutput, Term
from npde.symbolic.values import Arrays
from npde.symbolic.walls import velocity_walls, walls_of

Result = TypeVar("Result")


def build(problem: Problem) -> System:
    """The canonical form of a problem: `∂_τ q = F(q)`, or `F(q) = 0`, all real.

    Raises:
        DiagnosticError: the problem holds what is not supported yet.
    """
    collector = Collector(problem.source)
    table = SymbolTable(problem, time_orders(problem))
    calculus = Calculus(table)
    converter = Converter(table, calculus, Arrays(calculus))

    def attempt(function: Callable[[], Result]) -> Result | None:
        try:
            return function()
        except Refused as refused:
            collector.add(refused.diagnostic)
            return None

    equations = [attempt(lambda e=e: real_equations(e, converter)) for e in problem.equations]  # type: ignore[misc]
    collector.raise_errors()
    flat = [e for group in equations for e in group or ()]
    steady = problem.marching is None
    pieces = _residuals(flat, table) if steady else attempt(lambda: _rates(flat, table))
    collector.raise_errors()
    if pieces is None:
        raise InternalError("no rates and no diagnostic")
    rates = tuple(sp.Add(*(e for e, _ in part)) for part in pieces)
    walls = tuple(w for c in problem.conditions for w in attempt(lambda c=c: walls_of(c, converter)) or ())  # type: ignore[misc]
    moving = attempt(lambda: velocity_walls(walls, rates, converter)) or ()
    initial = tuple(_initial(problem, table, converter, attempt))
    outputs = tuple(o for o in (attempt(lambda o=o: _output(o, converter, rates)) for o in problem.outputs) if o)  # type: ignore[misc]
    starts = _starts(problem, converter, attempt)
    collector.raise_errors()
    stated = [(e, problem.initials[0].span) for e in initial if problem.initials] + [(w.data, w.span) for w in walls]
    stated += [(e, o.span) for o in outputs for e in o.parts]
    _refuse_huge([piece for part in pieces for piece in part] + stated, collector)
    used = [*rates, *initial, *(e for _, e in starts), *(w.data for w in walls), *(p for o in outputs for p in o.parts)]
    symbols = _symbols(table, used)
    classifier = Classifier(problem, calculus, dict(symbols), frozenset(u.symbol for u in table.unknowns))
    terms = tuple(_terms(rate, part, classifier) for rate, part in zip(rates, pieces, strict=True))
    return System(
        problem=problem,
        kind="steady" if steady else "evolution",
        unknowns=tuple(table.unknowns),
        rates=rates,
        terms=terms,
        walls=(*walls, *moving),
        initial=initial,
        outputs=outputs,
        symbols=symbols,
        starts=starts,
    )


def _refuse_huge(pieces: Iterable[Piece], collector: Collector) -> None:
    """A diagnostic for each coefficient that arithmetic on constants made too large or too small for double precision."""
    for expression, span in pieces:
        for value in sorted(expression.atoms(sp.Rational), key=str):
            numerator, denominator = abs(int(value.p)), int(value.q)
            if numerator and not -1022 < numerator.bit_length() - denominator.bit_length() < 1023:
                collector.add(TOO_LARGE.at(span, why="a coefficient here is beyond double precision"))
    collector.raise_errors()


# --- rates ------------------------------------------------------------------------------------------------------------


def _residuals(equations: list[RealEquation], table: SymbolTable) -> list[list[Piece]]:
    if len(equations) != len(table.unknowns):
        raise Refused(codes.UNSOLVED_RATES.at(equations[0].span))
    return [e.pieces for e in equations]


def _rates(equations: list[RealEquation], table: SymbolTable) -> list[list[Piece]]:
    """The terms of ∂_τ of every unknown, in their order."""
    solved = solve(equations, {u.symbol for u in table.unknowns})
    found = []
    for unknown in table.unknowns:
        index = 1 if unknown.part == "im" else 0
        velocity = table.velocity.get(unknown.field)
        if velocity is not None and not unknown.is_velocity:
            found.append([(velocity[index], _span_of(unknown.field, table))])
            continue
        rate = table.rate[unknown.field][index]
        if rate in solved:
            found.append(solved[rate])
            continue
        whole = [(solved.get(op.Component(rate, k))) for k in range(unknown.channels)]
        if not unknown.shape or any(part is None for part in whole):
            raise Refused(codes.UNSOLVED_RATES.at(_span_of(unknown.field, table)))
        stack = op.Stack(*(sp.Add(*(e for e, _ in part or ())) for part in whole))
        found.append([(stack, _span_of(unknown.field, table))])
    return found


def _span_of(field: str, table: SymbolTable) -> Span:
    return next(f.span for f in table.problem.fields if f.name == field)


def _terms(rate: sp.Expr, pieces: list[Piece], classifier: Classifier) -> tuple[Term, ...]:
    """The summands of a rate, each at the span of the piece it came from, in order of the text."""
    spans: dict[sp.Expr, Span] = {}
    for e, span in pieces:
        for a in sp.Add.make_args(e):
            spans.setdefault(a.as_coeff_Mul()[1], span)
    fallback = pieces[0][1] if pieces else Span(0, 0)
    if rate == 0:
        return ()
    found = [classifier.term(a, spans.get(a.as_coeff_Mul()[1], fallback)) for a in sp.Add.make_args(rate)]
    return tuple(sorted(found, key=lambda t: t.span))


# --- initial data and outputs -----------------------------------------------------------------------------------------


def _initial(
    problem: Problem,
    table: SymbolTable,
    converter: Converter,
    attempt: Callable[[Callable[[], Pair]], Pair | None],
) -> list[sp.Expr]:
    given = {(i.field, i.time_order): i for i in problem.initials}
    time = problem.time
    start = {} if time is None else {table.coordinates[time.name]: number(time.lower)}
    found = []
    for unknown in table.unknowns:
        statement = given.get((unknown.field, int(unknown.is_velocity)))
        if statement is None and problem.marching is None:
            found.append(ZERO)  # the guess that a steady solve starts from
            continue
        if statement is None:
            raise InternalError(f"no initial data for '{unknown.symbol}'")
        value = attempt(lambda s=statement: _initial_value(s, converter))  # type: ignore[misc]
        found.append(ZERO if value is None else value[1 if unknown.part == "im" else 0].xreplace(start))
    return found


def _initial_value(statement: Initial, converter: Converter) -> Pair:
    return converter.scalar(statement.value)


def _starts(
    problem: Problem, converter: Converter, attempt: Callable[[Callable[[], sp.Expr]], sp.Expr | None]
) -> tuple[tuple[str, sp.Expr], ...]:
    """The start of every learned coefficient that has one; a matrix as a stack of its rows."""
    found = []
    for learned in problem.learned:
        if not isinstance(learned, LearnedCoefficient) or learned.start is None:
            continue
        value = attempt(lambda s=learned: _start(s, converter))  # type: ignore[misc]
        if value is not None:
            found.append((learned.name, value))
    return tuple(found)


def _start(learned: LearnedCoefficient, converter: Converter) -> sp.Expr:
    start = learned.start
    if start is None:
        raise InternalError(f"'{learned.name}' has no start")
    value, shape = converter(start), start.type.shape
    if len(shape) < 2:
        return converter.arrays.array(value).re
    rows = [converter.arrays.component(value, k, shape) for k in range(shape[0])]
    return op.Stack(*(converter.arrays.array(row).re for row in rows))


def _output(output: Output, converter: Converter, rates: tuple[sp.Expr, ...]) -> SystemOutput:
    table = converter.table
    value = converter.scalar(output.value)
    known = {table.rate[u.field][1 if u.part == "im" else 0]: r for u, r in zip(table.unknowns, rates, strict=True)
             if u.is_velocity or u.field not in table.velocity}  # fmt: skip
    parts = value if output.value.type.is_complex else (value.re,)
    marching = table.problem.marching
    return SystemOutput(
        name=output.name,
        shape=output.shape,
        coordinates=tuple(c for c in output.coordinates if c != marching),
        parts=tuple(p.xreplace(known) for p in parts),
        per_step=marching in output.coordinates,
        span=output.span,
    )


def _symbols(table: SymbolTable, used: list[sp.Expr]) -> tuple[tuple[sp.Symbol, Meaning], ...]:
    """Every symbol with its meaning; primed coordinates only where a kernel in closed form holds them."""
    free = frozenset().union(*(e.free_symbols for e in used))
    return tuple(
        (s, m) for s, m in table.meanings.items() if not (isinstance(m, CoordinateMeaning) and m.primed) or s in free
    )
