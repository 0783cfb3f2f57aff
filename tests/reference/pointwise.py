"""Operations, comparisons and elementary functions of arrays; the hash of `noise`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray


def mixer(x: Array) -> Array:
    """The 32-bit mixer of `Noise`."""
    mask = np.uint64(0xFFFFFFFF)
    x = x ^ (x >> np.uint64(16))
    x = (x * np.uint64(0x7FEB352D)) & mask
    x = x ^ (x >> np.uint64(15))
    x = (x * np.uint64(0x846CA68B)) & mask
    return x ^ (x >> np.uint64(16))


OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
}
COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "abs": np.abs, "conj": np.conj, "re": np.real, "im": np.imag,
    "sech": lambda z: 1 / np.cosh(z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(0, z),
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: 0.5 * z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))),
    "abs2": lambda z: np.real(z) ** 2 + np.imag(z) ** 2,
}  # fmt: skip


def elementary(name: str, arguments: list[Array]) -> Array:
    """An elementary function of arrays."""
    if name in ("min", "max"):
        chosen = arguments[0]
        for other in arguments[1:]:
            chosen = np.minimum(chosen, other) if name == "min" else np.maximum(chosen, other)
        return chosen
    return FUNCTIONS[name](arguments[0])
