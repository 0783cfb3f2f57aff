"""Random programs and the same programs written differently: renamed, reordered, moved, in other units, with other axes.

No reference is needed: both sides are compiled. 200 programs for each relation in the slow test, a sample of them by default.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import count, islice

import pytest
import torch

from npde.diagnostics import DiagnosticError
from tests.comparison import compiled, perturb, random_inputs
from tests.metamorphic.relations import RELATIONS, Variant
from tests.reference.programs import generate

NETWORKS = ("cnn", "mlp", "rnn")
QUICK, WHOLE = 8, 200


@cache
def original(seed: int) -> tuple[torch.nn.Module, dict[str, torch.Tensor], torch.Tensor] | None:
    """A program's module, inputs and start; None for what is refused."""
    try:
        _, net = compiled(generate(seed), NETWORKS[seed % 3], seed=seed)
    except DiagnosticError:
        return None
    perturb(net, seed)
    given = random_inputs(net, min(net.STEPS, 2), seed=seed)
    return net, given, net.initial_state(2, **given).detach()


def run(
    net: torch.nn.Module, given: dict[str, torch.Tensor], start: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The states of two steps, and the outputs."""
    steps = min(net.STEPS, 2)
    with torch.no_grad():
        read = net(**given, state=start, steps=steps)
        frames = net.march(**given, state=start, steps=steps, every=1)
    names = [o.name for o in net.graph.scheme.system.outputs]
    return frames, (read if isinstance(read, dict) else {names[0]: read}) if names else {}


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    return found.shape == expected.shape and float((found - expected).abs().max()) <= tolerance * max(
        float(expected.abs().max()), 1e-3
    )


def holds(relation: str, seed: int) -> bool:
    """Checks one program; False if the relation says nothing of it."""
    text = generate(seed)
    variant = RELATIONS[relation](text, random.Random(seed))
    if variant is None:
        return False
    base = original(seed)
    if base is None:
        return False
    net, given, start = base
    _, other = compiled(variant.text, NETWORKS[seed % 3], seed=seed)
    copy_values(net, other, variant)
    names = variant.names
    inputs = {names.get(n, n): variant.given(n, v) for n, v in given.items()}
    moved = variant.state(start)
    if "noise(" not in text or relation != "axes":
        assert close(other.initial_state(2, **inputs).detach(), moved, 1e-12), (relation, seed, "start")
    expected, read = run(net, given, start)
    found, reread = run(other, inputs, moved)
    whole = torch.stack([variant.state(f) for f in expected.unbind(1)], dim=1)
    assert close(found, whole, 1e-10), (relation, seed)
    for name, value in read.items():
        if relation != "units" and names.get(name, name) in reread:
            assert close(reread[names.get(name, name)], variant.output(name, value), 1e-9), (relation, seed, name)
    return True


def copy_values(net: torch.nn.Module, other: torch.nn.Module, variant: Variant) -> None:
    """The parameters of `net` as those of `other`."""
    theirs = dict(other.named_parameters())
    with torch.no_grad():
        for key, value in net.named_parameters():
            head, dot, tail = key.partition(".")
            raw = "raw_" if head.startswith("raw_") else ""
            name = head.removeprefix("raw_").rstrip("_")
            if name.startswith("linear_") and key not in theirs:
                continue  # a read-out that the variant leaves out
            target = theirs[raw + variant.names.get(name, name) + dot + tail]
            target.copy_(variant.parameter(name, value).reshape(target.shape))


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_sample(relation: str) -> None:
    """The first programs that the relation says something of."""
    assert list(islice((seed for seed in count() if holds(relation, seed)), QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("relation", RELATIONS)
def test_two_hundred_programs(relation: str) -> None:
    found = list(islice((seed for seed in count() if holds(relation, seed)), WHOLE))
    assert len(found) == WHOLE


# --- corners ----------------------------------------------------------------------------------------------------------

CORNERS = {
    "dxy": ("dt(u) = lap(u) + dxy(u)", "u {0}"), "lap of lap": ("dt(u) = -lap(lap(u))", "u = 0, lap(u) {0}"),
    "kernel": ("learn K stencil 3x3 = lap\ndt(u) = K(u)", "u + 0.3*dn(u) {0}"),
    "robin": ("dt(u) = lap(u) + dx(dy(u))", "u + 0.3*dn(u) {0}"),
}  # fmt: skip
"""Operators that read corners, and walls without data (`= 0`)."""


def swapped(name: str, data: str, cells: int = 12, order: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """The rates of cos(x - y + 1) with axes in both orders."""
    found = []
    for axes in ("x, y", "y, x"):
        equations, wall = CORNERS[name]
        text = (
            f"coordinates {axes} in [0, 1], t in [0, 1]\nfield u({axes}, t)\n{equations}\nboundary {wall.format(data)}\n"
            f"initial u = cos(x - y + 1)\ngrid x: {cells}, y: {cells}\norder {order}\nmarch rk4, steps: 100000000\n"
        )
        _, net = compiled(text)
        known = [net.coefficients()] if hasattr(net, "coefficients") else []
        with torch.no_grad():
            rates = net.rhs(net.initial_state(1), *known)[0, 0]
        found.append(rates if axes == "x, y" else rates.T)
    return found[0], found[1]


@pytest.mark.parametrize("name", sorted(CORNERS))
def test_corners_do_not_depend_on_the_order_of_axes_where_walls_have_no_data(name: str) -> None:
    """Ghost cells of one axis after the other are products of two linear maps, in either order."""
    found, expected = swapped(name, "= 0")
    assert close(found, expected, 1e-11)


def test_corners_where_walls_have_data_depend_on_the_order_of_axes_by_a_truncation_error() -> None:
    """That is why `axes` leaves such programs alone: data are evaluated beyond the ends of a wall (semantics.md), cells are not.
    Both orders are right to the order of the scheme, as the data of u = cos(x - y + 1) fit together."""
    differences = []
    for cells in (12, 24):
        found, expected = swapped("dxy", "= cos(x - y + 1)", cells)
        differences.append(float((found - expected).abs().max()))
    assert 1e-12 < differences[1] < differences[0] / 2**2.5, differences
