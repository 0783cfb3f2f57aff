"""Native marches equal those of torch, gradients too; and they are ordinary operators to torch."""

from __future__ import annotations

import io
import itertools
import pickle
from pathlib import Path

import pytest
import torch
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

import npde
from npde.emit.live import LiveModule
from npde.native import build
from npde.native import choose as choose_module
from npde.native.choose import BackendError
from npde.native.compiler import NoCompilerError
from npde.native.operators import march as march_operator
from npde.native.runtime import NativeError
from tests.comparison import EXAMPLES
from tests.native.native_comparison import marched, pair, worst

FISHER = """model fisher
coordinates x, y in [0, 20], t in [0, 1]
field u(x, y, t)
learn D = 0.1 > 0, r = 0.25 in [0, 5]
dt(u) = D*lap(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-(x - 10)^2 - (y - 10)^2)
grid x: 16, y: 12
march euler, steps: 20
"""

MARCHES = {
    "advection": {"x": 23},
    "brusselator": {"x": 7, "y": 9},
    "burgers": {"x": 31},
    "closure": {"x": 17},
    "driven": {},
    "fisher": {"x": 11, "y": 13},
    "fitzhugh_nagumo": {"x": 9, "y": 7},
    "ginzburg_landau": {"x": 11, "y": 8},
    "gray_scott": {"x": 8, "y": 19},
    "heat_box": {"x": 5, "y": 6, "z": 7},
    "heat_source": {},
    "klein_gordon": {"x": 10, "y": 11},
    "kuramoto_sivashinsky": {"x": 41},
    "maxwell": {"x": 13, "y": 11},
    "porous_medium": {"x": 37},
    "shallow_water": {"x": 11, "y": 9},
    "sine_gordon": {"x": 29},
    "swift_hohenberg": {"x": 12, "y": 13},
    "wave": {"x": 19},
}
"""Examples with native kernels, and small odd grids for them."""


@pytest.mark.parametrize("example", ["fisher", "heat_source", "wave"])
def test_examples(example: str, quick_builds: None) -> None:
    text = (EXAMPLES / f"{example}.npde").read_text(encoding="utf-8")
    assert worst(*pair(text, grid=MARCHES[example]), steps=3, every=2) == {}


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted(MARCHES))
def test_every_example(example: str) -> None:
    text = (EXAMPLES / f"{example}.npde").read_text(encoding="utf-8")
    torch_net, native_net = pair(text, grid=MARCHES[example])
    for batch, every in ((1, 2), (3, None)):
        assert worst(torch_net, native_net, steps=4, every=every, batch=batch) == {}


SIZES = [(3, 3), (7, 3), (5, 67)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_batches_and_threads(size: tuple[int, int], quick_builds: None) -> None:
    text = FISHER.replace(
        "boundary periodic", "boundary x: periodic\nboundary y = 0: u = 0.1\nboundary y = 20: dn(u) = 0"
    )
    torch_net, native_net = pair(text, grid=dict(zip("xy", size, strict=True)))
    before = torch.get_num_threads()
    try:
        for batch, threads in itertools.product((1, 7), (1, 2)):
            torch.set_num_threads(threads)
            assert worst(torch_net, native_net, steps=5, batch=batch, every=2) == {}
    finally:
        torch.set_num_threads(before)


def test_sums_do_not_depend_on_the_number_of_threads(quick_builds: None) -> None:
    _, net = pair(FISHER)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            (gradient,) = torch.autograd.grad(net.march(steps=5).square().sum(), [net.raw_D])
            found.append(gradient)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[1], found[2])


@pytest.mark.parametrize("batch", [1, 3])
def test_threads_that_do_not_come(batch: int, quick_builds: None) -> None:
    """OpenMP may give fewer threads than it is asked for: limits, nested regions, `OMP_DYNAMIC`."""
    torch_net, net = pair(FISHER.replace("0.25", "0.24"))
    runtime = net._npde.backend.runtime  # type: ignore[union-attr]
    _, library = runtime.forward(torch.float64)
    if not hasattr(library, "omp_set_max_active_levels"):
        pytest.skip("needs OpenMP")
    before, levels = torch.get_num_threads(), library.omp_get_max_active_levels()
    torch.set_num_threads(2)
    try:
        for most, runtime.depth in ((0, 0), (1, 0), (0, 2), (1, 2), (0, 2), (0, 0), (1, 0)):
            library.omp_set_max_active_levels(most)
            assert worst(torch_net, net, steps=5, batch=batch) == {}, (most, runtime.depth)
    finally:
        torch.set_num_threads(before)
        library.omp_set_max_active_levels(levels)


