"""`python -m tests.convergence [--quick] [--output FILE]` prints the observed orders of every study, and writes them as a page.

It ends with the seconds that it took, and with status 1 if an order is too low. Two processes share the studies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from tests.convergence.convergence_study import tail, title_line
from tests.convergence.convergence_tables import TITLES, row, studies_of

WORKERS = 2

PAGE = """# Observed orders of accuracy

`make verify` renews this page: errors on ever finer grids (cells along x) or steps, relative to the largest value of a known
solution or a reference, the order seen in the finest pair above rounding, and the order that `npde check` claims. A row holds if it
sees at least the claim less 0.1 (periodic, and in time) or 0.2 (between walls). What is solved is in
[tests/convergence](../tests/convergence/).

"""


def lines(title: str, quick: bool, pool: ProcessPoolExecutor) -> Iterator[str]:
    """The lines of a table, in order, each as it is found."""
    chosen = [(title, k) for k, s in enumerate(studies_of(title)) if not (quick and s.slow)]
    yield title_line(title)
    held = 0
    for found in pool.map(row, chosen):
        held += found.holds
        yield found.line()
    yield tail(held, len(chosen))


def main(arguments: list[str]) -> int:
    """Print the tables; the status is 1 if a row does not hold."""
    begin = perf_counter()
    output = Path(arguments[arguments.index("--output") + 1]) if "--output" in arguments else None
    page, low = [PAGE], 0
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for title in TITLES:
            page.append(f"## In {title}\n\n```text\n")
            for line in lines(title, "--quick" in arguments, pool):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                page.append(line + "\n")
                low += line.endswith("LOW")
            page.append("```\n\n")
    sys.stdout.write(f"{perf_counter() - begin:.0f} s\n")
    if output is not None:
        output.write_text("".join(page).rstrip() + "\n", encoding="utf-8")
    return 1 if low else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
