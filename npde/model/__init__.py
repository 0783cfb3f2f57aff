"""From the syntax tree to the checked problem: `check(tree)`, `build(tree)`; `describe(problem)` prints it."""

from npde.model.check import build, check
from npde.model.describe import describe, format_expression
from npde.model.expression import Expr, Type
from npde.model.problem import Problem
from npde.model.traversal import children, fold, walk

__all__ = ["Expr", "Problem", "Type", "build", "check", "children", "describe", "fold", "format_expression", "walk"]
