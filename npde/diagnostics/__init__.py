"""Diagnostics: the record, the catalogue of codes, and how one is rendered as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npde.diagnostics.explanation import explain
from npde.diagnostics.record import (
    MAXIMUM,
    Code,
    Collector,
    Diagnostic,
    DiagnosticError,
    InternalError,
    NpdeError,
)
from npde.diagnostics.text import render, to_json

__all__ = [
    "CATALOGUE",
    "MAXIMUM",
    "Code",
    "Collector",
    "Diagnostic",
    "DiagnosticError",
    "InternalError",
    "NpdeError",
    "explain",
    "render",
    "to_json",
]

CATALOGUE: Mapping[str, Code]
"""Every code by its identifier. It is collected when it is first asked for."""


def __getattr__(name: str) -> Any:
    """The catalogue takes a few milliseconds to collect, which a correct file should not pay."""
    if name != "CATALOGUE":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from npde.diagnostics.catalogue import catalogue

    return catalogue()
