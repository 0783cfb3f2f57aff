"""Scheme → LayerGraph: the right-hand side as layers, the time scheme as the wiring between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import product
from math import prod

import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize.scheme import AdamsBashforth, ButcherTableau, CrankNicolson, Leapfrog, RungeKutta, Scheme, Strang
from npde.graph.builder import BlockBuilder, identifier
from npde.graph.flat import FlatLowering, Offsets, Operator, pattern, split_affine
from npde.graph.graph import Block, LayerGraph, Parameter, Region, Shape
from npde.graph.hoist import hoist
from npde.graph.layers import (
    Call,
    Channels,
    Convolution,
    Factorization,
    Flatten,
    Ghost,
    Join,
    Loop,
    Pointwise,
    Propagator,
    SolveLayer,
    SpectralLayer,
    StencilLayer,
    Unflatten,
)
from npde.graph.lower import Lowering
from npde.graph.names import Names, exact, operator_text
from npde.graph.released import Releaser
from npde.graph.verify import verify
from npde.model.problem import Input, LearnedCoefficient
from npde.options import CompileOptions, NetworkKind
from npde.symbolic import operators as op

DT = sp.Symbol("dt", positive=True)
"""The step, a constant of the emitted module."""


def build(scheme: Scheme, options: CompileOptions = CompileOptions()) -> LayerGraph:
    """The network of a scheme, verified.

    Raises DiagnosticError where a realisation does not apply to the equation.
    """
    network = options.network or scheme.system.problem.numerics.network or implied(scheme)
    context = Context(scheme, options, network)
    context.blocks.append(context.initial())
    context.march()
    context.outputs()
    blocks = hoist(tuple(context.blocks), frozenset({"initial"}))
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
class Context:
    """What the blocks of one graph share while they are built."""

    scheme: Scheme
    options: CompileOptions
    network: NetworkKind
    names: Names = field(init=False)
    blocks: list[Block] = field(default_factory=list)
    releaser: Releaser | None = None
    operators: dict[tuple[str, sp.Expr], Operator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names(self.scheme)
        if self.options.free != "none":
            untied = self.options.free == "layers"
            stages = self._stages() if untied else None
            self.releaser = Releaser(self.scheme, self.names, self.scheme.steps if untied else None, stages)
            self.names.frozen.update(self._redundant())

    # --- shared facts -------------------------------------------------------------------------------------------------

    @property
    def dimension(self) -> int:
        return len(self.scheme.grid.axes)

    @property
    def interior(self) -> Region:
        return Region((0,) * self.dimension)

    @property
    def channels(self) -> int:
        return sum(u.channels for u in self.scheme.system.unknowns)

    def state_shape(self, channels: int | None = None) -> Shape:
        return Shape(True, self.channels if channels is None else channels, self.scheme.grid.shape)

    @property
    def scalar(self) -> Shape:
        return Shape(False, 1, (1,) * self.dimension)

    def _stages(self) -> int | None:
        match self.scheme.time:
            case RungeKutta(tableau=tableau):
                return len(tableau.b) if len(tableau.b) > 1 else None
            case Leapfrog():
                return 2
            case _:
                return None

    def _redundant(self) -> set[str]:
        """Learned scalars that only scale a released stencil."""
        found = set()
        for rate in self.scheme.system.rates:
            for term in sp.Add.make_args(rate):
                factors = sp.Mul.make_args(term)
                if not any(isinstance(f, op.Diff | op.Lap | op.FaceDiff) for f in factors):
                    continue
                for factor in factors:
                    meaning = self.names.meanings.get(factor)
                    if isinstance(meaning, LearnedCoefficient) and not meaning.coordinates and not meaning.shape:
                        found.add(factor.name)
        return found

    def timed(self, expressions: Sequence[sp.Expr]) -> bool:
        """Whether expressions, or the wall data of their unknowns, hold the marching coordinate itself."""
        marching = self.scheme.system.problem.marching
        if marching is None:
            return False
        time = self.names.symbol(marching)
        walls = [g.data for g in self.scheme.ghosts] if any(e.has(op.GridOperator) for e in expressions) else []
        return any(time in e.free_symbols for e in (*expressions, *walls))

    # --- blocks of expressions ----------------------------------------------------------------------------------------

    def expression_block(
        self,
        name: str,
        expressions: Sequence[sp.Expr],
        layout: Sequence[int] | None,
        shapes: Sequence[int],
        *,
        homogeneous: bool = False,
        release: bool = False,
        join: bool = True,
    ) -> Block:
        """A block that evaluates expressions (with `shapes` channels each) of a state whose channels are the unknowns of
        `layout` (None: no state); joined along the channels if `join`."""
        widths: dict[sp.Symbol, tuple[int, ...]] = {}
        for attempt in range(2):
            builder = BlockBuilder(name, self._span(expressions))
            lowering = self._lowering(builder, expressions, layout, homogeneous, release)
            lowering.widths = widths if attempt else {}
            nodes = [lowering.value(e, self.interior, hint=f"{name}_{i}" if len(expressions) > 1 else "value")
                     for i, e in enumerate(expressions)]
            widths = lowering.requested
        if not join:
            return builder.finish(tuple(nodes))
        nodes = [self._spread(builder, n, c) for n, c in zip(nodes, shapes, strict=True)]
        out = builder.add(Join(), tuple(nodes), self.state_shape(sum(shapes)), self.interior, "rate")
        return builder.finish((out,))

    def _spread(self, builder: BlockBuilder, name: str, channels: int) -> str:
        """A value repeated over the components of the unknown that it is for."""
        shape = builder.nodes[name].shape
        if shape.channels == channels:
            return name
        spread = Shape(shape.batch, channels, self.scheme.grid.shape)
        return builder.add(Join(), (name,), spread, self.interior, f"{name}_all")

    def _lowering(
        self,
        builder: BlockBuilder,
        expressions: Sequence[sp.Expr],
        layout: Sequence[int] | None,
        homogeneous: bool,
        release: bool,
    ) -> Lowering:
        unknowns: dict[sp.Symbol, str] = {}
        if layout is not None:
            unknowns = self._split(builder, layout)
        time = builder.placeholder("t", self.scalar, self.interior) if self.timed(expressions) else None
        lowering = Lowering(
            self.scheme, builder, self.names, unknowns, time, homogeneous=homogeneous, hoists=layout is not None
        )
        if release and self.releaser is not None:
            lowering.release = self.releaser
        return lowering

    def _split(self, builder: BlockBuilder, layout: Sequence[int]) -> dict[sp.Symbol, str]:
        all_unknowns = self.scheme.system.unknowns
        total = sum(all_unknowns[k].channels for k in layout)
        state = builder.placeholder("state", self.state_shape(total), self.interior)
        unknowns, start = {}, 0
        for k in layout:
            unknown = all_unknowns[k]
            stop = start + unknown.channels
            unknowns[unknown.symbol] = builder.add(
                Channels(start, stop), (state,), self.state_shape(unknown.channels), self.interior, unknown.symbol.name
            )
            start = stop
        return unknowns

    def _span(self, expressions: Sequence[sp.Expr]) -> object:
        for terms, rate in zip(self.scheme.system.terms, self.scheme.system.rates, strict=False):
            if rate in expressions and terms:
                return terms[0].span
        equations = self.scheme.system.problem.equations
        return equations[0].span

    # --- the mlp realisation ------------------------------------------------------------------------------------------

    def flat_block(self, name: str, expressions: Sequence[sp.Expr], layout: Sequence[int], shapes: Sequence[int]) -> Block:
        """As `expression_block` for the mlp realisation: affine parts as sparse matrices of the flat state."""
        builder = BlockBuilder(name, self._span(expressions))
        total = sum(self.scheme.system.unknowns[k].channels for k in layout)
        state = builder.placeholder("state", self.state_shape(total), self.interior)
        time = builder.placeholder("t", self.scalar, self.interior) if self.timed(expressions) else None
        cells = prod(self.scheme.grid.shape)
        flat = builder.add(Flatten(), (state,), Shape(True, total, (cells,)), self.interior, "flat_state")
        unknowns, start = {}, 0
        for k in layout:
            unknown = self.scheme.system.unknowns[k]
            shape = Shape(True, unknown.channels, (cells,))
            piece = builder.add(Channels(start, start + unknown.channels), (flat,), shape, self.interior, unknown.symbol.name)
            unknowns[unknown.symbol] = piece
            start += unknown.channels
        lowering = FlatLowering(
            self.scheme, builder, self.names, unknowns, time, state=flat,
            operator=partial(self._operator, name),
            released=self._release_matrix if self.releaser is not None else None,
        )  # fmt: skip
        nodes = self._flat_rates(lowering, name, expressions, layout, shapes)
        joined = builder.add(Join(), tuple(nodes), Shape(True, sum(shapes), (cells,)), self.interior, "flat_rate")
        out = builder.add(Unflatten(), (joined,), self.state_shape(sum(shapes)), self.interior, "rate")
        return builder.finish((out,))

    def _flat_rates(
        self, lowering: FlatLowering, name: str, expressions: Sequence[sp.Expr], layout: Sequence[int], shapes: Sequence[int]
    ) -> list[str]:
        """The affine parts of all rates as one matrix (unless released operators train on their own), plus the rest."""
        symbols = frozenset(u.symbol for u in self.scheme.system.unknowns)
        merges = self.releaser is None and lowering.has_matrices
        parts = [split_affine(e, symbols, lowering.banned) if merges else (sp.Integer(0), e) for e in expressions]
        if all(a == 0 for a, _ in parts):
            return [lowering.value(e, self.interior, hint="value") for e in expressions]
        block = self.expression_block(f"{name}_affine", [a for a, _ in parts], layout, shapes)
        self.blocks.append(block)
        together = lowering.sparse(block.name, lowering.state, sum(shapes), self._offsets_of(block))
        nodes, start = [], 0
        for (_, rest), channels in zip(parts, shapes, strict=True):
            shape = Shape(True, channels, (lowering.cells,))
            piece = lowering.builder.add(Channels(start, start + channels), (together,), shape, self.interior, "affine_part")
            start += channels
            if rest != 0:
                other = lowering.value(rest, self.interior, hint="nonlinear")
                a, b = sp.Symbol(piece, real=True), sp.Symbol(other, real=True)
                piece = lowering.builder.add(Pointwise(a + b, (a, b)), (piece, other), shape, self.interior, "rate_part")
            nodes.append(piece)
        return nodes

    def _operator(self, name: str, expr: sp.Expr) -> Operator:
        """The grid block of an operator inside a rate."""
        key = (name, expr)
        if key not in self.operators:
            title = f"{name}_{identifier(operator_text(expr))}"
            taken = {b.name for b in self.blocks}
            label = title if title not in taken else f"{title}_{len(taken)}"
            layout = [k for k, u in enumerate(self.scheme.system.unknowns) if u.symbol in expr.free_symbols]
            block = self.expression_block(label, [expr], layout or None, [1], join=False)
            self.blocks.append(block)
            sources = tuple(self.scheme.system.unknowns[k].symbol for k in layout)
            shape = block.node(block.outputs[0]).shape
            self.operators[key] = Operator(label, sources, self._offsets_of(block), shape, "t" in block.inputs)
        return self.operators[key]

    def _offsets_of(self, block: Block) -> Offsets:
        """The cells that the rows of a local block look at, boundary closures included."""
        walls = [0] * self.dimension
        reaches: dict[str, set[tuple[Fraction, ...]]] = {}
        nothing = (Fraction(0),) * self.dimension
        for node in block.nodes:
            before = set().union(*(reaches[i] for i in node.inputs)) or {nothing}
            match node.layer:
                case StencilLayer(taps=taps):
                    steps = {t.offset for t in taps}
                case Convolution(extents=extents):
                    steps = set(product(*([Fraction(k - e // 2) for k in range(e)] for e in extents)))
                case _:
                    steps = {nothing}
            reaches[node.name] = {tuple(a + b for a, b in zip(x, y, strict=True)) for x in before for y in steps}
            if isinstance(node.layer, Ghost):
                for i, axis in enumerate(self.scheme.grid.axes):
                    own = [len(r.weights[0]) for r in node.layer.rules if r.axis == axis.name and r.weights]
                    walls[i] = max([walls[i], *own])
        taps = [tuple(int(x) for x in o) for name in block.outputs for o in reaches[name]]
        return pattern(taps, tuple(walls))

    def _release_matrix(self, sources: int, block: str, rows: int, offsets: Offsets) -> str:
        """A matrix of the mlp realisation that trains on its own."""
        untied = self.options.free == "layers"
        name = f"matrix_{block}"
        cells = prod(self.scheme.grid.shape)
        self.names.released[name] = Parameter(
            name, name, "matrix", (sources * len(offsets), rows * cells), (), self.scheme.steps if untied else None,
            self._stages() if untied else None, None, None, sp.Integer(1), None, None, 1, False,
        )  # fmt: skip
        return name

    def rates(self, name: str, layout: Sequence[int], targets: Sequence[int], rates: Sequence[sp.Expr], **how: bool) -> Block:
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
        block = self.expression_block("initial", self.scheme.system.initial, None, shapes)
        return block

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
            case AdamsBashforth() as scheme:
                self.rates("rhs", everything, everything, self.scheme.system.rates)
                step.adams_bashforth(scheme)
            case Leapfrog() as scheme:
                step.leapfrog(scheme)
            case CrankNicolson() as scheme:
                self._crank_nicolson(step, scheme)
            case Strang() as scheme:
                self._strang(step, scheme)
            case _:
                raise InternalError(f"no wiring for {self.scheme.name}")

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

    def _crank_nicolson(self, step: Wiring, scheme: CrankNicolson) -> None:
        system = self.scheme.system
        everything = range(len(system.unknowns))
        self.rates("rhs", everything, everything, system.rates)
        self._linear([sp.Add(*(t.expression for t in terms if t.linear)) for terms in system.terms])
        out = step.crank_nicolson("rhs", step.state, DT, scheme.solve.method, scheme.solve.reach)
        self.blocks.append(step.finish(out))

    def _strang(self, step: Wiring, scheme: Strang) -> None:
        everything = range(len(self.scheme.system.unknowns))
        self._linear(scheme.linear)
        if scheme.solve.method == "block_lu":
            self.rates("rhs", everything, everything, scheme.linear)
        if scheme.flow is None:
            self.rates("pointwise", everything, everything, scheme.pointwise)
        else:
            flow = [f.xreplace({scheme.tau: exact(self.scheme.dt)}) for f in scheme.flow]
            self.rates("flow", everything, everything, flow)
        half = DT / 2
        state = step.half(step.state, half, scheme)
        if scheme.flow is None:
            tableau = rk4()
            state = step.runge_kutta(tableau, "pointwise", state, frozen_at=DT / 2)
        else:
            state = step.call("flow", state, half)
        state = step.half(state, half, scheme)
        self.blocks.append(step.finish(state))

    # --- ends ---------------------------------------------------------------------------------------------------------

    def outputs(self) -> None:
        """One block an output."""
        everything = range(len(self.scheme.system.unknowns))
        for output in self.scheme.system.outputs:
            channels = output.shape[0] if output.shape else 1
            block = self.expression_block(
                f"output_{output.name}", output.parts, everything, [channels] * len(output.parts), join=len(output.parts) > 1
            )
            self.blocks.append(block)

    def forward(self) -> Block:
        """The root: initial state, the loop over steps, the outputs."""
        builder = BlockBuilder("forward")
        shape = self.state_shape()
        start = builder.add(Call("initial"), (), shape, self.interior, "start")
        end = builder.add(Loop("step", self.scheme.steps), (start,), shape, self.interior, "end")
        results = []
        for output in self.scheme.system.outputs:
            block = next(b for b in self.blocks if b.name == f"output_{output.name}")
            node = block.node(block.outputs[0])
            results.append(builder.add(Call(block.name), (end,), node.shape, node.region, output.name))
        return builder.finish(tuple(results) or (end,))


def rk4() -> ButcherTableau:
    """The classical tableau."""
    from npde.discretize import tableaux

    return tableaux.TABLEAUX["rk4"]


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

    def call(self, name: str, state: str, shift: sp.Expr = sp.Integer(0), hint: str = "") -> str:
        """A block applied to a state, at time t + shift."""
        block = next(b for b in self.context.blocks if b.name == name)
        inputs = [state]
        if "t" in block.inputs:
            inputs.append(self.at(shift))
        out = block.node(block.outputs[0])
        layer = Call(name, self.stage)
        return self.builder.add(layer, tuple(inputs), out.shape, self.context.interior, hint or name)

    def runge_kutta(
        self, tableau: ButcherTableau, block: str, state: str, frozen_at: sp.Expr | None = None
    ) -> str:
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
        if len(scheme.weights) != 2:
            raise InternalError("only the two-step scheme is wired")
        previous = self.builder.placeholder("previous", self.context.state_shape(), self.context.interior)
        rate = self.call("rhs", self.state, hint="rate_now")
        now, before = (exact(w) for w in scheme.weights)
        out = self.combine(lambda q, f, g: q + DT * (now * f + before * g), self.state, rate, previous, hint="next_state")
        first = Wiring(self.context, "first_step")
        started = first.runge_kutta(scheme.starter, "rhs", first.state)
        slope = next(n.name for n in first.builder.nodes.values() if isinstance(n.layer, Call))
        self.context.blocks.append(first.finish(started, slope))
        self.context.blocks.append(self.finish(out, rate))

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
        velocity = self.combine(push, velocity, self.call("kick", position, DT, hint="next_force"), hint="next_velocity")
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
        parts = tuple(
            self.builder.add(Channels(a, b), (source,), shape(b - a), interior, hint) for a, b in runs
        )
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

    def crank_nicolson(
        self, block: str, state: str, step: sp.Expr, method: str, reach: tuple[int, ...], middle: sp.Expr | None = None
    ) -> str:
        """`(I - step/2 L) δ = step/2 (F(q, t) + F(q, t + step))`, `q + δ`; with `middle`, F at the time t + middle alone."""
        context = self.context
        periodic = tuple(a.periodic for a in context.scheme.grid.axes)
        rate = self.call(block, state, middle or sp.Integer(0), hint="rate")
        if self.time is None or middle is not None:
            right = self.combine(lambda f: step * f, rate, hint="right_side")
        else:
            later = self.call(block, state, step, hint="rate_later")
            right = self.combine(lambda f, g: step / 2 * (f + g), rate, later, hint="right_side")
        layer = Factorization("linear_part", method, step / 2, context.channels, reach, periodic)  # type: ignore[arg-type]
        factors = self.builder.add(layer, (), context.scalar, context.interior, "factors")
        solve = SolveLayer("linear_part", method, step / 2)  # type: ignore[arg-type]
        change = self.builder.add(solve, (right, factors), context.state_shape(), context.interior, "change")
        return self.combine(lambda q, d: q + d, state, change, hint="next_state")

    def half(self, state: str, step: sp.Expr, scheme: Strang) -> str:
        """The linear half of a split step."""
        context = self.context
        if scheme.solve.method == "block_lu":
            return self.crank_nicolson("rhs", state, step, "block_lu", scheme.solve.reach, middle=DT / 2)
        matrices = self.builder.add(
            Propagator("linear_part", step, context.channels), (), context.scalar, context.interior, "propagator"
        )
        return self.builder.add(SpectralLayer(), (state, matrices), context.state_shape(), context.interior, "propagated")


def _increment(weights: list[sp.Expr]) -> Callable[..., sp.Expr]:
    """`q + dt Σ w_i k_i`, the common factor of the weights taken out."""

    def expression(q: sp.Expr, *slopes: sp.Expr) -> sp.Expr:
        common = sp.gcd_list(weights) if len(weights) > 1 else weights[0]
        inner = sp.Add(*(w / common * k for w, k in zip(weights, slopes, strict=True)))
        return sp.Add(q, sp.Mul(DT * common, inner, evaluate=False)) if len(weights) > 1 else q + DT * weights[0] * slopes[0]

    return expression
