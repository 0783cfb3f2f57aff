"""Cost against grid size, steps and threads; and how soon a native module is ready.

    python -m benchmarks scaling

Writes `benchmarks/results/scaling.md` and `scaling.svg`. Marches are case A (Fisher-KPP, five points, Euler, float32).
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

import npde
from benchmarks._cases import fisher
from benchmarks._measure import cores, interleaved, machine
from benchmarks._npde import Run, marched

RESULTS = Path(__file__).parent / "results"
GRIDS = (64, 128, 256, 512, 1024, 2048)
STEPS = (1, 10, 100, 1000)


def best(run: Run, steps: int) -> float:
    """Seconds of the quickest of a few marches."""
    run(steps)
    return interleaved({"": lambda: run(steps)}, rounds=7, budget=2.0, each=2.0)[""].best


def by_grid() -> list[list[str]]:
    """Nanoseconds a point and step, of both backends, for each grid."""
    rows = []
    for n in GRIDS:
        case = fisher(n)
        steps = max(2, min(200, 2**22 // n**2))
        found = [best(marched(case, backend=b), steps) / (case.points * steps) * 1e9 for b in ("native", "torch")]
        rows.append([f"{n}²", *(f"{v:.3f}" for v in found)])
    return rows


def by_steps() -> list[list[str]]:
    """Milliseconds of a march on 256², for each number of steps."""
    run = marched(fisher(256), backend="native")
    return [[str(steps), f"{best(run, steps) * 1e3:.3f}"] for steps in STEPS]


def by_threads() -> list[list[str]]:
    """How much faster all cores are than one."""
    rows = []
    for n in (512, 2048):
        run, seconds = marched(fisher(n), backend="native"), {}
        for threads in (1, cores()):
            torch.set_num_threads(threads)
            seconds[threads] = best(run, 50)
        rows.append([f"{n}²", f"{seconds[1] / seconds[cores()]:.2f}"])
    return rows


def ready() -> list[list[str]]:
    """Seconds from text to live native module, after imports: built, and found in the cache."""
    rows = []
    for n in (64, 512, 4096):
        built, cached = [], []
        for k in range(3):
            text = f"{fisher(n).text}\n# {k}\n"
            with tempfile.TemporaryDirectory() as folder:
                os.environ["NPDE_CACHE"] = folder
                npde.parse(fisher(16).text).compile(backend="native")  # the flags are probed once a cache
                built.append(_seconds(lambda text=text: npde.parse(text).compile(backend="native")))
                cached.append(_seconds(lambda text=text: npde.parse(text).compile(backend="native")))
            del os.environ["NPDE_CACHE"]
        rows.append([f"{n}²", f"{statistics.median(built):.2f}", f"{statistics.median(cached):.3f}"])
    return rows


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Markdown."""
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(r) + " |" for r in rows), ""]


def picture(rows: list[list[str]], path: Path) -> None:
    """Time a point and step against the number of points: a level line is linear cost."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "npde"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    points = [n * n for n in GRIDS]
    for column, name in ((1, "native"), (2, "torch")):
        axes.loglog(points, [float(r[column]) for r in rows], "o-", label=name)
    axes.set_xlabel("grid points")
    axes.set_ylabel("ns a point and step")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Measures, prints, writes."""
    torch.set_num_threads(cores())
    grids = by_grid()
    lines = ["# Scaling", "", f"{machine()}, float32, load {os.getloadavg()[0]:.1f}. Case A: Fisher-KPP, Euler.", ""]
    lines += ["Nanoseconds a point and step, all cores:", "", *table(["grid", "native", "torch"], grids)]
    lines += ["Milliseconds of a native march on 256²:", "", *table(["steps", "ms"], by_steps())]
    lines += [f"{cores()} threads against one, native:", "", *table(["grid", "times as fast"], by_threads())]
    head = ["grid", "built", "from the cache"]
    lines += ["Seconds from text to live native module, after imports:", "", *table(head, ready())]
    text = "\n".join(lines)
    sys.stdout.write(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scaling.md").write_text(text)
    picture(grids, RESULTS / "scaling.svg")


if __name__ == "__main__":
    main()
