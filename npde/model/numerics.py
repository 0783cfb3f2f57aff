"""Readers of grid, order, march, solve and network, and what the options put in their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from npde.diagnostics.catalogue import names as name_codes
from npde.diagnostics.catalogue import numerics as codes
from npde.model.elaborate import Place
from npde.model.limits import MAX_CELLS, MAX_STEPS
from npde.model.problem import Coordinate, Exact, March, Numerics, Solve
from npde.model.reading_constants import real_constant
from npde.model.references import elaborator, read_whole
from npde.model.scope import Broken, Scope, nearest
from npde.model.words import spell
from npde.options import MarchOption, NetworkKind, Overrides
from npde.source import NOWHERE, Span
from npde.syntax import tree

EXPLICIT = ("euler", "midpoint", "heun", "ssprk3", "rk4", "dopri5", "ab2", "ab3", "leapfrog")
ADAPTIVE = ("dopri5",)
"""Schemes that choose their own steps; `steps` are then the intervals between the times asked for."""

SCHEMES = (
    *EXPLICIT, "backward_euler", "crank_nicolson", "bdf2", "lie", "strang", "imex_euler", "cnab2", "sbdf2", "etd1",
    "etdrk2", "etdrk4",
)  # fmt: skip
METHODS = ("direct", "cg", "bicgstab", "gmres", "jacobi", "multigrid")
NETWORKS: tuple[NetworkKind, ...] = ("cnn", "mlp", "rnn")


@dataclass
class Draft:
    """Numerics as read so far; spans tell where a value came from."""

    cells: dict[str, tuple[int, Span]] = field(default_factory=dict)
    upwind: int | None = None
    order: tuple[int, Span] | None = None
    march: March | None = None
    solve: Solve | None = None
    network: NetworkKind | None = None
    seen: dict[str, Span] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def first(self, scope: Scope, statement: str, span: Span) -> bool:
        """Whether a statement is the first of its kind; reported if not."""
        if statement in self.seen:
            line, _ = scope.source.position(self.seen[statement].start)
            note = (f"The first one is in line {line}.",)
            scope.collector.add(name_codes.STATED_TWICE.at(span, statement=statement, notes=note))
            return False
        self.seen[statement] = span
        return True


# --- reading ----------------------------------------------------------------------------------------------------------


def read_grid(scope: Scope, statement: tree.Grid, draft: Draft) -> None:
    """`grid x: 128, y: 128, upwind 3`."""
    for item in statement.items:
        declared = scope.find(item.name.id)
        if isinstance(declared, Broken):
            draft.failed.add("grid")
            continue
        cells = read_whole(scope, item.value, f"The number of cells along '{item.name.id}'")
        if not isinstance(declared, Coordinate):
            if declared is None and item.name.id in scope.coordinate_names:
                scope.undeclared(item.name)
            else:
                scope.not_a_coordinate(item.name.id, item.name.span)
        elif item.name.id == scope.marching:
            scope.collector.add(codes.GRID_ALONG_MARCH.at(item.name.span, name=item.name.id))
        elif item.name.id in draft.cells:
            scope.collector.add(codes.GIVEN_TWICE.at(item.name.span, name=item.name.id))
        elif cells is not None and cells < 1:
            scope.collector.add(codes.CELLS.at(item.value.span, name=item.name.id, given=cells))
        elif cells is not None:
            draft.cells[item.name.id] = (cells, item.value.span)
            continue
        draft.failed.add("grid")
    if statement.upwind is not None:
        upwind = read_whole(scope, statement.upwind, "The order of upwind differences")
        if upwind not in (1, 3, 5, None):
            scope.collector.add(codes.UPWIND.at(statement.upwind.span, given=upwind))
        draft.upwind = upwind


def read_order(scope: Scope, statement: tree.Order, draft: Draft) -> None:
    """`order 4`."""
    order = read_whole(scope, statement.value, "The order in space")
    if not draft.first(scope, "order", statement.span) or order is None:
        return
    if order not in (2, 4, 6, 8):
        scope.collector.add(codes.ORDER.at(statement.value.span, given=order))
        return
    draft.order = (order, statement.value.span)


def read_march(scope: Scope, statement: tree.March, draft: Draft) -> None:
    """`march strang along z, steps: 5`, `march rk4, dt: auto`."""
    if not draft.first(scope, "march", statement.span):
        return
    draft.failed.add("march")
    if scope.marching is None:
        hint = "add `t in [0, 1]` to `coordinates`, or name the coordinate: `march … along …`."
        if statement.along is None and "t" not in scope.strangers:
            scope.collector.add(codes.NOTHING_TO_MARCH.at(statement.span, hint=hint))
        return
    name = statement.scheme
    if name.id not in SCHEMES:
        near = nearest(name.id, SCHEMES)
        hint = f"did you mean `{near}`?" if near else ""
        scope.collector.add(codes.UNKNOWN_SCHEME.at(name.span, hint=hint, name=name.id))
    known = ("steps", "dt", "tolerance") if name.id in ADAPTIVE else ("steps", "dt")
    settings = read_settings(scope, statement.settings, "march", known)
    if settings is None or name.id not in SCHEMES:
        return
    tolerance = read_tolerance(scope, settings.pop("tolerance")) if "tolerance" in settings else None
    if len(settings) == 2:
        both = [s for s in statement.settings if s.name.id != "tolerance"]
        scope.collector.add(codes.STEPS_AND_DT.at(both[1].span))
        return
    if not settings:
        hint = f"write `march {name.id}, steps: 100` or `march {name.id}, dt: auto`."
        scope.collector.add(codes.NO_STEPS.at(name.span, hint=hint, name=name.id))
        draft.march = March(name.id, None, None, statement.span, tolerance=tolerance)
        return
    node = next(iter(settings.values()))
    if "steps" in settings:
        steps = read_whole(scope, node, "The number of steps")
        if steps is not None and not 1 <= steps <= MAX_STEPS:
            wrong_setting(scope, node, "steps", f"between 1 and {MAX_STEPS}", str(steps))
        elif steps is not None:
            draft.march = March(name.id, steps, None, statement.span, tolerance=tolerance)
            draft.failed.discard("march")
        return
    dt = read_dt(scope, node)
    if dt is not None:
        draft.march = March(name.id, None, dt, statement.span, tolerance=tolerance)
        draft.seen["dt"] = node.span
        draft.failed.discard("march")


def read_dt(scope: Scope, node: tree.Expression) -> Exact | Literal["auto"] | None:
    """A positive constant, or `auto`."""
    if isinstance(node, tree.Name) and node.id == "auto" and not node.primes:
        return "auto"
    dt = real_constant(elaborator(scope, Place("constant", "The step 'dt'", parameters=())), node, "The step 'dt'")
    if dt is not None and not dt > 0:
        wrong_setting(scope, node, "dt", "positive", spell(dt))
        return None
    return dt


def read_tolerance(scope: Scope, node: tree.Expression) -> float | None:
    """A constant between 0 and 1."""
    what = "The tolerance"
    value = real_constant(elaborator(scope, Place("constant", what, parameters=())), node, what)
    if value is not None and not 0 < value < 1:
        wrong_setting(scope, node, "tolerance", "between 0 and 1", spell(value))
    return None if value is None else float(value)


def wrong_setting(scope: Scope, node: tree.Expression, name: str, expected: str, given: str) -> None:
    """Report a setting that is out of range."""
    scope.collector.add(codes.SETTING_VALUE.at(node.span, name=name, expected=expected, given=given))


def read_settings(
    scope: Scope, settings: tuple[tree.Setting, ...], statement: str, known: tuple[str, ...]
) -> dict[str, tree.Expression] | None:
    """The settings by name; None after reporting an unknown or repeated one."""
    found: dict[str, tree.Expression] = {}
    for setting in settings:
        name = setting.name.id
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near}`?" if near else ""
            listed = " and ".join(f"'{k}'" for k in known)
            data = {"statement": statement, "name": name, "known": listed}
            scope.collector.add(codes.UNKNOWN_SETTING.at(setting.name.span, hint=hint, **data))
            return None
        if name in found:
            scope.collector.add(codes.GIVEN_TWICE.at(setting.name.span, name=name))
            return None
        found[name] = setting.value
    return found


def read_solve(scope: Scope, statement: tree.Solve, draft: Draft) -> None:
    """`solve gmres, iterations: 200, tolerance: 1e-8`."""
    if not draft.first(scope, "solve", statement.span):
        return
    name = statement.method
    if name.id not in METHODS:
        near = nearest(name.id, METHODS)
        hint = f"did you mean `{near}`?" if near else ""
        scope.collector.add(codes.UNKNOWN_METHOD.at(name.span, hint=hint, name=name.id))
    known = ("iterations",) if name.id in ("jacobi", "multigrid") else ("iterations", "tolerance")
    settings = read_settings(scope, statement.settings, "solve", known)
    if settings is None or name.id not in METHODS:
        return
    iterations: int | None = None
    tolerance: float | None = None
    if "iterations" in settings:
        node = settings["iterations"]
        iterations = read_whole(scope, node, "The number of iterations")
        if iterations is not None and not 1 <= iterations <= MAX_STEPS:
            wrong_setting(scope, node, "iterations", f"between 1 and {MAX_STEPS}", str(iterations))
    if "tolerance" in settings:
        tolerance = read_tolerance(scope, settings["tolerance"])
    draft.solve = Solve(name.id, iterations, tolerance, statement.span)


def read_network(scope: Scope, statement: tree.Network, draft: Draft) -> None:
    """`network cnn`."""
    kind = statement.kind
    if not draft.first(scope, "network", statement.span):
        return
    if kind.id not in NETWORKS:
        near = nearest(kind.id, NETWORKS)
        hint = f"did you mean `{near}`?" if near else "the kinds are `cnn`, `mlp` and `rnn`."
        scope.collector.add(codes.UNKNOWN_NETWORK.at(kind.span, hint=hint, name=kind.id))
        return
    draft.network = next(n for n in NETWORKS if n == kind.id)


# --- putting together -------------------------------------------------------------------------------------------------


def finish(scope: Scope, draft: Draft, overrides: Overrides) -> Numerics:
    """The numerics of the problem, options applied; what is missing or does not fit is reported."""
    cells = grid(scope, draft, overrides)
    march = time_scheme(scope, draft, overrides)
    order = draft.order[0] if draft.order else 2
    if overrides.order is not None:
        order = overrides.order
        if order not in (2, 4, 6, 8):
            option(scope, "--order", f"the order in space is 2, 4, 6 or 8, not {order}")
    network = overrides.network or draft.network
    if overrides.network is not None and overrides.network not in NETWORKS:
        option(scope, "--network", f"the kinds are cnn, mlp and rnn, not {overrides.network}")
    if draft.solve is not None and march is not None and march.scheme in EXPLICIT:
        scope.collector.add(codes.SOLVE_UNUSED.at(draft.solve.span, scheme=march.scheme))
    return Numerics(cells, order, draft.upwind, march, draft.solve, network)


def option(scope: Scope, name: str, why: str) -> None:
    """Report an option that breaks a rule."""
    scope.collector.add(codes.OPTION_VALUE.at(NOWHERE, option=name, why=why))


def grid(scope: Scope, draft: Draft, overrides: Overrides) -> tuple[tuple[str, int], ...]:
    """Cells an axis; a missing one and too many in all are reported."""
    given = dict(draft.cells)
    for name, cells in overrides.grid.items():
        if all(name != c.name for c in scope.space):
            continue
        if cells < 1:
            option(scope, "--grid", f"'{name}' needs at least 1 cell, not {cells}")
            draft.failed.add("grid")
        else:
            given[name] = (cells, NOWHERE)
    total = 1
    for coordinate in scope.space:
        if coordinate.name not in given:
            if "grid" not in draft.failed and not scope.strangers:
                hint = f"add `grid {coordinate.name}: 128`."
                scope.collector.add(codes.NO_GRID.at(coordinate.span, hint=hint, name=coordinate.name))
            continue
        total *= given[coordinate.name][0]
    if total > MAX_CELLS:
        widest = max((given[c.name] for c in scope.space if c.name in given), key=lambda g: g[0])
        data = {"given": f"{total:,}", "limit": f"{MAX_CELLS:,}"}
        note = ("The number of cells comes from the option '--grid'.",) if widest[1] == NOWHERE else ()
        scope.collector.add(codes.TOO_MANY_CELLS.at(widest[1], notes=note, **data))
    return tuple((c.name, given[c.name][0]) for c in scope.space if c.name in given)


def time_scheme(scope: Scope, draft: Draft, overrides: Overrides) -> March | None:
    """The march, options applied."""
    over, march = overrides.march, draft.march
    if scope.marching is None:
        if over is not None and over.along not in scope.strangers:
            option(scope, "--march", "the file has no coordinate 't', and the option names no other to march along")
        return None
    if over is not None:
        march = overridden(scope, draft, over)
    elif march is None and "march" not in draft.seen:
        span = scope.time.span if scope.time else NOWHERE
        along = "" if scope.marching == "t" else f" along {scope.marching}"
        hint = f"add `march rk4{along}, steps: 100`."
        scope.collector.add(codes.NO_MARCH.at(span, hint=hint, name=scope.marching))
    if march is not None and march.dt not in (None, "auto"):
        check_divides(scope, draft, march, overrides)
    return march


def overridden(scope: Scope, draft: Draft, over: MarchOption) -> March | None:
    """The file's march with what `--march` says in its place."""
    base, scheme, steps, dt = draft.march, over.scheme, over.steps, over.dt
    if scheme is not None and scheme not in SCHEMES:
        near = nearest(scheme, SCHEMES)
        option(scope, "--march", f"'{scheme}' is not a time scheme" + (f", did you mean '{near}'" if near else ""))
        return None
    if steps is not None and dt is not None:
        option(scope, "--march", "both 'steps' and 'dt' are given")
        return None
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        option(scope, "--march", f"'steps' lies between 1 and {MAX_STEPS}, not {steps}")
        return None
    if isinstance(dt, Fraction) and not dt > 0:
        option(scope, "--march", f"'dt' is positive, not {spell(dt)}")
        return None
    name = scheme or (base.scheme if base else None)
    if name is None or (steps is None and dt is None and (base is None or (base.steps is None and base.dt is None))):
        if "march" not in draft.failed:
            option(scope, "--march", "it needs a scheme and 'steps' or 'dt', as the file states neither")
        return None
    tolerance = base.tolerance if base and name in ADAPTIVE else None
    if over.tolerance is not None:
        if name not in ADAPTIVE:
            option(scope, "--march", f"'{name}' has no tolerance; {', '.join(ADAPTIVE)} has")
            return None
        if not 0 < over.tolerance < 1:
            option(scope, "--march", f"'tolerance' lies between 0 and 1, not {spell(over.tolerance)}")
            return None
        tolerance = float(over.tolerance)
    span = base.span if base else NOWHERE
    if steps is None and dt is None and base is not None:
        return March(name, base.steps, base.dt, span, by_option=True, tolerance=tolerance)
    return March(name, steps, dt, span, by_option=True, tolerance=tolerance)


