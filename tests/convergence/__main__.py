"""`python -m tests.convergence`: the whole table of observed orders."""

from __future__ import annotations

import sys

from tests.convergence.cases import space_cases, time_studies
from tests.convergence.convergence_study import Row, header


def main() -> int:
    """Prints a line a study; 1 if an order is not what is claimed."""
    rows: list[Row] = []
    for title, made in (("in space", space_cases()), ("in time", time_studies())):
        sys.stdout.write(header(title) + "\n")
        for study in made:
            rows.append(study.row())
            sys.stdout.write(rows[-1].line() + "\n")
            sys.stdout.flush()
        sys.stdout.write("\n")
    low = sum(not r.holds for r in rows)
    sys.stdout.write(f"{len(rows)} studies, {low} below their claim\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
