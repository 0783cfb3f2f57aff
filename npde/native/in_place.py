"""Which channels a step may write where it read them.

The driver of a march may give channel c of the next state the array of channel c of this one when nobody looks at an old entry
once it is overwritten. Let phase p write the new channel, and let the old one be read

- by sweeps and contractions of phases before p, anywhere: between phases all threads wait for each other;
- by the sweep that writes it, of the entry that is about to be written: loops compute all values of a block before they store one;
- by nothing else, and its ghost cells be filled before p.

Then old and new may share an array. In time blocking waves take the place of barriers: a wave that overwrites rows below `hi`
trails each wave that reads old ones by BEHIND >= REACH rows, so what those still read lies at `hi` or above; and it ends only
after they have. Walls look further, see `wall_distance`.
"""

from __future__ import annotations

from collections.abc import Iterator

from npde.diagnostics import InternalError
from npde.native.program import Border, Phase, Program, Sweep
from npde.native.values import Fill, Fold, Map, Shift, operands


def shareable(program: Program) -> tuple[int, ...]:
    """The channels whose arrays may be shared."""
    return tuple(c for c in range(program.carried) if obstacle(program, c) is None)


def obstacle(program: Program, channel: int) -> str | None:
    """Why a channel cannot be written in place; None if it can."""
    output, old = program.outputs[channel], state_buffer(program, channel)
    written = None if output is None else write_phase(program, output)
    if written is None:
        return "no sweep writes it"
    for k, phase in enumerate(program.phases):
        if old is None or k < written:
            continue
        for sweep in phase.sweeps:
            is_writer = k == written and any(w.buffer == output for w in sweep.writes)
            for write in sweep.writes:
                whole = program.values[write.value].box == program.values.interior
                for shift in _shifts(program, write.value, old, sweep):
                    if not is_writer or not whole or any(shift):
                        return f"phase {k} reads it"
        if old in _read_by_loops(program, phase):
            return f"contractions of phase {k} read it"
        if any(b.buffer == old or old in _read_at_walls(program, b) for b in phase.borders):
            return f"borders of phase {k} look at it"
    return None


def verify(program: Program) -> None:
    """Raises InternalError if a channel is marked that must not be written in place."""
    for channel in program.in_place:
        if reason := obstacle(program, channel):
            raise InternalError(f"{program.name}: channel {channel} cannot be written in place: {reason}")


def wall_distance(program: Program, shared: tuple[int, ...]) -> int:
    """In time blocking, the least number of waves between one that fills ghost cells across the rows at a wall and the next that
    overwrites the rows which that looked at.

    Waves are the phases of all steps in order; what phase 0 fills is filled by the last wave of the step before. The last rows are
    filled when its wave is through, and by then a wave that comes d later has overwritten at most the rows up to the wall less
    d BEHIND + 1: walls that look at n rows are past if d BEHIND >= n - 1.
    """
    waves = len(program.phases) - 1
    found = 2 * waves
    for k, phase in enumerate(program.phases):
        for border in phase.borders:
            operation = program.values[border.value].operation
            if not isinstance(operation, Fill) or operation.axis or operation.walls is None:
                continue
            buffer = program.buffers[border.buffer]
            if buffer.role in ("state", "output"):
                output = program.outputs[buffer.index[0]]
                written = None if output is None else write_phase(program, output)
                turns = (buffer.role == "output") + (buffer.index[0] not in shared)
            else:
                written, turns = write_phase(program, border.buffer), 1
            if written is not None:
                found = min(found, turns * waves + written - k)
    return found


def state_buffer(program: Program, channel: int) -> int | None:
    """The buffer of a channel that the loop carries; None if the step does not read it."""
    for number, buffer in enumerate(program.buffers):
        if buffer.role == "state" and buffer.index == (channel,):
            return number
    return None


def write_phase(program: Program, buffer: int) -> int | None:
    """The phase whose sweeps write a buffer; None if none does."""
    for k, phase in enumerate(program.phases):
        if any(w.buffer == buffer for sweep in phase.sweeps for w in sweep.writes):
            return k
    return None


def _shifts(program: Program, root: int, buffer: int, sweep: Sweep) -> Iterator[Shift]:
    """How far from the cell that is computed a buffer's entries are read. What the sweep itself writes is at hand at that cell."""
    fresh = {w.value for w in sweep.writes}
    stack, seen = [(root, program.values.here)], set()
    while stack:
        number, at = stack.pop()
        operation = program.values[number].operation
        if not isinstance(operation, Map):
            continue
        for read in operation.reads:
            total = tuple(a + s for a, s in zip(at, read.shift, strict=True))
            if (read.value, total) in seen or program.values[read.value].is_scalar:
                continue
            seen.add((read.value, total))
            if read.value not in program.stored:
                stack.append((read.value, total))
            elif program.stored[read.value] == buffer and not (read.value in fresh and not any(total)):
                yield total


def _read_by_loops(program: Program, phase: Phase) -> set[int]:
    values = [o for loops in phase.loops for v in loops.values for o in operands(program.values[v].operation)]
    return {program.stored[v] for v in values if v in program.stored}


def _read_at_walls(program: Program, border: Border) -> set[int]:
    """Buffers that the data of a wall are computed of."""
    operation = program.values[border.value].operation
    fill = operation.fill if isinstance(operation, Fold) else operation
    assert isinstance(fill, Fill)
    found, stack, seen = set(), list(fill.values), set(fill.values)
    while stack:
        number = stack.pop()
        if number in program.stored:
            found.add(program.stored[number])
            continue
        more = set(operands(program.values[number].operation)) - seen
        seen |= more
        stack += more
    return found
