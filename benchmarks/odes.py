"""A model without space, Lotka and Volterra's equations by rk4: a march and its gradient, natively and in torch.

    python -m benchmarks.odes [--batches 1,64,4096] [--steps 1000]

Contestants take turns; the fastest call of each counts. "compiled by hand" is one step as a person would write it, compiled by
torch and looped over in Python; "compile=True" is npde's emitted step, compiled. All results are compared with torch's in float64
first. float32, as many threads as torch takes. Writes `benchmarks/results/odes.md`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import npde
from benchmarks._measure import machine

RESULTS = Path(__file__).parent / "results"
RUNS = 2
LEAST = 0.15
"""Seconds for which a contestant runs at each turn."""

WITHIN = 2e-3
"""How far float32 may be from float64, relative to the largest entry: errors grow along an orbit."""

TEXT = """model lotka_volterra
coordinates t in [0, 10]
field hares(t), lynxes(t)
learn birth = 1.1 > 0, hunt = 0.4 > 0, growth = 0.1 > 0, death = 0.4 > 0
dt(hares) = birth*hares - hunt*hares*lynxes
dt(lynxes) = growth*hares*lynxes - death*lynxes
initial hares = 10
initial lynxes = 5
march rk4, steps: {steps}
"""
PARAMETERS = (1.1, 0.4, 0.1, 0.4)

Roll = Callable[[Tensor], Tensor]
Run = Callable[[Tensor, bool], tuple[Tensor, ...]]


def differentiated(march: Roll, parameters: list[Tensor]) -> Run:
    """The last state; or the gradients of its mean square with respect to the start and the parameters."""

    def run(start: Tensor, trains: bool) -> tuple[Tensor, ...]:
        if not trains:
            with torch.no_grad():
                return (march(start),)
        start = start.clone().requires_grad_()
        return torch.autograd.grad(march(start).square().mean(), (start, *parameters))

    return run


def emitted(steps: int, **how: object) -> Run:
    """A module of npde."""
    net = npde.parse(TEXT.format(steps=steps)).compile(**how)  # type: ignore[arg-type]
    return differentiated(net, [net.raw_birth, net.raw_hunt, net.raw_growth, net.raw_death])


def by_hand(steps: int) -> Run:
    """A step by hand, compiled."""
    dt = 10 / steps
    raw = [torch.tensor(math.log(p)).requires_grad_() for p in PARAMETERS]

    def rate(q: Tensor, p: list[Tensor]) -> Tensor:
        hares, lynxes = q[:, 0], q[:, 1]
        meet = hares * lynxes
        return torch.stack((p[0] * hares - p[1] * meet, p[2] * meet - p[3] * lynxes), 1)

    def step(q: Tensor, p: list[Tensor]) -> Tensor:
        k1 = rate(q, p)
        k2 = rate(q + dt / 2 * k1, p)
        k3 = rate(q + dt / 2 * k2, p)
        k4 = rate(q + dt * k3, p)
        return q + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    compiled = torch.compile(step, fullgraph=True, dynamic=False)

    def march(state: Tensor) -> Tensor:
        p = [r.exp() for r in raw]
        for _ in range(steps):
            state = compiled(state, p)
        return state

    return differentiated(march, raw)


def start(batch: int) -> Tensor:
    """Hares and lynxes between 5 and 10."""
    return 5 + 5 * torch.rand(batch, 2, generator=torch.Generator().manual_seed(0))


def agree(expected: tuple[Tensor, ...], got: tuple[Tensor, ...]) -> bool:
    """Whether the states, or the gradient with respect to the start, are the same. What is learned is kept in different units."""
    a, b = expected[0], got[0].to(torch.float64)
    return float((a - b).abs().max() / a.abs().max()) < WITHIN


def seconds(function: Callable[[], object]) -> float:
    """Of the fastest call, among as many as take `LEAST` seconds."""
    best, first = math.inf, time.perf_counter()
    while time.perf_counter() - first < LEAST:
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return best


def measure(runs: dict[str, Run], reference: Run, batch: int, *, trains: bool) -> dict[str, float]:
    """Seconds of each contestant."""
    state = start(batch)
    expected = reference(state.double(), trains)
    best = dict.fromkeys(runs, math.inf)
    for name, run in runs.items():
        if not agree(expected, run(state, trains)):
            raise SystemExit(f"{name}, batch {batch}: not what float64 says")
    for _ in range(RUNS):
        for name, run in runs.items():
            best[name] = min(best[name], seconds(lambda run=run: run(state, trains)))  # type: ignore[misc]
    return best


def table(rows: list[tuple[str, int, dict[str, float]]], steps: int) -> list[str]:
    """Milliseconds, and how many times as fast native is as the best of the others."""
    names = list(rows[0][2])
    lines = [
        "# Models without space",
        "",
        f"Lotka and Volterra's equations, {steps:,} steps of rk4, float32, {torch.get_num_threads()} threads on {machine()}.",
        "Milliseconds, and in brackets how many times what native kernels take. Training is a march and its gradient.",
        "",
        "| | batch | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for what, batch, row in rows:
        fast = row["native"]
        cells = [f"{1e3 * s:.3g}" + ("" if n == "native" else f" ({s / fast:.0f})") for n, s in row.items()]
        lines.append(f"| {what} | {batch:,} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    """Prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", default="1,64,4096")
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    steps = options.steps
    runs = {
        "native": emitted(steps, backend="native"),
        "torch": emitted(steps, backend="torch"),
        "compile=True": emitted(steps, backend="torch", compile=True),
        "compiled by hand": by_hand(steps),
    }
    reference = emitted(steps, backend="torch", dtype=torch.float64)
    rows = [
        (what, batch, measure(runs, reference, batch, trains=what == "training"))
        for what in ("march", "training")
        for batch in map(int, options.batches.split(","))
    ]
    lines = table(rows, steps)
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "odes.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
