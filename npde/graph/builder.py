"""Builds one block: names its nodes, shares equal ones, keeps topological order."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field, replace

from npde.graph.graph import Block, Node, Region, Shape
from npde.graph.layers import Layer, Placeholder
from npde.source import NOWHERE, Span

RESERVED = frozenset("self torch nn math functional Tensor c p stage batch dt".split())
"""Names that emitted methods use themselves."""


def identifier(text: str) -> str:
    """A Python name made of `text`: other characters become underscores; keywords get a trailing one."""
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    if name[0].isdigit():
        name = "v_" + name
    return name + "_" if keyword.iskeyword(name) or name in RESERVED else name


def joint(shapes: list[Shape]) -> Shape:
    """The shape of an array-by-array operation: every extent the largest. What does not vary fits any number of axes."""
    varying = [s for s in shapes if any(e > 1 for e in s.extents)]
    rank = len((varying or shapes)[0].extents)
    extents = tuple(max((s.extents[i] for s in varying), default=1) for i in range(rank))
    return Shape(any(s.batch for s in shapes), max(s.channels for s in shapes), extents)


@dataclass
class BlockBuilder:
    """A block under construction."""

    name: str
    span: Span = NOWHERE
    nodes: dict[str, Node] = field(default_factory=dict)
    placeholders: list[str] = field(default_factory=list)
    _shared: dict[object, str] = field(default_factory=dict)

    def placeholder(self, name: str, shape: Shape, region: Region) -> str:
        """A value handed to the block."""
        node = Node(name, Placeholder(), (), shape, region, self.span)
        self.nodes[name] = node
        self.placeholders.append(name)
        return name

    def add(self, layer: Layer, inputs: tuple[str, ...], shape: Shape, region: Region, hint: str) -> str:
        """The name of a node that computes `layer` of `inputs`; an equal one is used again."""
        key = (layer, inputs, shape, region)
        if key not in self._shared:
            name = self._fresh(identifier(hint))
            self.nodes[name] = Node(name, layer, inputs, shape, region, self.span)
            self._shared[key] = name
        return self._shared[key]

    def _fresh(self, base: str) -> str:
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        return name

    def finish(self, outputs: tuple[str, ...]) -> Block:
        """The block, without the nodes that no output needs."""
        needed = set(outputs)
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
        nodes = tuple(n for n in self.nodes.values() if n.name in needed or n.name in self.placeholders)
        return Block(self.name, tuple(self.placeholders), nodes, outputs)


def renamed(node: Node, inputs: tuple[str, ...]) -> Node:
    """The node reading other inputs."""
    return replace(node, inputs=inputs)
