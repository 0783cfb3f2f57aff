"""Values → Program: buffers, sweeps and borders in order."""

from __future__ import annotations

from dataclasses import replace

from npde.diagnostics import InternalError
from npde.native.in_place import shareable
from npde.native.lowering import Step, Unfit
from npde.native.placement import Placement
from npde.native.program import Accumulator, Border, Buffer, Loops, Phase, Program, Sweep, Write, moved, verify
from npde.native.reverse import Adjoint
from npde.native.values import (
    Box,
    Contraction,
    Correlation,
    Cotangent,
    Element,
    Fill,
    Fold,
    KernelGradient,
    Map,
    MatrixGradient,
    Product,
    State,
    Total,
)


def schedule(name: str, step: Step) -> Program:
    """The loops of a forward step."""
    program = _Scheduler(name, step.values, list(step.outputs), ()).program()
    return replace(program, in_place=shareable(program))


def schedule_adjoint(name: str, adjoint: Adjoint) -> Program:
    """The loops of an adjoint step."""
    return _Scheduler(name, adjoint.values, list(adjoint.states), adjoint.gradients, adjoint.tables).program()


class _Scheduler(Placement):
    """Makes the program of one step."""

    # --- the program --------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        """Buffers for what has one, everything else where it is read."""
        self.place()
        phases = self._phases()
        buffers: list[Buffer] = []
        where: dict[int, int] = {}
        outputs = {self.base(o): c for c, o in enumerate(self.outputs) if o is not None}
        for number in self.needed:
            buffer = self._buffer(number, outputs)
            if buffer is not None:
                where[number] = len(buffers)
                buffers.append(buffer)
            elif isinstance(self.values[number].operation, Fill | Fold):
                where[number] = where[self.base(number)]
        accumulators: list[Accumulator] = []
        targets: dict[int, list[int]] = {}
        for gradient in self.gradients:
            argument = self.values.arguments[gradient.argument]
            box = None if argument.is_scalar else self.values[gradient.value].box
            accumulator = Accumulator(gradient.argument, gradient.element, box)
            if accumulator not in accumulators:
                accumulators.append(accumulator)
            targets.setdefault(gradient.value, []).append(accumulators.index(accumulator))
        last = max(phases.values(), default=1)
        made = []
        for k in range(last + 1):
            writes: list[Write] = []
            for number in self.needed:
                if phases.get(number) != k or isinstance(self.values[number].operation, Fill | Fold):
                    continue
                if number in self.stored:
                    writes.append(Write(number, where[number], None))
                writes += [Write(number, None, a) for a in targets.get(number, ())]
            groups: dict[Box | None, list[Write]] = {}
            for write in writes:
                groups.setdefault(self._kind(self.values[write.value].box), []).append(write)
            sweeps = tuple(Sweep(self._hull(group), tuple(group)) for group in groups.values())
            loops = tuple(self._loops(k, phases, where, accumulators))
            made.append(Phase(sweeps, tuple(self._borders(k, phases, where)), loops))
        self._check_fills()
        program = Program(
            self.name, self.values, tuple(buffers), tuple(made), tuple(accumulators), where,
            tuple(None if o is None else where[self.base(o)] for o in self.outputs), *self._margins(),
        )  # fmt: skip
        verify(program)
        return program

    def _loops(
        self, phase: int, phases: dict[int, int], where: dict[int, int], accumulators: list[Accumulator]
    ) -> list[Loops]:
        """The contractions of a phase; the channels of a layer together."""
        groups: dict[object, list[int]] = {}
        for number in self.needed:
            value = self.values[number]
            if not isinstance(value.operation, Contraction) or phases[number] != phase:
                continue
            key = (value.operation.group, value.box) if isinstance(value.operation, Correlation) else number
            groups.setdefault(key, []).append(number)
        found = []
        for group in groups.values():
            operation = self.values[group[0]].operation
            if isinstance(operation, KernelGradient | MatrixGradient):
                accumulator = Accumulator(operation.table, 0, None, table=True)
                if accumulator not in accumulators:
                    accumulators.append(accumulator)
                found.append(Loops(tuple(group), (), accumulators.index(accumulator)))
                continue
            found.append(Loops(tuple(group), tuple(where[n] for n in group)))
        return found

    def _borders(self, phase: int, phases: dict[int, int], where: dict[int, int]) -> list[Border]:
        found = []
        for number in self.needed:
            operation = self.values[number].operation
            if isinstance(operation, Fill | Fold) and phases[number] == phase:
                found.append(Border(number, where[number], isinstance(operation, Fold)))
        return found

    def _buffer(self, number: int, outputs: dict[int, int]) -> Buffer | None:
        value = self.values[number]
        varies = tuple(i is not None for i in value.box)
        match value.operation:
            case State(channel=c):
                return Buffer("state", (c,), varies, value.name)
            case Cotangent(channel=c):
                return Buffer("cotangent", (c,), varies, value.name)
            case Element(argument=a, element=e) if not value.is_scalar:
                return Buffer("argument", (a, e), varies, value.name)
            case Total() if value.is_scalar:
                return Buffer("partial", (number,), varies, value.name)
            case Correlation() | Product() | Total():
                return Buffer("temporary", (number,), varies, value.name)
            case Map() if number in self.stored:
                if number in outputs:
                    return Buffer("output", (outputs[number],), varies, value.name)
                return Buffer("temporary", (number,), varies, value.name)
            case _:
                return None

    def _hull(self, writes: list[Write]) -> Box:
        boxes = [self.values[w.value].box for w in writes]
        return tuple(
            None if boxes[0][i] is None else (min(b[i][0] for b in boxes if b[i]), max(b[i][1] for b in boxes if b[i]))  # type: ignore[index]
            for i in range(self.values.dimension)
        )

    def _margins(self) -> tuple[tuple[tuple[int, int], ...], int]:
        """How far beyond the cells each axis is read or written, and how many rows away a sweep reads."""
        reach = 0
        lower, upper = [0] * self.values.dimension, [0] * self.values.dimension

        def note(box: Box) -> None:
            for i, interval in enumerate(box):
                if interval is not None:
                    lower[i] = max(lower[i], -interval[0])
                    upper[i] = max(upper[i], interval[1] - self.values.grid[i])

        for number in self.needed:
            note(self.values[number].box)
            operation = self.values[number].operation
            if isinstance(operation, Correlation | KernelGradient):
                for shift in operation.shifts:
                    note(moved(self.values[number].box, shift))
        for root in self._roots():
            box = self.values[root].box
            stack, seen = [(root, self.values.here)], set()
            while stack:
                number, at = stack.pop()
                operation = self.values[number].operation
                if (number in self.stored and number != root) or not isinstance(operation, Map):
                    note(moved(box, at))
                    continue
                for read in operation.reads:
                    total = tuple(a + s for a, s in zip(at, read.shift, strict=True))
                    reach = max(reach, abs(total[0]))
                    if (read.value, total) not in seen and not self.values[read.value].is_scalar:
                        seen.add((read.value, total))
                        stack.append((read.value, total))
        return tuple(zip(lower, upper, strict=True)), reach

    def _check_fills(self) -> None:
        """Two fills of one buffer must agree."""
        known: dict[tuple[int, int], Fill] = {}
        for number in self.needed:
            operation = self.values[number].operation
            if not isinstance(operation, Fill):
                continue
            if operation.width > self.values.grid[operation.axis]:
                raise Unfit("there are more ghost cells than cells")
            key = (self.base(number), operation.axis)
            other = known.setdefault(key, operation)
            same = (other.symbols, other.values) == (operation.symbols, operation.values)
            if operation.walls is not None and other.walls is not None and same:
                pairs = zip(operation.walls, other.walls, strict=True)
                same = all(
                    a.weights[: len(b.weights)] == b.weights[: len(a.weights)]
                    and a.data[: len(b.data)] == b.data[: len(a.data)]
                    for a, b in pairs
                )
            if not same:
                raise Unfit("a field has two sets of ghost cells")
        for number in self.needed:
            operation = self.values[number].operation
            if (
                isinstance(operation, Fold)
                and len(operation.fill.values)
                and any(v not in self.needed for v in operation.fill.values)
            ):
                raise InternalError("a fold without its wall data")
