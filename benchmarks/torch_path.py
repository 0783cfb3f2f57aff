"""Eager torch: sums made in one array, as they are emitted, against the same sums written out; malloc as it comes and tuned.

    python -m benchmarks.torch_path

float32, one thread; milliseconds of the processor a step, the best of marches by turns; last, a march and its gradient.
Each setting of the allocator has a process of its own. Results are compared before they are timed. Writes
`benchmarks/results/torch_path.md`; takes about a minute.

    python -m benchmarks.torch_path --one (plain|tuned)

prints the figures of one process as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

import npde
from benchmarks._cases import WALLS, Case, fisher, gray_scott, schrodinger
from npde import runtime
from npde.emit.sums import Term

RESULTS = Path(__file__).parent / "results"
GRIDS = (128, 512, 2048)
TRAINED = 512
SECONDS = 0.5
"""That every contestant marches, at least, for a figure."""


def contestants(n: int) -> dict[str, Case]:
    walls = WALLS.format(end=f"{n // 10}.{n % 10}")
    return {
        "Fisher-KPP, Euler": fisher(n),
        "Fisher-KPP, RK4": fisher(n, 50, "rk4"),
        "Fisher-KPP, walls": fisher(n, walls=walls),
        "Gray-Scott, Euler": gray_scott(n),
        "Schrödinger, leapfrog": schrodinger(n),
    }


def written_out(terms: Sequence[Term], factor: str = "", divisor: str = "") -> str:
    """`factor * (a + b - 4 * c) / divisor`, as the emitter wrote it before: an array for each partial sum."""
    parts = [f"{'-' if t.is_negative else '+'} {f'{t.weight} * ' if t.weight else ''}{t.array}" for t in terms]
    body = f"({' '.join(parts).removeprefix('+ ')})"
    return f"{f'{factor} * ' if factor else ''}{body}{f' / ({divisor})' if divisor else ''}"


def modules(case: Case) -> tuple[nn.Module, nn.Module]:
    """The case's module with sums written out, and as it is emitted."""
    with (
        mock.patch("npde.emit.stencil_text.accumulated", written_out),
        mock.patch("npde.emit.nodes.combination", return_value=None),
    ):
        plain = npde.parse(case.text).compile(backend="torch", dtype=torch.float32)
    return plain, npde.parse(case.text).compile(backend="torch", dtype=torch.float32)


def milliseconds(runs: Sequence[Callable[[int], object]], points: int) -> list[float]:
    """Processor time of a step of each, the best of turns; one thread marches, so nobody else's work is in it."""
    steps = max(2, 2**20 // points)
    best = [float("inf")] * len(runs)
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS * len(runs):
        for k, run in enumerate(runs):
            run(1)
            start = time.process_time()
            run(steps)
            best[k] = min(best[k], (time.process_time() - start) / steps * 1e3)
    return best


def inferred(net: nn.Module, state: Tensor) -> Callable[[int], object]:
    def run(steps: int) -> Tensor:
        with torch.no_grad():
            return net(state, steps=steps)

    return run


def trained(net: nn.Module, state: Tensor) -> Callable[[int], object]:
    def run(steps: int) -> None:
        net(state, steps=steps).square().mean().backward()

    return run


def one(how: str) -> dict[str, dict[str, list[float]]]:
    """Figures by grid and case: written out and in place, then the same with gradients."""
    torch.set_num_threads(1)
    if how == "tuned":
        runtime.tune_allocator()
    found: dict[str, dict[str, list[float]]] = {}
    for n in GRIDS:
        for name, case in contestants(n).items():
            state = torch.from_numpy(case.start()).float()
            nets = modules(case)
            plain, again = (inferred(net, state)(3) for net in nets)
            torch.testing.assert_close(plain, again, rtol=1e-5, atol=1e-5)
            figures = milliseconds([inferred(net, state) for net in nets], case.points)
            if n == TRAINED and any(p.requires_grad for p in nets[0].parameters()):
                figures += milliseconds([trained(net, state) for net in nets], case.points)
            found.setdefault(str(n), {})[name] = figures
    return found


def table(plain: dict[str, dict[str, list[float]]], tuned: dict[str, dict[str, list[float]]]) -> list[str]:
    rows = [
        "| case | grid | written out | in place | | tuned: written out | in place | | with gradients, tuned |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for n, by_case in plain.items():
        for name, first in by_case.items():
            second = tuned[n][name]
            cells = [f"{a:.3g} | {b:.3g} | {a / b:.2f} ×" for a, b, *_ in (first, second)]
            gradients = f"{second[2]:.3g} → {second[3]:.3g}, {second[2] / second[3]:.2f} ×" if len(second) > 2 else ""
            rows.append(f"| {name} | {n}² | {cells[0]} | {cells[1]} | {gradients} |")
    return rows


def main() -> int:
    """Runs both processes and writes the table."""
    found = []
    for how in ("plain", "tuned"):
        words = [sys.executable, "-m", "benchmarks.torch_path", "--one", how]
        done = subprocess.run(words, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    rows = table(*found)
    heading = [
        "# Eager torch: sums in one array, and sums written out",
        "",
        "Milliseconds of the processor a step, float32, one thread, the best of turns; `tuned`: `npde.runtime.tune_allocator()`.",
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "torch_path.md").write_text("\n".join([*heading, *rows]) + "\n")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2])))
        sys.exit(0)
    sys.exit(main())
