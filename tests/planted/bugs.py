"""Small mistakes of the kind that people make, each with the tests that have to notice it.

`old` occurs in `file`, whose tests are those of its own package (`graph` is tested where its networks run, in `emit`). When
the code has changed, change `old` and `new` with it: the mistake is what matters, not the line.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A piece of text of a file of the package, what takes its place wherever it stands, and arguments of pytest."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


OPERANDS = "tests/emit/test_emit_operands.py"

BUGS = (
    # --- the front end ------------------------------------------------------------------------------------------------
    Bug("columns start at zero", "source.py", "self._line_starts[line - 1] + 1", "self._line_starts[line - 1]",
        ("tests/diagnostics",)),
    Bug("a sign binds like a power", "syntax/expression_text.py", "_at_least(operand, Level.PREFIX)",
        "_at_least(operand, Level.SUM)", ("tests/syntax/test_syntax_format.py",)),
    Bug("one condition fewer a side", "model/counting.py", "lacking = self.needed // 2 - len", "lacking = self.needed // 4 - len",
        ("tests/model/test_model_boundaries.py",)),
    Bug("walls that do not mirror waves", "discretize/build.py", "walls[0] in mirrors", "False",
        ("tests/discretize/test_discretize_closures.py", "-k", "sound")),
    # --- the mathematics ----------------------------------------------------------------------------------------------
    Bug("a quotient without the conjugate", "symbolic/pairs.py", "multiply(a, Pair(b.re, -b.im))", "multiply(a, Pair(b.re, b.im))",
        ("tests/symbolic/test_symbolic_realify.py",)),
    Bug("the sign of a cosine", "symbolic/pairs.py", "-apply(sp.sin, z.re) * apply(sp.sinh, z.im)",
        "apply(sp.sin, z.re) * apply(sp.sinh, z.im)", ("tests/symbolic/test_symbolic_realify.py",)),
    Bug("wall data at the other wall", "symbolic/walls.py", 'axis.upper if condition.side == "upper" else axis.lower',
        'axis.lower if condition.side == "upper" else axis.upper', ("tests/symbolic/test_symbolic_walls.py",)),
    Bug("a Laplacian of first derivatives", "symbolic/calculus.py", "sp.diff(part, self.table.coordinates[c], 2)",
        "sp.diff(part, self.table.coordinates[c], 1)", ("tests/symbolic",)),
    # --- the numerics -------------------------------------------------------------------------------------------------
    Bug("a weight of Fornberg's recursion", "discretize/stencils.py", "(m * lower - (points[n - 1] - at)",
        "(m * lower + (points[n - 1] - at)", ("tests/discretize/test_discretize_stencils.py",)),
    Bug("a stencil too narrow", "discretize/stencils.py", "(derivative + 1) // 2 + order // 2 - 1",
        "derivative // 2 + order // 2 - 1", ("tests/discretize/test_discretize_stencils.py",)),
    Bug("ghost cells half a cell off", "discretize/ghosts.py", "Fraction(-2 * k - 1, 2)", "Fraction(-2 * k - 2, 2)",
        ("tests/discretize/test_discretize_ghosts.py",)),
    Bug("the normal points inward", "discretize/ghosts.py", "sp.Pow(-h, -m)", "sp.Pow(h, -m)",
        ("tests/discretize/test_discretize_ghosts.py",)),
    Bug("an entry of a tableau", "discretize/tableaux.py", '["1/6", "1/6", "2/3"]', '["1/6", "2/3", "1/6"]',
        ("tests/discretize/test_discretize_tableaux.py",)),
    Bug("an exact flow against its source", "discretize/flows.py", "u * grown + ratio *",
        "u * grown - ratio *", ("tests/discretize/test_discretize_flows.py",)),
    Bug("automatic steps at the bound of half the wave numbers", "discretize/steps.py", "SAFETY = Fraction(9, 10)",
        "SAFETY = Fraction(9, 5)", ("tests/discretize/test_discretize_stability.py", "-k", "auto or steps")),
    # --- the network --------------------------------------------------------------------------------------------------
    Bug("values of a step are those of the first", "graph/hoist.py", "return not per_step", "return True",
        (OPERANDS, "-k", "line")),
    Bug("a halo too narrow", "graph/operators.py", "halo = tuple(h + r for h, r in zip(region.halo, reach, strict=True))",
        "halo = reach", (OPERANDS, "-k", "flux")),
    Bug("an integral over one cell fewer", "graph/operators.py", "cells *= grid[i].cells", "cells *= grid[i].cells - 1",
        (OPERANDS, "-k", "output and integral")),
    Bug("one step of a march counted", "graph/cost.py", "nodes, blocks).times(trips)", "nodes, blocks)", ("tests/graph",)),
    Bug("outputs read a step too early", "emit/outputs.py", '"p.t + DT"', '"p.t"', (OPERANDS, "-k", "output and series")),
    Bug("marches start at step zero", "emit/march.py", "torch.arange(start, start + steps)", "torch.arange(0, steps)",
        ("tests/emit/test_emit_source.py", "-k", "first_step")),
    Bug("a transposed wall keeps its ghosts in order", "emit/helpers.py", "width - 1 - k", "k",
        ("tests/emit/test_emit_gradients.py", "-k", "transpose")),
    Bug("the two channels of a complex field exchanged", "emit/fixed.py", "(value.real, value.imag)", "(value.imag, value.real)",
        ("tests/emit/test_emit_source.py", "-k", "pack")),
    Bug("a missing half in a split step", "emit/solve_text.py", "{time} * {symbol}", "{symbol}",
        ("tests/emit/test_emit_reference.py", "-k", "soliton")),
    Bug("what no axis changes counted on each of them", "emit/axis_helpers.py", "part = part - shared", "part = part - 0 * shared",
        ("tests/emit/test_emit_steady.py", "-k", "separate and interpreter")),
    Bug("waves inverted that odd images lack", "emit/march_helpers.py", "wave != 0 if signs[0] < 0", "wave >= 0 if signs[0] < 0",
        ("tests/emit/test_emit_steady.py", "-k", "do_not_occur")),
    Bug("places without a sample are zero", "native/packing.py", "more = last if repeats", "more = 0 * last if repeats",
        ("tests/native/test_native_samples.py", "-k", "places or packing")),
    # --- files and training -------------------------------------------------------------------------------------------
    Bug("times of outputs begin at zero", "files/trajectory.py", 'self._times(0 if end == "begin" else 1, 1, count)',
        "self._times(0, 1, count)", ("tests/files/test_files_trajectory.py",)),
    Bug("a file is written in place", "files/atomic.py", 'target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")', "target",
        ("tests/files/test_files_atomic.py",)),
    Bug("a changed checkpoint is believed", "train/snapshot.py", "hexdigest() != digest", "hexdigest() == ''",
        ("tests/train/test_train_resume.py", "-k", "damaged")),
    Bug("a relative error without its root", "train/loss.py", ".tiny).sqrt().mean()", ".tiny).mean()",
        ("tests/train/test_train_loss.py",)),
    Bug("held-out samples that training sees", "train/split.py", "data.subset(torch.nonzero(~is_held).flatten())", "data",
        ("tests/train/test_train_data.py", "-k", "split or held")),
)  # fmt: skip
