"""Marching and training: npde's kernels against hand-written loops, torch, and other packages.

    python -m benchmarks kernels                            every case, every contestant that is installed
    python -m benchmarks kernels --cases A,E --only native,loops
    python -m benchmarks kernels --seconds 5                less time a case

Each result is compared with a float64 reference first. Then contestants run by turns; the table shows the median and the best of
the runs, in billions of grid-point steps a second, and the share of what copying memory of the same size allows. Tables and plots
go to `benchmarks/results`, and `kernels.json` holds every run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "--threads" in sys.argv and hasattr(os, "sched_setaffinity"):  # before libraries count the cores
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[: int(sys.argv[sys.argv.index("--threads") + 1])])

import numpy as np
import torch

from benchmarks import _loops, _npde, _peers, _report
from benchmarks._cases import Case, cases
from benchmarks._measure import Times, added_bytes, copy_bandwidth, cores, interleaved, machine
from benchmarks._npde import Missing

RESULTS = Path(__file__).parent / "results"
CHECKED_STEPS = 10
TOLERANCE = 5e-5
"""Largest error, relative to the largest value: single precision over ten steps, and sums over half a million points."""


@dataclass(frozen=True)
class Entry:
    """What a contestant did in a case."""

    name: str
    times: Times | None = None
    error: float = 0.0
    prepared: float = 0.0
    missing: str = ""


def contestants(case: Case) -> dict[str, Callable[[], _npde.Run]]:
    """By name, in the order of the table."""
    found: dict[str, Callable[[], _npde.Run]] = {"npde native": lambda: _npde.marched(case, backend="native")}
    if case.family:
        found["loops by hand"] = lambda: _loops.march(case)
    found["npde torch, compiled"] = lambda: _npde.marched(case, backend="torch", compiled=True)
    found["npde torch"] = lambda: _npde.marched(case, backend="torch")
    if not case.family:
        return found
    if not case.trains:
        found["torch.compile, sliced"] = lambda: _npde.by_hand(case, "slice")
    found["torch.compile, rolled"] = lambda: _npde.by_hand(case, "roll")
    found["Devito"] = lambda: _peers.devito(case)
    found["JAX"] = lambda: _peers.jax(case)
    found["numba"] = lambda: _peers.numba(case)
    found["py-pde"] = lambda: _peers.pypde(case)
    return found


def measured(case: Case, only: tuple[str, ...], seconds: float, clock: str) -> list[Entry]:
    """Every contestant of a case: checked, then timed by turns."""
    wanted = {n: f for n, f in contestants(case).items() if not only or any(o in n for o in only)}
    exact = _npde.reference(case, CHECKED_STEPS)
    runs: dict[str, _npde.Run] = {}
    entries: dict[str, Entry] = {}
    for name, make in wanted.items():
        torch._dynamo.reset()  # contestants share code, which torch compiles a limited number of times
        begin = time.perf_counter()
        try:
            run = make()
            result = _npde.numbers(run(CHECKED_STEPS))
        except Missing as reason:
            entries[name] = Entry(name, missing=str(reason))
            print(f"   {name:<22} {reason}", flush=True)
            continue
        except Exception as error:
            if name.startswith(("npde", "loops")):
                raise
            entries[name] = Entry(name, missing=f"failed: {type(error).__name__}")
            print(f"   {name:<22} failed: {error}", flush=True)
            continue
        prepared = time.perf_counter() - begin
        error = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(result, exact, strict=True))
        if not error < TOLERANCE:
            raise SystemExit(f"{name} is wrong in case {case.key}: the error is {error:.1e} of the largest value")
        run(case.steps)
        runs[name] = run
        entries[name] = Entry(name, None, error, prepared)
    times = interleaved(
        {n: (lambda r=r: r(case.steps)) for n, r in runs.items()}, budget=seconds, each=seconds / 5, clock=clock
    )
    for name, run in runs.items():
        added = added_bytes(lambda r=run: r(case.steps)) if case.trains else None
        found = entries[name]
        entries[name] = Entry(name, Times(times[name].seconds, added), found.error, found.prepared)
        rate = case.points * case.steps / times[name].best / 1e9
        print(
            f"   {name:<22} {rate:7.3f} G/s   error {found.error:.0e}   prepared in {found.prepared:.1f} s", flush=True
        )
    return [entries[name] for name in wanted]


def main(arguments: list[str]) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks kernels")
    parser.add_argument("--cases", default="", help="keys such as A,E (default: all)")
    parser.add_argument("--only", default="", help="parts of contestants' names, such as native,loops")
    parser.add_argument("--seconds", type=float, default=15.0, help="for the runs of a case (default: 15)")
    parser.add_argument("--threads", type=int, help="cores to use (default: all)")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall", help="processor: with --threads 1")
    parser.add_argument("--write", default="kernels", help="name of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    known = cases()
    keys = chosen.cases.split(",") if chosen.cases else list(known)
    if unknown := set(keys) - set(known):
        parser.error(f"no case is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    torch.set_num_threads(cores())
    print(machine(), flush=True)
    rows: list[dict[str, Any]] = []
    for key in keys:
        case = known[key]
        print(f"{key}  {case.title}, {case.steps} steps", flush=True)
        bandwidth = copy_bandwidth(case.start().size, chosen.clock)
        entries = measured(case, tuple(filter(None, chosen.only.split(","))), chosen.seconds, chosen.clock)
        rows += [_report.row(case, bandwidth, e) for e in entries]
        facts = {
            "machine": machine(),
            "torch": torch.__version__,
            "threads": cores(),
            "clock": chosen.clock,
            "rows": rows,
        }
        facts["load"] = f"{os.getloadavg()[0]:.1f}"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{chosen.write}.json").write_text(json.dumps(facts, indent=1) + "\n")
    text = _report.table(facts)
    (RESULTS / f"{chosen.write}.md").write_text(text)
    _report.bars(facts, RESULTS / f"{chosen.write}.svg")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
