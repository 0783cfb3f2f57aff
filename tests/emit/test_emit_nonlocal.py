"""Nonlocal terms in more than one dimension, every realisation against sums written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import npde

X, Y, H, K = 4, 5, 1 / 4, 2 / 5  # cells and spacings
CIRCLE_X, CIRCLE_Y = (np.subtract.outer(np.arange(n), np.arange(n)) % n for n in (X, Y))

PLANE = """
model plane
coordinates x in [0, 1], y in [-1, 1], t in [0, 1]
field u{components}(x, y, t)
{learn}
dt(u) = {rate}
boundary periodic
initial u = {initial}
grid x: 4, y: 5
march euler, steps: 1
"""


def rate(
    learn: str, text: str, network: str, components: int = 0, **values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A random state `[B, C, x, y]` and what one Euler step of size one adds to it, learned arrays set to `values`."""
    source = PLANE.format(
        learn=learn, rate=text, components=f"[{components}]" if components else "",
        initial=f"[{', '.join('0' * components)}]" if components else "0",
    )  # fmt: skip
    net = npde.parse(source).compile(network=network, dtype=torch.float64)
    for name, value in values.items():
        setattr(net, name, torch.as_tensor(value))
    state = torch.randn(2, max(components, 1), X, Y, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return state.numpy(), (net(state) - state).numpy()


def array(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape)


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
class TestConvolutions:
    @pytest.mark.parametrize("components", [0, 3])
    def test_along_the_first_axis(self, network: str, components: int) -> None:
        c = array(X)
        u, found = rate("learn c(x)", "integral(c(x - x')*u(x', y), x')", network, components, c=c)
        assert np.allclose(found, H * np.einsum("jk,bcky->bcjy", c[CIRCLE_X], u))

    def test_along_an_axis_that_does_not_start_at_zero(self, network: str) -> None:
        text = PLANE.replace("y: 5", "y: 6")
        c = array(6)
        net = npde.parse(
            text.format(learn="learn c(y)", rate="integral(c(y - y')*u(x, y'), y')", components="", initial="x*y")
        ).compile(network=network, dtype=torch.float64)
        net.c = torch.as_tensor(c)
        state = net.initial_state().numpy()
        shifted = c[(np.subtract.outer(np.arange(6), np.arange(6)) + 3) % 6]  # the cell at y = 0 is the fourth
        expected = state + 2 / 6 * np.einsum("jk,bcxk->bcxj", shifted, state)
        assert np.allclose(net().detach(), expected)

    def test_along_both_axes(self, network: str) -> None:
        text = PLANE.replace("y in [-1, 1]", "y in [0, 2]")
        c = array(X, Y)
        net = npde.parse(
            text.format(learn="learn c(x, y)", rate="integral(c(x - x', y - y')*u(x', y'), x', y')", components="",
                        initial="x + y")
        ).compile(network=network, dtype=torch.float64)  # fmt: skip
        net.c = torch.as_tensor(c)
        state = net.initial_state().numpy()
        kernel = c[CIRCLE_X[:, None, :, None], CIRCLE_Y[None, :, None, :]]
        assert np.allclose(net().detach(), state + H * K * np.einsum("jkmn,bcmn->bcjk", kernel, state))

    def test_whose_kernel_varies_across_it(self, network: str) -> None:
        c = array(X, Y)
        u, found = rate("learn c(x, y)", "integral(c(x - x', y)*u(x', y), x')", network, c=c)
        assert np.allclose(found, H * np.einsum("jky,bcky->bcjy", c[CIRCLE_X], u))


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
class TestKernels:
    def test_of_two_axes_in_any_order(self, network: str) -> None:
        w = array(X * Y, X * Y)
        for over in ("x', y'", "y', x'"):
            u, found = rate("learn W(x, y, x', y')", f"integral(W(x, y, x', y')*u(x', y'), {over})", network, W=w)
            assert np.allclose(found.reshape(2, -1), H * K * u.reshape(2, -1) @ w.T), over

    def test_of_one_axis_leave_the_other_alone(self, network: str) -> None:
        w = array(X, X)
        u, found = rate("learn W(x, x')", "integral(W(x, x')*u(x', y), x')", network, components=2, W=w)
        assert np.allclose(found, H * np.einsum("jk,bcky->bcjy", w, u))

    def test_in_closed_form_come_apart(self, network: str) -> None:
        u, found = rate("let g(x, y) = exp(-x^2 - y^2)", "integral(g(x - x', y)*u(x', y), x')", network)
        x, y = np.arange(X) * H, -1 + np.arange(Y) * K
        kernel = np.exp(-(np.subtract.outer(x, x)[:, :, None] ** 2) - y**2)
        assert np.allclose(found, H * np.einsum("jky,bcky->bcjy", kernel, u))


def test_a_kernel_that_varies_along_another_axis_is_refused() -> None:
    with pytest.raises(npde.DiagnosticError, match="N0953"):
        rate("learn W(x, y, x')", "integral(W(x, y, x')*u(x', y), x')", "cnn")


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
def test_matrices_and_products_of_components_over_a_part_of_the_grid(network: str) -> None:
    m, b = array(3, 3, X), array(3, Y)
    u, found = rate("learn M[3, 3](x), b[3](y)", "M@u + dot(b, u)*u", network, components=3, M=m, b=b)
    expected = np.einsum("omx,bmxy->boxy", m, u) + np.einsum("my,bmxy->bxy", b, u)[:, None] * u
    assert np.allclose(found, expected)
