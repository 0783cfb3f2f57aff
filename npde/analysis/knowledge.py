"""What is known about errors, invariants and memory, as lines of `npde explain`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import sympy as sp

from npde.analysis.modified import DT, dominant, flow_symbols
from npde.analysis.summary import Analysis
from npde.analysis.text import rate_name
from npde.files.limits import human
from npde.symbolic import operators as op
from npde.symbolic.classify import degrees
from npde.view.notation import formula, wrapped

if TYPE_CHECKING:
    from npde.analysis.footprint import Footprint

COLUMNS = 72
"""Of a formula's line."""

LINES = 3
"""Lines that an error in time may take; a longer one is given by its dominant part or its size."""


def modified_lines(analysis: Analysis) -> Iterator[str]:
    """The modified equation: each rate, and below it the leading errors."""
    scheme, errors = analysis.graph.scheme, analysis.errors
    for k, unknown in enumerate(scheme.system.unknowns):
        space, time = space_text(analysis, k), time_text(analysis, k)
        if not space and not time:
            continue
        yield f"{rate_name(scheme.system, unknown) if scheme.system.kind == 'evolution' else '0'} = the right side above, and"
        for text, where in ((space, "in space"), (time, "in time")):
            first, *rest = wrapped(text, COLUMNS - 14, LINES)
            yield from ([f"    {where:<8}  {first}"] if text else [])
            yield from (f"              {line}" for line in rest)
    yield from errors.notes


def space_text(analysis: Analysis, k: int) -> str:
    """The leading error in space of rate k; empty where there is none."""
    error = analysis.errors.space[k]
    return "" if error == 0 else formula(factored(error))


def factored(e: sp.Expr) -> sp.Expr:
    """A sum of errors with equal factors before derivatives, multiplied out."""
    return sp.expand(e, power_base=False, power_exp=False, log=False)


def time_text(analysis: Analysis, k: int) -> str:
    """The leading error in time of rate k: written out, or by its dominant form where that is equal and shorter, or its size."""
    errors, scheme = analysis.errors, analysis.graph.scheme
    if errors.time is None or errors.time[k] == 0:
        return ""
    text = formula(errors.time[k])
    if len(text) <= LINES * (COLUMNS - 10):
        return text
    symbols = flow_symbols(scheme)
    linear = all(degrees(e, symbols) <= {0, 1} for e in scheme.system.rates)
    found = dominant(scheme)
    terms = f"{len(sp.Add.make_args(errors.time[k]))} terms, in model.analyze().modified"
    if found is None:
        return f"dt^{analysis.order['time']} times {terms}"
    order, constant, always = found
    marching = sp.Symbol(scheme.system.problem.marching or "t", real=True)
    short = formula(sp.Rational(Fraction(constant)) * DT**order * op.Diff(symbols[k], marching, order + 1))
    return short if linear or always else f"{short} if linearized; {terms}"


def invariant_lines(analysis: Analysis) -> Iterator[str]:
    """Every invariant with its reason."""
    for proof in analysis.proofs:
        yield f"{proof.name}{'' if proof.exact else ' (nearly)'}: {proof.reason}"
    if not analysis.proofs:
        yield "nothing that is proved; `npde run --watch` shows masses, norms and ranges"


def memory_lines(analysis: Analysis) -> Iterator[str]:
    """Predicted peaks, forward and with gradients, and what takes them."""
    from npde.analysis.answers import ASSUMED
    from npde.analysis.footprint import depends_on_data, keeps_iterations  # imports torch, as tracing does

    yield from _peak_lines("forward", analysis.footprint())
    if keeps_iterations(analysis.graph):
        yield f"    for {ASSUMED} iterations of GMRES, which keeps an array of each"
    if depends_on_data(analysis.graph, True):
        yield "with gradients: depends on the number of adaptive steps"
    elif analysis.cost.parameters:
        yield from _peak_lines("with gradients", analysis.footprint(grad=True))


def _peak_lines(title: str, found: Footprint) -> Iterator[str]:
    yield f"{title}: {human(found.peak)}"
    yield from (f"    {human(s.bytes):>10}  {s.text()}" for s in found.shares[:3])
