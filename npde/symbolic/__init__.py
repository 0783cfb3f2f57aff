"""`Problem` → `System`: the mathematics, in SymPy, built by explicit constructors."""

from npde.symbolic.build import build
from npde.symbolic.system import System, SystemOutput, Term, Unknown, Wall

__all__ = ["System", "SystemOutput", "Term", "Unknown", "Wall", "build"]
