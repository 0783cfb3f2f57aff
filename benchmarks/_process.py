"""A contestant in a process of its own, where it meets nobody else's threads, settings or memory.

    with Process("A", "Devito") as devito:
        results, seconds = devito.prepare(steps=10)
        devito.turn(steps=100, seconds=0.3)

Requests and answers are lines of JSON; results go through a file. What libraries print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks._cases import cases
from benchmarks._contestants import OURS, contestants
from benchmarks._measure import added_bytes, repeated
from benchmarks._npde import Missing, Run, numbers

PAUSE = 0.05
"""Seconds between turns: threads that wait for more work by running in circles have stopped by then."""


class Process:
    """A contestant of a case, seen from the process that asks.

    Raises:
        Missing: it cannot take part; from `prepare`.
        SystemExit: the process ended by itself.
    """

    def __init__(self, key: str, name: str, clock: str = "wall"):
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._process", key, name, clock],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def prepare(self, steps: int) -> tuple[tuple[np.ndarray, ...], float]:
        """What it makes of so many steps, and the seconds until it had that."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.npz"
            answer = self._ask(do="prepare", steps=steps, path=str(path))
            if "missing" in answer:
                raise Missing(answer["missing"])
            with np.load(path) as arrays:
                return tuple(arrays[k] for k in arrays.files), answer["seconds"]

    def turn(self, steps: int, seconds: float) -> list[float]:
        """Seconds of each of the runs that fit into that time, at least one."""
        time.sleep(PAUSE)
        found: list[float] = self._ask(do="turn", steps=steps, seconds=seconds)["seconds"]
        return found

    def added_bytes(self, steps: int) -> int | None:
        """The most memory that a run holds beyond what was held before it."""
        found: int | None = self._ask(do="memory", steps=steps)["bytes"]
        return found

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._name} stopped with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def serve(key: str, name: str, clock: str) -> None:
    """Answers requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    made: list[Run] = []
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            answer = _prepared(made, key, name, request["steps"], request["path"])
        else:
            work = partial(made[0], request["steps"])
            is_turn = request["do"] == "turn"
            answer = {"seconds": repeated(work, request["seconds"], clock)} if is_turn else {"bytes": added_bytes(work)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _prepared(made: list[Run], key: str, name: str, steps: int, path: str) -> dict[str, Any]:
    """Makes the contestant ready and writes what it makes of some steps."""
    begin = time.perf_counter()
    try:
        made.append(contestants(cases()[key])[name]())
        results = numbers(made[0](steps))
    except Missing as reason:
        return {"missing": str(reason)}
    except Exception as error:
        if name.startswith(OURS):
            raise
        traceback.print_exc()
        return {"missing": f"failed: {type(error).__name__}"}
    seconds = time.perf_counter() - begin
    np.savez(path, *results)
    return {"seconds": seconds}


if __name__ == "__main__":
    serve(*sys.argv[1:])
