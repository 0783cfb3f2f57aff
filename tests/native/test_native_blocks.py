"""Rows in blocks: where they are written, that each entry is read once, and that results do not depend on them."""

from __future__ import annotations

import ctypes
import itertools
import re

import pytest
import torch

from npde.driver import Compilation
from npde.native import build
from npde.native.kernels import lower
from npde.options import CompileOptions, Overrides
from npde.source import Source
from tests.native.native_comparison import marched, pair

PLANE = """model m
coordinates x, y in [0, 1], t in [0, 0.0006]
field {fields}
learn D = 0.1 > 0, a(x, y) = 1
{equations}
{walls}
{initial}
grid x: {rows}, y: {cells}
order {order}
march {scheme}, steps: 6
"""

SPACE = """model m
coordinates x, y, z in [0, 1], t in [0, 0.0006]
field u(x, y, z, t)
learn D = 0.1 > 0
dt(u) = D*lap(u)
boundary periodic
initial u = sin(2*pi*x)*cos(2*pi*z) + y*(1 - y)
grid x: {rows}, y: {columns}, z: {cells}
order {order}
march euler, steps: 6
"""

WALLS = "boundary x = 0: u = 0.3\nboundary x = 1: dn(u) = 0\nboundary y: periodic"


def plane(
    rate: str = "D*lap(u) + u*(1 - u)", rows: int = 12, cells: int = 16, order: int = 2, scheme: str = "euler",
    walls: str = "boundary periodic",
) -> str:  # fmt: skip
    """One field in two dimensions."""
    return PLANE.format(
        fields="u(x, y, t)", equations=f"dt(u) = {rate}", walls=walls, initial="initial u = x*(1 - x) + sin(2*pi*y)",
        rows=rows, cells=cells, order=order, scheme=scheme,
    )  # fmt: skip


def fields(count: int) -> str:
    """Several fields, each driven by the next."""
    names = [f"u{k}" for k in range(count)]
    return PLANE.format(
        fields=", ".join(f"{n}(x, y, t)" for n in names),
        equations="\n".join(f"dt({n}) = D*lap({n}) + {m}" for n, m in zip(names, names[1:] + names[:1], strict=True)),
        walls="boundary periodic", initial="\n".join(f"initial {n} = x" for n in names), rows=12, cells=16, order=2, scheme="euler",
    )  # fmt: skip


def sweeps(model: str, real: str = "float") -> str:
    """The sweeps of a model's kernels, without those along the edges."""
    graph = Compilation(Source("<test>", model), Overrides(), CompileOptions()).graph
    text = lower(graph).forward(real).text  # type: ignore[arg-type]
    return "".join(re.findall(r"^SWEEP static void \w+\(.*?^}$", text, re.MULTILINE | re.DOTALL))


def lines_read(block: str) -> int:
    """Cache lines that the vector loop of a block reads for one line of each row."""
    rows: dict[str, tuple[str, int]] = {}
    for name, start, sign, by in re.findall(r"T \*const (\w+) = (\w+) ([+-]) (.*);", block):
        known = rows.get(start, (start, 0))
        rows[name] = (known[0], known[1] + int(sign + by)) if by.isdigit() else (name, 0)
    body = block[block.index("j += LANES") :]
    loads = re.findall(r"\bat\((\w+) \+ j( \+ LANES)?\)", body[: body.index("put(")])
    return len({(rows.get(row, (row, 0)), behind) for row, behind in loads})


@pytest.mark.parametrize(
    ("model", "height", "lines"),
    [
        (plane(), 4, 4 + 2),  # four rows, and those above and below
        (plane(order=4), 4, 4 + 4),
        (plane(rows=3), 2, 2 + 2),
        (fields(2), 4, 2 * (4 + 2)),
        (SPACE.format(rows=5, columns=12, cells=16, order=2), 4, 4 + 2 + 4 * 2),
        (SPACE.format(rows=5, columns=12, cells=16, order=4), 4, 4 + 4 + 4 * 4),
    ],
    ids=["five points", "nine points", "three rows", "two fields", "seven points", "thirteen points"],
)
def test_a_block_reads_each_line_once(model: str, height: int, lines: int) -> None:
    text = sweeps(model)
    head = re.search(rf"^ +for \(; (\w) \+ {height} <= \w+; \1 \+= {height}\) {{$", text, re.MULTILINE)
    assert head is not None, text
    block = text[head.start() :]
    assert lines_read(block) == lines
    body = block[
        block.index("j += LANES") : block.index("\n", block.rindex("put(", 0, block.index("}", block.index("put("))))
    ]
    assert body.count("put(") % height == 0
    assert "at(" not in body[body.index("put(") :]  # all values are there before the first is stored


