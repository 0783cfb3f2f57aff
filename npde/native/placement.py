"""Which values get a buffer, and in which sweep each is computed.

A value is computed where it is read (again at each shift) unless that costs more than a buffer. It gets a buffer when it is
continued by ghost cells or folded, when it is returned, when it is dear and read at several shifts or in several sweeps, and
when it must be exactly zero around its box but its formula would not be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from npde.native.counting import operations
from npde.native.program import inside, moved
from npde.native.reverse import Gradient
from npde.native.values import (
    Box,
    Contraction,
    Correlation,
    Fill,
    Fold,
    KernelGradient,
    Map,
    MatrixGradient,
    Product,
    Shift,
    Total,
    Values,
    operands,
    vanishing,
)

DEAR = 24
"""Operations saved by a buffer that is written once and read at several shifts."""

DEAR_LATER = 6
"""Operations saved by a buffer that a later sweep reads."""


@dataclass
class Placement:
    """Decides for one step: `stored` are the values with a buffer."""

    name: str
    values: Values
    outputs: list[int | None]
    # every output is a value once `_own_outputs` has run
    gradients: tuple[Gradient, ...]
    tables: tuple[int, ...] = ()
    stored: set[int] = field(default_factory=set)
    costs: dict[int, int] = field(default_factory=dict)

    # --- facts --------------------------------------------------------------------------------------------------------

    @cached_property
    def needed(self) -> list[int]:
        """Values that the outputs depend on, in order."""
        found = {o for o in self.outputs if o is not None} | {g.value for g in self.gradients} | set(self.tables)
        for number in range(len(self.values.items) - 1, -1, -1):
            if number in found:
                found.update(operands(self.values[number].operation))
        return self._sorted(found)

    def _sorted(self, found: set[int]) -> list[int]:
        order: list[int] = []
        done: set[int] = set()
        for root in sorted(found):
            stack = [root]
            while stack:
                at = stack[-1]
                missing = [o for o in operands(self.values[at].operation) if o not in done]
                if at in done:
                    stack.pop()
                elif missing:
                    stack.extend(missing)
                else:
                    done.add(at)
                    order.append(at)
                    stack.pop()
        return order

    @cached_property
    def readers(self) -> dict[int, list[tuple[int, Shift]]]:
        """Who reads a value, at which shift."""
        found: dict[int, list[tuple[int, Shift]]] = {}
        for number in self.needed:
            operation = self.values[number].operation
            if isinstance(operation, Map):
                for read in operation.reads:
                    found.setdefault(read.value, []).append((number, read.shift))
        return found

    def base(self, value: int) -> int:
        """The value whose buffer holds this one: fills and folds work in place."""
        operation = self.values[value].operation
        while isinstance(operation, Fill | Fold):
            value = operation.source
            operation = self.values[value].operation
        return value

    def inline(self, value: int) -> bool:
        """Whether a value is computed where it is read."""
        return isinstance(self.values[value].operation, Map) and value not in self.stored

    # --- what gets a buffer -------------------------------------------------------------------------------------------

    def place(self) -> None:
        """Decides."""
        self._own_outputs()
        self._must()
        self._dear()
        self._dear_later()

    def _own_outputs(self) -> None:
        """Every output has a buffer of its own."""
        taken: set[int] = set()
        for channel, output in enumerate(self.outputs):
            if output is None:
                output = self.outputs[channel] = self.values.map(sp.Integer(0), [], self.values.interior, "nothing")
            base = self.base(output)
            if (
                not isinstance(self.values[base].operation, Map)
                or base in taken
                or self.values[output].box != self.values.interior
            ):
                output = self.values.copy(output, self.values[output].name)
                self.outputs[channel] = base = output
            taken.add(base)

    def _must(self) -> None:
        vanish, safe = vanishing(self.values, self.needed), self._safe()
        for number in self.needed:
            operation = self.values[number].operation
            if isinstance(operation, Fill | Fold) and isinstance(self.values[operation.source].operation, Map):
                self.stored.add(operation.source)
            if isinstance(operation, Contraction):
                self.stored.update(s for s in operands(operation) if isinstance(self.values[s].operation, Map))
        self.stored.update(self.base(o) for o in self.outputs if o is not None)
        for number in self.needed:
            for reader, shift in self.readers.get(number, ()):
                value = self.values[number]
                if not self.inline(number) or value.is_scalar or not any(shift):
                    continue
                contained = inside(moved(self.values[reader].box, shift), value.box)
                if not contained and not (number in vanish and number in safe):
                    self.stored.add(number)

    def _safe(self) -> set[int]:
        """Values whose formula is finite whatever it reads."""
        found: set[int] = set()
        for number in self.needed:
            operation = self.values[number].operation
            if not isinstance(operation, Map):
                found.add(number)
                continue
            fields = {
                s for s, r in zip(operation.symbols, operation.reads, strict=True) if not self.values[r.value].is_scalar
            }
            fine = all(r.value in found or r.value in self.stored for r in operation.reads)
            if fine and all(_finite(e, fields) for e in sp.preorder_traversal(operation.expression)):
                found.add(number)
        return found

    def _dear(self) -> None:
        """Dear values that are read at several shifts."""
        for number in self.needed:
            value = self.values[number]
            if not isinstance(value.operation, Map) or value.is_scalar:
                continue
            shifts = {s for _, s in self.readers.get(number, ())}
            if len(shifts) > 1 and self._total(number) * (len(shifts) - 1) > DEAR:
                self.stored.add(number)

    def _dear_later(self) -> None:
        """Values that more than one sweep would compute, the last ones first."""
        while self._store_shared():
            pass

    def _store_shared(self) -> bool:
        phases, roots = self._phases(), set(self._roots())
        uses: dict[int, set[int]] = {}
        found = False
        for number in reversed(self.needed):
            mine: set[int] = set()
            for reader, _ in self.readers.get(number, ()):
                if reader in roots:
                    mine.add(phases[reader])
                elif not isinstance(self.values[reader].operation, Fill | Fold):
                    mine |= uses.get(reader, set())
            if number in roots or not self.inline(number) or self.values[number].is_scalar:
                continue
            if len(mine) > 1 and self._total(number) > DEAR_LATER:
                self.stored.add(number)
                found, mine = True, {min(mine)}
            uses[number] = mine
        return found

    def _total(self, number: int) -> int:
        """Operations of a value and of all that is computed where it is read."""
        total, stack, seen = 0, [number], {number}
        while stack:
            at = stack.pop()
            operation = self.values[at].operation
            if not isinstance(operation, Map) or self.values[at].is_scalar:
                continue
            total += self._cost(at)
            inner = {r.value for r in operation.reads if self.inline(r.value)} - seen
            seen |= inner
            stack.extend(inner)
        return total

    def _cost(self, number: int) -> int:
        if number not in self.costs:
            operation = self.values[number].operation
            assert isinstance(operation, Map)
            self.costs[number] = operations(operation.expression)
        return self.costs[number]

    # --- when ---------------------------------------------------------------------------------------------------------

    def _roots(self) -> list[int]:
        """Values that sweeps write."""
        found = {n for n in self.needed if n in self.stored} | {g.value for g in self.gradients}
        return [n for n in self.needed if n in found]

    def _phases(self) -> dict[int, int]:
        """The phase of each root; of fills and folds, the phase after whose sweeps they run."""
        phases: dict[int, int] = {}
        roots = set(self._roots())
        ready = _Ready(self, phases)
        for number in self.needed:
            operation = self.values[number].operation
            match operation:
                case Fill(source=source, values=walls):
                    phases[number] = max([phases.get(source, 0), *(ready.shifted(v) for v in walls)])
                case Fold(source=source):
                    strips = [self.values[r] for r in self._root_readers(source, roots)]
                    later = [ready.of(r.operation, self._kind(r.box)) for r in strips if isinstance(r.operation, Map)]
                    phases[number] = max([phases.get(source, 0), *later])
                case Correlation() | Product() | Total() | KernelGradient() | MatrixGradient():
                    phases[number] = max([1, *(ready.shifted(s) for s in operands(operation))])
                case Map() if number in roots:
                    phases[number] = max(1, ready.of(operation, self._kind(self.values[number].box)))
                case _:
                    pass
        return phases

    def _root_readers(self, value: int, roots: set[int]) -> set[int]:
        """The roots that read a value, directly or through what is computed where it is read."""
        found: set[int] = set()
        stack, seen = [value], {value}
        while stack:
            for reader, _ in self.readers.get(stack.pop(), ()):
                if reader in roots:
                    found.add(reader)
                elif reader not in seen:
                    seen.add(reader)
                    stack.append(reader)
        return found

    def _kind(self, box: Box) -> Box | None:
        """None for boxes that contain the interior: they share one sweep."""
        return (
            None
            if all(i is not None and i[0] <= 0 and i[1] >= n for i, n in zip(box, self.values.grid, strict=True))
            else box
        )


@dataclass
class _Ready:
    """The first phase in which a value can be computed where it is read, given the phases of roots."""

    scheduler: Placement
    phases: dict[int, int]
    _shifted: dict[int, int] = field(default_factory=dict)
    _here: dict[tuple[int, Box | None], int] = field(default_factory=dict)

    def of(self, operation: Map, kind: Box | None) -> int:
        """The phase of a map in a sweep of that kind."""
        return max((self._read(r.value, any(r.shift), kind) for r in operation.reads), default=0)

    def _read(self, value: int, is_shifted: bool, kind: Box | None) -> int:
        return self.shifted(value) if is_shifted else self.here(value, kind)

    def shifted(self, value: int) -> int:
        """When entries elsewhere in the grid are there."""
        if value not in self._shifted:
            self._shifted[value] = self._first(value, True, None)
        return self._shifted[value]

    def here(self, value: int, kind: Box | None) -> int:
        """When the same entry is there: what the same sweep computes is."""
        if (value, kind) not in self._here:
            self._here[value, kind] = self._first(value, False, kind)
        return self._here[value, kind]

    def _first(self, value: int, is_shifted: bool, kind: Box | None) -> int:
        item = self.scheduler.values[value]
        inline = self.scheduler.inline(value)
        if value in self.phases and not inline:
            together = isinstance(item.operation, Map) and not is_shifted and self.scheduler._kind(item.box) == kind
            return self.phases[value] + (0 if together else 1)
        if not isinstance(item.operation, Map):
            return 0
        reads = item.operation.reads
        return max((self._read(r.value, is_shifted or any(r.shift), kind) for r in reads), default=0)


def _finite(expression: sp.Basic, fields: set[sp.Symbol]) -> bool:
    """Whether a node of an expression is finite wherever its operands are."""
    if not expression.free_symbols & fields:
        return True
    match expression:
        case sp.Pow():
            exponent = expression.exp
            return bool(exponent.is_Integer and exponent > 0) or expression.base == sp.E
        case sp.log() | sp.tan() | sp.acos() | sp.asin() | sp.atan2():
            return False
        case _:
            return True
