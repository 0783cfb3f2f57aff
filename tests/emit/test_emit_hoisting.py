"""What depends on parameters alone is computed once a march: work is counted, over marches of three and of ten steps."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from npde.diagnostics import DiagnosticError
from npde.emit.live import LiveModule
from tests.comparison import EXAMPLES, compiled, random_inputs


def tensors(values: Any) -> list[torch.Tensor]:
    return [v for v in tree_leaves(values) if isinstance(v, torch.Tensor)]


class Invariant(TorchDispatchMode):
    """Counts operators that read nothing that the march changes: no state, no values of the step, nothing that came of them.

    Arrays are followed by their memory. Views make nothing; `least` numbers or fewer (a coefficient's sign, say) are not counted.
    """

    def __init__(self, marched: list[torch.Tensor], least: int = 1) -> None:
        super().__init__()
        self.least, self.counts = least, Counter[str]()
        self.kept = list(marched)  # so that no memory is used twice
        self.marched = {self._memory(v) for v in marched}

    @staticmethod
    def _memory(value: torch.Tensor) -> int:
        return value.untyped_storage()._cdata

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = {self._memory(v) for v in tensors((args, kwargs))}
        out = func(*args, **(kwargs or {}))
        made = tensors(out)
        self.kept += made
        if read & self.marched:
            self.marched |= {self._memory(v) for v in made}
        elif any(v.numel() > self.least and self._memory(v) not in read for v in made):
            self.counts[func._schema.name] += 1
        return out


def growth(net: LiveModule) -> Counter[str]:
    """Operators on parameters alone that more steps add to a march."""
    counts = []
    for steps in (3, 10):
        with torch.no_grad():
            inputs = random_inputs(net, steps)
            state, p, c, _ = net._prepare(*inputs.values(), None, steps, 0)
            state = state.clone()
            with Invariant([state, *(p or ())]) as seen:
                net._march(state, p, c, steps, None)
        counts.append(seen.counts)
    return counts[1] - counts[0]


OTHERWISE = {
    ("robertson", "cnn"): "Newton's method takes the same probes of its Jacobian in every step",
    ("robertson", "mlp"): "Newton's method takes the same probes of its Jacobian in every step",
    ("black_scholes", "mlp"): "the bias at the step's own time is the block of a state of zeros",
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.npde")), ids=lambda p: p.stem)
@pytest.mark.parametrize("network, free", [("cnn", "none"), pytest.param("mlp", "kernels", marks=pytest.mark.slow)])
def test_longer_marches_do_no_more_on_parameters(path, network: str, free: str) -> None:
    if (path.stem, network) in OTHERWISE:
        pytest.skip(OTHERWISE[path.stem, network])
    try:
        _, net = compiled(path.read_text(), network, free)
    except DiagnosticError:
        if network == "cnn":
            raise
        pytest.skip("it has no such realisation")
    if not hasattr(net, "STEPS") or net.STEPS < 10:
        pytest.skip("it takes fewer steps")
    assert not growth(net)


LEARNED = """
model learned
coordinates x, y in [0, 1], t in [0, 0.01]
field u(x, y, t)
learn a(x, y) = 0.1 > 0
learn b(x) = 1
dt(u) = div(a*grad(u)) + b^2*u - sin(b)*{power}
boundary x: u = 0
boundary y: {walls}
initial u = sin(pi*x)
grid x: 8, y: 9
march {march}
"""


@pytest.mark.parametrize("walls", ["u = 0", "periodic"])
@pytest.mark.parametrize(
    "march, power",
    [
        *(pytest.param(m, "u^3") for m in ("euler", "rk4", "ab3", "imex_euler", "sbdf2", "cnab2")),
        *(pytest.param(m, "u") for m in ("crank_nicolson", "bdf2")),
    ],
)
def test_of_each_scheme(march: str, power: str, walls: str) -> None:
    """Faces of a learned conductivity, powers of a learned field, and whatever the scheme makes of them."""
    _, net = compiled(LEARNED.format(march=f"{march}, steps: 12", walls=walls, power=power))
    assert not growth(net)


SPECTRAL = """
model spectral
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
field v(x, y, t)
learn D = 0.1 > 0
learn r = 1
dt(u) = D*lap(u) + r*u*(1 - u) - v
dt(v) = 2*D*lap(v) + u - v^3
boundary periodic
initial u = sin(2*pi*x)
initial v = 0
grid x: 8, y: 9
march {march}, steps: 12
"""


@pytest.mark.parametrize("march", ["etd1", "etdrk2", "etdrk4", "imex_euler", "sbdf2", "strang"])
def test_of_schemes_with_a_symbol(march: str) -> None:
    """Matrices of wave numbers and their exponentials."""
    _, net = compiled(SPECTRAL.format(march=march))
    assert not growth(net)


ABSORBING = """
model pulse
coordinates x, y in [-1, 1], t in [0, 0.5]
field psi(x, y, t) complex
learn V(x, y) = 0
i*dt(psi) = -1/2*lap(psi) + V*psi
boundary absorbing(0.25)
initial psi = exp(-9*x^2 - 9*y^2 + 4*i*x)
grid x: 24, y: 24
march rk4, dt: auto
"""


def test_of_absorbing_layers() -> None:
    _, net = compiled(ABSORBING)
    assert not growth(net)


def test_what_is_not_moved_is_counted() -> None:
    """The count sees work on parameters: that of a march whose coefficients are made again in each step."""
    _, net = compiled(LEARNED.format(march="euler, steps: 12", walls="periodic", power="u^3"))
    advance = net._advance
    net._advance = lambda carry, p, c, n: advance(carry, p, net.coefficients(), n)
    assert growth(net)["aten::exp"] >= 7, "a > 0 is the exponential of what is stored"
