"""Convolution layers, matrices and sums over the grid in native kernels: they equal torch's, gradients too, on any threads."""

from __future__ import annotations

import itertools

import pytest
import torch

import npde
from npde.native import choose as choose_module
from npde.native.choose import BackendError
from npde.native.live import NativeModule
from tests.comparison import EXAMPLES
from tests.native.native_comparison import marched, pair, worst

pytestmark = pytest.mark.usefixtures("quick_builds")


LAYERS = """model m
coordinates x, y in [0, 1], t in [0, 0.02]
field u[4](x, y, t)
learn K[5, 4](t) stencil 3x3, b[5](t) = 0.1
dt(u) = -adjoint(K)(relu(K(u) + b))
boundary x: periodic
boundary y = 0: u = 0
boundary y = 1: dn(u) = 0
initial u = x*y
grid x: 4, y: 5
march heun, steps: 3
"""
"""180 weights, five channels out of four: blocks of channels are left over both ways; both stages use one table."""

LINE = """model m
coordinates x in [0, 1], t in [0, 0.02]
field u[6](x, t)
learn K[6, 6] stencil 5
dt(u) = tanh(K(u))
boundary x = 0: u = 0.3
boundary x = 1: dn(u) = 0
initial u = x
grid x: 2049
march euler, steps: 2
"""
"""More than one piece of work along the only axis."""

CUBE = """model m
coordinates x, y, z in [0, 1], t in [0, 0.02]
field u[2](x, y, z, t)
learn K[2, 2] stencil 3x3x3
dt(u) = K(u) - 0.1*adjoint(K)(u)
boundary periodic
initial u = x*y*z
grid x: 6, y: 18, z: 5
march euler, steps: 2
"""

SUMS = """model m
coordinates x in [0, 1], y in [0, 2], t in [0, 0.02]
field u(x, y, t)
learn D = 0.2, a(y) = 0.1
dt(u) = D*lap(u) + integral(u^2, x, y)*u + mean(sin(u), x) + sum(a*u, y)*D + a*mean(a, y)
boundary x: periodic
boundary y = 0: u = D
boundary y = 2: dn(u) = 0
initial u = x*y
grid x: 5, y: 19
march heun, steps: 3
"""

MATRICES = """model m
coordinates x in [0, 1], y in [0, 2], t in [0, 0.02]
field u(x, y, t)
learn W(x, x', t), V(y, y'), Z(x, x', t), s = 0.3 > 0
dt(u) = tanh(integral(W(x, x')*u(x', y), x')) - integral(V(y, y')*u(x, y'), y') + integral(Z(x, x')*sin(x')*u(x', y), x')
boundary periodic
initial u = x*y
grid x: 6, y: 67
march heun, steps: 3
network cnn
"""

PROGRAMS = {"layers": LAYERS, "line": LINE, "cube": CUBE, "sums": SUMS, "matrices": MATRICES}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_equals_torch_on_any_threads(name: str) -> None:
    torch_net, native_net = pair(PROGRAMS[name])
    for batch, threads in ((1, 1), (3, 2)):
        torch.set_num_threads(threads)
        assert worst(torch_net, native_net, steps=2, batch=batch, every=1) == {}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(3, 3), (7, 8), (5, 37), (17, 64)], ids=str)
@pytest.mark.parametrize("name", ["layers", "sums", "matrices"])
def test_sizes(name: str, size: tuple[int, int]) -> None:
    torch_net, native_net = pair(PROGRAMS[name], grid=dict(zip("xy", size, strict=True)))
    for batch, threads in itertools.product((1, 7), (1, 2)):
        torch.set_num_threads(threads)
        assert worst(torch_net, native_net, steps=3, batch=batch) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_single_precision(name: str) -> None:
    assert worst(*pair(PROGRAMS[name], dtype=torch.float32), 1e-5, 1e-4, steps=2) == {}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_results_do_not_depend_on_the_number_of_threads(name: str) -> None:
    _, net = pair(PROGRAMS[name])
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(marched(net, steps=3, batch=1))
    for other in found[1:]:
        assert all(torch.equal(found[0][k], other[k]) for k in found[0] if name != "sums" or "gradient of a" not in k)


