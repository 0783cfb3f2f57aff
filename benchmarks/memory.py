"""Predicted peak memory against measured, forward and with gradients, at grids whose states exceed 200 MB.

    python -m benchmarks.memory

Each case runs in a process of its own: the peak of its resident memory over what it had before the module was made. The
prediction is made before anything is allocated. Writes `benchmarks/results/memory.md`. Needs some 8 GB.

    python -m benchmarks.memory --one EXAMPLE NETWORK GRID BATCH GRAD STEPS

runs one case and prints its two numbers, in bytes.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"

CASES = (
    ("fisher", "cnn", "x=7400,y=7400", 1, 0, 3),
    ("fisher", "cnn", "x=7400,y=7400", 1, 1, 1),
    ("fisher", "mlp", "x=3700,y=3700", 1, 0, 2),
    ("fisher", "rnn", "x=2700,y=2700", 8, 0, 2),
    ("gray_scott", "cnn", "x=5200,y=5200", 1, 1, 3),
    ("klein_gordon", "cnn", "x=5200,y=5200", 1, 1, 2),
    ("heat_box", "cnn", "x=380,y=380,z=380", 1, 0, 2),
    ("wave", "cnn", "x=30000000", 1, 1, 3),
)
"""Example, network, grid, batch, with gradients, steps."""

SHORT = 1e-13
"""The march's extent: what is measured is a step, and a fine grid would otherwise ask for too many of them."""


def one(example: str, network: str, grid: str, batch: int, grad: bool, steps: int) -> tuple[int, int]:
    """Predicted and measured bytes."""
    import torch

    import npde
    from npde.analysis.footprint import footprint

    torch.set_num_threads(1)
    model = npde.load(ROOT / "examples" / f"{example}.npde")
    cells = {axis: int(n) for axis, n in (part.split("=") for part in grid.split(","))}
    marching = model.problem.marching or "t"
    options = {"network": network, "grid": cells, "extent": {marching: (0, SHORT)}, "march": f"steps={steps}"}
    compilation = model._compilation(**options)
    predicted = footprint(compilation.graph, compilation.source, batch=batch, grad=grad, steps=steps).peak
    _run(model.compile(network=network, backend="torch"), 1, grad, 2)  # libraries and kernels are loaded by it
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    _run(model.compile(backend="torch", **options), batch, grad, steps)
    return predicted, _status("VmHWM") - before


def _run(net: object, batch: int, grad: bool, steps: int) -> None:
    import torch

    with torch.set_grad_enabled(grad):
        inputs = [torch.rand(batch, *(steps if n is None else n for n in shape)) for shape in net.inputs.values()]
        out = net.march(*inputs, None, steps=steps) if inputs else net.march(net.initial_state(batch), steps=steps)
        if grad and out.requires_grad:
            out.square().mean().backward()


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> int:
    """Runs all cases and writes the table."""
    rows = [
        "| example | network | grid | batch | | steps | predicted | measured | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    worst = 0.0
    for case in CASES:
        began = time.perf_counter()
        words = [sys.executable, "-m", "benchmarks.memory", "--one", *map(str, case)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        predicted, measured = map(int, done.stdout.split()[-2:])
        example, network, grid, batch, grad, steps = case
        kind = "gradients" if grad else "forward"
        size = f"{predicted / 2**20:,.0f} MiB | {measured / 2**20:,.0f} MiB | {predicted / measured:.3f}"
        rows.append(f"| {example} | {network} | {grid} | {batch} | {kind} | {steps} | {size} |")
        print(rows[-1], f"{time.perf_counter() - began:.0f} s", flush=True)
        worst = max(worst, abs(predicted / measured - 1))
    heading = [
        "# Peak memory, predicted and measured",
        "",
        f"Largest difference: {worst:.1%}. float32, one thread.",
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.md").write_text("\n".join([*heading, *rows]) + "\n")
    return 0 if worst <= 0.25 else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        example, network, grid, batch, grad, steps = sys.argv[2:]
        print(*one(example, network, grid, int(batch), grad == "1", int(steps)))
        sys.exit(0)
    sys.exit(main())
