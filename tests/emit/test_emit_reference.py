"""Every example, in every realisation, against the independent NumPy interpreter."""

from __future__ import annotations

import pytest
import torch

from npde.discretize.scheme import Adaptive, Splitting
from npde.options import Overrides
from tests.comparison import EXAMPLES, as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.interpreter import interpret, outputs

COARSE = {
    "fisher": 16, "gray_scott": 16, "ginzburg_landau": 12, "fitzhugh_nagumo": 14, "brusselator": 12, "maxwell": 12,
    "shallow_water": 12, "swift_hohenberg": 12, "heat_box": 6, "variable_heat": 10, "diffractive": 12,
    "cahn_hilliard": 8, "flame_front": 8, "schrodinger": 32, "soliton": 32, "allen_cahn": 24,
}  # fmt: skip
"""Cells an axis where the file's grid is more than the interpreter's dense matrices like."""

STEADY = ("bratu", "helmholtz", "poisson")
"""Examples in which nothing is marched."""

NAMES = sorted(p.stem for p in EXAMPLES.glob("*.npde") if p.stem not in STEADY)


def coarse(name: str, text: str) -> Overrides:
    if name not in COARSE:
        return Overrides()
    axes = [c for c in "xyz" if f"{c}:" in text.split("grid ")[1].split("\n")[0]]
    return Overrides(grid=dict.fromkeys(axes, COARSE[name]))


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
@pytest.mark.parametrize("name", NAMES)
def test_example_agrees_with_interpreter(name: str, network: str) -> None:
    text = (EXAMPLES / f"{name}.npde").read_text()
    compilation, net = compiled(text, network, overrides=coarse(name, text))
    perturb(net, size=0.002 if name == "diffractive" else 0.05)  # its phases turn by 60 times the mask
    problem, steps = compilation.problem, min(net.STEPS, 3)
    given = random_inputs(net, steps)
    learned = physical(net, problem)
    with torch.no_grad():
        start = net.initial_state(2, **given)
        found = net.march(**given, state=start, steps=steps, every=1)
        read = net(**given, state=start, steps=steps)
    dt = float(compilation.scheme.dt)
    # Between walls, strang's linear half is a Crank-Nicolson substep.
    by_solve = isinstance(compilation.scheme.time, Splitting) and compilation.scheme.time.solve.method != "fft"
    linear = "approximate" if by_solve else "auto"
    expected = interpret(problem, learned, as_arrays(given), steps=steps, batch=2, dt=dt, linear=linear)
    time = compilation.scheme.time
    limit = 10 * time.tolerance if isinstance(time, Adaptive) else 1e-11
    assert difference(found.numpy(), expected) < limit
    if problem.outputs:
        wanted = outputs(problem, expected, learned, as_arrays(given), dt=dt)
        named = read if isinstance(read, dict) else {problem.outputs[0].name: read}
        for key, value in wanted.items():
            assert difference(named[key].numpy(), value) < 10 * limit
