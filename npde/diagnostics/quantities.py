"""Quantities for people."""

from __future__ import annotations


def human(count: float) -> str:
    """`1.5 GiB`: a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError
