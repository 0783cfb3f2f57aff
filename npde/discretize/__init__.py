"""`System` → `Scheme`: the numerics."""

from npde.discretize.build import build
from npde.discretize.scheme import Axis, GhostRule, Grid, Scheme, Stencil

__all__ = ["Axis", "GhostRule", "Grid", "Scheme", "Stencil", "build"]