def test_without_openmp_one_thread_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    load = build.load
    monkeypatch.setattr(build, "load", lambda source, *, name: load(source, name=name, flags=("-O0", "-fno-openmp")))
    torch_net, net = pair(FISHER.replace("0.25", "0.23"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert worst(torch_net, net, steps=5, batch=1) == {}
    finally:
        torch.set_num_threads(before)


BANDED = {"euler": {"x": 41, "y": 13}, "heat_box": {"x": 25, "y": 6, "z": 7}, "shallow_water": {"x": 61, "y": 9}}
"""Examples with many rows: euler's and rk4's phases, walls and periodic axes, three dimensions, order 6."""


@pytest.mark.parametrize("example", sorted(BANDED))
def test_time_blocking(example: str, quick_builds: None) -> None:
    # a single stage feels the outermost row of a halo most
    text = FISHER if example == "euler" else (EXAMPLES / f"{example}.npde").read_text(encoding="utf-8")
    _, net = pair(text, grid=BANDED[example])
    runtime = net._npde.backend.runtime  # type: ignore[union-attr]
    assert "#define PHASES" in runtime.kernels.forward("double").text
    state = net.initial_state()
    state = state + 0.1 * torch.rand(state.shape, dtype=state.dtype, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    try:
        for depth, threads in itertools.product((2, 3, 5), (1, 2, 3)):
            torch.set_num_threads(threads)
            with torch.no_grad():
                runtime.depth = 0
                expected = net.march(state, steps=11), net.march(state, steps=9, every=4)
                runtime.depth = depth
                found = net.march(state, steps=11), net.march(state, steps=9, every=4)
            for a, b in zip(expected, found, strict=True):
                torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("boundary", ["boundary periodic", "boundary u = 0", "boundary dn(u) = 1"])
def test_time_blocking_of_an_adjoint_stencil(boundary: str, quick_builds: None) -> None:
    """Its ghost cells are folded back onto cells at the walls."""
    text = FISHER.replace("r*u*(1 - u)", "0.1*adjoint(K)(tanh(K(u))) - adjoint(K)(u)").replace(
        "learn D", "learn K stencil 3x3, D"
    )
    torch_net, net = pair(text.replace("boundary periodic", boundary), grid={"x": 37})
    runtime = net._npde.backend.runtime  # type: ignore[union-attr]
    with torch.no_grad():
        expected = torch_net.march(steps=7)
        for runtime.depth in (0, 2, 5):
            torch.testing.assert_close(net.march(steps=7), expected, rtol=1e-12, atol=1e-12)


def test_single_precision(quick_builds: None) -> None:
    assert worst(*pair(FISHER, dtype=torch.float32), 1e-5, 1e-4, steps=8) == {}


SCHEMES = ["euler", "midpoint", "heun", "ssprk3", "rk4", "ab2", "ab3"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes(scheme: str, quick_builds: None) -> None:
    text = f"""model m
coordinates x in [0, 1], t in [0, 0.01]
field u(x, t)
learn a(x) = 1 > 0, q = 0.2
input s(t)
dt(u) = dx(a*dx(u)) + s*u + q*t
boundary x = 0: u = q*(1 + t)
boundary x = 1: u + 0.5*dn(u) = sin(t)
initial u = x
grid x: 9
march {scheme}, steps: 6
"""
    assert worst(*pair(text), steps=6, every=1) == {}


@pytest.mark.parametrize("scheme", ["euler", "ab2", "heun"])
@pytest.mark.parametrize("verb", ["learn", "input"])
def test_wall_data_that_vary_with_time_along_the_wall(verb: str, scheme: str, quick_builds: None) -> None:
    """They have ghost cells of their own, and their gradients are folded back."""
    text = f"""model m
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
{verb} q(x, t)
dt(u) = lap(u)
boundary x: periodic
boundary y = 0: dn(u) = q
boundary y = 1: u = 0
initial u = y
grid x: 8, y: 7
march {scheme}, steps: 3
"""
    torch_net, native_net = pair(text)
    assert marched(torch_net, steps=3)["gradient of q"].abs().max() > 0
    assert worst(torch_net, native_net, steps=3) == {}


@pytest.mark.parametrize("free", ["kernels", "layers"])
def test_released_stencils(free: str, quick_builds: None) -> None:
    assert worst(*pair(FISHER.replace("euler, steps: 20", "heun, steps: 3"), free=free), steps=3) == {}


def test_convolutions_and_their_adjoints(quick_builds: None) -> None:
    text = """model m
coordinates x, y in [0, 1], t in [0, 0.02]
field u[2](x, y, t)
learn K[3, 2](t) stencil 3x3, b[3](t) = 0.1
dt(u) = -adjoint(K)(relu(K(u) + b))
boundary x: periodic
boundary y = 0: u = 0
boundary y = 1: dn(u) = 0
initial u = x*y
grid x: 4, y: 5
march euler, steps: 3
"""
    assert worst(*pair(text), steps=3) == {}


def test_outputs_after_each_step(quick_builds: None) -> None:
    text = FISHER + "output mass(t) = integral(u, x, y)\noutput last(x, y) = u^2\n"
    torch_net, native_net = pair(text)
    expected, got = torch_net(steps=4), native_net(steps=4)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-12, atol=1e-12)
        (a,) = torch.autograd.grad(value.square().sum(), [torch_net.raw_D], retain_graph=True)
        (b,) = torch.autograd.grad(got[name].square().sum(), [native_net.raw_D], retain_graph=True)
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)


# --- to torch ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fisher() -> npde.emit.live.LiveModule:  # type: ignore[name-defined]
    return pair(FISHER)[1]


def test_the_operator_is_a_good_one(fisher) -> None:  # type: ignore[no-untyped-def]
    state = torch.rand(2, 1, 16, 12, dtype=torch.float64).requires_grad_()
    scalars = [torch.tensor(v, dtype=torch.float64).reshape(1, 1, 1, 1, 1).requires_grad_() for v in (0.1, 0.3)]
    key = fisher._npde.backend.runtime.key
    for arguments in (
        (state, scalars, "0 1", key, 5, 2, 2, 2),
        (state.detach(), [s.detach() for s in scalars], "", key, 5, 0, 0, 0),
    ):
        torch.library.opcheck(march_operator, arguments)


def test_under_compile_and_export(fisher) -> None:  # type: ignore[no-untyped-def]
    state = torch.rand(2, 1, 16, 12, dtype=torch.float64)
    expected = fisher(state, steps=12)
    compiled = torch.compile(lambda s: fisher(s, steps=12), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(state), expected, rtol=1e-13, atol=1e-13)
    (a,) = torch.autograd.grad(expected.square().sum(), [fisher.raw_D])
    (b,) = torch.autograd.grad(compiled(state).square().sum(), [fisher.raw_D])
    torch.testing.assert_close(b, a, rtol=1e-12, atol=0)
    exported = torch.export.export(fisher, (state,), {"steps": 12})
    torch.testing.assert_close(exported.module()(state, steps=12), expected, rtol=1e-13, atol=1e-13)


def test_ways_of_use(fisher) -> None:  # type: ignore[no-untyped-def]
    state = torch.rand(2, 1, 12, 16, dtype=torch.float64).transpose(2, 3)  # not contiguous, wants no gradient
    found = fisher(state, steps=5)
    (first,) = torch.autograd.grad(found.sum(), [fisher.raw_r], retain_graph=True)
    (second,) = torch.autograd.grad(found.sum(), [fisher.raw_r])
    assert torch.equal(first, second)
    with torch.no_grad():
        assert torch.equal(fisher(state, steps=5), found)
    assert torch.equal(fisher(state, steps=0), state)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
def test_transformations_march_the_emitted_loop(fisher) -> None:  # type: ignore[no-untyped-def]
    """Forward mode, `torch.func` and derivatives of any order: operators would lose tangents without a word."""
    plain = pair(FISHER)[0]
    plain.load_state_dict(fisher.state_dict())
    state = torch.rand(2, 1, 16, 12, dtype=torch.float64)

    def tangent(net: LiveModule) -> torch.Tensor:
        with dual_level():
            return unpack_dual(net(make_dual(state, state), steps=3)).tangent

    def found(net: LiveModule) -> list[torch.Tensor]:
        def last(s: torch.Tensor) -> torch.Tensor:
            return net(s, steps=3)

        def total(s: torch.Tensor) -> torch.Tensor:
            return last(s[None])[0, 0, :2, 0].square().sum()

        learned = {n: p.detach() for n, p in net.named_parameters()}

        def loss(p: dict[str, torch.Tensor]) -> torch.Tensor:
            return torch.func.functional_call(net, p, (state,), {"steps": 3}).square().sum()

        ways = (
            torch.func.jvp(last, (state,), (state,))[1], torch.func.vmap(lambda s: last(s[None])[0])(state),
            torch.func.grad(total)(state[0]), torch.func.vmap(torch.func.grad(total))(state), tangent(net),
            torch.func.hessian(lambda s: total(s * state[0]))(torch.ones((), dtype=torch.float64)),
            *torch.func.grad(loss)(learned).values(), *torch.func.jacfwd(loss)(learned).values(),
        )  # fmt: skip
        return list(ways)

    for got, expected in zip(found(fisher), found(plain), strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_batches_of_states_and_inputs(batch: int, quick_builds: None) -> None:
    """No sample, or one state for several inputs."""
    text = FISHER.replace("learn D", "learn a(x, y) = 1\ninput q(x, y)\nlearn D").replace("u*(1", "q*a*u*(1")
    torch_net, native_net = pair(text)
    given = {"q": torch.rand(batch, 16, 12, dtype=torch.float64)}
    results = []
    for net in (torch_net, native_net):
        state = torch.rand(min(batch, 1), 1, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        out = net(state=state.requires_grad_(), steps=4, **given)
        results.append([out, *torch.autograd.grad(out.square().sum(), [state, net.raw_D, net.a])])
    assert results[1][0].shape == (batch, 1, 16, 12)
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


def test_a_second_derivative_says_where_to_get_it(fisher) -> None:  # type: ignore[no-untyped-def]
    state = torch.rand(1, 1, 16, 12, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(fisher(state, steps=2).square().sum(), [state], create_graph=True)
    with pytest.raises(NativeError, match='backend="torch"'):
        gradient.sum().backward()


def test_auto_builds_where_it_pays(monkeypatch: pytest.MonkeyPatch, quick_builds: None) -> None:
    model = npde.parse(FISHER)
    small = model.compile()
    assert (small.backend, "before kernels are built" in small.backend_reason) == ("torch", True)
    monkeypatch.setattr(choose_module, "WORTH_BUILDING", 1)
    assert model.compile().backend == "native"
    walls = npde.parse((EXAMPLES / "heat_rod.npde").read_text(encoding="utf-8")).compile()
    assert (walls.backend, "an implicit solve has no native kernel" in walls.backend_reason) == ("torch", True)

    def broken(source: str, *, name: str) -> None:
        raise NoCompilerError("There is no C compiler.")

    monkeypatch.setattr(build, "load", broken)
    monkeypatch.setattr(choose_module, "TOLD", set())
    with pytest.warns(UserWarning, match="no C compiler") as told:
        assert npde.parse(FISHER.replace("0.25", "0.3")).compile().backend == "torch"
    assert told[0].filename == __file__  # the caller's line
    assert npde.parse(FISHER.replace("0.25", "0.32")).compile().backend == "torch"  # once is enough
    with pytest.raises(BackendError, match="no C compiler"):
        npde.parse(FISHER.replace("0.25", "0.35").replace("x: 16", "x: 17")).compile(backend="native")


def test_a_module_says_what_marches_it() -> None:
    model = npde.parse(FISHER)
    native, plain = model.compile(backend="native"), model.compile(backend="torch")
    assert (native.backend, plain.backend) == ("native", "torch")
    again = pickle.load(io.BytesIO(pickle.dumps(native)))
    assert again.backend == "native"
    text = Path(EXAMPLES / "heat_rod.npde").read_text(encoding="utf-8")
    with pytest.raises(BackendError, match="an implicit solve has no native kernel"):
        npde.parse(text).compile(backend="native")
