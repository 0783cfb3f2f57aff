"""The mathematics and the numerics as text: what `npde show` and `npde explain` print."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from typing import assert_never

import sympy as sp

from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Axis,
    ButcherTableau,
    Exponential,
    GhostRule,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    LinearSolve,
    RungeKutta,
    Scheme,
    Splitting,
    Steady,
)
from npde.graph.layers import StencilLayer, Tap
from npde.symbolic.system import System, Term, Unknown, Wall
from npde.view.notation import exact_text, formula

INDICES = ("i", "j", "k")


def system_text(system: System) -> str:
    """The canonical form: a line an unknown, below it what is known of each term."""
    lines = [f"system {system.problem.name} ({system.kind})"]
    for unknown, rate, terms in zip(system.unknowns, system.rates, system.terms, strict=True):
        left = f"{rate_name(system, unknown)} = " if system.kind == "evolution" else "0 = "
        lines.append(f"  {left}{formula(rate)}")
        lines.extend(f"      {formula(term.expression)}: {term_text(term)}" for term in terms)
    lines.extend(f"  {wall_text(wall)}" for wall in system.walls)
    for unknown, start in zip(system.unknowns, system.initial, strict=False):
        lines.append(f"  initial {unknown.symbol} = {formula(start)}")
    lines.extend(f"  output {o.name} = {', '.join(formula(part) for part in o.parts)}" for o in system.outputs)
    return "\n".join(lines) + "\n"


def scheme_text(scheme: Scheme) -> str:
    """The numerics: grid, ghost cells, time scheme, step bound."""
    lines = [f"scheme {scheme.system.problem.name}"]
    lines.extend(f"  {axis_text(axis)}" for axis in scheme.grid.axes)
    lines.append(f"  order {scheme.order} in space" + _claimed(scheme))
    lines.extend(f"  {line}" for rule in scheme.ghosts for line in ghost_text(rule))
    lines.extend(f"  {line}" for line in time_text(scheme))
    if scheme.system.kind == "evolution":
        lines.extend(f"  {line}" for line in bound_text(scheme))
    return "\n".join(lines) + "\n"


def rate_name(system: System, unknown: Unknown) -> str:
    """`dt(u)`."""
    return f"d{system.problem.marching or 't'}({unknown.symbol})"


def term_text(term: Term) -> str:
    """What is known of a term."""
    words = ["source" if term.source else "linear" if term.linear else "affine" if term.affine else "nonlinear"]
    words.append("pointwise" if term.order == 0 else f"order {term.order}")
    if term.order:
        words.append("constant coefficients" if term.constant else "variable coefficients")
    if term.conservative:
        words.append("conservative")
    if term.affine_in:
        words.append(f"affine in {', '.join(term.affine_in)}")
    return ", ".join(words)


def wall_text(wall: Wall) -> str:
    """`u + 2*dn(u) = 1 at the upper end of x`."""
    parts = []
    for order, coefficient in enumerate(wall.coefficients):
        if coefficient == 0:
            continue
        derivative = {0: f"{wall.unknown}", 1: f"dn({wall.unknown})"}.get(order, f"dn^{order}({wall.unknown})")
        parts.append(derivative if coefficient == 1 else f"{_factor(coefficient)}*{derivative}")
    return f"{' + '.join(parts)} = {formula(wall.data)} at the {wall.side} end of {wall.coordinate}"


def axis_text(axis: Axis) -> str:
    """`x: 128 cells on [0, 20], spacing 0.15625, periodic`."""
    kind = "periodic" if axis.periodic else "cell centers"
    ends = f"[{exact_text(axis.lower)}, {exact_text(axis.upper)}]"
    return f"{axis.name}: {axis.cells} cells on {ends}, spacing {exact_text(axis.spacing)}, {kind}"


def ghost_text(rule: GhostRule) -> Iterator[str]:
    """`u[-1] = -u[0] + 2*g`: the ghost cells of one side, counted from the wall outwards; g is the wall's data."""
    name = str(rule.unknown)
    inside = [f"{name}[{j}]" if rule.side == "lower" else f"{name}[N-{j + 1}]" for j in range(64)]
    given = [(i, d) for i, d in enumerate(rule.data) if d != 0]
    named = {i: "g" if len(rule.data) == 1 else f"g{i + 1}" for i, _ in given}
    yield f"{name} at the {rule.side} end of {rule.axis}" + "".join(f", {named[i]} = {formula(d)}" for i, d in given)
    for k, (weights, shares) in enumerate(zip(rule.weights, rule.data_weights, strict=True)):
        ghost = f"{name}[-{k + 1}]" if rule.side == "lower" else f"{name}[N{f'+{k}' if k else ''}]"
        terms = [(w, inside[j]) for j, w in enumerate(weights)]
        terms += [(shares[i], named[i]) for i, _ in given]
        yield f"    {ghost} = {linear_text(terms)}"