@pytest.mark.parametrize("example", ["parabolic_cnn", "rows", "neural_field"])
def test_examples(example: str) -> None:
    torch_net, native_net = pair((EXAMPLES / f"{example}.npde").read_text(encoding="utf-8"))
    assert isinstance(native_net, NativeModule)
    assert worst(torch_net, native_net, steps=3, batch=2) == {}


def test_a_wide_closure_is_loops() -> None:
    text = """model m
coordinates x in [0, 1], t in [0, 0.01]
field u(x, t), v(x, t)
learn f[2](p, q) = mlp(18, 18, tanh)
dt(u) = 0.01*dxx(u) + f(u, v)[0]
dt(v) = f(u, v)[1]
boundary periodic
initial u = sin(2*pi*x)
initial v = 0.5
grid x: 21
march heun, steps: 3
"""
    torch_net, native_net = pair(text)
    assert "correlate_" in native_net._npde.backend.runtime.kernels.forward("double").text  # type: ignore[union-attr]
    assert worst(torch_net, native_net, steps=3) == {}


def test_a_layer_and_its_adjoint_read_one_state_with_and_without_ghost_cells() -> None:
    text = """model m
coordinates x in [0, 1], t in [0, 0.02]
field u[2](x, t)
learn K[2, 2] stencil 3
dt(u) = K(u) - 0.1*adjoint(K)(u)
boundary periodic
initial u = x
grid x: 9
march heun, steps: 2
"""
    assert worst(*pair(text), steps=2) == {}


@pytest.mark.parametrize("rate", ["D*lap(u) - adjoint(K)(u^2)", "u*K(u) - adjoint(K)(K(u))"])
@pytest.mark.parametrize("boundary", ["periodic", "u = 0"])
def test_an_adjoint_stencil_reads_zeros_around_what_others_continue(rate: str, boundary: str) -> None:
    text = f"""model m
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
learn K stencil 3x3, D = 0.1
dt(u) = {rate}
boundary {boundary}
initial u = 1 + x*y
grid x: 6, y: 5
march euler, steps: 3
"""
    assert worst(*pair(text), steps=3) == {}


def test_a_gradient_without_kernels_is_left_to_torch() -> None:
    text = """model m
coordinates x in [0, 1], t in [0, 0.001]
field u(x, t)
learn K stencil 3, D = 0.5 > 0
dt(u) = lap(u) - adjoint(K)(tanh(K(u)))
boundary x = 0: u + D*dn(u) = 0
boundary x = 1: u = 0
initial u = x
grid x: 9
march heun, steps: 3
"""
    nets = pair(text)
    with pytest.warns(UserWarning, match="learned wall coefficient under an adjoint convolution, so torch marches"):
        assert worst(*nets, steps=3, every=1) == {}
    assert worst(*nets, steps=2) == {}  # said once
    assert "no native kernel for the gradient of a learned wall" in npde.parse(text).show("kernels")
    with torch.no_grad():
        torch.testing.assert_close(nets[1](), nets[0](), rtol=1e-12, atol=1e-12)


def test_an_array_in_a_flux_that_varies_along_one_axis_and_with_time() -> None:
    text = """model m
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
learn a(y, t) = 0.5
dt(u) = div(a*grad(u))
boundary periodic
initial u = 0.4 + 0.5*sin(2*y + 0.3)
grid x: 5, y: 6
march midpoint, steps: 3
"""
    assert worst(*pair(text), steps=3) == {}


def test_what_is_left_to_torch_is_said() -> None:
    text = SUMS.replace("mean(sin(u), x)", "integral(c(x - x')*u(x', y), x')").replace("learn D", "learn c(x), D")
    with pytest.raises(BackendError, match="a convolution by FFT has no native kernel"):
        pair(text)


def test_matrices_are_left_to_torch_unless_kernels_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose_module, "WORTH_BUILDING", 1)
    chosen = npde.parse(MATRICES).compile()
    assert (chosen.backend, "dense matrices" in chosen.backend_reason) == ("torch", True)
    assert npde.parse(SUMS).compile().backend == "native"
