"""`python -m benchmarks [NAME …] [--option …]`: runs the named measurements, or all, one after the other, each in its own process.

Options go to the measurement that is named last before them: `python -m benchmarks kernels --cases A,E`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main(arguments: list[str]) -> int:
    """The exit status: 0 if all ran, 2 if a name is unknown, else that of the first that failed."""
    first = next((k for k, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    wanted, options = arguments[:first], arguments[first:]
    unknown = [name for name in wanted if name not in NAMES]
    if unknown or (options and not wanted):
        print(
            f"no measurement is called {', '.join(unknown or options)}; there are {', '.join(NAMES)}", file=sys.stderr
        )
        return 2
    for name in wanted or NAMES:
        print(f"== {name}", flush=True)
        own = options if wanted and name == wanted[-1] else []
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *own], check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
