"""A leapfrog march as a chain: the last kick of a step and the first of the next read the same force, so they are one.

    v ← v + w dt F(x),  x ← x + dt G(v)      a step: w is 1/2 in the first of a march, then 1
    v ← v + dt/2 F(x)                        what makes a state of what the loop carries

Two evaluations a step instead of three (waves: one instead of two); Hairer, Lubich and Wanner, "Geometric numerical integration
illustrated by the Störmer–Verlet method", equation 1.6.
"""

from __future__ import annotations

import sympy as sp

from npde.discretize.scheme import Leapfrog
from npde.graph.expression_blocks import DT
from npde.graph.graph import LayerGraph
from npde.native.lowering import Lowering, Step
from npde.native.lowering_walls import Channel
from npde.native.samples import cells
from npde.native.values import Argument, Correlation, Element, Product, State, Values, operands


def chain(graph: LayerGraph, arguments: list[Argument]) -> dict[str, Step] | None:
    """The programs "step" and "finish" of a leapfrog march; None where two kicks that meet may read different forces: released
    kernels of their own for each, or coefficients that change from step to step."""
    scheme = graph.scheme.time
    if not isinstance(scheme, Leapfrog):
        return None
    found = {}
    for name in ("step", "finish"):
        links = _Links(graph, Values(cells(graph), arguments), scheme)
        if not links.meet():
            return None
        found[name] = links.link() if name == "step" else links.finish()
    return found


class _Links(Lowering):
    """The two programs of one graph."""

    def __init__(self, graph: LayerGraph, values: Values, scheme: Leapfrog):
        super().__init__(graph, values)
        widths = [u.channels for u in graph.scheme.system.unknowns]
        starts = [sum(widths[:k]) for k in range(len(widths))]
        self.places = {
            name: [c for k in unknowns for c in range(starts[k], starts[k] + widths[k])]
            for name, unknowns in (("position", scheme.drifted), ("velocity", scheme.kicked))
        }
        self.state = {
            name: tuple(values.add(State(c), values.interior, True, f"{name}_{k}") for k, c in enumerate(channels))
            for name, channels in self.places.items()
        }

    def meet(self) -> bool:
        """Whether the last kick of a step and the first of the next see the same force."""
        self.check()
        forces = self._rates("kick", self.state["position"], sp.S.Zero, 0)
        if forces != self._rates("kick", self.state["position"], sp.S.Zero, 1):
            return False
        stack, seen = list(forces), set(forces)
        while stack:
            operation = self.values[stack.pop()].operation
            if isinstance(operation, Element | Correlation | Product):
                table = operation.argument if isinstance(operation, Element) else operation.table
                argument = self.values.arguments[table]
                if argument.per_step and argument.kind != "time":
                    return False
            more = set(operands(operation)) - seen
            seen |= more
            stack += more
        return True

    def link(self) -> Step:
        """Kick by `w dt`, drift."""
        number = self.values.argument(Argument("kick", "kick", 1, self._nowhere, False, True))
        weight, w = self.values.element(number, 0, "kick"), sp.Symbol("w", real=True)
        force = self._rates("kick", self.state["position"], sp.S.Zero, 0)
        velocity = self._pushed("velocity", force, w * DT, [(w, weight, self.values.here)])
        motion = self._rates("drift", velocity, DT / 2, 0)
        return self._whole(self._pushed("position", motion, DT, []), velocity)

    def finish(self) -> Step:
        """Half a kick."""
        force = self._rates("kick", self.state["position"], DT, 0)
        return self._whole(self.state["position"], self._pushed("velocity", force, DT / 2, []))

    @property
    def _nowhere(self) -> tuple[None, ...]:
        return (None,) * self.values.dimension

    def _rates(self, name: str, state: Channel, later: sp.Expr, stage: int) -> Channel:
        """The rates of a block at the time t + `later`."""
        block = self.graph.block(name)
        given = {p: state for p in block.inputs if p != "t"}
        if "t" in block.inputs and later != 0:
            time = self.values.element(
                self.values.argument(Argument("time", "t", 1, self._nowhere, False, True)), 0, "t"
            )
            t = sp.Symbol("t", real=True)
            given["t"] = (self.values.map(t + later, [(t, time, self.values.here)], self._nowhere, "t_later"),)
        (rates,) = self.block(block, given, stage)
        return rates

    def _pushed(
        self, name: str, rates: Channel, factor: sp.Expr, terms: list[tuple[sp.Symbol, int, tuple[int, ...]]]
    ) -> Channel:
        """`q + factor rate`."""
        q, r, here = sp.Symbol("q", real=True), sp.Symbol("r", real=True), self.values.here
        return tuple(
            self.values.map(
                q + factor * r, [(q, old, here), (r, rate, here), *terms], self.values.interior, f"next_{name}_{k}"
            )
            for k, (old, rate) in enumerate(zip(self.state[name], rates, strict=True))
        )

    def _whole(self, position: Channel, velocity: Channel) -> Step:
        """The state, channels back in their places."""
        found = dict(zip(self.places["position"], position, strict=True))
        found |= dict(zip(self.places["velocity"], velocity, strict=True))
        return Step(self.values, tuple(self._spread(found[c]) for c in sorted(found)))
