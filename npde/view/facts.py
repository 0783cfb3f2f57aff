"""What every view says about a whole network: its equations as written, its size, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from npde.graph.cost import Costs, costs
from npde.graph.graph import LayerGraph
from npde.graph.reach import receptive_field
from npde.view.diagram import Diagram
from npde.view.notation import exact_text, quantity
from npde.view.summarize import summarize

NETWORK_NAMES = {"cnn": "convolutional network", "mlp": "multilayer perceptron", "rnn": "recurrent network"}


@dataclass(frozen=True)
class Facts:
    """A graph with what is derived from it, once."""

    graph: LayerGraph

    @cached_property
    def diagrams(self) -> tuple[Diagram, ...]:
        """The model-level pictures."""
        return summarize(self.graph)

    @cached_property
    def costs(self) -> Costs:
        """For one sample in single precision."""
        return costs(self.graph)

    @property
    def equations(self) -> tuple[str, ...]:
        """The equations as the user wrote them, on one line each."""
        source = self.graph.scheme.system.problem.source
        texts = (source.snippet(e.span) for e in self.graph.scheme.system.problem.equations)
        return tuple(" ".join(t.split()) for t in texts)

    @property
    def grid(self) -> str:
        """`x: 128, y: 128`."""
        return ", ".join(f"{a.name}: {a.cells:,}" for a in self.graph.scheme.grid.axes) or "no space"

    @property
    def march(self) -> str:
        """`rk4, 400 steps of dt = 0.025`, or how a steady equation is solved."""
        scheme = self.graph.scheme
        marching = scheme.system.problem.marching
        if marching is None:
            return f"steady, {scheme.name}"
        return f"{scheme.name}, {scheme.steps:,} steps of d{marching} = {exact_text(scheme.dt)}"

    @property
    def reach(self) -> str:
        """How far a step looks: `4 × 4 cells a side`."""
        field = receptive_field(self.graph)
        if not field:
            return "everything"
        if all(r is None for r in field):
            return "the whole grid"
        return " × ".join("all" if r is None else str(r) for r in field) + " cells a side"

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Name and value of each fact, for a list."""
        c = self.costs
        free = "" if self.graph.options.free == "none" else f", released ({self.graph.options.free})"
        rows = [
            ("network", NETWORK_NAMES[self.graph.network] + free),
            ("grid", self.grid),
            ("order in space", str(self.graph.scheme.order)),
            ("march", self.march),
            ("parameters", f"{c.parameters:,}"),
            ("a step", f"{quantity(c.step.flops)}FLOP, {quantity(c.step.bytes)}B moved"),
            ("a forward", f"{quantity(c.forward.flops)}FLOP, {quantity(c.forward.bytes)}B moved"),
            ("a step looks at", self.reach),
        ]
        return tuple(rows)

    @property
    def caption(self) -> str:
        """One line: what kind of network, how large."""
        count = self.costs.parameters
        return " · ".join(
            (
                NETWORK_NAMES[self.graph.network],
                f"grid {self.grid}",
                self.march,
                f"{count:,} parameter{'' if count == 1 else 's'}",
                f"{quantity(self.costs.step.flops)}FLOP a step",
            )
        )
