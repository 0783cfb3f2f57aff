"""The operators as torch sees them: schemas, fakes, gradients; numbers of samples and budgets under torch.compile."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import npde
from npde.diagnostics import DiagnosticError
from npde.emit.live import LiveModule
from npde.native import runtime as native
from npde.native.operators import march, march_back
from npde.native.runtime import NativeError
from tests.comparison import EXAMPLES, random_inputs
from tests.native.native_comparison import pair
from tests.native.test_native_leapfrog import WAVE
from tests.native.test_native_march import FISHER

CONDUCTIVITY = FISHER.replace("D = 0.1 > 0, r", "D(x, y) = 0.1 > 0, r").replace("D*lap(u)", "div(D*grad(u))")
TEXTS = {
    "scalars": FISHER,
    "fields": CONDUCTIVITY,
    "leapfrog": WAVE,
    "inputs": (EXAMPLES / "driven.npde").read_text(encoding="utf-8"),
    "tables": (EXAMPLES / "closure.npde").read_text(encoding="utf-8"),
}
STEPS, EVERY, KEEP = 5, 2, 2


class Call(NamedTuple):
    """What a model hands to `npde::march`. Its key is good as long as there is the module."""

    net: LiveModule
    state: Tensor
    arguments: list[Tensor]
    wanted: str


def call(text: str, dtype: torch.dtype, batch: int, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The call of a march of a model."""
    net = pair(text, dtype=dtype)[1]
    seen: list[tuple[Tensor, list[Tensor]]] = []
    original = native.march

    def watched(state: Tensor, arguments: list[Tensor], *rest: object) -> tuple[Tensor, Tensor, Tensor]:
        seen.append((state.detach(), [a.detach() for a in arguments]))
        return original(state, arguments, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(native, "march", watched)
        inputs = {n: v.to(dtype) for n, v in random_inputs(net, STEPS, batch, 0).items()}
        net.march(state=net.initial_state(batch, **inputs), steps=STEPS, **inputs)
    ((state, arguments),) = seen
    kinds = [a.kind for a in net._npde.backend.runtime.kernels.arguments]  # type: ignore[union-attr]
    wanted = " ".join(str(k) for k, kind in enumerate(kinds) if kind not in ("time", "coordinate", "kick"))
    return Call(net, torch.rand_like(state), arguments, wanted)


def strided(tensor: Tensor) -> Tensor:
    """The same numbers, not one behind the other."""
    wide = torch.empty(*tensor.shape[:-1], 2 * tensor.shape[-1], dtype=tensor.dtype)
    wide[..., ::2] = tensor
    return wide[..., ::2]


@pytest.mark.parametrize(
    "name, dtype",
    [
        ("scalars", torch.float32),
        ("fields", torch.float64),
        *(pytest.param(n, d, marks=pytest.mark.slow) for n in TEXTS for d in (torch.float32, torch.float64)),
    ],
)
def test_operators_keep_what_they_promise(
    name: str,
    dtype: torch.dtype,
    quick_builds: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = call(TEXTS[name], dtype, 3, monkeypatch)
    runtime = made.net._npde.backend.runtime  # type: ignore[union-attr]
    slots = KEEP + runtime.more
    numbers = (runtime.key, STEPS, EVERY, KEEP, max(slots, 3))
    some = {int(k) for k in made.wanted.split()[:1]}
    for wanted in (made.wanted, " ".join(map(str, some))):
        kept = {int(k) for k in wanted.split()}
        state = strided(made.state).requires_grad_()
        arguments = [strided(a).requires_grad_(k in kept) for k, a in enumerate(made.arguments)]
        torch.library.opcheck(march, (state, arguments, wanted, *numbers))
    plain = [a.detach() for a in arguments]
    torch.library.opcheck(march, (made.state, plain, "", runtime.key, STEPS, EVERY, 0, 0))
    final, frames, saved = march(made.state, plain, made.wanted, *numbers)
    bars = strided(torch.rand_like(final)), strided(torch.rand_like(frames))
    for of in (made.wanted, ""):
        torch.library.opcheck(march_back, (strided(saved), *bars, plain, of, *numbers))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "tables")) for n in TEXTS])
