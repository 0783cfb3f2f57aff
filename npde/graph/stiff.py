"""Wiring of implicit schemes, and of those that treat the stiff linear part L apart from the rest N."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from npde.discretize.scheme import Adaptive, Exponential, Implicit, ImplicitExplicit
from npde.graph.expression_blocks import DT
from npde.graph.layers import AdaptiveStep, Join, NewtonLayer, PhiFunctions, SpectralLayer
from npde.graph.wiring import Wiring

if TYPE_CHECKING:
    from npde.graph.build import Context

Columns = tuple[tuple[sp.Expr | int, ...], ...]
"""Weights of φ_0, φ_1, … for each value that a spectral layer adds up."""

WHOLE: dict[str, Columns] = {
    "etd1": ((1,), (0, DT)),
    "etdrk2": ((1,), (0, DT)),
    "etdrk4": ((1,), (0, DT, -3 * DT, 4 * DT), (0, 0, 2 * DT, -4 * DT), (0, 0, -DT, 4 * DT)),
}
"""What is added up over a whole step: of q and N(q); for etdrk4 of q, N(q), N(a) + N(b), N(c)."""

HALF: Columns = ((1,), (0, DT / 2))
CORRECTION: Columns = ((0, 0, DT),)


def adaptive(step: Wiring, scheme: Adaptive) -> None:
    """One interval between times that are asked for."""
    timed = "t" in next(b for b in step.context.blocks if b.name == "rhs").inputs
    inputs = (step.state, step.at(sp.Integer(0))) if timed else (step.state,)
    layer = AdaptiveStep("rhs", scheme.tableau.name, len(scheme.tableau.b), scheme.tolerance)
    out = step.builder.add(layer, inputs, step.context.state_shape(), step.context.interior, "next_state")
    step.context.blocks.append(step.finish(out))


def implicit(step: Wiring, scheme: Implicit) -> None:
    """Implicit schemes; the formulas are those of `Implicit`."""
    q, third = step.state, sp.Rational(1, 3)
    if scheme.name == "bdf2":
        (previous,) = step.history("previous", 1)
        known = step.combine(lambda u, v: third * (u - v), q, previous, hint="known")
        out = _advanced(step, scheme, 2 * third * DT, known)
        first = Wiring(step.context, "first_step")
        started = _advanced(first, scheme, DT, None)
        step.context.blocks.append(first.finish(started, first.state))
        step.context.blocks.append(step.finish(out, q))
        return
    if scheme.name == "backward_euler":
        out = _advanced(step, scheme, DT, None)
    elif scheme.linear is not None:
        rate, later = step.call("rhs", q, hint="rate"), step.call("rhs", q, DT, hint="rate_later")
        if later == rate:
            right = step.combine(lambda f: DT * f, rate, hint="right_side")
        else:
            right = step.combine(lambda f, g: DT / 2 * (f + g), rate, later, hint="right_side")
        change = step.solved(right, DT / 2, scheme.solve)
        out = step.combine(lambda u, d: u + d, q, change, hint="next_state")
    else:
        known = step.combine(lambda f: DT / 2 * f, step.call("rhs", q, hint="rate"), hint="known")
        out = _advanced(step, scheme, DT / 2, known)
    step.context.blocks.append(step.finish(out))


def _advanced(step: Wiring, scheme: Implicit, factor: sp.Expr, known: str | None) -> str:
    """q + δ, δ = known + factor F'(q + δ)."""
    q, context = step.state, step.context
    if scheme.linear is None:
        start = q if known is None else step.combine(lambda u, k: u + k, q, known, hint="start")
        periodic = tuple(a.periodic for a in context.scheme.grid.axes)
        layer = NewtonLayer("rhs", factor, scheme.solve, periodic)
        return step.builder.add(
            layer, (start, q, *step.times("rhs", DT)), context.state_shape(), context.interior, "next_state"
        )
    later = step.call("rhs", q, DT, hint="rate_later")
    if known is None:
        right = step.combine(lambda f: factor * f, later, hint="right_side")
    else:
        right = step.combine(lambda k, f: k + factor * f, known, later, hint="right_side")
    return step.combine(lambda u, d: u + d, q, step.solved(right, factor, scheme.solve), hint="next_state")


