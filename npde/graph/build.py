"""Scheme → LayerGraph: the right-hand side as layers, the time scheme as the wiring between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import sympy as sp

from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Exponential,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    RungeKutta,
    Scheme,
    Splitting,
    Steady,
)
from npde.graph.builder import BlockBuilder
from npde.graph.expression_blocks import DT
from npde.graph.flat_blocks import FlatBlocks
from npde.graph.graph import Block, LayerGraph
from npde.graph.hoist import hoist
from npde.graph.layers import (
    Call,
    Loop,
)
from npde.graph.names import exact
from npde.graph.stiff import adaptive, exponential, implicit, implicit_explicit
from npde.graph.verify import verify
from npde.graph.wiring import Wiring, rk4
from npde.options import CompileOptions, NetworkKind
from npde.symbolic import operators as op


def build(scheme: Scheme, options: CompileOptions | None = None) -> LayerGraph:
    """The network of a scheme, verified.

    Raises DiagnosticError where a realisation does not apply to the equation.
    """
    options = options or CompileOptions()
    network = options.network or scheme.system.problem.numerics.network or implied(scheme)
    context = Context(scheme, options, network)
    context.blocks.append(context.initial())
    context.march()
    context.outputs()
    blocks = hoist(tuple(context.blocks), frozenset({"initial"}), untied=options.free == "layers")
    blocks = (*blocks, context.forward())
    graph = LayerGraph(
        scheme.system.problem.name, scheme, options, network, blocks, context.names.parameters(),
        tuple(context.names.modules.values()),
    )  # fmt: skip
    verify(graph)
    return graph


def implied(scheme: Scheme) -> NetworkKind:
    """The realisation that follows from the equation: driven by an input sequence, a recurrent network; nonlocal coupling, a
    perceptron; else a convolutional network."""
    problem = scheme.system.problem
    if any(problem.marching in i.coordinates for i in problem.inputs):
        return "rnn"
    dense = any(r.has(op.Nonlocal) for r in scheme.system.rates)
    return "mlp" if dense else "cnn"


@dataclass
class Context(FlatBlocks):
    """The march of one graph and what stands before and after it."""

    # --- shared facts -------------------------------------------------------------------------------------------------

    # --- blocks of expressions ----------------------------------------------------------------------------------------

    # --- the mlp realisation ------------------------------------------------------------------------------------------

    def rates(
        self, name: str, layout: Sequence[int], targets: Sequence[int], rates: Sequence[sp.Expr], **how: bool
    ) -> Block:
        """The rates of the unknowns `targets`, of a state of the unknowns `layout`."""
        shapes = [self.scheme.system.unknowns[k].channels for k in targets]
        chosen = [rates[k] for k in targets]
        if self.network == "mlp" and name != "linear_part" and self.dimension:
            block = self.flat_block(name, chosen, layout, shapes)
        else:
            block = self.expression_block(name, chosen, layout, shapes, release=True, **how)
        self.blocks.append(block)
        return block

    def initial(self) -> Block:
        """The initial state."""
        shapes = [u.channels for u in self.scheme.system.unknowns]
        return self.expression_block("initial", self.scheme.system.initial, None, shapes)

    # --- the march ----------------------------------------------------------------------------------------------------

    def march(self) -> None:
        """Adds the blocks of one step."""
        everything = range(len(self.scheme.system.unknowns))
        step = Wiring(self, "step")
        match self.scheme.time:
            case RungeKutta(tableau=tableau) if len(tableau.b) == 1 and self._cancels():
                self._euler_exactly()
                return
            case RungeKutta(tableau=tableau):
                self.rates("rhs", everything, everything, self.scheme.system.rates)
                out = step.runge_kutta(tableau, "rhs", step.state)
                self.blocks.append(step.finish(out))
            case Adaptive() as scheme:
                self.rates("rhs", everything, everything, self.scheme.system.rates)
                adaptive(step, scheme)
            case AdamsBashforth() as scheme:
                self.rates("rhs", everything, everything, self.scheme.system.rates)
                step.adams_bashforth(scheme)
            case Leapfrog() as scheme:
                step.leapfrog(scheme)
            case Implicit() as scheme:
                self.rates("rhs", everything, everything, self.scheme.system.rates)
                if scheme.linear is not None:
                    self._linear(scheme.linear)
                implicit(step, scheme)
            case Splitting() as scheme:
                self._splitting(step, scheme)
            case ImplicitExplicit() as scheme:
                self._linear(scheme.implicit)
                self.rates("implicit", everything, everything, scheme.implicit)
                self.rates("explicit", everything, everything, scheme.explicit)
                implicit_explicit(step, scheme)
            case Exponential() as scheme:
                self._linear(scheme.linear)
                self.rates("explicit", everything, everything, scheme.explicit)
                exponential(step, scheme)
            case Steady() as scheme:
                self._steady(scheme)
            case _:
                assert_never(self.scheme.time)

    def _cancels(self) -> bool:
        """Whether dt = 1/λ makes `u + dt (-λ u + …)` forget u: then a step is exactly one layer."""
        dt = exact(self.scheme.dt)
        rates = zip(self.scheme.system.unknowns, self.scheme.system.rates, strict=True)
        return any(dt * r.as_coefficients_dict().get(u.symbol, 0) == -1 for u, r in rates)

    def _euler_exactly(self) -> None:
        dt = exact(self.scheme.dt)
        unknowns = self.scheme.system.unknowns
        steps = []
        for u, rate in zip(unknowns, self.scheme.system.rates, strict=True):
            steps.append(sp.Add(u.symbol, *(dt * t for t in sp.Add.make_args(rate))))
        self.rates("step", range(len(unknowns)), range(len(unknowns)), steps)

    def _linear(self, rates: Sequence[sp.Expr]) -> None:
        everything = range(len(self.scheme.system.unknowns))
        self.rates("linear_part", everything, everything, rates, homogeneous=True)

    def _splitting(self, step: Wiring, scheme: Splitting) -> None:
        everything = range(len(self.scheme.system.unknowns))
        self._linear(scheme.linear)
        if not scheme.linear_is_exact:
            self.rates("rhs", everything, everything, scheme.linear)
        if scheme.flow is None:
            self.rates("pointwise", everything, everything, scheme.pointwise)
        else:
            flow = [f.xreplace({scheme.tau: exact(self.scheme.dt)}) for f in scheme.flow]
            self.rates("flow", everything, everything, flow)
        half = DT if scheme.kind == "lie" else DT / 2
        state = step.half(step.state, half, scheme)
        if scheme.flow is None:
            tableau = rk4()
            state = step.runge_kutta(tableau, "pointwise", state, frozen_at=DT / 2)
        else:
            state = step.call("flow", state, DT / 2)
        if scheme.kind == "strang":
            state = step.half(state, half, scheme)
        self.blocks.append(step.finish(state))

    def _steady(self, scheme: Steady) -> None:
        system = self.scheme.system
        everything = range(len(system.unknowns))
        self.rates("residual", everything, everything, system.rates)
        if scheme.linear is not None:
            self._linear(scheme.linear)
        Wiring(self, "solution").steady(scheme)

    # --- ends ---------------------------------------------------------------------------------------------------------

    def outputs(self) -> None:
        """One block an output."""
        everything = range(len(self.scheme.system.unknowns))
        for output in self.scheme.system.outputs:
            channels = output.shape[0] if output.shape else 1
            block = self.expression_block(
                f"output_{output.name}",
                output.parts,
                everything,
                [channels] * len(output.parts),
                join=len(output.parts) > 1,
            )
            self.blocks.append(block)

    def forward(self) -> Block:
        """The root: initial state, the loop over steps, the outputs."""
        builder = BlockBuilder("forward")
        shape = self.state_shape()
        start = builder.add(Call("initial"), (), shape, self.interior, "start")
        run: Call | Loop = Call("solution") if isinstance(self.scheme.time, Steady) else Loop("step", self.scheme.steps)
        end = builder.add(run, (start,), shape, self.interior, "end")
        results = []
        for output in self.scheme.system.outputs:
            block = next(b for b in self.blocks if b.name == f"output_{output.name}")
            node = block.node(block.outputs[0])
            results.append(builder.add(Call(block.name), (end,), node.shape, node.region, output.name))
        return builder.finish(tuple(results) or (end,))
