"""What each value is called where another one reads it, and the formula of each box."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from npde.graph.graph import LayerGraph
from npde.graph.layers import (
    Call,
    Channels,
    ClosureNetwork,
    Convolution,
    ConvolutionAdjoint,
    CoordinateArray,
    Dense,
    DotChannels,
    InputArray,
    Join,
    LiftLayer,
    Loop,
    MatrixRow,
    MatrixVector,
    Noise,
    Placeholder,
    Pointwise,
    ReadOut,
    Reduction,
    RegionIntegrals,
    ReleasedStencil,
    SparseAffine,
    StencilLayer,
    Weight,
)
from npde.view.notation import formula
from npde.view.values import Flat, Value, passes_through

LONGEST_NAME = 40
"""A value with a longer text is called by its node's name."""


@dataclass
class Wording:
    """Texts of the values of a block. Pointwise values in `inlined` are written out where they are read; those called by
    their own name are remembered in `named`, so that their box says what the name means."""

    graph: LayerGraph
    flat: Flat
    inlined: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    @property
    def state(self) -> str:
        """What the state is called: the field's name if there is only one, and no velocity beside it."""
        system = self.graph.scheme.system
        fields = system.problem.fields
        is_one = len(fields) == 1 and not any(u.is_velocity for u in system.unknowns)
        return fields[0].name if is_one else "state"

    def through(self, name: str) -> str:
        """The value itself, where one only renames it: a join of one, all channels."""
        value = self.flat.values[name]
        match value.node.layer:
            case Join() if len(value.inputs) == 1:
                return self.through(value.inputs[0])
            case Channels(start=0, stop=stop) if stop == self.flat.values[value.inputs[0]].node.shape.channels:
                return self.through(value.inputs[0])
            case _:
                return name

    def text(self, name: str) -> str:
        """What a value is called."""
        name = self.through(name)
        value = self.flat.values[name]
        if isinstance(value.node.layer, Pointwise | Call) and name not in self.inlined:
            return self._by_name(value)
        text = self.own_formula(name)
        return text if len(text) <= LONGEST_NAME else self._by_name(value)

    def _by_name(self, value: Value) -> str:
        self.named.add(value.id)
        return self.name(value.id)

    def name(self, name: str) -> str:
        """What a value is called in formulas: by the unknowns that it starts (`u`) or moves (`dt(u)`), by the join that it is
        alone in, or as its node is."""
        block, _, own = name.partition("/")
        moved = self.unknowns_of(name)
        if block == "initial" and moved:
            return ", ".join(moved)
        if block == "rhs" and len(moved) == 1 and name not in self._joined:
            return f"d{self.graph.scheme.system.problem.marching}({moved[0]})"
        return self._joined.get(name, own)

    def unknowns_of(self, name: str) -> list[str]:
        """The unknowns whose place in a state a value takes: their names by its places in the join that makes the state."""
        symbols = [u.symbol.name for u in self.graph.scheme.system.unknowns]
        for value in self.flat.values.values():
            if isinstance(value.node.layer, Join) and name in value.inputs and len(value.inputs) == len(symbols):
                named = [s for s, i in zip(symbols, value.inputs, strict=True) if i == name]
                return [self.state] if len(symbols) == 1 else named
        return []

    @cached_property
    def _joined(self) -> dict[str, str]:
        values = self.flat.values.values()
        return {v.inputs[0]: v.node.name for v in values if isinstance(v.node.layer, Join) and len(v.inputs) == 1}

    def own_formula(self, name: str) -> str:
        """The formula of a value in terms of what it reads."""
        value = self.flat.values[name]
        if isinstance(value.node.layer, Pointwise):
            return formula(self.expression(name), first=self.state)
        if passes_through(value):
            return self._moved(value)
        return self._layer(value)

    def expression(self, name: str) -> sp.Expr:
        """The expression of a pointwise value, what is inlined written out."""
        value = self.flat.values[name]
        assert isinstance(value.node.layer, Pointwise)
        swaps: dict[sp.Symbol, sp.Expr] = {}
        for symbol, source in zip(value.node.layer.symbols, value.inputs, strict=True):
            source = self.through(source)
            below = self.flat.values[source]
            if source in self.inlined and isinstance(below.node.layer, Pointwise):
                swaps[symbol] = self.expression(source)
            else:
                swaps[symbol] = sp.Symbol(self.text(source), real=True)
        return value.node.layer.expression.xreplace(swaps)

    def _moved(self, value: Value) -> str:
        layer = value.node.layer
        below = self.flat.values[value.inputs[0]]
        if isinstance(layer, Channels):
            return value.node.name
        return self.text(below.id)

    def _layer(self, value: Value) -> str:
        texts = [self.text(i) for i in value.inputs]
        match value.node.layer:
            case Placeholder():
                return self.state if value.node.name == "state" else value.node.name
            case Weight(name=name) | InputArray(name=name):
                return name
            case CoordinateArray(axis=axis):
                return self.graph.scheme.grid.axes[axis].name
            case Noise(seed=seed):
                return f"noise({seed})"
            case StencilLayer(operator=operator):
                return self._operator(operator, texts[0])
            case ReleasedStencil():
                return f"{texts[1]}({texts[0]})"
            case SparseAffine():
                return f"W {texts[0]} + b"
            case Convolution(kernel=kernel):
                return f"{kernel}({texts[0]})"
            case ConvolutionAdjoint(kernel=kernel):
                return f"adjoint({kernel})({texts[0]})"
            case ClosureNetwork(name=name):
                return f"{name}({', '.join(texts)})"
            case Dense():
                return f"integral({texts[1]}*{texts[0]})"
            case Reduction(kind=kind):
                return f"{kind}({texts[0]})"
            case MatrixVector():
                return f"{texts[0]}@{texts[1]}"
            case MatrixRow(index=index):
                return f"{texts[0]}[{index}]"
            case DotChannels():
                return f"dot({texts[0]}, {texts[1]})"
            case LiftLayer():
                return f"lift({texts[0]})"
            case ReadOut():
                return f"linear({texts[0]})"
            case RegionIntegrals():
                return f"regions({texts[0]}, {value.node.shape.channels})"
            case Call(block=block):
                return f"{block}({texts[0]})" if texts else f"{block}()"
            case Loop():
                return self.state
            case _:
                return self._by_name(value)

    @staticmethod
    def _operator(operator: str, operand: str) -> str:
        """`dx_flux` is the difference of a flux: `dx(flux)`."""
        if operator.endswith("_flux"):
            return f"{operator.removesuffix('_flux')}({operand})"
        return operator.replace("expression", operand).replace("**", "^")
