"""What `npde check` says of a file: its diagnostics, or a few lines about the scheme and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npde.diagnostics import Diagnostic, DiagnosticError, to_json
from npde.discretize.scheme import Steady
from npde.files.limits import human
from npde.source import Source

if TYPE_CHECKING:
    from npde.analysis import Analysis
    from npde.discretize.scheme import Scheme
    from npde.driver import Compilation


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one file; `analysis` and `scheme` where there is no error."""

    source: Source
    diagnostics: tuple[Diagnostic, ...]
    analysis: Analysis | None
    scheme: Scheme | None
    status: int

    def text(self) -> str:
        """A line on the diagnostics, and the facts."""
        errors, warnings = (sum(d.severity == kind for d in self.diagnostics) for kind in ("error", "warning"))
        parts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
        lines = [f"{self.source.name}: {' and '.join(parts) or 'no errors'}"]
        if self.analysis is not None and self.scheme is not None:
            lines.extend(f"  {name:<8} {value}" for name, value in facts(self.scheme, self.analysis))
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        found: dict[str, Any] = {
            "file": self.source.name,
            "diagnostics": [to_json(d, self.source) for d in self.diagnostics],
        }
        if self.analysis is not None and self.scheme is not None:
            found["analysis"] = plain_analysis(self.scheme, self.analysis)
        return found


def check_file(file: str, overrides: dict[str, Any], free: str) -> Checked:
    """Checks a file through all stages but emission."""
    from npde import api
    from npde.analysis import analyze
    from npde.cli import report
    from npde.cli.app import DONE, USAGE, WRONG
    from npde.cli.options import recipe

    try:
        compilation: Compilation = recipe(file, overrides, free).compilation
    except DiagnosticError as error:
        return Checked(error.source, error.diagnostics, None, None, WRONG)
    found = tuple(api.check(compilation))
    if any(d.severity == "error" for d in found):
        status = USAGE if report.is_about_options(DiagnosticError(found, compilation.text)) else WRONG
        return Checked(compilation.text, found, None, None, status)
    analysis = analyze(compilation.scheme, compilation.graph)
    return Checked(compilation.text, found, analysis, compilation.scheme, DONE)


def facts(scheme: Scheme, analysis: Analysis) -> list[tuple[str, str]]:
    """What is worth knowing before a run, by name."""
    axes = ", ".join(f"{a.name}: {a.cells}" for a in scheme.grid.axes)
    state = state_bytes(scheme)
    cost = analysis.cost
    if "time" not in analysis.order:
        return steady_facts(scheme, analysis)
    steps = f"{analysis.steps:,} step{'s' * (analysis.steps != 1)}"
    found = [
        ("grid", f"{axes}, {state_text(scheme)}" if axes else state_text(scheme)),
        ("order", f"{analysis.order['space']} in space, {analysis.order['time']} in time ({scheme.name})"),
        ("step", f"dt = {analysis.dt:.4g}, {steps}; {bound_text(scheme, analysis)}"),
        (
            "cost",
            f"{count(cost.flops)}FLOP and {human(cost.bytes)} moved a step, {count(cost.flops * analysis.steps)}FLOP in all",
        ),
        (
            "memory",
            f"{human(state)} a state, {human(state * (analysis.steps + 1))} for every step's (float32, one sample)",
        ),
        ("learns", f"{cost.parameters:,} number{'s' * (cost.parameters != 1)}"),
    ]
    if analysis.invariants:
        found.insert(3, ("keeps", ", ".join(analysis.invariants)))
    error = leading_error(analysis)
    if error:
        found.insert(2, ("error", error))
    if not axes:
        found[1] = ("order", f"{analysis.order['time']} in time ({scheme.name})")
    return found


def leading_error(analysis: Analysis) -> str:
    """The leading error in space of the first rate that has one, and the power of the step."""
    from npde.analysis.knowledge import space_text
    from npde.view.notation import shortened

    scheme = analysis.graph.scheme
    texts = [(u.symbol.name, space_text(analysis, k)) for k, u in enumerate(scheme.system.unknowns)]
    of, text = next(((name, text) for name, text in texts if text), ("", ""))
    if not text:
        return ""
    power = analysis.order["time"]
    more = " and others" if sum(bool(t) for _, t in texts) > 1 else ""
    return f"{shortened(text, 60)} + O(dt{f'^{power}' if power > 1 else ''}) in the rate of {of}{more}"