def linear_text(terms: list[tuple[sp.Expr, str]]) -> str:
    """Σ weight · name, signs in front."""
    out = ""
    for weight, name in terms:
        if weight == 0:
            continue
        text = formula(weight)
        is_negative = text.startswith("-") and not isinstance(weight, sp.Add)
        size = formula(-weight) if is_negative else _factor(weight)
        out += " - " if is_negative else " + "
        out += name if size == "1" else f"{size}*{name}"
    if not out:
        return "0"
    return out.removeprefix(" + ") if out.startswith(" + ") else "-" + out.removeprefix(" - ")


def stencil_text(layer: StencilLayer, axes: tuple[Axis, ...]) -> str:
    """`(f[i-1] - 2*f[i] + f[i+1])/hx^2` of an array f: taps by their powers of the spacings, over their common denominator."""
    groups: dict[tuple[int, ...], list[Tap]] = {}
    for tap in layer.taps:
        groups.setdefault(tap.powers, []).append(tap)
    return " + ".join(_group_text(powers, taps, axes) for powers, taps in groups.items())


def _group_text(powers: tuple[int, ...], taps: list[Tap], axes: tuple[Axis, ...]) -> str:
    denominator = lcm(*(tap.weight.denominator for tap in taps))
    terms = [(sp.Integer(int(tap.weight * denominator)), f"f[{_indices(tap)}]") for tap in taps]
    below = [str(denominator)] if denominator != 1 else []
    below += [f"h{a.name}" + (f"^{p}" if p > 1 else "") for a, p in zip(axes, powers, strict=True) if p > 0]
    text = linear_text(terms)
    if not below:
        return text if len(taps) == 1 else f"({text})"
    above = text if len(taps) == 1 else f"({text})"
    return f"{above}/{below[0]}" if len(below) == 1 else f"{above}/({'*'.join(below)})"


def _indices(tap: Tap) -> str:
    return ", ".join(index + _shift(offset) for index, offset in zip(INDICES, tap.offset, strict=False))


def _shift(offset: Fraction) -> str:
    return "" if offset == 0 else f"{'+' if offset > 0 else '-'}{abs(offset)}"


LINEAR_LINES = {
    "backward_euler": "(1 - dt*L)(q' - q) = dt*F(q, t + dt)",
    "crank_nicolson": "(1 - dt/2*L)(q' - q) = dt/2*(F(q, t) + F(q, t + dt))",
    "bdf2": "(1 - 2*dt/3*L)(q' - q) = (q - q[n-1])/3 + 2*dt/3*F(q, t + dt), started by backward_euler",
}
"""Implicit schemes for rates that are affine, as formulas."""

IMPLICIT_LINES = {
    "backward_euler": "q' = q + dt*F(q', t + dt)",
    "crank_nicolson": "q' = q + dt/2*(F(q, t) + F(q', t + dt))",
    "bdf2": "q' = q + (q - q[n-1])/3 + 2*dt/3*F(q', t + dt), started by backward_euler",
    "imex_euler": "q' = q + dt*(N(q, t) + S(q', t + dt))",
    "cnab2": "q' = q + dt/2*(3*N[n] - N[n-1] + S(q, t) + S(q', t + dt)), started by imex_euler",
    "sbdf2": "q' = q + (q - q[n-1])/3 + 2*dt/3*(2*N[n] - N[n-1] + S(q', t + dt)), started by imex_euler",
}
"""Implicit and implicit-explicit schemes as formulas."""

EXPONENTIAL_LINES = {
    "etd1": ("q' = exp(h*L) q + h*φ1 N(q)",),
    "etdrk2": ("a = exp(h*L) q + h*φ1 N(q, t)", "q' = a + h*φ2 (N(a, t + h) - N(q, t))"),
    "etdrk4": (
        "a = exp(h*L/2) q + h/2*φ1(h*L/2) N(q, t)",
        "b = exp(h*L/2) q + h/2*φ1(h*L/2) N(a, t + h/2)",
        "c = exp(h*L/2) a + h/2*φ1(h*L/2) (2*N(b, t + h/2) - N(q, t))",
        "q' = exp(h*L) q + h*(φ1 - 3*φ2 + 4*φ3) N(q) + 2*h*(φ2 - 2*φ3) (N(a) + N(b)) + h*(4*φ3 - φ2) N(c, t + h)",
    ),
}
"""The exponential schemes as formulas."""


