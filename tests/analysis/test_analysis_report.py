"""The report's figures show what they say, and the page stands on its own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import npde
from npde.analysis import figures
from npde.analysis.eigenvalues import eigenvalues, strictest
from npde.analysis.report import predicted, report

HEAT = """model heat "A rod."
coordinates x in [0, 1], t in [0, 0.1]
field u(x, t)
learn D = 0.5 > 0
dt(u) = D*dxx(u)
boundary u = 0
initial u = sin(pi*x)
grid x: 32
march SCHEME
"""


def analysis(scheme: str = "euler, dt: auto", source: str = HEAT) -> npde.analysis.Analysis:  # type: ignore[name-defined]
    return npde.parse(source.replace("SCHEME", scheme)).analyze()


def test_the_spectrum_lies_in_the_region_at_nine_tenths_of_the_bound() -> None:
    scheme = analysis().graph.scheme
    found = eigenvalues(scheme)
    assert found is not None
    growth = figures.growth_of(scheme)
    assert growth is not None
    both = np.concatenate([found.periodic, found.closed])
    assert growth(both * float(scheme.dt)).max() <= 1 + 1e-9
    assert growth(both * float(scheme.dt) / 0.88).max() > 1


def test_the_closed_operator_has_the_eigenvalues_of_a_rod() -> None:
    """-4 D/h² sin²(k π/(2 N)), k = 1 … N, for mirrored ghost cells."""
    found = eigenvalues(analysis().graph.scheme)
    assert found is not None
    expected = -0.5 * 4 * 32**2 * np.sin(np.arange(1, 33) * np.pi / 64) ** 2
    assert np.sort(found.closed.real) == pytest.approx(np.sort(expected), rel=1e-9)


def test_the_strictest_wave_of_diffusion_is_the_shortest() -> None:
    wave = strictest(analysis().graph.scheme)
    assert wave is not None
    assert wave.thetas[0] == pytest.approx(np.pi)


def test_the_edge_of_a_shaded_row_is_where_the_region_ends() -> None:
    """Euler: |1 + z| ≤ 1; the row through -1 + 0.5 i runs from -1 - √0.75 to -1 + √0.75."""
    x = np.linspace(-3, 1, 401)
    (run,) = figures._runs(x, np.abs(1 + x + 0.5j) - 1)
    assert run == pytest.approx((-1 - 0.75**0.5, -1 + 0.75**0.5), abs=1e-4)


def test_predicted_sizes_are_those_of_the_first_mode() -> None:
    """u = sin πx: (D h²/12 π⁴)/(D π²) in space; Euler's dt/2 D π² in time; both to the differences' own error."""
    found = {name: (order, size) for name, order, size in predicted(analysis("euler, steps: 200"))}
    assert found["in space"] == (2, pytest.approx(np.pi**2 / 12 / 32**2, rel=0.02))
    assert found["in time"] == (1, pytest.approx(0.0005 / 2 * 0.5 * np.pi**2, rel=0.02))


@pytest.mark.parametrize("scheme", ["euler, dt: auto", "crank_nicolson, steps: 10", "rk4, dt: auto"])
def test_the_page(scheme: str) -> None:
    found = analysis(scheme)
    page = report(found)
    assert page == report(analysis(scheme))
    assert not re.search(r'(src|href)="', page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(pictures) == 3
    for picture in pictures:
        ET.fromstring(picture)
    assert 'class="region"' in pictures[0]
    assert len(re.findall("circle", pictures[0])) > 60
    for section in ("Modified equation", "Stencils", "Peak memory"):
        assert section in page


def test_a_leapfrog_and_an_ode_have_pages() -> None:
    for name in ("wave", "lotka_volterra"):
        page = report(npde.load(f"examples/{name}.npde").analyze())
        assert 'class="segment"' in page or name != "wave"