def check_divides(scope: Scope, draft: Draft, march: March, overrides: Overrides) -> None:
    """Whether the step divides the extent into whole steps; reported with the nearest one that does."""
    time, dt = scope.time, march.dt
    given = overrides.march is not None and overrides.march.dt is not None
    if time is None or dt is None or dt == "auto":
        return
    extent = time.upper - time.lower
    whole = extent / dt
    near = max(1, round(whole))
    place = NOWHERE if given else draft.seen["dt"]
    if whole == near or (isinstance(whole, float) and abs(whole - near) <= 1e-9 * near):
        if near > MAX_STEPS:
            expected = f"large enough for at most {MAX_STEPS} steps"
            scope.collector.add(codes.SETTING_VALUE.at(place, name="dt", expected=expected, given=spell(dt)))
        return
    nearest_dt = extent / near
    text = spell(nearest_dt)
    hint = f"the nearest step that does is `dt: {text}` ({near} step{'s' * (near != 1)})."
    data = {"dt": spell(dt), "length": spell(extent), "name": time.name, "steps": f"{float(whole):.6g}"}
    sources = [("The step", "--march")] * given + [("The extent", "--extent")] * (time.name in overrides.extent)
    note = tuple(f"{what} comes from the option '{name}'." for what, name in sources)
    scope.collector.add(codes.DT_DIVIDES.at(place, hint=hint, notes=note, **data))
