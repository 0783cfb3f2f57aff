"""Operations of steps and their adjoints: what the normal form saves, and that it keeps zeros where they have to be."""

from __future__ import annotations

import pytest

import npde
from npde.native.counting import operations
from npde.native.kernels import lower
from npde.native.program import Program
from npde.native.values import Map
from tests.native.native_comparison import pair, worst

TRAINING = """model training
coordinates x, y in [0, 1], t in [0, 0.01]
field u(x, y, t)
learn a(x, y) = 0.1, r = 1
dt(u) = div(a*grad(u)) + r*u*(1 - u)
{boundary}
initial u = x*y
grid x: 16, y: 16
march euler, steps: 40
"""
PERIODIC = "boundary periodic"
WALLS = "boundary x: periodic\nboundary y = 0: u = sin(t)\nboundary y = 1: u + 0.3*dn(u) = x"


def work(program: Program) -> int:
    """Operations that a cell takes, those of scalars left out."""
    counted: set[int] = set()
    stack = [w.value for phase in program.phases for s in phase.sweeps for w in s.writes]
    while stack:
        number = stack.pop()
        value = program.values[number]
        if number in counted or value.is_scalar or not isinstance(value.operation, Map):
            continue
        counted.add(number)
        stack += [r.value for r in value.operation.reads]
    expressions = [program.values[n].operation.expression for n in counted]  # type: ignore[union-attr]
    return sum(map(operations, expressions))


def test_training_takes_few_operations() -> None:
    kernels = lower(npde.parse(TRAINING.format(boundary=PERIODIC))._compilation().graph)
    (step,) = kernels.programs
    (adjoint,) = kernels.adjoints(frozenset(range(len(kernels.arguments))))
    assert work(step) <= 23  # 29 with a constant for each product
    assert work(adjoint) <= 32  # 40 as gradients are made, with the same constants again and again


@pytest.mark.parametrize("boundary", [PERIODIC, WALLS], ids=["periodic", "walls"])
@pytest.mark.parametrize("march", ["euler", "rk4"])
def test_gradients_of_what_was_rewritten(boundary: str, march: str, quick_builds: None) -> None:
    assert worst(*pair(TRAINING.format(boundary=boundary).replace("euler", march)), steps=4, every=2) == {}
