"""Conditions counted: as many as the derivatives across an axis ask for, shared between its two sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from npde.diagnostics.catalogue import conditions as codes
from npde.model import expression as ex
from npde.model.orders import fields_of
from npde.model.problem import Condition, Coordinate, Exact, Field, Outflow, Side
from npde.model.scope import Scope
from npde.model.traversal import walk
from npde.model.walls import WallClause
from npde.model.words import spell
from npde.records import dataclass
from npde.source import NOWHERE, Span
from npde.syntax import tree

if TYPE_CHECKING:
    from npde.model.boundary import Walls

SIDES: tuple[Side, Side] = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Where:
    """What a statement is for: every side, both ends of an axis, or one side."""

    coordinate: Coordinate | None
    side: Side | None
    span: Span


@dataclass(frozen=True, slots=True)
class Stated:
    """A clause of a boundary statement, checked by itself."""

    where: Where
    clause: WallClause | tree.PeriodicClause | tree.OutflowClause | AbsorbingClause
    span: Span


@dataclass(frozen=True, slots=True)
class AbsorbingClause:
    """`absorbing(width)`."""

    width: Exact
    span: Span


@dataclass(frozen=True, slots=True)
class Counting:
    """One field across one bounded axis: the derivative order there, the conditions `needed` (as many, but a first derivative of
    a wave's needs two: waves come to both walls), and what is stated at its sides."""

    scope: Scope
    field: Field
    axis: Coordinate
    order: int
    needed: int
    given: Mapping[Side, list[tuple[Stated, Condition]]]
    outflow: Mapping[tuple[str, Side], Stated]
    expressions: list[ex.Expr]

    def settle(self, walls: Walls) -> None:
        """Take over the conditions if they are as many as needed; what is missing or too much is reported."""
        leaves = [side for side in SIDES if (self.axis.name, side) in self.outflow]
        if self._is_repeated() or self._is_too_much(leaves) or self._is_missing(leaves):
            return
        walls.conditions.extend(condition for side in SIDES for _, condition in self.given[side])
        name, axis = self.field.name, self.axis.name
        walls.outflows.extend(Outflow(name, axis, side, self.outflow[axis, side].span) for side in leaves)

    def _is_repeated(self) -> bool:
        """Whether two conditions at a side have one normal order; reported."""
        for side in SIDES:
            seen: set[int] = set()
            for stated, condition in self.given[side]:
                if condition.order in seen:
                    data = {"side": side_name(self.axis, side), "field": self.field.name}
                    self.scope.collector.add(codes.SAME_ORDER.at(stated.span, **data))
                    return True
                seen.add(condition.order)
        return False

    def _is_too_much(self, leaves: list[Side]) -> bool:
        """Whether a side has a condition too many; reported. Sides share an odd one out."""
        why = f"differentiated {times(self.order)} across '{self.axis.name}'"
        hint = "state `outflow` where the flow leaves." if self.order == 1 else ""
        for side in SIDES:
            most = 0 if side in leaves else (self.needed + 1) // 2
            if len(self.given[side]) > most:
                stated = self.given[side][most][0]
                reason = "'outflow' takes no condition" if side in leaves else why
                self._report_extra(side, stated, reason, "" if side in leaves else hint)
                return True
        listed = [(stated, side) for side in SIDES for stated, _ in self.given[side]]
        if len(listed) <= self.needed:
            return False
        stated, side = max(listed, key=lambda entry: (entry[0].span, entry[1]))
        self._report_extra(side, stated, why, hint)
        return True

    def _report_extra(self, side: Side, stated: Stated, why: str, hint: str) -> None:
        data = {"side": side_name(self.axis, side), "field": self.field.name, "why": why}
        self.scope.collector.add(codes.EXTRA_CONDITION.at(stated.span, hint=hint, **data))

    def _is_missing(self, leaves: list[Side]) -> bool:
        """Whether a side lacks a condition, or an `outflow`; reported."""
        for side in SIDES:
            lacking = self.needed // 2 - len(self.given[side])
            if side not in leaves and lacking > 0:
                self._report_missing(side, lacking)
                return True
        total = sum(len(given) for given in self.given.values())
        if self.needed % 2 and total < (self.needed + 1) // 2 + (0 if leaves else self.needed // 2):
            open_sides = [side for side in SIDES if side not in leaves] or list(SIDES)
            self._report_missing(open_sides[0], 1)
            return True
        if self.needed == 1 and not leaves:
            empty = next(side for side in SIDES if not self.given[side])
            text = side_name(self.axis, empty)
            hint = f"add `boundary {text.strip(QUOTE)}: outflow`."
            data = {"side": text, "field": self.field.name, "coordinate": self.axis.name}
            self.scope.collector.add(codes.NO_OUTFLOW.at(self._cause(), hint=hint, **data))
            return True
        return False

    def _report_missing(self, side: Side, lacking: int) -> None:
        text, field, axis = side_name(self.axis, side), self.field.name, self.axis.name
        what = "a condition" if lacking == 1 else f"{lacking} conditions"
        hint = f"add `boundary {text.strip(QUOTE)}: {field} = …`, or `boundary {axis}: periodic`."
        data = {"side": text, "what": what, "field": field, "count": times(self.order), "coordinate": axis}
        self.scope.collector.add(codes.MISSING_CONDITION.at(self._cause(), hint=hint, **data))

    def _cause(self) -> Span:
        """The outermost differential operator on the field across the axis."""
        whole = ex.Laplacian | ex.Gradient | ex.Divergence | ex.Curl | ex.ApplyKernel
        for expression in self.expressions:
            for node in walk(expression):
                across = isinstance(node, whole)
                across |= isinstance(node, ex.Derivative) and self.axis.name in dict(node.orders)
                if across and self.field.name in fields_of(node):
                    return node.span
        return NOWHERE


QUOTE = "'"


def times(order: int) -> str:
    """Once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(order, f"{order} times")


def side_name(axis: Coordinate, side: Side) -> str:
    """`x = 0`, in quotes."""
    return f"'{axis.name} = {spell(axis.lower if side == 'lower' else axis.upper)}'"
