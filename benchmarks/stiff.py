"""Stiff problems: the time that schemes take to a given error, explicit against implicit-explicit and exponential ones.

    python -m benchmarks.stiff

Every scheme marches with ever more steps until its error at the end is below each of the targets, against a march by etdrk4 with
far smaller steps, which rk4 confirms. The faster of two runs counts. float64, one thread.
Writes `benchmarks/results/stiff.md`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import npde

RESULTS = Path(__file__).parent / "results"
TARGETS = (1e-2, 1e-4)
SCHEMES = ("rk4", "sbdf2", "etdrk2", "etdrk4")
MOST = 2**17
RUNS = 2


@dataclass(frozen=True)
class Problem:
    """A text without its march, and the steps of the reference."""

    name: str
    text: str
    reference: int


PROBLEMS = (
    Problem(
        "Kuramoto-Sivashinsky, 192 cells, t = 20",
        "coordinates x in [0, 32*pi], t in [0, 20]\nfield u(x, t)\ndt(u) = -dx(u^2)/2 - dxx(u) - d(u, x, 4)\n"
        "boundary periodic\ninitial u = cos(x/16)*(1 + sin(x/16))\ngrid x: 192\n",
        1024,
    ),
    Problem(
        "Allen-Cahn, 96 x 96 cells, t = 2",
        "coordinates x, y in [0, 1], t in [0, 2]\nfield u(x, y, t)\ndt(u) = 0.01*lap(u) + u - u^3\nboundary periodic\n"
        "initial u = 0.5*sin(2*pi*x)*cos(4*pi*y) + 0.3*cos(2*pi*(x + y))\ngrid x: 96, y: 96\n",
        512,
    ),
    Problem(
        "Cahn-Hilliard, 48 x 48 cells, t = 2",
        "coordinates x, y in [0, 32], t in [0, 2]\nfield c(x, y, t)\ndt(c) = lap(c^3 - c - 0.5*lap(c))\nboundary periodic\n"
        "initial c = 0.5*sin(2*pi*x/16)*cos(2*pi*y/32) + 0.1\ngrid x: 48, y: 48\n",
        512,
    ),
)


@dataclass(frozen=True)
class Run:
    """The steps, the error at the end and the seconds of a march."""

    steps: int
    error: float
    seconds: float


def explicit_steps(problem: Problem) -> int:
    """Steps of `dt: auto` for rk4."""
    return npde.parse(f"{problem.text}march rk4, dt: auto\n").compile(dtype=torch.float64).STEPS


def run(problem: Problem, scheme: str, steps: int, wanted: torch.Tensor | None) -> tuple[Run, torch.Tensor]:
    """One march: its state, and its error against `wanted`."""
    net = npde.parse(f"{problem.text}march {scheme}, steps: {steps}\n").compile(dtype=torch.float64)
    seconds = math.inf
    with torch.no_grad():
        for _ in range(RUNS if wanted is not None else 1):
            begin = time.perf_counter()
            state = net.march()
            seconds = min(seconds, time.perf_counter() - begin)
    error = 0.0 if wanted is None else float((state - wanted).abs().max() / wanted.abs().max())
    return Run(steps, error, seconds), state


def starting_steps(scheme: str, auto: int) -> int:
    """The least steps that are tried: just stable for the explicit scheme."""
    return math.ceil(0.95 * auto) if scheme == "rk4" else 8


def measure(problem: Problem) -> tuple[int, dict[str, dict[float, Run | None]]]:
    """For each scheme and target the first march that reaches it."""
    auto = explicit_steps(problem)
    _, wanted = run(problem, "etdrk4", problem.reference, None)
    found: dict[str, dict[float, Run | None]] = {s: dict.fromkeys(TARGETS) for s in SCHEMES}
    for scheme in SCHEMES:
        steps = starting_steps(scheme, auto)
        while steps <= MOST and any(found[scheme][t] is None for t in TARGETS):
            try:
                result, _ = run(problem, scheme, steps, wanted)
            except npde.NpdeError:  # the step is proved unstable
                result = Run(steps, math.inf, math.inf)
            for target in TARGETS:
                if found[scheme][target] is None and result.error <= target:
                    found[scheme][target] = result
            if math.inf > result.seconds > 20:
                break
            steps *= 2
    return auto, found


def main() -> None:
    """Prints and writes the table."""
    torch.set_num_threads(1)
    lines = [
        "# Stiff problems: seconds to a given error",
        "",
        "Relative error at the end; seconds (steps); float64, one thread.",
        "",
    ]
    for problem in PROBLEMS:
        auto, found = measure(problem)
        lines += [f"## {problem.name}", "", f"`rk4, dt: auto` takes {auto:,} steps.", ""]
        lines += ["| scheme | " + " | ".join(f"{t:.0e}" for t in TARGETS) + " |", "|---|" + "---|" * len(TARGETS)]
        for scheme, row in found.items():
            cells = ["–" if r is None else f"{r.seconds:.3g} s ({r.steps:,})" for r in row.values()]
            lines.append(f"| {scheme} | " + " | ".join(cells) + " |")
        lines.append("")
        print("\n".join(lines[-len(SCHEMES) - 7 :]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "stiff.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