def implicit_explicit(step: Wiring, scheme: ImplicitExplicit) -> None:
    """Implicit-explicit schemes; the formulas are those of `ImplicitExplicit`."""
    blocks = step.context.blocks
    if scheme.name == "imex_euler":
        blocks.append(step.finish(_imex_euler(step, scheme)[0]))
        return
    first = Wiring(step.context, "first_step")
    started, rest = _imex_euler(first, scheme)
    q = step.state
    now = step.call("explicit", q, hint="rate")
    if scheme.name == "cnab2":
        (before,) = step.history("previous_rate", 1)
        stiff, later = step.call("implicit", q, hint="stiff"), step.call("implicit", q, DT, hint="stiff_later")
        factor = DT / 2
        right = step.combine(
            lambda n, b, s, r: factor * (3 * n - b + s + r), now, before, stiff, later, hint="right_side"
        )
        kept, first_kept = [now], [rest]
    else:
        (previous,), (before,) = step.history("previous", 1), step.history("previous_rate", 1)
        later, factor = step.call("implicit", q, DT, hint="stiff_later"), 2 * DT / 3
        right = step.combine(
            lambda u, v, n, b, r: (u - v) / 3 + factor * (2 * n - b + r),
            q,
            previous,
            now,
            before,
            later,
            hint="right_side",
        )
        kept, first_kept = [q, now], [first.state, rest]
    out = step.combine(lambda u, d: u + d, q, step.solved(right, factor, scheme.solve), hint="next_state")
    blocks.append(first.finish(started, *first_kept))
    blocks.append(step.finish(out, *kept))


def _imex_euler(step: Wiring, scheme: ImplicitExplicit) -> tuple[str, str]:
    """The state after a step of imex_euler, and the explicit rate."""
    q = step.state
    now, later = step.call("explicit", q, hint="rate"), step.call("implicit", q, DT, hint="stiff_later")
    right = step.combine(lambda n, r: DT * (n + r), now, later, hint="right_side")
    return step.combine(lambda u, d: u + d, q, step.solved(right, DT, scheme.solve), hint="next_state"), now


def exponential(step: Wiring, scheme: Exponential) -> None:
    """Exponential time differencing; the formulas are those of `Exponential`."""
    q = step.state
    now = step.call("explicit", q, hint="rate")
    match scheme.name:
        case "etd1":
            out = _sum(step, WHOLE["etd1"], DT, "exponentials", [q, now], "next_state")
        case "etdrk2":
            a = _sum(step, WHOLE["etdrk2"], DT, "exponentials", [q, now], "predicted")
            later = step.call("explicit", a, DT, hint="rate_later")
            change = step.combine(lambda f, g: f - g, later, now, hint="change")
            added = _sum(step, CORRECTION, DT, "correction", [change], "corrected")
            out = step.combine(lambda x, d: x + d, a, added, hint="next_state")
        case "etdrk4":
            a = _sum(step, HALF, DT / 2, "half_exponentials", [q, now], "stage_a")
            rate_a = step.call("explicit", a, DT / 2, hint="rate_a")
            b = _sum(step, HALF, DT / 2, "half_exponentials", [q, rate_a], "stage_b")
            rate_b = step.call("explicit", b, DT / 2, hint="rate_b")
            turned = step.combine(lambda f, g: 2 * f - g, rate_b, now, hint="rate_turned")
            c = _sum(step, HALF, DT / 2, "half_exponentials", [a, turned], "stage_c")
            rate_c = step.call("explicit", c, DT, hint="rate_c")
            both = step.combine(lambda f, g: f + g, rate_a, rate_b, hint="rates")
            out = _sum(step, WHOLE["etdrk4"], DT, "exponentials", [q, now, both, rate_c], "next_state")
    step.context.blocks.append(step.finish(out))


def per_sample(context: Context) -> bool:
    """Whether the linear part of an exponential scheme has coefficients that differ by sample."""
    return isinstance(context.scheme.time, Exponential) and context.scheme.time.solve.per_sample


def _sum(step: Wiring, columns: Columns, time: sp.Expr, name: str, values: list[str], hint: str) -> str:
    """Σ_j (Σ_k columns[j][k] φ_k(time L)) values[j], by one transform there and one back."""
    context = step.context
    weights = tuple(tuple(sp.Integer(w) if isinstance(w, int) else w for w in column) for column in columns)
    layer = PhiFunctions("linear_part", time, context.channels, weights, per_sample(context))
    matrices = step.builder.add(layer, (), context.scalar, context.interior, name)
    joined = values[0]
    if len(values) > 1:
        shape = context.state_shape(context.channels * len(values))
        joined = step.builder.add(Join(), tuple(values), shape, context.interior, "summands")
    return step.builder.add(SpectralLayer(), (joined, matrices), context.state_shape(), context.interior, hint)
