"""Models without space: samples side by side in the kernels, and what torch sees of it."""

from __future__ import annotations

import itertools

import pytest
import torch

import npde
from npde.emit.live import LiveModule
from npde.emit.rollout import Options
from npde.native.operators import march as march_operator
from npde.native.packing import packed, unpacked
from npde.native.samples import SAMPLES
from tests.comparison import EXAMPLES
from tests.native.native_comparison import pair, worst
from tests.native.test_native_march import SCHEMES

OSCILLATOR = """model oscillator
coordinates t in [0, 1]
field u(t), v(t)
learn w = 1.3 > 0, k(t) = 0.2
input s(t), amplitude
dt(u) = v
dt(v) = -w^2*u + k*sin(t)*u*v + amplitude*s
initial u = 1
initial v = 0
march rk4, steps: 20
"""
NETWORK = """model neurons
coordinates t in [0, 1]
field h[7](t), q(t), z(t) complex
learn A[7, 7], B[7, 2], b[7] = 0.1
learn f(a, b) = mlp(3, tanh)
learn g(a) = mlp(8, 8, softplus)
input s[2](t)
dt(h) = -h + tanh(A@h + B@s + b)
dt(q) = dot(h, b) - q + f(q, h[0]) + g(q)
i*dt(z) = q*z + abs(z)^2*z
initial h = 0.1
initial q = 0.2
initial z = 1
march heun, steps: 6
"""
PENDULUM = """model pendulum
coordinates t in [0, 3]
field x(t), y[2](t)
learn w = 1.3 > 0, k = 0.2
dtt(x) = -w*sin(x) + k*y[0] + cos(t)
dtt(y) = -y - y^3 + k*x*y
initial x = 0.5
initial y = 0.1
initial dt(x) = 0
initial dt(y) = 0
march leapfrog, steps: 30
"""
DRIVEN = PENDULUM.replace("learn", "input s(t)\nlearn").replace("cos(t)", "s")


@pytest.mark.parametrize("batch", [1, 7, 33, 64, 130])
@pytest.mark.parametrize("threads", [1, 2])
def test_batches_and_threads(batch: int, threads: int, quick_builds: None) -> None:
    torch_net, native_net = pair(OSCILLATOR)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for steps, every in ((6, None), (7, 3)):
            assert worst(torch_net, native_net, steps=steps, every=every, batch=batch) == {}
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes(scheme: str, quick_builds: None, one_thread: None) -> None:
    assert worst(*pair(OSCILLATOR.replace("rk4", scheme)), steps=6, every=1, batch=3) == {}