def test_planes_from_afar_are_fetched_ahead() -> None:
    """The furthest plane that the next one reads, where arrays leave a core's own cache."""
    slow, sizes = SPACE.replace("D = 0.1", "D = 1e-5"), {"rows": 8, "cells": 512, "order": 4}
    far = sweeps(slow.format(columns=128, **sizes))
    distances = dict(re.findall(r"T \*const (\w+) = \w+ \+ (\d+);", far))
    fetched = re.findall(r"FETCH\((\w+) \+ j\);", far)[-4:]
    assert [int(distances[name]) for name in fetched] == [(3 * 132 + row) * 528 for row in range(4)]
    assert "FETCH" not in sweeps(slow.format(columns=16, **sizes))
    assert "FETCH" not in sweeps(plane(rows=2048, cells=2048).replace("D = 0.1", "D = 1e-5"))


def test_registers_bound_the_height() -> None:
    # n fields, h rows: 2 n h lines, n h results, the coefficients D, dt and 1 - 4 D dt/h², and 5 that are scratch, in 32 registers
    heights = [
        max(map(int, re.findall(r"(\d) rows at once", sweeps(fields(n)))), default=1) for n in (1, 2, 3, 4, 5, 6)
    ]
    assert heights == [4, 4, 2, 2, 1, 1]


@pytest.mark.parametrize(
    "model",
    [plane("u*(1 - u)"), plane("D*dy(dy(u))"), plane("tanh(D*lap(u))")],
    ids=["no neighbors", "neighbors along rows only", "more than arithmetic"],
)
def test_where_nothing_is_read_twice_rows_are_single(model: str) -> None:
    assert "rows at once" not in sweeps(model)


SIZES = [(4, 16), (5, 3), (6, 17), (7, 8), (9, 19), (11, 40)]
"""Rows beside multiples of a block, lines full, left over and not filled once."""


def agree(model: str, *, batch: int) -> None:
    """Native and torch, forward, on one thread and two, step by step and time-blocked."""
    torch_net, native_net = pair(model)
    state = torch_net.initial_state(batch).detach()
    state = state + 0.1 * torch.rand(state.shape, dtype=state.dtype, generator=torch.Generator().manual_seed(0))
    runtime = native_net._npde.backend.runtime  # type: ignore[union-attr]
    before = torch.get_num_threads()
    with torch.no_grad():
        expected = torch_net.march(state, steps=6)
        try:
            for threads, runtime.depth in itertools.product((1, 2), (0, 2)):
                torch.set_num_threads(threads)
                found = native_net.march(state, steps=6)
                torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))
        finally:
            torch.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("walls", ["boundary periodic", WALLS], ids=["periodic", "walls"])
def test_rows_and_lines_of_any_number(size: tuple[int, int], walls: str, quick_builds: None) -> None:
    agree(plane("D*lap(u) + a*u*(1 - u)", *size, walls=walls), batch=7 if size[0] == 5 else 1)


@pytest.mark.parametrize("columns", [4, 5, 7])
def test_planes(columns: int, quick_builds: None) -> None:
    agree(SPACE.format(rows=6, columns=columns, cells=9, order=4 if columns > 4 else 2), batch=1)


def test_gradients_through_blocks(quick_builds: None) -> None:
    model = plane("div(a*grad(u)) + D*u", rows=10, cells=19, walls=WALLS)
    torch_net, native_net = pair(model)
    for name, value in marched(torch_net, steps=4, batch=2).items():
        found = marched(native_net, steps=4, batch=2)[name]
        torch.testing.assert_close(found, value, rtol=1e-10, atol=1e-10 * float(value.abs().max()))


def test_stages_that_share_a_sweep(quick_builds: None) -> None:
    agree(plane(scheme="rk4", rows=10, cells=19), batch=1)


def test_long_reach_is_no_line_of_vectors(quick_builds: None) -> None:
    model = plane("D*(K(u))", rows=20, cells=24).replace("learn D", "learn K stencil 1x19\nlearn D")
    assert "LANES)" not in sweeps(model, "double")
    assert "LANES)" in sweeps(model, "float")
    agree(model, batch=1)


def chosen_depth(model: str, threads: int, depth: int = -1, steps: int = 100) -> int:
    """Steps that a built kernel of single precision takes at once."""
    graph = Compilation(Source("<test>", model.replace("D = 0.1", "D = 0.00001")), Overrides(), CompileOptions()).graph
    text = lower(graph).forward("float").text
    text += "\nlong chosen(long depth, long steps, int size) { return band_depth(depth, steps, size); }\n"
    library = build.load(text, name="chosen", flags=("-O0",))
    return int(library.chosen(ctypes.c_long(depth), ctypes.c_long(steps), threads))


def test_time_blocking_is_chosen_where_states_outgrow_the_cache() -> None:
    large, small = plane(rows=2048, cells=2048), plane(rows=32, cells=32)
    assert 2 <= chosen_depth(large, 1) <= 16
    assert chosen_depth(large, 2) >= 2
    assert chosen_depth(large, 1, steps=1) == 0
    assert chosen_depth(small, 1) == 0  # all of it is in the cache already
    assert chosen_depth(small, 1, depth=3) == 3
    assert chosen_depth(small, 2) == 3  # to wait less often; a sixth of 16 rows is computed twice
    assert chosen_depth(SPACE.format(rows=128, columns=128, cells=128, order=4), 1) >= 2
