"""Predicted memory, against what a run allocates; refusals come before anything is allocated."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

import npde
from npde.analysis import admission
from npde.analysis.footprint import _Counter, _labels, footprint
from npde.emit.live import instantiate

ROOT = Path(__file__).parents[2]

FISHER = """model fisher
coordinates x in [0, 20], t in [0, 10]
field u(x, t)
learn D = 0.1 > 0, r = 1 in [0, 5]
dt(u) = D*lap(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-(x - 10)^2)
grid x: 1000
march rk4, steps: 500
"""


def test_what_a_step_of_rk4_allocates_forward() -> None:
    """State, sum, stages and the values of the last right-hand side: counted by hand for a state of 4,000 bytes."""
    analysis = npde.parse(FISHER).analyze()
    state = 4 * 1000
    assert 10 * state < analysis.memory() < 16 * state
    assert analysis.memory(batch=8) == pytest.approx(8 * analysis.memory(), rel=0.1)
    assert analysis.memory(dtype="float64") == pytest.approx(2 * analysis.memory(), rel=0.01)
    assert analysis.memory(steps=5) == pytest.approx(analysis.memory(steps=500), rel=0.1)


def test_gradients_grow_with_the_steps() -> None:
    analysis = npde.parse(FISHER).analyze()
    few, more, most = (analysis.memory(grad=True, steps=n) for n in (100, 200, 300))
    assert more - few == most - more > 100 * 8 * 4000


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
def test_extrapolation_over_the_steps_is_exact(network: str) -> None:
    graph = npde.parse(FISHER)._compilation(network=network)
    whole = footprint(graph.graph, graph.source, grad=True, steps=40)
    with mock.patch("npde.analysis.footprint.MORE", 40):
        assert footprint(graph.graph, graph.source, grad=True, steps=40).peak == whole.peak


def test_a_learned_value_for_each_step_ends_where_it_ends() -> None:
    source = FISHER.replace("r = 1 in [0, 5]", "r(t) = 1").replace("steps: 500", "steps: 4")
    assert npde.parse(source).analyze().memory(grad=True) > 0


def test_shares_are_named_by_the_emitted_lines() -> None:
    found = npde.parse(FISHER).analyze().footprint(batch=8, grad=True)
    assert found.shares[0].text() == "'value' in rhs"
    assert sum(s.bytes for s in found.shares) == found.peak


def test_a_steady_problem_has_a_footprint() -> None:
    source = "model m\ncoordinates x in [0, 1]\nfield u(x)\nlap(u) = -sin(x)\nboundary u = 0\ngrid x: 64\n"
    assert npde.parse(source).analyze().memory() > 64 * 8


PLANE = "model m\ncoordinates x, y in [0, 1], t in [0, 0.1]\nfield u(x, y, t)\nlearn D(t) = 1 > 0, a(x, y) = 1 > 0\n"
RUN = "boundary u = 0\ninitial u = sin(pi*x)\ngrid x: 10, y: 8\nmarch backward_euler, steps: 2\n"
ITERATIVE = {
    "CG": PLANE + "dt(u) = D*div(a*exp(sin(5*x + 3*y))*grad(u))\n" + RUN + "solve cg\n",
    "BiCGStab": PLANE + "dt(u) = D*a*exp(sin(5*x + 3*y))*lap(u)\n" + RUN + "solve bicgstab\n",
    "Newton": PLANE + "dt(u) = D*a*lap(u) - u^3\n" + RUN.replace("x: 10, y: 8", "x: 40, y: 30").replace("steps: 2", "steps: 4"),
    "steady Newton": "model m\ncoordinates x, y in [0, 1]\nfield u(x, y)\nlearn D = 1 > 0\nD*lap(u) + exp(u) = 0\nboundary u = 0\n"
    "grid x: 30, y: 30\n",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ITERATIVE))
def test_iterations_have_a_footprint(name: str) -> None:
    """As counted in a run with data, whose number of iterations is another one."""
    analysis = npde.parse(ITERATIVE[name]).analyze()
    compilation = npde.parse(ITERATIVE[name])._compilation()
    for grad in (False, True):
        predicted = analysis.memory(batch=3, grad=grad, dtype="float64")
        counter = _Counter(_labels(compilation.source))
        with counter:
            net = instantiate(compilation.graph, compilation.source, dtype=torch.float64)
            run = net.solve if "steady" in name else net.march  # type: ignore[attr-defined]
            with torch.set_grad_enabled(grad):
                out = run(net.initial_state(3))  # type: ignore[operator]
                if grad:
                    out.square().mean().backward()
        measured = max(p.highest for p in counter.peaks)
        assert 0.8 < predicted / measured < 1.25, (grad, predicted / measured)


def test_adaptive_steps_are_not_counted_ahead() -> None:
    analysis = npde.parse(FISHER.replace("rk4, steps: 500", "dopri5, steps: 5")).analyze()
    assert analysis.memory() > 4 * 1000
    with pytest.raises(npde.NpdeError, match="depends on how many steps"):
        analysis.memory(grad=True)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_march_that_does_not_fit_is_refused_before_it_allocates() -> None:
    net = npde.parse(FISHER).compile()
    state = net.initial_state(64)  # type: ignore[operator]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with mock.patch.object(admission, "available_bytes", return_value=10**9), pytest.raises(npde.NpdeError) as refused:
        net(state)
    (diagnostic,) = refused.value.diagnostics  # type: ignore[attr-defined]
    assert diagnostic.code == "N1021"
    assert len(diagnostic.notes) == 3
    assert "'value' in rhs" in diagnostic.notes[0]
    assert "a smaller batch" in diagnostic.hint
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    with torch.no_grad():
        net(state, steps=3)


def test_frames_that_do_not_fit_are_refused() -> None:
    net = npde.parse(FISHER).compile()
    few = mock.patch.object(admission, "available_bytes", return_value=10**9)
    with few, torch.no_grad(), pytest.raises(npde.NpdeError, match="N1021"):
        net(net.initial_state(4000), steps=100, every=1)  # type: ignore[operator]


def test_a_module_that_does_not_fit_is_refused() -> None:
    source = FISHER.replace("r = 1 in [0, 5]", "r = 1, a(x)")
    few = mock.patch.object(admission, "available_bytes", return_value=10**9)
    with few, pytest.raises(npde.NpdeError, match="N1021"):
        npde.parse(source).compile(grid={"x": 200_000_000})


def test_small_marches_are_not_traced() -> None:
    net = npde.parse(FISHER).compile()
    with mock.patch.object(admission, "footprint", side_effect=AssertionError), torch.no_grad():
        net()


# --- against real runs ------------------------------------------------------------------------------------------------

CASES = [("fisher", "cnn", "x=7400,y=7400", 1, 0, 2), ("klein_gordon", "cnn", "x=5200,y=5200", 1, 1, 1)]
"""Grids whose states exceed 200 MB."""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_predicted_peaks_are_within_a_quarter_of_measured_ones(case: tuple[object, ...]) -> None:
    words = [sys.executable, "-m", "benchmarks.memory", "--one", *map(str, case)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    predicted, measured = map(int, done.stdout.split()[-2:])
    assert predicted == pytest.approx(measured, rel=0.25)