def time_text(scheme: Scheme) -> Iterator[str]:
    """The time scheme as formulas, then its step."""
    match scheme.time:
        case RungeKutta(tableau=tableau):
            yield f"{scheme.name}: Runge-Kutta, order {tableau.order}"
            yield from (f"    {line}" for line in _tableau_lines(tableau))
        case Adaptive(tableau=tableau, tolerance=tolerance):
            yield f"{scheme.name}: Runge-Kutta, order {tableau.order}, adaptive: error below {tolerance:.3g}, relative and absolute"
            yield from (f"    {line}" for line in _tableau_lines(tableau))
            yield "    one step size for all samples, from the worst of them; a polynomial of degree 4 between the ends of a step"
        case AdamsBashforth(weights=weights, starter=starter):
            terms: list[tuple[sp.Expr, str]] = [
                (sp.Rational(w), f"F[n{_shift(Fraction(-j))}]") for j, w in enumerate(weights)
            ]
            yield f"{scheme.name}: Adams-Bashforth, order {len(weights)}, started by {starter.name}"
            yield f"    q' = q + dt*({linear_text(terms)})"
        case Leapfrog(kicked=kicked, drifted=drifted):
            v, x = (", ".join(str(scheme.system.unknowns[n].symbol) for n in part) for part in (kicked, drifted))
            yield f"{scheme.name}: kick-drift-kick (Störmer-Verlet), order 2"
            yield f"    {v} += dt/2*F({x});  {x} += dt*F({v});  {v} += dt/2*F({x})"
        case Implicit(name=name, linear=linear, solve=solve):
            how = solve_text(solve) if linear is not None else newton_text(solve)
            yield f"{name}: order {scheme.time.order}, {how}"
            yield f"    {(LINEAR_LINES if linear is not None else IMPLICIT_LINES)[name]}"
        case ImplicitExplicit(name=name, implicit=implicit, explicit=rest, solve=solve):
            yield f"{name}: order {scheme.time.order}, S = L q + s implicitly, N explicitly; L {solve_text(solve)}"
            yield f"    {IMPLICIT_LINES[name]}"
            for unknown, a, b in zip(scheme.system.unknowns, implicit, rest, strict=True):
                yield f"    {unknown.symbol}: S = {formula(a)};  N = {formula(b)}"
        case Splitting(kind=kind, solve=solve, flow=flow):
            exact = "its exact flow" if flow is not None else "one RK4 step"
            steps = "order 1, exp(L*dt), then N(dt)" if kind == "lie" else "order 2, exp(L*dt/2) N(dt) exp(L*dt/2)"
            yield f"{scheme.name}: {steps}; L {solve_text(solve)}, N by {exact}"
            for unknown, linear, pointwise in zip(
                scheme.system.unknowns, scheme.time.linear, scheme.time.pointwise, strict=True
            ):
                yield f"    {unknown.symbol}: L = {formula(linear)};  N = {formula(pointwise)}"
        case Exponential(name=name, linear=linear, explicit=rest):
            yield f"{name}: order {scheme.time.order}, exponential time differencing; L exact by FFT, h = dt, φ_k of h*L"
            yield from (f"    {line}" for line in EXPONENTIAL_LINES[name])
            for unknown, a, b in zip(scheme.system.unknowns, linear, rest, strict=True):
                yield f"    {unknown.symbol}: L = {formula(a)};  N = {formula(b)}"
        case Steady() as steady:
            yield from steady_text(scheme, steady)
            return
        case _:
            assert_never(scheme.time)
    marching = scheme.system.problem.marching or "t"
    end = scheme.start + scheme.dt * scheme.steps
    steps = f"{scheme.steps:,} step{'s' * (scheme.steps != 1)}"
    yield f"dt = {exact_text(scheme.dt)}, {steps} from {marching} = {exact_text(scheme.start)} to {exact_text(end)}"


