"""Random well-typed programs: emitted modules against the NumPy interpreter, gradients against finite differences.

`NPDE_PROGRAMS` sets how many (default 60; the slow test runs 300). A failing seed is all that is needed to see a case again:
`python -c "from tests.reference.programs import generate; print(generate(SEED))"`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.discretize.scheme import Splitting
from npde.driver import Compilation
from tests.comparison import as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.interpreter import interpret, outputs
from tests.reference.programs import EXPLICIT, generate

QUICK = int(os.environ.get("NPDE_PROGRAMS", "60"))
NETWORKS = ("cnn", "mlp", "rnn")


def adaptive(seed: int) -> str:
    """The program of a seed, by dopri5 where an explicit scheme was drawn."""
    march = re.compile(rf"^march (?:{'|'.join(EXPLICIT)})\b(.*)$", re.MULTILINE)
    return march.sub(r"march dopri5\1, tolerance: 1e-11", generate(seed))


def refused(seed: int, write: Callable[[int], str] = generate) -> bool:
    """Whether a program needs what is not supported yet, or takes a step that is too large: then it must say so."""
    try:
        compiled(write(seed), NETWORKS[seed % 3])
    except DiagnosticError as error:
        assert all(d.code.startswith(("N07", "N09")) for d in error.diagnostics), (seed, str(error))
        return True
    return False


def interpreter_choices(compilation: Compilation) -> dict[str, str]:
    """Which of strang's documented ways the compiler took."""
    time = compilation.scheme.time
    if not isinstance(time, Splitting):
        return {}
    return {
        "linear": "approximate" if time.solve.method != "fft" else "exact",
        "flow": "approximate" if time.flow is None else "exact",
    }


def length(compilation: Compilation, net: torch.nn.Module) -> int:
    """Steps that are compared: two, or enough for a multistep scheme to be past its start."""
    return min(net.STEPS, 4 if any(b.name == "first_step" for b in compilation.graph.blocks) else 2)


def check_values(seed: int, write: Callable[[int], str] = generate, tolerance: float = 1e-10) -> None:
    """One program, in the realisation its seed picks: states and outputs."""
    network = NETWORKS[seed % 3]
    compilation, net = compiled(write(seed), network, seed=seed)
    perturb(net, seed)
    problem, steps = compilation.problem, length(compilation, net)
    given = random_inputs(net, steps, seed=seed)
    learned = physical(net, problem)
    with torch.no_grad():
        found = net.march(**given, state=net.initial_state(2, **given), steps=steps, every=1).numpy()
        read = net(**given, steps=steps)
    dt = float(compilation.scheme.dt)
    how = interpreter_choices(compilation)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = interpret(problem, learned, as_arrays(given), steps=steps, batch=2, dt=dt, **how)
    if not np.isfinite(expected).all():  # an explosion: both have one
        assert not np.isfinite(found).all(), seed
        return
    assert difference(found, expected) < tolerance, seed
    if problem.outputs:
        wanted = outputs(problem, expected[:1] if not given else expected, learned, as_arrays(given), dt=dt)
        named = read if isinstance(read, dict) else {problem.outputs[0].name: read}
        for name, value in wanted.items():
            assert difference(named[name].numpy(), value) < 10 * tolerance, (seed, name)


def check_gradients(seed: int, write: Callable[[int], str] = generate) -> None:
    """A directional derivative in all parameters against a central difference; kinks show as disagreement of two steps."""
    compilation, net = compiled(write(seed), NETWORKS[seed % 3], seed=seed)
    perturb(net, seed)
    parameters = [p for p in net.parameters() if p.requires_grad]
    if not parameters:
        return
    steps = length(compilation, net)
    given = random_inputs(net, steps, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    probe = torch.randn(net.march(**given, steps=steps).shape, dtype=torch.float64, generator=generator)

    def loss() -> torch.Tensor:
        return (net.march(**given, steps=steps) * probe).sum()

    value = loss()
    if not value.requires_grad or not torch.isfinite(value) or abs(value) > 1e6:  # an explosion has no slope to compare
        return
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    direction = [torch.randn(p.shape, dtype=torch.float64, generator=generator) for p in parameters]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)

    def central(h: float) -> float:
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, d in zip(parameters, direction, strict=True):
                    p += sign * h * d
                sides.append(float(loss()))
                for p, d in zip(parameters, direction, strict=True):
                    p -= sign * h * d
        return (sides[0] - sides[1]) / (2 * h)

    near, far = central(1e-5), central(2e-5)
    scale = max(abs(slope), abs(float(value.detach())), 1e-3)
    if abs(near - far) > 1e-6 * scale:  # a kink (relu, min, where) between the two sides
        return
    assert abs(near - slope) < 1e-6 * scale, (seed, near, slope)


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_program(seed: int) -> None:
    if refused(seed):
        return
    check_values(seed)
    check_gradients(seed)


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(QUICK // 10, 37))
def test_three_hundred_random_programs(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        if not refused(seed):
            check_values(seed)
            check_gradients(seed)


def check_adaptive(first: int, last: int) -> None:
    """Those of the seeds whose scheme is explicit: dopri5 against an eighth-order scheme of SciPy at a far smaller tolerance."""
    for seed in range(first, last):
        if "march dopri5" in adaptive(seed) and not refused(seed, adaptive):
            check_values(seed, adaptive, 1e-9)
            check_gradients(seed, adaptive)


def test_random_programs_by_dopri5() -> None:
    check_adaptive(0, 12)


@pytest.mark.slow
@pytest.mark.parametrize("twenties", range(1, 8))
def test_more_random_programs_by_dopri5(twenties: int) -> None:
    check_adaptive(20 * twenties, 20 * twenties + 20)


def test_most_random_programs_are_compiled() -> None:
    assert np.mean([refused(seed) for seed in range(40)]) < 0.25
