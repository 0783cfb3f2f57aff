"""Padded arrays: what vectors read and ghost cells write lies inside, and apart."""

from __future__ import annotations

import itertools

import pytest

from npde.native.c_layout import Layout


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("margins", [(0, 1), (1, 1), (2, 2), (3, 4), (17, 20)])
def test_entries_are_inside_and_apart(margins: tuple[int, int], real: str) -> None:
    for n in (1, 5, 15, 16, 127, 128, 140, 508, 512):
        layout = Layout((3, n), ((1, 1), margins), real)  # type: ignore[arg-type]
        lanes = layout.lanes
        for varies in ((True, True), (False, True)):
            origin, (stride, one), size = layout.origin(varies), layout.strides(varies), layout.size(varies)
            rows = range(-1, 4) if varies[0] else (0,)
            cells = [
                origin + i * stride + j * one for i, j in itertools.product(rows, range(-margins[0], n + margins[1]))
            ]
            assert len(set(cells)) == len(cells), "ghost cells of two rows are one entry"
            assert min(cells) >= 0
            last = origin + rows[-1] * stride + (n - 1) // lanes * lanes + lanes - 1
            assert max(*cells, last + (lanes if margins[1] else 0)) < size
            assert margins[0] == 0 or origin + rows[0] * stride >= lanes
            assert origin % lanes == stride % lanes == 0
        assert layout.extent(1) // lanes % 2 == 1


def test_rows_do_not_grow_by_two_lines() -> None:
    assert Layout((128, 128, 128), ((2, 2),) * 3, "float").extent(2) == 144
