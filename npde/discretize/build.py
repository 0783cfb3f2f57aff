"""`System` → `Scheme`."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from npde.diagnostics import Collector, InternalError
from npde.diagnostics.catalogue import not_yet
from npde.discretize import ghosts, tableaux
from npde.discretize.halo import Halo, halo
from npde.discretize.scheme import Axis, GhostRule, Grid, RungeKutta, Scheme, StepBound
from npde.symbolic.system import System


def build(system: System) -> Scheme:
    """The numerics of a system: grid, ghost cells, time scheme, steps and their bound.

    Raises:
        DiagnosticError: the problem asks for what is not supported yet, or for a step that is unstable.
    """
    problem = system.problem
    collector = Collector(problem.source)
    grid = grid_of(system)
    order = problem.numerics.order
    rules = ghost_rules(system, grid, order, collector)
    march, time = problem.numerics.march, problem.time
    if march is None or time is None:
        raise InternalError("an evolution problem without a march")
    tableau = tableaux.TABLEAUX[march.scheme]
    steps = march.steps
    if steps is None:
        assert isinstance(march.dt, Fraction)
        steps = int((time.upper - time.lower) / march.dt)
    dt = (time.upper - time.lower) / steps
    bound = StepBound(None, None, False, ())
    collector.raise_errors()
    return Scheme(system, grid, order, order, rules, RungeKutta(tableau), march.scheme, time.lower, dt, steps, bound)


def grid_of(system: System) -> Grid:
    """The grid of the space coordinates, in order of declaration."""
    problem = system.problem
    cells = dict(problem.numerics.cells)
    return Grid(
        tuple(Axis(c.name, cells[c.name], c.lower, c.upper, c.name in problem.periodic) for c in problem.space)
    )


def ghost_rules(system: System, grid: Grid, order: int, collector: Collector) -> tuple[GhostRule, ...]:
    """A rule for every wall, as wide as any expression of the system reads."""
    read: Halo = halo([*system.rates, *(p for o in system.outputs for p in o.parts)], system, order)
    axes = {a.name: a for a in grid.axes}
    found = []
    for wall in system.walls:
        width = read.get((wall.unknown, wall.coordinate), 0)
        if not width:
            continue
        found.append(ghosts.rule(wall, axes[wall.coordinate], order, width))
    return tuple(found)
