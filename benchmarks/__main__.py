"""`python -m benchmarks [NAME …]`: runs the named measurements, or all of them, one after the other, each in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main(wanted: list[str]) -> int:
    """The exit status: 0 if all ran, 2 if a name is unknown, else that of the first that failed."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no measurement is called {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        print(f"== {name}", flush=True)
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
