"""How the last runs compare with what is to be reached: a table, and the one in README.

python -m benchmarks ratios             from results/kernels.json and scaling.json; writes results/ratios.md
python -m benchmarks ratios --readme    puts the table between the marks in README too
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"
FORWARD = ("A", "A2", "B", "C", "D")
COMPILED = ("torch.compile, sliced", "torch.compile, rolled", "npde torch, compiled")
"""Formulations of one step for torch.compile; the best one counts."""

MARKS = ("<!-- ratios: written by python -m benchmarks ratios --readme -->", "<!-- end of ratios -->")


@dataclass(frozen=True)
class Goal:
    """Native is to be `least` times as fast as the best of `rivals`, in each case; `exceptions` have goals of their own."""

    name: str
    rivals: tuple[str, ...]
    cases: tuple[str, ...]
    least: float
    exceptions: tuple[tuple[str, float], ...] = ()

    def wanted(self, case: str) -> float:
        """The goal of a case."""
        return dict(self.exceptions).get(case, self.least)


GOALS = (
    Goal("loops by hand", ("loops by hand",), (*FORWARD, "E"), 0.9),
    Goal("Devito", ("Devito",), FORWARD, 3, (("D", 1.7),)),
    Goal("JAX", ("JAX",), (*FORWARD, "E"), 5, (("E", 20),)),
    Goal("py-pde", ("py-pde",), FORWARD, 20),
    Goal("numba", ("numba",), FORWARD, 0),
    Goal("best torch.compile", COMPILED, (*FORWARD, "E"), 2, (("E", 4),)),
    Goal("npde torch, eager", ("npde torch",), (*FORWARD, "E"), 0, (("E", 10),)),
)


def ratio(rows: list[dict[str, Any]], goal: Goal, case: str) -> float | None:
    """Native's best run against the best of its rivals; None where one of both did not run."""
    rates = {r["contestant"]: r["best"] for r in rows if r["case"] == case and not r["missing"]}
    rivals = [rates[n] for n in goal.rivals if n in rates]
    return rates["npde native"] / max(rivals) if rivals and "npde native" in rates else None


def memory(rows: list[dict[str, Any]]) -> float | None:
    """Native's added memory of training as a share of eager torch's."""
    added = {r["contestant"]: r.get("added_mb") for r in rows if r["case"] == "E" and not r["missing"]}
    native, eager = added.get("npde native"), added.get("npde torch")
    return native / eager if native is not None and eager else None


def table(facts: dict[str, Any]) -> list[str]:
    """A row a rival, a column a case: how many times as fast native is, and in brackets what is missed."""
    rows = facts["rows"]
    keys = [k for k in (*FORWARD, "E") if any(r["case"] == k for r in rows)]
    titles = [f"{k}. {next(r['title'] for r in rows if r['case'] == k)}" for k in keys]
    lines = ["| native is … times as fast as | " + " | ".join(titles) + " |", "|---" * (len(keys) + 1) + "|"]
    for goal in GOALS:
        cells = [_cell(rows, goal, key) for key in keys]
        if any(cells):
            lines.append(f"| {goal.name} | " + " | ".join(cells) + " |")
    return lines


def _cell(rows: list[dict[str, Any]], goal: Goal, key: str) -> str:
    found = ratio(rows, goal, key) if key in goal.cases else None
    if found is None:
        return ""
    text = f"{found:.2f}" if found < 10 else f"{found:.0f}"
    wanted = goal.wanted(key)
    return text if found >= wanted else f"{text} ({wanted:g})"


def report(kernels: dict[str, Any], scaling: dict[str, Any] | None) -> list[str]:
    """All ratios that the design asks for."""
    lines = [
        "# Ratios", "",
        f"{kernels['machine']}, float32, torch {kernels['torch']}, load {kernels['load']}; best of the runs. In brackets: the "
        "goal, where it is missed.",
        *([kernels["note"]] if "note" in kernels else []), "", *table(kernels), "",
    ]  # fmt: skip
    share = memory(kernels["rows"])
    if share is not None:
        lines.append(f"- Training adds {share:.3f} of the memory that eager torch adds (goal: at most 0.1).")
    if scaling is not None:
        threads = scaling["threads"]["512"]
        lines.append(f"- {scaling['cores']} threads are {threads:.2f} times as fast as one, in the caches (goal: 1.8).")
        soon = "; ".join(f"{n}²: {a:.2f} s built, {b:.3f} s cached" for n, (a, b) in scaling["ready"].items())
        lines.append(f"- Text to live native module: {soon} (goals: 1.0 s, 0.05 s, the same for all grids).")
    return [*lines, ""]


def put(text: str, lines: list[str]) -> str:
    """README with the table between its marks.

    Raises:
        SystemExit: it has no marks.
    """
    begin, end = MARKS
    if begin not in text or end not in text:
        raise SystemExit("README has no marks for the table")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: "\n".join([begin, "", *lines, "", end]), text)


def main(arguments: list[str]) -> int:
    """Prints and writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ratios")
    parser.add_argument("--readme", action="store_true", help="write the table into README too")
    chosen = parser.parse_args(arguments)
    kernels = json.loads((RESULTS / "kernels.json").read_text())
    path = RESULTS / "scaling.json"
    text = "\n".join(report(kernels, json.loads(path.read_text()) if path.exists() else None))
    (RESULTS / "ratios.md").write_text(text)
    print(text)
    if chosen.readme:
        README.write_text(put(README.read_text(encoding="utf-8"), table(kernels)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
