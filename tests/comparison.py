"""Compiled modules beside the NumPy interpreter: the same learned values, inputs and states in both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from npde.driver import Compilation
from npde.emit.live import instantiate
from npde.model.problem import LearnedClosure, LearnedCoefficient, LearnedStencil, Problem
from npde.options import CompileOptions, Overrides
from npde.source import Source

EXAMPLES = Path(__file__).parent.parent / "examples"


def compiled(
    text: str, network: str | None = None, free: str = "none", overrides: Overrides | None = None, seed: int = 0
) -> tuple[Compilation, torch.nn.Module]:
    """A text compiled to a float64 module whose random starts come from `seed`."""
    options = CompileOptions(network=network, free=free)  # type: ignore[arg-type]
    compilation = _kept(text, options) if overrides is None else Compilation(_source(text), overrides, options)
    generator = torch.Generator().manual_seed(seed)
    return compilation, instantiate(compilation.graph, compilation.source, dtype=torch.float64, generator=generator)


@lru_cache(maxsize=4)
def _kept(text: str, options: CompileOptions) -> Compilation:
    """Tests look at a program more than once; modules are made of it anew."""
    return Compilation(_source(text), Overrides(), options)


def _source(text: str) -> Source:
    return Source("<test>", text)


def perturb(net: torch.nn.Module, seed: int = 0, size: float = 0.05) -> None:
    """Moves every stored parameter a little, so that no start value hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += size * torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)


def random_inputs(net: torch.nn.Module, steps: int, batch: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs in [0.5, 1.5)."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {n: [steps if k is None else k for k in shape] for n, shape in net.INPUTS.items()}
    return {n: 0.5 + torch.rand(batch, *s, dtype=torch.float64, generator=generator) for n, s in shapes.items()}


def physical(net: torch.nn.Module, problem: Problem) -> dict[str, np.ndarray]:
    """The learned values of a module as the interpreter takes them."""
    cells = dict(problem.numerics.cells)
    values: dict[str, np.ndarray] = {}
    for learned in problem.learned:
        match learned:
            case LearnedCoefficient():
                if not hasattr(net, attribute(net, learned.name)):
                    continue
                value = getattr(net, attribute(net, learned.name)).detach().numpy()
                grid = [cells[c.rstrip("'")] for c in learned.coordinates if c != problem.marching]
                lead = value.shape[:1] if problem.marching in learned.coordinates else ()
                values[learned.name] = value.reshape((*lead, *learned.shape, *grid))
            case LearnedStencil():
                value = getattr(net, attribute(net, learned.name)).detach().numpy()
                lead = value.shape[:1] if learned.per_step else ()
                values[learned.name] = value.reshape((*lead, *learned.channels, *learned.extents))
            case LearnedClosure():
                layers = [m for m in getattr(net, attribute(net, learned.name)) if isinstance(m, torch.nn.Linear)]
                for k, layer in enumerate(layers):
                    values[f"{learned.name}.{k}.weight"] = layer.weight.detach().numpy()
                    values[f"{learned.name}.{k}.bias"] = layer.bias.detach().numpy()
    for name, module in net.named_children():
        kind, _, occurrence = name.rpartition("_")
        if kind in ("lift", "linear") and occurrence.isdigit():
            weight = module.weight.detach().numpy()
            values[f"{kind}.{occurrence}.weight"] = weight.reshape(weight.shape[:2])
            values[f"{kind}.{occurrence}.bias"] = module.bias.detach().numpy()
    return values


def attribute(net: torch.nn.Module, name: str) -> str:
    """The attribute of a learned name: with a trailing underscore where the module owns it."""
    return (
        name + "_" if any(p.attribute == name + "_" for p in net.graph.parameters) or hasattr(net, name + "_") else name
    )


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference relative to the largest expected value (at least 1e-3)."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-3))


def as_arrays(inputs: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {n: v.numpy() for n, v in inputs.items()}
