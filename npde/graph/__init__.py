"""The graph stage: `Scheme` → `LayerGraph`, the network before it is written in any language."""

from npde.graph.build import build, implied
from npde.graph.graph import Block, LayerGraph, Node, Parameter, Region, Shape, SubModule
from npde.graph.verify import verify

__all__ = ["Block", "LayerGraph", "Node", "Parameter", "Region", "Shape", "SubModule", "build", "implied", "verify"]
