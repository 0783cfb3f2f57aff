"""From the syntax tree to the checked problem: `check(tree)`, `build(tree)`; `describe(problem)` prints it."""

from npde.model.check import build, check
from npde.model.describe import describe, format_expression
from npde.model.expression import Expr, Type, children, fold, walk
from npde.model.problem import Problem

__all__ = ["Expr", "Problem", "Type", "build", "check", "children", "describe", "fold", "format_expression", "walk"]
