"""What iterations are told where arrays have no data: to go round `ASSUMED` times, then that they are done.

A solve that iterates asks its arrays for numbers (is the residual small?). On PyTorch's meta device there are none. What CG,
BiCGStab and Newton's method hold does not depend on how often they go round; GMRES keeps an array an iteration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FrameType

ASSUMED = 20
"""Iterations of a Krylov method."""

NEWTON = 3
"""Iterations of Newton's method."""


@dataclass
class Answers:
    """The numbers that helpers of emitted files are given; they are known by name, and by how long their history is."""

    asked: set[tuple[int, int]] = field(default_factory=set)

    def of(self, frame: FrameType, *, is_decision: bool) -> bool | float:
        """The answer to the helper whose frame this is: a decision or a number."""
        name, held = frame.f_code.co_name, frame.f_locals
        done = len(held.get("history") or held.get("changes") or ())
        if not is_decision:
            match name:
                case "newton_step" | "newton_krylov_step":
                    return float(done < NEWTON - 1)
                case "error_size":  # of an adaptive step: accepted, the next one is longer, and the end is reached
                    return 1e-3
                case _:
                    return 0.5  # a residual
        match name:
            case "conjugate_gradients" | "bicgstab":  # is some sample not done?
                return done <= ASSUMED
            case "gmres":  # are all done?
                return done > ASSUMED
            case "newton":  # are all done? And then: has the residual of all fallen?
                visit = (id(frame), done)
                if visit in self.asked:
                    return True
                self.asked.add(visit)
                return done > NEWTON
            case _:
                return True