def steady_text(scheme: Scheme, steady: Steady) -> Iterator[str]:
    """How a steady problem is solved, and what was found about its matrix."""
    if steady.linear is None:
        yield f"F(q) = 0 by {scheme.name}: J d = -F(q), q + d, until a relative residual of {steady.solve.tolerance:g}"
        yield f"J d = -F(q) {solve_text(steady.solve)}".replace("once a call", "at each step")
    else:
        yield "F(q) = L q + s = 0 is linear"
        for unknown, part in zip(scheme.system.unknowns, steady.linear, strict=True):
            yield f"    {unknown.symbol}: L = {formula(part)}"
        yield f"L q = -s {solve_text(steady.solve)}"
    if steady.solve.is_complex and not steady.solve.is_krylov:
        yield "    in complex numbers: L commutes with the imaginary unit"
    if steady.solve.per_sample and steady.linear is not None:
        yield "    one matrix a sample: an input multiplies the fields"
    if steady.solve.null:
        yield "    L annihilates constants: the right side is projected onto the range of L, and the solution of mean zero is taken"
    if not steady.solve.is_relaxation:
        yield "    gradients by one solve with the transposed matrix"


def newton_text(solve: LinearSolve) -> str:
    """How Newton's method solves its linear systems in a march."""
    if solve.is_krylov:
        text = solve_text(solve).removeprefix("solved by ")
        return f"Newton's method, the Jacobian only applied: {text}"
    reach = "x".join(map(str, solve.reach))
    return "Newton's method, Jacobians by block-tridiagonal LU" + (f" (reach {reach})" if reach else "")


def solve_text(solve: LinearSolve) -> str:
    """How a linear system is solved."""
    whose = ("a matrix a sample, " if solve.per_sample else "") + ("another one each step, " if solve.varies else "")
    match solve.method:
        case "fft" if solve.mirrors:
            return f"solved by sine and cosine transforms, {whose}".removesuffix(", ")
        case "fft":
            return f"solved by FFT, {whose}".removesuffix(", ")
        case "axes":
            often = "in each step" if solve.varies else "once a call"
            return f"solved by fast diagonalization: eigenvectors along each axis, found {often}"
        case "block_lu":
            often = "in each step" if solve.varies else "once a call"
            whose = "for each sample " if solve.per_sample else ""
            return f"solved by block-tridiagonal LU, factored {whose}{often} (reach {'x'.join(map(str, solve.reach))})"
        case "cg" | "bicgstab" | "gmres" as name:
            method = {"cg": "CG, its matrix symmetric and definite", "bicgstab": "BiCGStab", "gmres": "GMRES"}[name]
            end = f"at most {solve.iterations:,} iterations to a relative residual of {solve.tolerance:g}"
            near = (
                "preconditioned by fast diagonalization of its means along the axes, " if solve.preconditioned else ""
            )
            return f"solved by {method}, {near}{whose}{end}"
        case "jacobi":
            return (
                f"relaxed by {solve.iterations:,} damped Jacobi sweeps: a network of as many layers with tied weights"
            )
        case "multigrid":
            return f"relaxed by {solve.iterations:,} multigrid V-cycles: a network of as many layers with tied weights"
        case _:
            assert_never(solve.method)


def bound_text(scheme: Scheme, form: sp.Expr | None = None) -> Iterator[str]:
    """The step bound (`form`: its closed form, if one was searched for), what it was found from, and how the step compares."""
    form = scheme.bound.formula if form is None else form
    bound, dt = scheme.bound, float(scheme.dt)
    if bound.value is None:
        yield "no step bound" if bound.exact else "the step bound is not known"
    else:
        sure = "proved for the linear operator" if bound.exact else "estimated"
        yield f"dt <= {bound.value:.4g}{f' = {formula(form)}' if form is not None else ''}"
        yield f"    {sure}; this step is {dt / bound.value:.0%} of it"
    yield from (f"    {note}" for note in bound.notes)


def _tableau_lines(tableau: ButcherTableau) -> Iterator[str]:
    for stage, (row, c) in enumerate(zip(tableau.a, tableau.c, strict=True)):
        inner: list[tuple[sp.Expr, str]] = [(sp.Rational(a), f"k{j + 1}") for j, a in enumerate(row)]
        moved = linear_text(inner)
        time = "t" if c == 0 else "t + dt" if c == 1 else f"t + {c}*dt"
        yield f"k{stage + 1} = F({time}, q{'' if moved == '0' else f' + dt*({moved})' if ' ' in moved else f' + dt*{moved}'})"
    weights: list[tuple[sp.Expr, str]] = [(sp.Rational(b), f"k{j + 1}") for j, b in enumerate(tableau.b)]
    total = linear_text(weights)
    yield f"q' = q + dt*({total})" if " " in total or "*" in total else f"q' = q + dt*{total}"


def _claimed(scheme: Scheme) -> str:
    return f", {scheme.space_order} in all" if scheme.space_order != scheme.order else ""


def _factor(weight: sp.Expr) -> str:
    return f"({formula(weight)})" if isinstance(weight, sp.Add) else formula(weight)
