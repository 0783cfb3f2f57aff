"""One box of a picture: its title, formula, notes, what it learns, and the statement it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from npde.discretize.scheme import Axis
from npde.graph.cost import parameter_count
from npde.graph.graph import LayerGraph
from npde.graph.layers import (
    Call,
    ClosureNetwork,
    CoordinateArray,
    Ghost,
    InputArray,
    LiftLayer,
    Loop,
    Noise,
    Placeholder,
    Pointwise,
    ReadOut,
    StencilLayer,
    Weight,
)
from npde.model.problem import Condition
from npde.source import Span
from npde.view.describe import label
from npde.view.diagram import Box, Diagram
from npde.view.folding import Folding
from npde.view.notation import exact_text, shape_text, shortened, wrapped
from npde.view.values import Value

FORMULA_WIDTH = 40
FORMULA_LINES = 4
NOTE_WIDTH = 44


@dataclass
class BoxMaker:
    """Makes the boxes of one block; `shown` remembers what was already said to be learned."""

    graph: LayerGraph
    folding: Folding
    shown: set[str] = field(default_factory=set)

    def box(self, value: Value, inner: Diagram | None = None) -> Box:
        """The box of a value, `inner` the picture of a loop's block."""
        members = self.folding.members(value)
        inputs = tuple(self.folding.flat.values[i].node.shape for i in value.inputs)
        words = label(self.graph, value.node.layer, inputs, value.node.shape)
        trips = value.node.layer.trips if isinstance(value.node.layer, Loop) else 1
        family = (
            "pointwise" if self._starts(value) and words.family == "port" and words.kind != "input" else words.family
        )
        formula = () if family in ("port", "frame") else self._formula(value)
        conditions = self._conditions(value, members)
        own = () if isinstance(value.node.layer, Placeholder) else words.notes
        notes = (*own, *self._walls(value, members, conditions))
        learned, count = ((), 0) if isinstance(value.node.layer, Loop) else self._learned(members)
        return Box(
            value.id, family, self._title(value, words.title), formula, notes, learned, count, members,
            shape_text(value.node.shape), self._span(value), tuple(dict.fromkeys(c.span for c in conditions)), inner, trips,
        )  # fmt: skip

    def with_name(self, box: Box) -> Box:
        """With the name of its value in front of the formula, if another formula uses that name."""
        wording = self.folding.wording
        if box.id not in wording.named or not box.formula or box.title.startswith("initial "):
            return box
        name, formula = wording.name(box.id), wording.own_formula(box.id)
        if name == formula:
            return replace(box, formula=())
        return replace(box, formula=wrapped(f"{name} = {formula}", FORMULA_WIDTH, FORMULA_LINES))

    def _formula(self, value: Value) -> tuple[str, ...]:
        text = self.folding.wording.own_formula(value.id)
        if self._starts(value):
            text = f"{self.folding.wording.name(value.id)} = {text}"
        elif text == value.node.name:
            return ()
        return wrapped(text, FORMULA_WIDTH, FORMULA_LINES)

    # --- titles -------------------------------------------------------------------------------------------------------

    def _title(self, value: Value, usual: str) -> str:
        match value.node.layer:
            case Placeholder():
                return self.folding.wording.text(value.id)
            case InputArray(name=name, per_step=per_step):
                return f"input {name}, a value a step" if per_step else f"input {name}"
            case Loop():
                return self._loop_title()
            case Call(block=name, stage=stage) if self._calls(name) > 1:
                return f"{name}, stage {stage + 1}"
            case Pointwise() if self.folding.is_update(value):
                return "update"
            case Pointwise() | CoordinateArray() | Noise() | Weight() if self._starts(value):
                return f"initial {self.folding.wording.name(value.id)}"
            case _:
                return usual

    def _starts(self, value: Value) -> bool:
        """Whether a value is an initial one (and the picture is not that of another block)."""
        return value.id.startswith("initial/") and not self.folding.flat.inputs

    def _calls(self, name: str) -> int:
        layers = (v.node.layer for v in self.folding.flat.values.values())
        return sum(isinstance(layer, Call) and layer.block == name for layer in layers)

    def _loop_title(self) -> str:
        scheme = self.graph.scheme
        marching = scheme.system.problem.marching or "t"
        return f"{scheme.name} step, d{marching} = {exact_text(scheme.dt)}"

    # --- notes --------------------------------------------------------------------------------------------------------

    def _ghosts(self, value: Value, members: tuple[str, ...]) -> list[tuple[Ghost, list[Axis]]]:
        """The ghost layers folded into a box, each with the axes along which the box looks at them."""
        axes = self.graph.scheme.grid.axes
        looked_at = _axes(value, len(axes))
        layers = [self.folding.flat.values[m].node.layer for m in members]
        return [
            (layer, [a for i, a in enumerate(axes) if layer.widths[i] and i in looked_at])
            for layer in layers
            if isinstance(layer, Ghost)
        ]

    def _conditions(self, value: Value, members: tuple[str, ...]) -> list[Condition]:
        """The wall conditions that fill the ghost cells a box looks at."""
        scheme = self.graph.scheme
        fields = {u.symbol: u.field for u in scheme.system.unknowns}
        walls = {
            (fields[r.unknown], r.axis, r.side)
            for layer, axes in self._ghosts(value, members)
            for r in layer.rules
            if r.axis in {a.name for a in axes}
        }
        return [c for c in scheme.system.problem.conditions if (c.field, c.coordinate, c.side) in walls]

    def _walls(self, value: Value, members: tuple[str, ...], conditions: list[Condition]) -> list[str]:
        """What fills the ghost cells that a box looks at, in the words of the file."""
        notes: list[str] = []
        for _, axes in self._ghosts(value, members):
            periodic = [a.name for a in axes if a.periodic]
            if periodic:
                notes.append("periodic" if len(periodic) == len(axes) else f"periodic in {', '.join(periodic)}")
        notes.extend(self._wall_texts(conditions))
        return [shortened(n, NOTE_WIDTH) for n in dict.fromkeys(notes)][:4]

    def _wall_texts(self, conditions: list[Condition]) -> list[str]:
        """`x = 0: u = 1`, or one line for all walls where they have the same condition."""
        problem = self.graph.scheme.system.problem
        ends = {c.name: (c.lower, c.upper) for c in problem.space}
        texts = [" ".join(problem.source.snippet(c.span).split()) for c in conditions]
        if len(conditions) > 1 and len(set(texts)) == 1:
            return [f"walls: {texts[0]}"]
        places = [f"{c.coordinate} = {exact_text(ends[c.coordinate][c.side == 'upper'])}" for c in conditions]
        return [f"{place}: {text}" for place, text in zip(places, texts, strict=True)]

    def _learned(self, members: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        """What trains in a box, "name: how many numbers" (the name alone where another box said so), and how many."""
        sizes = {p.attribute: parameter_count(p) for p in self.graph.parameters if not p.frozen}
        sizes |= {m.name: m.parameters for m in self.graph.modules}
        names: dict[str, None] = {}
        for member in members:
            match self.folding.flat.values[member].node.layer:
                case Weight(name=name) | ClosureNetwork(name=name) | LiftLayer(name=name) | ReadOut(name=name):
                    names[name] = None
                case _:
                    pass
        known = [n for n in names if n in sizes]
        new = [n for n in known if n not in self.shown]
        self.shown.update(new)
        return tuple(f"{n}: {sizes[n]:,}" if n in new else n for n in known), sum(sizes[n] for n in new)

    def _span(self, value: Value) -> Span:
        """The statement a box comes from."""
        problem = self.graph.scheme.system.problem
        block = value.id.partition("/")[0]
        match value.node.layer:
            case Loop() if problem.numerics.march is not None:
                return problem.numerics.march.span
            case InputArray(name=name):
                return next((i.span for i in problem.inputs if i.name == name), value.node.span)
            case _ if block == "initial" and problem.initials:
                return problem.initials[0].span
            case _:
                outputs = (o.span for o in problem.outputs if block == f"output_{o.name}")
                return next(outputs, value.node.span)


def _axes(value: Value, dimension: int) -> set[int]:
    """Along which axes a layer looks at its neighbors."""
    match value.node.layer:
        case StencilLayer(taps=taps):
            return {i for i in range(dimension) if any(t.offset[i] != 0 for t in taps)}
        case _:
            return set(range(dimension))
