"""The hand-written loops of `benchmarks/loops`, as contestants."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._cases import DT, Case, H, conductivity, potential
from npde.native.build import load

FOLDER = Path(__file__).parent / "loops"
DEPTH = {"fisher": 16, "gray_scott": 16, "schrodinger": 16, "heat": 3}
"""Steps (for leapfrog: half steps) a pass."""


def source(name: str) -> str:
    """One translation unit: the file with its own headers put in place."""
    text = (FOLDER / f"{name}.c").read_text(encoding="utf-8")
    return re.sub(r'#include "(.*)"\n', lambda m: (FOLDER / m[1]).read_text(encoding="utf-8"), text)


def march(case: Case, depth: int | None = None) -> Callable[[int], np.ndarray]:
    """Steps → the state after them; of E: the loss and its gradients."""
    name = case.family
    library = load(source(name), name=name)
    start = np.ascontiguousarray(case.start(), np.float32)
    n = start.shape[-1]
    if name == "training":
        return _training(library, start)
    depth = depth or DEPTH[name]
    state = np.empty_like(start)
    work = _work(getattr(library, f"{name}_work"), n, depth)
    values = {
        "fisher": (0.1, 1.0, DT, H),
        "gray_scott": (0.2, 0.1, 0.04, 0.06, 1.0, 1.0),
        "schrodinger": (0.002, H),
        "heat": (0.1, 1.0, 1.0),
    }[name]
    more = (np.ascontiguousarray(potential(n), np.float32),) if name == "schrodinger" else ()

    def run(steps: int) -> np.ndarray:
        state[...] = start
        getattr(library, name)(*map(_pointer, (state, *more, work)), n, steps, depth, *map(ctypes.c_float, values))
        return state

    return run


def _training(library: ctypes.CDLL, start: np.ndarray) -> Callable[[int], Any]:
    library.training.restype = ctypes.c_float
    batch, n = start.shape[0], start.shape[-1]
    a = np.ascontiguousarray(conductivity(n), np.float32)

    def run(steps: int) -> tuple[float, np.ndarray, np.ndarray, float]:
        work = _work(library.training_work, n, batch, steps)
        gu, ga, gr = np.empty_like(start), np.empty_like(a), np.empty(1, np.float32)
        loss = library.training(
            _pointer(start), _pointer(a), ctypes.c_float(1.0), *map(_pointer, (gu, ga, gr, work)), n, batch, steps,
            ctypes.c_float(DT), ctypes.c_float(H),
        )  # fmt: skip
        return loss, gu, ga, float(gr[0])

    return run


def _work(function: Any, *sizes: int) -> np.ndarray:
    function.restype = ctypes.c_size_t
    floats = function(*sizes)
    memory = np.empty(floats + 16, np.float32)
    first = -memory.ctypes.data % 64 // 4
    return memory[first : first + floats]


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
