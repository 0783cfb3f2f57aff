"""`python -m tests.convergence [--quick]` prints the observed orders of every study; it ends with status 1 if one is too low."""

from __future__ import annotations

import sys

import torch

from tests.convergence.convergence_space import cases
from tests.convergence.convergence_steady import studies as steady
from tests.convergence.convergence_study import Study, table
from tests.convergence.convergence_time import studies


def main(arguments: list[str]) -> int:
    """Print the tables; the status is 1 if a row does not hold."""
    torch.set_num_threads(1)
    quick, low = "--quick" in arguments, 0
    tables: tuple[tuple[str, list[Study]], ...] = (
        ("space", list(cases())),
        ("time", list(studies())),
        ("steady", list(steady())),
    )
    for title, rows in tables:
        for line in table(title, (r for r in rows if not (quick and r.slow))):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            low += line.endswith("LOW")
        sys.stdout.write("\n")
    return 1 if low else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
