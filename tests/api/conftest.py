"""Fixtures of the tests of the Python interface."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def examples() -> dict[str, Path]:
    """The examples of the language by name."""
    folder = Path(__file__).parent.parent.parent / "examples"
    return {path.stem: path for path in sorted(folder.glob("*.npde"))}
