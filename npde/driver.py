"""The compiler, stage by stage.

    stage        input                 output         package
    syntax       Source                SyntaxTree     npde.syntax
    model        SyntaxTree            Problem        npde.model
    symbolic     Problem               System         npde.symbolic
    discretize   System                Scheme         npde.discretize
    graph        Scheme                LayerGraph     npde.graph
    emit         LayerGraph            Python source  npde.emit
    live         Python source         nn.Module      npde.emit.live (imports torch)

Every stage raises `DiagnosticError` for the user's mistakes and hands the next one a frozen record. A `Compilation` holds them
all; later stages run when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from npde import model, syntax
from npde.options import CompileOptions, Overrides
from npde.source import Source

if TYPE_CHECKING:
    from npde.discretize import Scheme
    from npde.graph import LayerGraph
    from npde.model import Problem
    from npde.symbolic import System
    from npde.syntax import SyntaxTree


@dataclass(frozen=True)
class Compilation:
    """One source on its way through the compiler."""

    text: Source
    overrides: Overrides = field(default_factory=Overrides)
    options: CompileOptions = field(default_factory=CompileOptions)

    @cached_property
    def tree(self) -> SyntaxTree:
        """What was written."""
        return syntax.parse(self.text)

    @cached_property
    def problem(self) -> Problem:
        """What was meant."""
        return model.build(self.tree, self.overrides)

    @cached_property
    def system(self) -> System:
        """The mathematics."""
        from npde import symbolic

        return symbolic.build(self.problem)

    @cached_property
    def scheme(self) -> Scheme:
        """The numerics."""
        from npde import discretize

        return discretize.build(self.system)

    @cached_property
    def graph(self) -> LayerGraph:
        """The network."""
        from npde import graph

        return graph.build(self.scheme, self.options)

    @cached_property
    def source(self) -> str:
        """The standalone PyTorch module."""
        from npde import emit

        return emit.source(self.graph)
