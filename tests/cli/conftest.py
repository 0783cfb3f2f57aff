"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from npde.cli import app

HEAT = """model heat "A rod."
coordinates x in [0, 1], t in [0, 0.1]
field u(x, t)
learn D = 0.5 > 0, r = 0
dt(u) = D*dxx(u) + r*u
boundary x = 0: u = 0
boundary x = 1: dn(u) = 0
initial u = sin(pi*x/2)
grid x: 16
march rk4, steps: 20
"""

Command = Callable[..., Result]


@pytest.fixture
def npde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`npde("check", "heat.npde")` in a folder that holds `heat.npde`; text goes to the right stream and has no color."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPDE_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    (tmp_path / "heat.npde").write_text(HEAT)

    def run(*args: object, text: str | None = None, status: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=text)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return result

    return run
