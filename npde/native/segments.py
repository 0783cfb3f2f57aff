"""How much of a march a gradient keeps, and how much it makes again: the fastest way within a number of bytes.

Every `keep`-th state is saved as the march goes forward. On the way back the states of one segment are in `slots` arrays; where a
segment has more steps than there are arrays, it is taken apart by binomial checkpointing, which makes as few steps again as
possible: l steps with c kept states take r l - β(c + 1, r - 1) of them, β(c, r) = (c + r)! / (c! r!), r the smallest with
β(c, r) ≥ l (Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26, 2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_TIMES = 8
"""How often a step is made again at most."""

BETWEEN = 2
"""Arrays that a segment needs beside kept states when it is taken apart: what is marched again goes to and fro in them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps between saved states, and arrays for states on the way back."""

    keep: int
    slots: int

    @staticmethod
    def all_kept(keep: int, more: int) -> Plan:
        """The plan with a segment's states, and `more`, in arrays."""
        return Plan(keep, max(keep + more, Costs(0, 0, more).fewest))


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes of one saved state (of all samples), and of one array on the way back (of all teams); arrays needed beside those
    of a segment whose states are all kept."""

    saved: int
    array: int
    more: int = 0

    @property
    def fewest(self) -> int:
        """Arrays that any plan has."""
        return 1 + BETWEEN if self.more else 1

    def bytes(self, steps: int, plan: Plan) -> int:
        """What a plan takes."""
        return -(-steps // plan.keep) * self.saved + plan.slots * self.array


def usual(steps: int, more: int = 0) -> Plan:
    """√n steps between two saved states, so that as many are saved as are made again at once."""
    return Plan.all_kept(max(1, math.isqrt(max(steps, 1))), more)


def fastest(steps: int, costs: Costs, room: int) -> Plan | None:
    """The usual plan if it takes at most `room` bytes, else the one that makes the fewest steps again; None if there is none."""
    plan = usual(steps, costs.more)
    if costs.bytes(steps, plan) <= room:
        return plan
    best: tuple[int, int, Plan] | None = None
    for keep in _lengths(steps):
        rest = room - -(-steps // keep) * costs.saved
        plan = Plan(keep, min(rest // costs.array, Plan.all_kept(keep, costs.more).slots))
        again = _made_again(steps, plan) if plan.slots >= costs.fewest else None
        if again is not None:
            rank = (again, costs.bytes(steps, plan))
            if best is None or rank < best[:2]:
                best = (*rank, plan)
    return None if best is None else best[2]


def least(steps: int, costs: Costs) -> int:
    """Bytes of the plan that takes the fewest."""
    found = []
    for keep in _lengths(steps):
        slots = next(s for s in range(1, keep + BETWEEN + 1) if _made_again(steps, Plan(keep, s)) is not None)
        found.append(costs.bytes(steps, Plan(keep, max(slots, costs.fewest))))
    return min(found)


def _lengths(steps: int) -> list[int]:
    """The shortest length for each number of segments."""
    return sorted({-(-steps // count) for count in range(1, steps + 1)})


def _made_again(steps: int, plan: Plan) -> int | None:
    """Steps that are made again; None where a step would be made again too often, or there are not enough arrays."""
    whole, rest = divmod(steps, plan.keep)
    total = 0
    for length, count in ((plan.keep, whole), (rest, 1)):
        if length and count:
            again = repeated(length, plan.slots)
            if again is None:
                return None
            total += count * again
    return total


def repeated(length: int, slots: int) -> int | None:
    """Steps of one segment that are made again."""
    if slots >= length:
        return length - 1
    kept = slots - BETWEEN
    if kept < 1:
        return None
    times = next((r for r in range(1, MOST_TIMES + 1) if math.comb(kept + r, r) >= length), None)
    return None if times is None else times * length - math.comb(kept + times, times - 1)
