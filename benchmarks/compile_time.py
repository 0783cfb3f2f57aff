"""How long npde takes: `npde check` as a process, and from text to a live module after imports, at several grids.

    python -m benchmarks.compile_time

Prints medians over repeated runs with their spread, and writes `benchmarks/results/compile_time.md`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PROCESS = ("fisher", "gray_scott", "schrodinger", "parabolic_cnn")
GRIDS = (64, 256, 2048)
RUNS = 9


def processes() -> list[tuple[str, list[float]]]:
    """Seconds of `npde check FILE` as a process, and of an interpreter that imports SymPy alone."""
    rows = []
    commands = {f"npde check {name}.npde": ["-m", "npde", "check", f"examples/{name}.npde"] for name in PROCESS}
    commands["python -c 'import sympy'"] = ["-c", "import sympy"]
    for title, arguments in commands.items():
        subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
        seconds = []
        for _ in range(RUNS):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
            seconds.append(time.perf_counter() - begin)
        rows.append((title, seconds))
    return rows


def modules() -> list[tuple[str, list[float]]]:
    """Seconds from text to live module in a process that has imported everything; the first run of all is not counted."""
    import npde

    rows = []
    for name in ("fisher", "gray_scott"):
        text = (ROOT / "examples" / f"{name}.npde").read_text()
        npde.parse(text).compile(grid={"x": 8, "y": 8})
        for cells in GRIDS:
            march = "euler,steps=10" if name == "gray_scott" else "rk4,dt=auto"
            seconds = []
            for run in range(RUNS):
                # A comment of its own, so that no cache of the text or of the emitted source can answer.
                begin = time.perf_counter()
                npde.parse(f"{text}\n# run {run}\n").compile(grid={"x": cells, "y": cells}, march=march)
                seconds.append(time.perf_counter() - begin)
            rows.append((f"{name}, {cells} x {cells}", seconds))
    return rows


def table(rows: list[tuple[str, list[float]]]) -> list[str]:
    """Markdown rows: median, least and most, in seconds."""
    lines = ["| | median | least | most |", "|---|---|---|---|"]
    for title, seconds in rows:
        lines.append(f"| {title} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {max(seconds):.3f} |")
    return lines


def main() -> None:
    """Measures, prints, writes."""
    lines = ["# Compile time (seconds)", "", "As a process:", "", *table(processes())]
    lines += ["", "Text to live module, after imports:", "", *table(modules()), ""]
    text = "\n".join(lines)
    sys.stdout.write(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "compile_time.md").write_text(text)


if __name__ == "__main__":
    main()
