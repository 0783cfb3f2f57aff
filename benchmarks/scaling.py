"""Cost against grid size, steps, fields and threads; and how soon a native module is ready.

    python -m benchmarks scaling

Writes `benchmarks/results/scaling.md`, `scaling.json` and `scaling.svg`. Marches are case A (Fisher-KPP, five points, Euler,
float32); several fields are coupled in a ring.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import npde
from benchmarks._cases import Case, fisher, wave_field
from benchmarks._measure import cores, machine, repeated
from benchmarks._npde import Run, marched

RESULTS = Path(__file__).parent / "results"
GRIDS = (64, 128, 256, 512, 1024, 2048)
STEPS = (1, 10, 100, 1000)
FIELDS = (1, 2, 4, 8)
IN_CACHE, OUT_OF_CACHE = 512, 2048
BACKENDS = ("native", "torch")


def best(run: Run, steps: int) -> float:
    """Seconds of the quickest of a few marches."""
    run(steps)
    return min(repeated(lambda: run(steps), 0.5))


def by_grid() -> dict[str, list[float]]:
    """Milliseconds a step of both backends, for each grid."""
    found: dict[str, list[float]] = {b: [] for b in BACKENDS}
    for n in GRIDS:
        steps = max(2, min(200, 2**22 // n**2))
        for backend in BACKENDS:
            found[backend].append(best(marched(fisher(n), backend=backend), steps) / steps * 1e3)
    return found


def by_steps() -> list[float]:
    """Milliseconds of a native march on 256², for each number of steps."""
    run = marched(fisher(256), backend="native")
    return [best(run, steps) * 1e3 for steps in STEPS]


def by_fields() -> list[float]:
    """Milliseconds a step on 256², for each number of fields."""
    return [best(marched(_ring(256, count), backend="native"), 50) / 50 * 1e3 for count in FIELDS]


def _ring(n: int, count: int) -> Case:
    """Fields that each react with the next one."""
    names = [f"u{k}" for k in range(count)]
    equations = [f"dt({u}) = 0.1*lap({u}) + {u}*(1 - {names[(k + 1) % count]})" for k, u in enumerate(names)]
    text = "\n".join([
        "model ring", f"coordinates x, y in [0, {n // 10}.{n % 10}], t in [0, 1]",
        f"field {', '.join(f'{u}(x, y, t)' for u in names)}", *equations, "boundary periodic",
        *(f"initial {u} = 0" for u in names), f"grid x: {n}, y: {n}", "march euler, steps: 100", "",
    ])  # fmt: skip
    return Case(
        "ring",
        "",
        text,
        lambda: np.stack([np.roll(wave_field(n, n), 9 * k, 0) for k in range(count)])[None],
        None,
        100,
        8,
    )


def by_threads() -> dict[int, float]:
    """How many times as fast all cores are as one, for a state in the caches and for one that is not."""
    found = {}
    for n in (IN_CACHE, OUT_OF_CACHE):
        run, seconds = marched(fisher(n), backend="native"), {}
        for _ in range(3):  # by turns, so that a disturbance meets both
            for threads in (1, cores()):
                torch.set_num_threads(threads)
                seconds[threads] = min(seconds.get(threads, float("inf")), best(run, 100 if n == IN_CACHE else 20))
        found[n] = seconds[1] / seconds[cores()]
    return found


def ready() -> dict[int, tuple[float, float]]:
    """Seconds from text to live native module, after imports: built, and found in the cache."""
    found = {}
    for n in (64, 512, 4096):
        built, cached = [], []
        for k in range(5):
            text = f"{fisher(n).text}\n# {k}\n"
            with tempfile.TemporaryDirectory() as folder:
                os.environ["NPDE_CACHE"] = folder
                npde.parse(fisher(16).text).compile(backend="native")  # the flags are probed once a cache
                built.append(_seconds(lambda text=text: npde.parse(text).compile(backend="native")))
                gc.collect()  # what is loaded already would not be looked for
                cached.append(_seconds(lambda text=text: npde.parse(text).compile(backend="native")))
            del os.environ["NPDE_CACHE"]
        found[n] = (statistics.median(built), statistics.median(cached))
    return found


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Markdown."""
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(r) + " |" for r in rows), ""]


