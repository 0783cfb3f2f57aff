"""Marching and training: npde's kernels against hand-written loops, torch, and other packages.

    python -m benchmarks kernels                            every case, every contestant that is installed
    python -m benchmarks kernels --cases A,E --only native,loops
    python -m benchmarks kernels --seconds 5                less time a case

Each contestant has a process of its own, with the settings that its users have. Its result is compared with a float64 reference
first. Then they run by turns; the table shows the median and the best of the runs, in billions of grid-point steps a second, and
the share of what copying memory of the same size allows. Tables and plots go to `benchmarks/results`, and `kernels.json` has their
numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

if "--threads" in sys.argv and hasattr(os, "sched_setaffinity"):  # before libraries count the cores
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[: int(sys.argv[sys.argv.index("--threads") + 1])])

import numpy as np
import torch

from benchmarks import _npde, _report
from benchmarks._cases import Case, cases
from benchmarks._contestants import contestants
from benchmarks._measure import Times, copy_bandwidth, cores, machine
from benchmarks._npde import Missing
from benchmarks._process import Process

RESULTS = Path(__file__).parent / "results"
CHECKED_STEPS = 10
TOLERANCE = 5e-5
"""Largest error, relative to the largest value: single precision over ten steps, and sums over half a million points."""


ROUNDS, TURN = 6, 0.25
"""Turns that a contestant has at most, and the seconds of one, in which quick ones run many times."""


@dataclass(frozen=True)
class Entry:
    """What a contestant did in a case."""

    name: str
    times: Times | None = None
    error: float = 0.0
    prepared: float = 0.0
    missing: str = ""


def measured(case: Case, only: tuple[str, ...], seconds: float, clock: str) -> list[Entry]:
    """Every contestant of a case, in a process of its own: checked, then timed by turns."""
    wanted = [n for n in contestants(case) if not only or any(o in n for o in only)]
    exact = _npde.reference(case, CHECKED_STEPS)
    entries: dict[str, Entry] = {}
    with ExitStack() as stack:
        ready: dict[str, Process] = {}
        for name in wanted:
            process = stack.enter_context(Process(case.key, name, clock))
            try:
                result, prepared = process.prepare(CHECKED_STEPS)
            except Missing as reason:
                entries[name] = Entry(name, missing=str(reason))
                print(f"   {name:<22} {reason}", flush=True)
                continue
            error = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(result, exact, strict=True))
            if not error < TOLERANCE:
                raise SystemExit(f"{name} is wrong in case {case.key}: the error is {error:.1e} of the largest value")
            ready[name] = process
            entries[name] = Entry(name, None, error, prepared)
        times = by_turns({n: partial(p.turn, case.steps) for n, p in ready.items()}, seconds)
        for name, process in ready.items():
            added = process.added_bytes(case.steps) if case.trains else None
            entries[name] = replace(entries[name], times=Times(tuple(times[name]), added))
            rate = case.points * case.steps / min(times[name]) / 1e9
            done = f"error {entries[name].error:.0e}   prepared in {entries[name].prepared:.1f} s"
            print(f"   {name:<22} {rate:7.3f} G/s   {done}", flush=True)
    return [entries[name] for name in wanted]


def by_turns(turns: Mapping[str, Callable[[float], list[float]]], seconds: float) -> dict[str, list[float]]:
    """Seconds of all runs of each contestant. A turn is `TURN` seconds long or one run; who has had its share of the time, and two
    turns, sits out, so that a disturbance meets all of them and slow ones do not take all the time."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    begin = time.perf_counter()
    for round_ in range(ROUNDS):
        for name, turn in turns.items():
            share = sum(found[name]) > seconds / 5 or time.perf_counter() - begin > seconds
            if round_ < 2 or not share:
                found[name] += turn(TURN)
    return found


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
