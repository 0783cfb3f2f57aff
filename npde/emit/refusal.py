"""Errors of what torch.compile has traced: an operator that raises them when the compiled program runs.

Raised while torch traces they would come as internal errors of torch, wrapped, with its advice. An operator is traced as what it
returns, so the error is raised by the march and is the same with torch.compile and without.
"""
# ruff: noqa: ARG001 - fakes and gradients have the signatures that torch calls

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.emit.budget import too_small
from npde.source import Source

SOURCES: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""What live modules of this process remember, by digest: operators of torch take texts, not objects."""


@torch.library.custom_op("npde::refuse", mutates_args=())
def refuse(state: Tensor, name: str, allowed: int, least: int) -> Tensor:
    """Stands for the state of a march that cannot keep to its `memory`: of `name` in SOURCES; `least` bytes are needed, or 0 where
    torch.compile would decide what is kept.

    Raises:
        DiagnosticError: N1022, or N1025.
    """
    module = SOURCES.get(name)
    source = Source("model", "") if module is None else module.graph.scheme.system.problem.source
    if least:
        raise too_small(source, allowed, least)
    raise DiagnosticError([codes.NOT_PLANNED.at()], source)


@refuse.register_fake
def _(state: Tensor, name: str, allowed: int, least: int) -> Tensor:
    return torch.empty_like(state)


def _backward(ctx: Any, bar: Tensor) -> tuple[Tensor, None, None, None]:
    return bar, None, None, None


refuse.register_autograd(_backward)
