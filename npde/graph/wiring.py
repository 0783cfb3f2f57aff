"""The time scheme as wiring: calls of rate blocks joined by linear combinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import sympy as sp

from npde.discretize.scheme import AdamsBashforth, ButcherTableau, Leapfrog, LinearSolve, Splitting, Steady
from npde.graph.builder import BlockBuilder
from npde.graph.expression_blocks import DT
from npde.graph.graph import Block
from npde.graph.layers import (
    Call,
    Channels,
    Factorization,
    IterativeSolve,
    Join,
    KrylovSolve,
    Loop,
    Pointwise,
    Propagator,
    SolveLayer,
    SpectralLayer,
    SteadyFactors,
    SteadySolve,
)
from npde.graph.names import exact

if TYPE_CHECKING:
    from npde.graph.build import Context


class Wiring:
    """The `step` block: calls of expression blocks joined by linear combinations."""

    def __init__(self, context: Context, name: str):
        self.context = context
        self.builder = BlockBuilder(name, context.scheme.system.problem.equations[0].span)
        self.state = self.builder.placeholder("state", context.state_shape(), context.interior)
        self.time: str | None = None
        self.stage = 0

    def finish(self, *outputs: str) -> Block:
        return self.builder.finish(outputs)

    def combine(self, expression: Callable[..., sp.Expr], *names: str, hint: str) -> str:
        """A pointwise combination of nodes."""
        symbols = tuple(sp.Symbol(n, real=True) for n in names)
        shapes = [self.builder.nodes[n].shape for n in names]
        largest = max(shapes, key=lambda s: (s.batch, s.channels))
        return self.builder.add(Pointwise(expression(*symbols), symbols), names, largest, self.context.interior, hint)

    def at(self, shift: sp.Expr) -> str:
        """The time `t + shift`."""
        if self.time is None:
            self.time = self.builder.placeholder("t", self.context.scalar, self.context.interior)
        if shift == 0:
            return self.time
        return self.combine(lambda t: t + shift, self.time, hint="t_stage")

    def call(self, name: str, state: str, shift: sp.Expr = sp.S.Zero, hint: str = "") -> str:
        """A block applied to a state, at time t + shift."""
        block = next(b for b in self.context.blocks if b.name == name)
        inputs = [state]
        if "t" in block.inputs:
            inputs.append(self.at(shift))
        out = block.node(block.outputs[0])
        layer = Call(name, self.stage)
        return self.builder.add(layer, tuple(inputs), out.shape, self.context.interior, hint or name)

    def runge_kutta(self, tableau: ButcherTableau, block: str, state: str, frozen_at: sp.Expr | None = None) -> str:
        """`k_i = F(t + c_i dt, q + dt Σ a_ij k_j)`, `q + dt Σ b_i k_i`; with `frozen_at`, F at the time t + frozen_at alone."""
        slopes: list[str] = []
        for i, row in enumerate(tableau.a):
            self.stage = i
            used = [(exact(a), k) for a, k in zip(row, slopes, strict=False) if a != 0]
            at = state
            if used:
                at = self.combine(_increment([a for a, _ in used]), state, *(k for _, k in used), hint=f"stage_{i + 1}")
            shift = exact(tableau.c[i]) * DT if frozen_at is None else frozen_at
            slopes.append(self.call(block, at, shift, hint=f"k{i + 1}"))
        self.stage = 0
        used = [(exact(b), k) for b, k in zip(tableau.b, slopes, strict=True) if b != 0]
        return self.combine(_increment([b for b, _ in used]), state, *(k for _, k in used), hint="next_state")

    def adams_bashforth(self, scheme: AdamsBashforth) -> None:
        """`q + dt Σ w_j F_{n-j}`; the block carries the earlier rates, `first_step` starts them."""
        previous = self.history("previous", len(scheme.weights) - 1)
        rate = self.call("rhs", self.state, hint="rate_now")
        weights = [exact(w) for w in scheme.weights]
        out = self.combine(_rates_before(weights), self.state, rate, *previous, hint="next_state")
        first = Wiring(self.context, "first_step")
        earlier = first.history("previous", len(scheme.weights) - 2)
        started = first.runge_kutta(scheme.starter, "rhs", first.state)
        slope = next(n.name for n in first.builder.nodes.values() if isinstance(n.layer, Call))
        self.context.blocks.append(first.finish(started, slope, *earlier))
        self.context.blocks.append(self.finish(out, rate, *previous[:-1]))

    def history(self, name: str, count: int) -> list[str]:
        """What earlier steps left behind, the latest first."""
        labels = [name if k == 0 else f"{name}_{k + 1}" for k in range(count)]
        shape, interior = self.context.state_shape(), self.context.interior
        return [self.builder.placeholder(label, shape, interior) for label in labels]

    def leapfrog(self, scheme: Leapfrog) -> None:
        """Kick, drift, kick."""
        context = self.context
        system = context.scheme.system
        context.rates("kick", scheme.drifted, scheme.kicked, system.rates)
        context.rates("drift", scheme.kicked, scheme.drifted, system.rates)
        position, velocity = self.part(scheme.drifted, "position"), self.part(scheme.kicked, "velocity")
        push = lambda v, a: v + DT / 2 * a  # noqa: E731
        velocity = self.combine(push, velocity, self.call("kick", position, hint="force"), hint="velocity_half")
        drift = self.call("drift", velocity, DT / 2, hint="motion")
        position = self.combine(lambda x, r: x + DT * r, position, drift, hint="next_position")
        self.stage = 1
        velocity = self.combine(
            push, velocity, self.call("kick", position, DT, hint="next_force"), hint="next_velocity"
        )
        context.blocks.append(self.finish(self.whole(scheme, position, velocity)))

    def part(self, indices: Sequence[int], hint: str) -> str:
        """Some unknowns of the state, joined."""
        unknowns = self.context.scheme.system.unknowns
        starts = [sum(u.channels for u in unknowns[:k]) for k in range(len(unknowns))]
        runs: list[tuple[int, int]] = []
        for k in indices:
            start, stop = starts[k], starts[k] + unknowns[k].channels
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], stop)
            else:
                runs.append((start, stop))
        return self._gather(self.state, runs, hint)

    def _gather(self, source: str, runs: Sequence[tuple[int, int]], hint: str) -> str:
        interior = self.context.interior
        shape = self.context.state_shape
        parts = tuple(self.builder.add(Channels(a, b), (source,), shape(b - a), interior, hint) for a, b in runs)
        if len(parts) == 1:
            return parts[0]
        return self.builder.add(Join(), parts, shape(sum(b - a for a, b in runs)), interior, hint)

    def whole(self, scheme: Leapfrog, position: str, velocity: str) -> str:
        """The state from its two halves, channels back in their places."""
        unknowns = self.context.scheme.system.unknowns
        places: dict[int, tuple[str, int]] = {}
        for source, indices in ((position, scheme.drifted), (velocity, scheme.kicked)):
            start = 0
            for k in indices:
                places[k] = (source, start)
                start += unknowns[k].channels
        if list(scheme.drifted) + list(scheme.kicked) == list(range(len(unknowns))):
            parts: tuple[str, ...] = (position, velocity)
        else:
            parts = tuple(
                self._gather(source, [(start, start + unknowns[k].channels)], unknowns[k].symbol.name)
                for k, (source, start) in sorted(places.items())
            )
        return self.builder.add(Join(), parts, self.context.state_shape(), self.context.interior, "next_state")

    def cayley(self, block: str, state: str, step: sp.Expr, solve: LinearSolve) -> str:
        """`(I - step/2 L) δ = step F(q)`, `q + δ`; F at the middle of the whole step."""
        rate = self.call(block, state, DT / 2, hint="rate")
        right = self.combine(lambda f: step * f, rate, hint="right_side")
        change = self.solved(right, step / 2, solve, DT / 2)
        return self.combine(lambda q, d: q + d, state, change, hint="next_state")

    def solved(self, right: str, factor: sp.Expr, solve: LinearSolve, shift: sp.Expr = DT) -> str:
        """δ with `(I - factor L) δ = right`, L at the time t + shift."""
        context, times = self.context, self.times("linear_part", shift)
        state, interior = context.state_shape(), context.interior
        layer = Factorization("linear_part", factor, context.channels, solve, self._periodic())
        if solve.is_krylov:
            near: tuple[str, ...] = ()
            if solve.preconditioned:
                near = (self.builder.add(layer, times, context.scalar, interior, "preconditioner"),)
            iterated = KrylovSolve("linear_part", factor, solve)
            return self.builder.add(iterated, (right, *near, *times), state, interior, "change")
        factors = self.builder.add(layer, times, context.scalar, interior, "factors")
        solver = SolveLayer("linear_part", factor, solve)
        return self.builder.add(solver, (right, factors, *times), state, interior, "change")

    def times(self, block: str, shift: sp.Expr) -> tuple[str, ...]:
        """The time t + shift for a layer that runs a block, if the block takes it."""
        found = next(b for b in self.context.blocks if b.name == block)
        return (self.at(shift),) if "t" in found.inputs else ()

    def steady(self, scheme: Steady) -> None:
        """The block `solution`: one linear solve, sweeps of a relaxation, or an iteration of another kind, from a guess."""
        context, solve = self.context, scheme.solve
        state, interior = context.state_shape(), context.interior
        if scheme.linear is None or solve.is_krylov:
            linear = None if scheme.linear is None else "linear_part"
            layer = IterativeSolve("residual", linear, context.channels, solve, self._periodic())
            out = self.builder.add(layer, (self.state,), state, interior, "solution")
        elif solve.is_relaxation:
            sweep = Wiring(context, "sweep")
            context.blocks.append(sweep.finish(sweep.correction(solve)))
            out = self.builder.add(Loop("sweep", solve.iterations), (self.state,), state, interior, "solution")
        else:
            out = self.correction(solve)
        context.blocks.append(self.finish(out))

    def correction(self, solve: LinearSolve) -> str:
        """`L δ = -F(q)`, `q + δ`."""
        context = self.context
        residual = self.call("residual", self.state, hint="remainder")
        right = self.combine(lambda f: -f, residual, hint="right_side")
        layer = SteadyFactors("linear_part", context.channels, solve, self._periodic())
        factors = self.builder.add(layer, (), context.scalar, context.interior, "factors")
        change = self.builder.add(
            SteadySolve("linear_part", solve), (right, factors), context.state_shape(), context.interior, "change"
        )
        return self.combine(lambda q, d: q + d, self.state, change, hint="corrected")

    def _periodic(self) -> tuple[bool, ...]:
        return tuple(a.periodic for a in self.context.scheme.grid.axes)

    def half(self, state: str, step: sp.Expr, scheme: Splitting) -> str:
        """The linear half of a split step, over `step`."""
        context = self.context
        if not scheme.linear_is_exact:
            return self.cayley("rhs", state, step, scheme.solve)
        solve = scheme.solve
        matrices = self.builder.add(
            Propagator("linear_part", step, context.channels, solve.mirrors, solve.per_sample),
            self.times("linear_part", DT / 2),
            context.scalar,
            context.interior,
            "propagator",
        )
        return self.builder.add(
            SpectralLayer(scheme.solve.mirrors),
            (state, matrices),
            context.state_shape(),
            context.interior,
            "propagated",
        )


def _increment(weights: list[sp.Expr]) -> Callable[..., sp.Expr]:
    """`q + dt Σ w_i k_i`, the common factor of the weights taken out."""

    def expression(q: sp.Expr, *slopes: sp.Expr) -> sp.Expr:
        common = sp.gcd_list(weights) if len(weights) > 1 else weights[0]
        inner = sp.Add(*(w / common * k for w, k in zip(weights, slopes, strict=True)))
        return (
            sp.Add(q, sp.Mul(DT * common, inner, evaluate=False))
            if len(weights) > 1
            else q + DT * weights[0] * slopes[0]
        )

    return expression


def _rates_before(weights: list[sp.Expr]) -> Callable[..., sp.Expr]:
    """`q + dt Σ w_j F_{n-j}`."""

    def expression(q: sp.Expr, *rates: sp.Expr) -> sp.Expr:
        return q + DT * sp.Add(*(w * f for w, f in zip(weights, rates, strict=True)))

    return expression


def rk4() -> ButcherTableau:
    """The classical tableau."""
    from npde.discretize import tableaux

    return tableaux.TABLEAUX["rk4"]