@pytest.mark.parametrize(
    "text, programs", [(PENDULUM, ["step", "finish"]), (DRIVEN, ["step"])], ids=["autonomous", "driven"]
)
def test_leapfrog(text: str, programs: list[str], quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(text)
    assert [p.name for p in native_net._npde.backend.runtime.kernels.programs] == programs  # type: ignore[union-attr]
    for steps, every in ((7, 3), (8, 4), (1, None)):
        assert worst(torch_net, native_net, steps=steps, every=every, batch=3) == {}


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
def test_vectors_matrices_closures_and_complex_fields(network: str, quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(NETWORK + f"network {network}\n")
    for batch in (1, 70):
        assert worst(torch_net, native_net, steps=5, every=2, batch=batch) == {}


def test_gradients_of_numbers_are_the_same_again_for_any_number_of_threads(quick_builds: None) -> None:
    _, net = pair(OSCILLATOR)
    batch = 5 * SAMPLES - 3
    state = 1 + torch.rand(batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = {"s": torch.ones(batch, 9, dtype=torch.float64), "amplitude": torch.ones(batch, dtype=torch.float64)}
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2, 3, 3):
            torch.set_num_threads(threads)
            found.append(torch.autograd.grad(net.march(state=state, **inputs).square().sum(), [net.raw_w, net.k]))
    finally:
        torch.set_num_threads(before)
    for first, second in ((1, 2), (3, 4)):
        assert all(torch.equal(a, b) for a, b in zip(found[first], found[second], strict=True))
        for a, b in zip(found[0], found[first], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-13, atol=0)


def test_single_precision(quick_builds: None, one_thread: None) -> None:
    assert worst(*pair(OSCILLATOR, dtype=torch.float32), 1e-5, 1e-4, steps=8, every=2, batch=19) == {}


@pytest.mark.parametrize("keep", [1, 4, 20])
@pytest.mark.parametrize("text", [OSCILLATOR.replace("rk4", "ab3"), PENDULUM], ids=["ab3", "leapfrog"])
def test_segments(text: str, keep: int, quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(text)
    native_net._rollout = Options(every=keep)
    assert worst(torch_net, native_net, steps=9, every=3, batch=3) == {}


def test_a_budget(quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(OSCILLATOR)
    native_net._rollout = Options(memory=600_000)
    assert worst(torch_net, native_net, steps=20, batch=70) == {}


def test_places_without_a_sample_do_what_the_last_one_does(quick_builds: None, one_thread: None) -> None:
    """Zeros there would make the gradient of `k` a NaN."""
    text = "model m\ncoordinates t in [0, 1]\nfield u(t)\nlearn k = 1\n"
    text += "dt(u) = k*u*log(u) + 1/u\ninitial u = 2\nmarch euler, steps: 9\n"
    torch_net, native_net = pair(text)
    assert worst(torch_net, native_net, steps=4, every=2, batch=3) == {}
    (gradient,) = torch.autograd.grad(native_net(steps=4).sum(), [native_net.k])
    assert torch.isfinite(gradient)


def test_states_that_are_the_same_for_all_samples_and_states_that_are_not(quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(OSCILLATOR)
    inputs = {"s": torch.rand(5, 3, dtype=torch.float64).T, "amplitude": torch.rand(1, dtype=torch.float64).expand(3)}
    given = torch.rand(2, 3, dtype=torch.float64).T  # not contiguous
    same = torch.ones(1, 2, dtype=torch.float64)
    for state, every in ((None, None), (given, None), (same, same.expand(3, 2))):
        expected = torch_net.march(state=state if every is None else every, **inputs)
        torch.testing.assert_close(native_net.march(state=state, **inputs), expected, rtol=1e-12, atol=0)
    nobody = native_net.march(state=given[:0], s=inputs["s"][:0], amplitude=inputs["amplitude"][:0])
    assert nobody.shape == (0, 2)
    assert torch.autograd.grad(nobody.sum(), [native_net.raw_w]) == (torch.zeros((), dtype=torch.float64),)
    assert torch.equal(native_net.march(state=given, **inputs, steps=0), given)


def test_packing() -> None:
    for batch in (1, SAMPLES, SAMPLES + 1):
        value = torch.rand(2, batch, 3)
        whole = packed(value, 1)
        assert whole.shape == (2, -(-batch // SAMPLES), 3, SAMPLES)
        assert torch.equal(whole[:, -1, :, -1], value[:, -1])
        assert torch.equal(unpacked(whole, 1, batch), value)
        assert float(packed(value, 1, repeats=False).sum()) == pytest.approx(float(value.sum()), rel=1e-5)


# --- to torch ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oscillator() -> LiveModule:
    return pair(OSCILLATOR)[1]


def test_the_operator_is_a_good_one(oscillator: LiveModule) -> None:
    runtime = oscillator._npde.backend.runtime  # type: ignore[union-attr]
    state = torch.rand(3, 2, dtype=torch.float64).requires_grad_()
    arguments = [
        torch.rand(5 if a.per_step else 1, 3 if a.batch else 1, a.elements, dtype=torch.float64).requires_grad_()
        for a in runtime.kernels.arguments
    ]
    wanted = [str(k) for k, a in enumerate(runtime.kernels.arguments) if a.kind != "time"]
    for given in (
        (state, arguments, " ".join(wanted), runtime.key, 5, 2, 2, 2),
        (state.detach(), [a.detach() for a in arguments], "", runtime.key, 5, 0, 0, 0),
    ):
        torch.library.opcheck(march_operator, given)


def test_under_compile_and_export(oscillator: LiveModule) -> None:
    inputs = {"s": torch.rand(3, 9, dtype=torch.float64), "amplitude": torch.rand(3, dtype=torch.float64)}
    expected = oscillator(**inputs)
    compiled = torch.compile(lambda: oscillator(**inputs), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(), expected, rtol=1e-13, atol=1e-13)
    (a,) = torch.autograd.grad(expected.square().sum(), [oscillator.raw_w])
    (b,) = torch.autograd.grad(compiled().square().sum(), [oscillator.raw_w])
    torch.testing.assert_close(b, a, rtol=1e-12, atol=0)
    exported = torch.export.export(oscillator, (), inputs)
    torch.testing.assert_close(exported.module()(**inputs), expected, rtol=1e-13, atol=1e-13)


def test_auto_builds_for_long_marches(quick_builds: None) -> None:
    text = (EXAMPLES / "lotka_volterra.npde").read_text(encoding="utf-8")
    assert npde.parse(text).compile().backend == "native"
    short = npde.parse(text.replace("2000", "200")).compile()
    assert (short.backend, short.backend_reason) == ("torch", "200 steps are done before kernels are built")
    adaptive = npde.parse(
        (EXAMPLES / "van_der_pol.npde").read_text(encoding="utf-8").replace("steps: 400", "steps: 4000")
    )
    assert "a step that follows the error has no native kernel" in adaptive.compile().backend_reason


@pytest.mark.slow
@pytest.mark.parametrize("example", ["leaky_memory", "lotka_volterra", "michaelis_menten"])
def test_examples(example: str) -> None:
    torch_net, native_net = pair((EXAMPLES / f"{example}.npde").read_text(encoding="utf-8"))
    for batch, every in itertools.product((1, 70), (2, None)):
        assert worst(torch_net, native_net, steps=6, every=every, batch=batch) == {}