def test_a_graph_is_used_twice(name: str, quick_builds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved is not given back, nor written over by other marches, while a graph needs it."""
    made = call(TEXTS[name], torch.float64, 3, monkeypatch)
    inputs = random_inputs(made.net, STEPS, 3, 0)
    state = made.state.clone().requires_grad_()
    parameters = [state, *made.net.parameters()]
    loss = made.net.march(state=state, steps=STEPS, **inputs).square().sum()
    first = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    for _ in range(3):
        made.net.march(state=-state, steps=STEPS, **inputs).sum().backward()
    for a, b in zip(first, torch.autograd.grad(loss, parameters, materialize_grads=True), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["scalars", "fields"])
def test_a_second_derivative_names_the_other_backend(
    name: str,
    quick_builds: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = call(TEXTS[name], torch.float64, 2, monkeypatch)
    state = made.state.clone().requires_grad_()
    loss = made.net(state, steps=3).square().sum()
    (gradient,) = torch.autograd.grad(loss, [state], create_graph=True)
    with pytest.raises(NativeError, match='backend="torch"'):
        torch.autograd.grad(gradient.sum(), [state])


# --- torch.compile ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budgeted", [False, True])
def test_any_number_of_samples_after_one_another(budgeted: bool, quick_builds: None) -> None:
    """Without a budget one graph is for all of them; with one each has a plan of its own, as without torch.compile."""
    torch._dynamo.reset()
    net = npde.parse(FISHER).compile(backend="native", dtype=torch.float64)
    graphs, batches = 0, (2, 3, 5, 8)
    if budgeted:
        made = net._npde.backend.runtime  # type: ignore[union-attr]
        net.limit_memory(native.planned(made.key, (8, 1, 16, 12), torch.float64, "0 1", 20, 0, None, 1, 100)[2])

    def count(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        nonlocal graphs
        graphs += 1
        return graph

    traced = torch.compile(net, fullgraph=True, backend=count)
    keeps = []
    for batch in batches:
        state = torch.rand(batch, 1, 16, 12, dtype=torch.float64)
        found = []
        for run in (traced, net):
            out = run(state, steps=20)
            keeps.append(_saved(out) // batch)
            found.append(torch.autograd.grad(out.square().sum(), list(net.parameters())))
        assert keeps[-1] == keeps[-2]
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=0)
    if budgeted:
        assert graphs == len(batches)
        assert len(set(keeps)) > 1
    else:
        assert (graphs, len(set(keeps))) == (2, 1)


def _saved(out: Tensor) -> int:
    """Numbers that a march keeps for its gradient."""
    return int(out.grad_fn.saved_tensors[0].numel())  # type: ignore[union-attr]


@pytest.mark.parametrize("backend, code", [("native", "N1022"), ("torch", "N1025")])
def test_a_budget_that_cannot_be_kept_under_compile(backend: str, code: str, quick_builds: None) -> None:
    """The same coded error as without torch.compile, not one of torch's; nothing where no gradient is wanted."""
    torch._dynamo.reset()
    net = npde.parse(FISHER).compile(backend=backend, dtype=torch.float64, memory=1000)
    traced = torch.compile(net, fullgraph=True, backend="aot_eager")
    with pytest.raises(DiagnosticError, match=code):
        traced(steps=2)
    with torch.no_grad():
        torch.testing.assert_close(traced(steps=2), net(steps=2), rtol=1e-12, atol=0)
    torch.export.export(
        net, (torch.rand(2, 1, 16, 12, dtype=torch.float64),), {"steps": 6}
    ) if backend == "torch" else None
    net.limit_memory(None)
    torch._dynamo.reset()
    traced(steps=6).sum().backward()
