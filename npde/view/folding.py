"""Which values of a block become boxes, and which are folded into the boxes that read them."""

from __future__ import annotations

from dataclasses import dataclass, field

from npde.graph.graph import LayerGraph
from npde.graph.layers import Call, Channels, Join, Loop, Placeholder
from npde.view.values import Flat, Value, constants, is_pointwise, is_source, passes_through
from npde.view.wording import Wording

LONGEST_ARGUMENT = 38
"""Characters of a pointwise argument that is written inside a call."""

LONGEST_MERGED = 96
"""Characters of a formula beyond which pointwise nodes stay boxes of their own."""


@dataclass
class Folding:
    """The decisions for one block. Sources and what only moves data are folded away always; a pointwise value is, if only one
    other pointwise value reads it, or if it is a constant of the march."""

    graph: LayerGraph
    flat: Flat
    wording: Wording = field(init=False)
    constant: frozenset[str] = field(init=False)
    readers: dict[str, list[str]] = field(init=False)
    results: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.wording = Wording(self.graph, self.flat)
        self.constant = constants(self.flat)
        self.readers = self.flat.readers()
        self.results = frozenset(self.unmoved(o) for o in self.flat.outputs)
        for value in reversed(self.flat.values.values()):
            if is_pointwise(value) and self._folds(value):
                self.wording.inlined.add(value.id)

    def unmoved(self, name: str) -> str:
        """The value that was only moved to become this one."""
        while passes_through(self.flat.values[name]):
            name = self.flat.values[name].inputs[0]
        return name

    def moves(self, name: str) -> tuple[str, ...]:
        """A value and the ones it is moved from, up to the one that is not moved (which is left out)."""
        out = []
        while passes_through(self.flat.values[name]):
            out.append(name)
            name = self.flat.values[name].inputs[0]
        return tuple(out)

    def uses(self, name: str) -> list[str]:
        """The values that really use one, seen through what only moves data; uses as wall data do not count."""
        out: list[str] = []
        for reader in dict.fromkeys(self.readers[name]):
            value = self.flat.values[reader]
            if passes_through(value):
                if value.inputs[0] == name:
                    out.extend(self.uses(reader))
            elif not is_source(value):
                out.append(reader)
        return list(dict.fromkeys(out))

    def is_box(self, value: Value) -> bool:
        """Whether a value is drawn."""
        if value.id in self.wording.inlined or passes_through(value):
            return False
        if is_source(value):
            return self._starts_state(value.id)
        if value.id in self.constant and value.id not in self.results:
            return bool(self.uses(value.id))
        return True

    def _starts_state(self, name: str) -> bool:
        """Whether a source is itself (part of) an initial state, as in `initial u = x`."""
        block = name.partition("/")[0]
        if block != "initial" or self.flat.inputs or self.flat.values[name].node.layer == Placeholder():
            return False
        layers = (self.flat.values[u].node.layer for u in self.uses(name))
        return name in self.results or any(isinstance(layer, Loop | Join) for layer in layers)

    def is_update(self, value: Value) -> bool:
        """Whether a value is the next state, made of the present one and something added to it."""
        if value.id not in self.results or not set(self.flat.inputs) & {self.unmoved(i) for i in value.inputs}:
            return False
        return value.node.name.startswith("next_") or self.flat.name == "step"

    def members(self, value: Value) -> tuple[str, ...]:
        """The value and everything folded into it."""
        out: dict[str, None] = {}
        pending = [value.id]
        while pending:
            name = pending.pop(0)
            if name not in out:
                out[name] = None
                pending.extend(i for i in self.flat.values[name].inputs if not self.is_box(self.flat.values[i]))
        return tuple(out)

    def sources(self, value: Value) -> dict[str, str]:
        """The boxes a box reads, each with the names of the channels taken from it ("" for all)."""
        out: dict[str, str] = {}
        pending = [(i, "") for i in value.inputs]
        seen: set[str] = set()
        while pending:
            name, via = pending.pop(0)
            below = self.flat.values[name]
            if self.is_box(below):
                out[name] = self._together(out.get(name, ""), via)
            elif name not in seen:
                seen.add(name)
                part = below.node.name if self._is_part(below) else via
                pending.extend((i, part) for i in below.inputs)
        return out

    def _together(self, *parts: str) -> str:
        """Names of channels in one label; nothing when they are all that there are."""
        names = list(dict.fromkeys(n for part in parts for n in part.split(", ") if n))
        return "" if len(names) == len(self.graph.scheme.system.unknowns) else ", ".join(names)

    def _is_part(self, value: Value) -> bool:
        layer = value.node.layer
        if not isinstance(layer, Channels):
            return False
        return layer.stop - layer.start < self.flat.values[value.inputs[0]].node.shape.channels

    def _folds(self, value: Value) -> bool:
        """Whether a pointwise value is written out inside the one that reads it."""
        if value.id in self.results or self._is_moved(value.id):
            return False
        uses = [self.flat.values[u] for u in self.uses(value.id)]
        if not uses:
            return True
        if value.id in self.constant:
            return all(is_pointwise(u) for u in uses)
        if len(uses) > 1:
            return False
        if isinstance(uses[0].node.layer, Call):
            return len(self.wording.own_formula(value.id)) <= LONGEST_ARGUMENT
        if not is_pointwise(uses[0]) or self._merged_length(value, uses[0]) > LONGEST_MERGED:
            return False
        return not self.is_update(uses[0]) or len([i for i in value.inputs if i not in self.constant]) <= 1

    def _is_moved(self, name: str) -> bool:
        """Whether a value is read with ghost cells, cropped or in parts, so that it needs a box."""
        for reader in self.readers[name]:
            value = self.flat.values[reader]
            if not passes_through(value) or value.inputs[0] != name:
                continue
            if self.wording.through(reader) == reader or self._is_moved(reader):
                return True
        return False

    def _merged_length(self, value: Value, into: Value) -> int:
        before = set(self.wording.named)
        length = len(self.wording.own_formula(value.id)) + len(self.wording.own_formula(into.id))
        self.wording.named.intersection_update(before)
        return length
