"""Every kind of mistake npde can report, one module a range of codes.

A module holds `Code` constants, named for the mistake, in order of their identifiers, and all of them in its range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType

from npde.diagnostics.record import Code, InternalError

RANGES: Mapping[str, str] = MappingProxyType({
    "N00": "source",
    "N01": "syntax",
    "N02": "names",
    "N03": "types",
    "N04": "equations",
    "N05": "conditions",
    "N06": "numerics",
    "N07": "stability",
    "N08": "learning",
    "N09": "unsupported",
    "N10": "data",
    "N11": "training",
})  # fmt: skip
"""The module of each range of codes."""


@cache
def catalogue() -> Mapping[str, Code]:
    """All codes by identifier, in order.

    Raises:
        InternalError: two codes share an identifier, or one stands in the wrong module.
    """
    found: dict[str, Code] = {}
    for prefix, name in RANGES.items():
        for code in codes_of(import_module(f"{__name__}.{name}")):
            if code.id in found or not code.id.startswith(prefix):
                raise InternalError(f"Diagnostic code '{code.id}' in '{name}' is taken or out of range.")
            found[code.id] = code
    return MappingProxyType(dict(sorted(found.items())))


def codes_of(module: ModuleType) -> Iterable[Code]:
    """The codes that a module of the catalogue defines."""
    return (value for value in vars(module).values() if isinstance(value, Code))
