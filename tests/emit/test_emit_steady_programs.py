"""Random steady problems: compiled networks against the dense NumPy interpreter, all realisations."""

from __future__ import annotations

import pytest

from tests.comparison import as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.steady import solve
from tests.reference.steady_programs import generate


def check(seed: int) -> None:
    compilation, net = compiled(generate(seed))
    perturb(net)
    given = random_inputs(net, 0)
    expected = solve(compilation.problem, physical(net, compilation.problem), as_arrays(given), batch=2)
    for network in ("cnn", "mlp", "rnn"):
        _, other = compiled(generate(seed), network)
        other.load_state_dict(net.state_dict())
        assert difference(other(**given).detach().numpy(), expected) < 1e-9, network


@pytest.mark.parametrize("seed", range(4))
def test_a_random_steady_problem(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 80))
def test_more_random_steady_problems(seed: int) -> None:
    check(seed)