def steady_facts(scheme: Scheme, analysis: Analysis) -> list[tuple[str, str]]:
    """What is worth knowing before a solve, by name."""
    axes = ", ".join(f"{a.name}: {a.cells}" for a in scheme.grid.axes)
    cost, solve = analysis.cost, scheme.time.solve if isinstance(scheme.time, Steady) else None
    singular = "; defined up to a constant: the mean is zero" if solve is not None and solve.null else ""
    found = [
        ("grid", f"{axes}, {state_text(scheme)}" if axes else state_text(scheme)),
        ("order", f"{analysis.order['space']} in space"),
        ("solve", f"steady, by {scheme.name}{singular}"),
        ("cost", f"{count(cost.flops)}FLOP and {human(cost.bytes)} moved a solve"),
        ("memory", f"{human(state_bytes(scheme))} a state (float32, one sample)"),
        ("learns", f"{cost.parameters:,} number{'s' * (cost.parameters != 1)}"),
    ]
    return found if axes else [f for f in found if f[0] != "order"]


def bound_text(scheme: Scheme, analysis: Analysis) -> str:
    """How the step compares with the largest stable one."""
    if analysis.dt_max is None:
        return f"{scheme.name}: {analysis.notes[0]}" if analysis.notes else "no bound known"
    sure = "stable" if analysis.exact else "stable, by estimate,"
    form = scheme.bound.formula
    return f"{sure} up to {analysis.dt_max:.4g}{f' (dt <= {form_text(form)})' if form is not None else ''}"


def form_text(form: Any) -> str:
    """A closed form in the notation of the language."""
    from npde.view.notation import formula

    return formula(form)


def state_text(scheme: Scheme) -> str:
    """`2 channels`."""
    channels = sum(u.channels for u in scheme.system.unknowns)
    return f"{channels} channel{'s' * (channels != 1)}"


def state_bytes(scheme: Scheme) -> int:
    """A state of one sample in float32."""
    return 4 * sum(u.channels for u in scheme.system.unknowns) * math.prod(scheme.grid.shape)


def count(number: float) -> str:
    """`1.2 M`: a count with its prefix, to be followed by a unit."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(number) < 1000 or prefix == "T":
            return f"{number:.0f} {prefix}" if not prefix else f"{number:.3g} {prefix}"
        number /= 1000
    raise AssertionError


def peak_bytes(analysis: Analysis) -> dict[str, int | None]:
    """Predicted peaks; None where the data decide."""
    from npde.analysis.footprint import depends_on_data

    gradients = None if depends_on_data(analysis.graph, True) else analysis.memory(grad=True)
    return {"forward": analysis.memory(), "gradients": gradients}


def plain_analysis(scheme: Scheme, analysis: Analysis, *, is_whole: bool = False) -> dict[str, Any]:
    """For `--json`; with `is_whole`, what takes more than a moment too."""
    form = analysis.dt_bound if is_whole else scheme.bound.formula
    found: dict[str, Any] = {
        "model": scheme.system.problem.name,
        "grid": {a.name: a.cells for a in scheme.grid.axes},
        "order": dict(analysis.order),
        "scheme": scheme.name,
        "dt": analysis.dt,
        "steps": analysis.steps,
        "dt_max": analysis.dt_max,
        "dt_bound": None if form is None else str(form),
        "exact": analysis.exact,
        "notes": list(analysis.notes),
        "flops": analysis.cost.flops,
        "bytes": analysis.cost.bytes,
        "parameters": analysis.cost.parameters,
        "state_bytes": state_bytes(scheme),
        "reach": None if analysis.reach is None else list(analysis.reach),
        "invariants": [{"name": p.name, "reason": p.reason, "exact": p.exact} for p in analysis.proofs],
    }
    if not is_whole:
        return found
    found["modified"] = {name: str(error) for name, error in analysis.modified.items()}
    found["assumed"] = list(analysis.errors.notes)
    found["peak_bytes"] = peak_bytes(analysis)
    return found
