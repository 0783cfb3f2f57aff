"""A model marched by torch and by native kernels: states, frames and all gradients beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from npde.driver import Compilation
from npde.emit.live import LiveModule, instantiate
from npde.native.choose import choose
from npde.options import CompileOptions, Overrides
from npde.source import Source
from tests.comparison import perturb, random_inputs

FORWARD, BACKWARD = 1e-12, 1e-10
"""Largest differences in float64, relative to the largest entry."""


def pair(
    text: str,
    *,
    grid: Mapping[str, int] | None = None,
    free: str = "none",
    network: str | None = None,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> tuple[LiveModule, LiveModule]:
    """The module that torch marches, and the one that kernels march, with equal parameters.

    Raises BackendError where there are no kernels."""
    overrides = Overrides(grid=grid or {})
    compilation = Compilation(Source("<test>", text), overrides, CompileOptions(network=network, free=free))  # type: ignore[arg-type]
    backend = choose(compilation.graph, "native", dtype=dtype)
    made = []
    for chosen in (None, backend):
        generator = torch.Generator().manual_seed(seed)
        net = instantiate(compilation.graph, compilation.source, dtype=dtype, generator=generator, backend=chosen)
        perturb(net, seed)
        made.append(net)
    return made[0], made[1]


def marched(
    net: LiveModule, *, steps: int, every: int | None = None, batch: int = 2, seed: int = 0, **how: Any
) -> dict[str, torch.Tensor]:
    """What a march gives, and the gradient of a random functional of it with respect to everything."""
    inputs = {n: v.to(net.unit.dtype).requires_grad_() for n, v in random_inputs(net, steps, batch, seed).items()}
    detached = {n: v.detach() for n, v in inputs.items()}
    state = net.initial_state(batch, **detached).detach().clone().requires_grad_()
    found = net.march(state=state, steps=steps, every=every, **inputs, **how)
    weight = torch.randn(found.shape, dtype=found.dtype, generator=torch.Generator().manual_seed(seed + 1))
    parameters = {n: p for n, p in net.named_parameters() if p.requires_grad}
    wanted = {"state": state, **inputs, **parameters}
    gradients = torch.autograd.grad((found * weight).sum(), list(wanted.values()), allow_unused=True)
    result = {f"gradient of {n}": g for n, g in zip(wanted, gradients, strict=True)}
    zeros = {f"gradient of {n}": torch.zeros_like(v) for n, v in wanted.items()}
    return {"march": found.detach(), **{n: zeros[n] if g is None else g for n, g in result.items()}}


def worst(
    torch_net: LiveModule, native_net: LiveModule, forward: float = FORWARD, backward: float = BACKWARD, **how: Any
) -> dict[str, float]:
    """Everything that differs by more than it may: name -> difference, relative to the largest entry; for what is next to nothing
    beside the other gradients (sums that cancel) to a millionth of theirs."""
    expected, got = marched(torch_net, **how), marched(native_net, **how)
    assert expected.keys() == got.keys()
    found = {}
    sizes = {name: float(value.abs().max()) for name, value in expected.items()}
    floor = 1e-6 * max((size for name, size in sizes.items() if name != "march"), default=0.0)
    for name, value in expected.items():
        size = max(sizes[name], 1e-30 if name == "march" else floor, 1e-30)
        difference = float((value - got[name]).abs().max()) / size
        if not difference <= (forward if name == "march" else backward):
            found[name] = difference
    return found
