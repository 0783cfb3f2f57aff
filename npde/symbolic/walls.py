"""Wall conditions as written → `Σ_m c_m ∂_n^m u = g` with n outward, real and one unknown at a time."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from npde.diagnostics import InternalError
from npde.diagnostics.catalogue import not_yet as codes
from npde.model.problem import Condition, Input, LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.convert import Converter, number
from npde.symbolic.pairs import ZERO, Pair, add, negate
from npde.symbolic.refusal import Refused
from npde.symbolic.symbols import SymbolTable
from npde.symbolic.system import Wall
from npde.symbolic.variation import NotDifferentiable, time_derivative


def walls_of(condition: Condition, converter: Converter) -> tuple[Wall, ...]:
    """The walls of one condition: two for a complex field.

    Raises:
        Refused: it couples real and imaginary part, or a coefficient varies over time or by sample.
    """
    table = converter.table
    sign = 1 if condition.side == "upper" else -1
    reader = replace(
        converter,
        normal=lambda e: sp.Mul(sign, converter.calculus.diff(e, condition.coordinate, 1)),
        _memo={},
        _kept=[],
    )
    whole = add(reader.scalar(condition.left), negate(reader.scalar(condition.right)))
    found = [_wall(part, condition, sign, converter) for part in (whole if whole.im != 0 else (whole.re,))]
    order = [u.symbol for u in table.unknowns]
    if len({w.unknown for w in found}) < sum(s != 0 for s in table.value[condition.field]):
        raise Refused(codes.COUPLED_PARTS.at(condition.span, field=condition.field))
    return tuple(sorted(found, key=lambda w: order.index(w.unknown)))


def _wall(e: sp.Expr, condition: Condition, sign: int, converter: Converter) -> Wall:
    table = converter.table
    parts = [s for s in table.value[condition.field] if s != 0]
    data: list[sp.Expr] = []
    coefficients: dict[int, list[sp.Expr]] = {}
    unknown = None
    for term in sp.Add.make_args(sp.expand_mul(e)):
        held = [f for f in sp.Mul.make_args(term) if f.free_symbols & set(parts)]
        if not held:
            data.append(sp.Mul(-1, term))
            continue
        symbol, m, laps = _normal_order(held[0], condition.coordinate)
        if len(held) > 1 or symbol is None or (unknown is not None and symbol != unknown):
            raise Refused(codes.COUPLED_PARTS.at(condition.span, field=condition.field))
        unknown = symbol
        coefficient = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not held[0])) * sign**m
        coefficients.setdefault(m + 2 * laps, []).append(coefficient)
        if laps:
            data.append(sp.Mul(-1, coefficient, _along(symbol, m, laps, condition, converter)))
    if unknown is None:
        raise Refused(codes.COUPLED_PARTS.at(condition.span, field=condition.field))
    position = _position(condition, table)
    highest = max(coefficients)
    listed = tuple(sp.Add(*coefficients.get(m, ())).xreplace(position) for m in range(highest + 1))
    for c in listed:
        _check_coefficient(c, condition, table)
    return Wall(unknown, condition.coordinate, condition.side, listed, sp.Add(*data).xreplace(position), condition.span)


def _normal_order(e: sp.Expr, coordinate: str) -> tuple[sp.Symbol | None, int, int]:
    """The unknown, m and l of ∂_x^m lap^l u."""
    match e:
        case sp.Symbol():
            return e, 0, 0
        case op.Diff() if str(e.args[1]) == coordinate:
            symbol, m, laps = _normal_order(e.args[0], coordinate)
            return symbol, m + int(e.args[2]), laps
        case op.Lap():
            symbol, m, laps = _normal_order(e.args[0], coordinate)
            return symbol, m, laps + 1
        case _:
            return None, 0, 0


def _along(unknown: sp.Symbol, m: int, laps: int, condition: Condition, converter: Converter) -> sp.Expr:
    """∂_n^m lap(u) - ∂_n^{m+2} u: the second derivatives along the wall of ∂_n^m u, which another condition there must give.

    Raises:
        Refused: none does, or its data are an array.
    """
    problem, calculus = converter.table.problem, converter.calculus
    tangential = [c.name for c in problem.space if c.name != condition.coordinate]
    if not tangential:
        return ZERO
    place = (condition.field, condition.coordinate, condition.side, m)
    for other in problem.conditions if laps == 1 else ():
        if (other.field, other.coordinate, other.side, other.order) != place:
            continue
        wall = next((w for w in walls_of(other, converter) if w.unknown == unknown), None)
        if wall is not None and not any(wall.coefficients[:-1]) and calculus.is_closed(wall.data):
            given = wall.data / wall.coefficients[-1]
            return sp.Add(*(calculus.diff(given, c, 2) for c in tangential))
    known = condition.field if m == 0 else f"dn({condition.field})"
    raise Refused(codes.LAP_AT_WALL.at(condition.span, hint=f"state `{known} = …` there too, in closed form."))


def _position(condition: Condition, table: SymbolTable) -> dict[sp.Expr, sp.Expr]:
    axis = next(c for c in table.problem.coordinates if c.name == condition.coordinate)
    where = axis.upper if condition.side == "upper" else axis.lower
    return {table.coordinates[axis.name]: number(where)}


def _check_coefficient(c: sp.Expr, condition: Condition, table: SymbolTable) -> None:
    marching = table.problem.marching
    for s in sorted(c.free_symbols, key=str):
        meaning = table.meanings.get(s)
        if isinstance(meaning, Input) or (marching is not None and marching in table.varies(s)):
            raise Refused(codes.WALL_COEFFICIENT.at(condition.span, name=s.name))
        if isinstance(meaning, LearnedCoefficient) and condition.coordinate in meaning.coordinates:
            raise Refused(codes.WALL_COEFFICIENT.at(condition.span, name=s.name))


def velocity_walls(walls: tuple[Wall, ...], rates: tuple[sp.Expr, ...], converter: Converter) -> tuple[Wall, ...]:
    """Walls of the velocities that an operator reads: the conditions of their fields, differentiated in time.

    The model does not let operators act on velocities yet; when it does, data without a derivative must be refused there.
    """
    table = converter.table
    read = {s for e in rates for o in e.atoms(*op.DIFFERENTIAL, op.KernelApply) for s in o.free_symbols}
    found = []
    for wall in walls:
        field = next(u for u in table.unknowns if u.symbol == wall.unknown)
        pair = table.velocity.get(field.field, Pair(ZERO))
        symbol = pair.im if field.part == "im" else pair.re
        if symbol not in read:
            continue
        try:
            data = time_derivative(wall.data, table, converter.calculus)
        except NotDifferentiable as error:
            raise InternalError(f"boundary data of a velocity: {error}") from None
        found.append(replace(wall, unknown=symbol, data=data))
    return tuple(found)