def picture(facts: dict[str, Any], path: Path) -> None:
    """Times against grid points, steps and fields, each with the line of linear cost through its last point."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "npde"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    points = [n * n for n in GRIDS]
    _panel(panels[0], points, facts["grids"], "grid", "ms a step")
    panels[0].set_xticks(points, [f"{n}²" for n in GRIDS])
    _panel(panels[1], STEPS, {"native": facts["steps"]}, "steps on 256²", "ms")
    panels[1].set_xticks(STEPS, map(str, STEPS))
    _panel(panels[2], FIELDS, {"native": facts["fields"]}, "fields on 256²", "ms a step")
    panels[2].set(xscale="linear", yscale="linear", xlim=0, ylim=0)
    panels[2].set_xticks(FIELDS, map(str, FIELDS))
    panels[0].plot([], [], "--", color="gray", lw=1, label="linear")
    panels[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _panel(axes: Any, at: Sequence[int], times: Mapping[str, Sequence[float]], x: str, y: str) -> None:
    for (name, values), color in zip(times.items(), ("C0", "C1"), strict=False):
        axes.loglog(at, [values[-1] * a / at[-1] for a in at], "--", color=color, alpha=0.4, lw=1)
        axes.loglog(at, values, "o-", color=color, ms=4, label=name)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")


def main() -> None:
    """Measures, prints, writes."""
    torch.set_num_threads(cores())
    facts: dict[str, Any] = {"machine": machine(), "load": round(os.getloadavg()[0], 1), "cores": cores()}
    facts |= {"grids": by_grid(), "steps": by_steps(), "fields": by_fields(), "threads": by_threads(), "ready": ready()}
    text = "\n".join(report(facts))
    sys.stdout.write(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scaling.md").write_text(text)
    (RESULTS / "scaling.json").write_text(json.dumps(facts, indent=1) + "\n")
    picture(facts, RESULTS / "scaling.svg")


def report(facts: dict[str, Any]) -> list[str]:
    """The tables."""
    lines = [
        "# Scaling",
        "",
        f"{facts['machine']}, float32, load {facts['load']}. Case A: Fisher-KPP, Euler; best of the runs.",
        "",
    ]
    lines += ["![times against grid points, steps and fields](scaling.svg)", "", "Dashed: linear cost.", ""]
    grids = [[f"{n}²", *(f"{facts['grids'][b][k] / n**2 * 1e6:.3f}" for b in BACKENDS)] for k, n in enumerate(GRIDS)]
    lines += ["Nanoseconds a point and step, all cores:", "", *table(["grid", *BACKENDS], grids)]
    steps = [[str(n), f"{ms:.3f}"] for n, ms in zip(STEPS, facts["steps"], strict=True)]
    lines += ["Milliseconds of a native march on 256²:", "", *table(["steps", "ms"], steps)]
    fields = [[str(n), f"{ms:.3f}", f"{ms / n:.3f}"] for n, ms in zip(FIELDS, facts["fields"], strict=True)]
    lines += ["Milliseconds of a native step on 256²:", "", *table(["fields", "ms", "ms a field"], fields)]
    threads = [[f"{n}²", f"{ratio:.2f}"] for n, ratio in facts["threads"].items()]
    lines += [f"{facts['cores']} threads against one, native:", "", *table(["grid", "times as fast"], threads)]
    soon = [[f"{n}²", f"{a:.2f}", f"{b:.3f}"] for n, (a, b) in facts["ready"].items()]
    head = ["grid", "built", "from the cache"]
    return [*lines, "Seconds from text to live native module, after imports:", "", *table(head, soon)]


if __name__ == "__main__":
    main()
