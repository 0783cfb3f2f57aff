"""Costs against counts by hand, and against what the emitted module really does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import sympy as sp
import torch

from npde.driver import Compilation
from npde.emit.live import instantiate
from npde.graph import LayerGraph
from npde.graph.cost import Cost, costs
from npde.graph.flops import operations
from npde.graph.reach import receptive_field
from npde.options import CompileOptions, Overrides
from npde.source import Source
from npde.symbolic import operators as op

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@cache
def compiled(name: str, cells: int = 0, network: str | None = None) -> Compilation:
    text = (FOLDER / f"{name}.npde").read_text(encoding="utf-8")
    grid = {axis: cells for axis in "xy" if f"{axis}:" in text.split("grid ")[1].split("\n")[0]} if cells else {}
    options = CompileOptions(network=network)  # type: ignore[arg-type]
    return Compilation(Source(name, text), Overrides(grid=grid), options)


def graph_of(name: str, cells: int = 0, network: str | None = None) -> LayerGraph:
    return compiled(name, cells, network).graph


def node_cost(graph: LayerGraph, block: str, kind: str, batch: int = 1) -> Cost:
    """The cost of the first node of a kind."""
    name = next(n.name for n in graph.block(block).nodes if type(n.layer).__name__ == kind)
    return costs(graph, batch=batch).nodes[block, name]


u, v = sp.symbols("u v", real=True)


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        (u + v, 1),
        (u - v, 1),
        (2 * u * v, 2),
        (-u, 0),
        (u**2, 1),
        (u**3, 2),
        (u**8, 3),
        (1 / u, 1),
        (sp.sqrt(u), 1),
        (sp.tanh(u), 10),
        (op.Relu(u + 1), 2),
        (u * (1 - u), 2),
        (op.Where(sp.StrictLessThan(u, v), u, v), 2),
    ],
)
def test_operations_of_an_expression(expression: sp.Expr, count: int) -> None:
    assert operations(expression) == count


def test_a_stencil_costs_a_product_and_a_sum_a_point() -> None:
    cost = node_cost(graph_of("fisher", 16), "rhs", "StencilLayer")
    assert cost == Cost(16 * 16 * (2 * 5 - 1), 18 * 18 * 4, 16 * 16 * 4)


def test_a_convolution_costs_two_operations_a_weight_and_cell() -> None:
    cost = node_cost(graph_of("parabolic_cnn"), "rhs", "Convolution", batch=3)
    assert cost.flops == 3 * 8 * 8 * 16 * (2 * 16 * 9)


def test_a_dense_layer_costs_two_operations_a_weight() -> None:
    graph = graph_of("rows")
    block = next(b.name for b in graph.blocks for n in b.nodes if type(n.layer).__name__ == "Dense")
    assert node_cost(graph, block, "Dense").flops == 2 * 32 * 32


def test_a_closure_costs_its_layers_in_every_cell() -> None:
    cost = node_cost(graph_of("closure"), "rhs", "ClosureNetwork")
    assert cost.flops == 200 * (2 * (16 + 16 * 16 + 16) + 10 * 32)


def test_a_loop_multiplies_and_calls_add() -> None:
    graph = graph_of("fisher", 16)
    all_costs = costs(graph)
    rhs, step = all_costs.blocks["rhs"].flops, all_costs.blocks["step"].flops
    own = sum(c.flops for (b, n), c in all_costs.nodes.items() if b == "step" and not n.startswith("k"))
    assert step == 4 * rhs + own
    coefficients = all_costs.blocks["coefficients"].flops
    assert all_costs.forward.flops == 400 * step + all_costs.blocks["initial"].flops + coefficients
    assert all_costs.step.flops == step


def test_costs_grow_with_the_batch_but_not_for_what_is_shared() -> None:
    graph = graph_of("parabolic_cnn")
    one, two = costs(graph, batch=1), costs(graph, batch=2)
    assert 1.99 * one.step.flops < two.step.flops <= 2 * one.step.flops
    assert two.step.bytes < 2 * one.step.bytes, "weights are read once for the whole batch"
    assert costs(graph, itemsize=8).step.bytes == 2 * one.step.bytes
    assert one.parameters == two.parameters


@pytest.mark.parametrize("network", [None, "mlp"])
@pytest.mark.parametrize(
    "name", ["fisher", "gray_scott", "closure", "burgers", "parabolic_cnn", "neural_field", "driven", "rows", "wave"]
)
def test_parameters_are_those_of_the_module(name: str, network: str | None) -> None:
    made = compiled(name, network=network)
    net = instantiate(made.graph, made.source)
    assert costs(made.graph).parameters == sum(p.numel() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [("fisher", 24, (4, 4)), ("gray_scott", 24, (1, 1)), ("burgers", 24, (3,)), ("wave", 24, (2,))],
)
def test_the_receptive_field_is_as_far_as_a_change_is_felt(name: str, cells: int, expected: tuple[int, ...]) -> None:
    made = compiled(name, cells)
    assert receptive_field(made.graph) == expected
    net = instantiate(made.graph, made.source, dtype=torch.float64)
    torch.manual_seed(0)
    channels = net.initial_state().shape[1]
    start = (0.5 + 0.1 * torch.rand(1, channels, *(cells,) * len(expected), dtype=torch.float64)).requires_grad_()
    middle = (0, slice(None)) + (cells // 2,) * len(expected)
    (felt,) = torch.autograd.grad(net.march(state=start, steps=1)[middle].sum(), start)
    touched = felt[0].abs().sum(0).nonzero()
    reach = (touched - cells // 2).abs().amax(0)
    assert tuple(int(r) for r in reach) == expected


def test_what_solves_or_sums_reaches_everything() -> None:
    assert receptive_field(graph_of("schrodinger")) == (None,)
    assert receptive_field(graph_of("neural_field")) == (None,)
    assert receptive_field(graph_of("soliton")) == (None,)


def test_counting_does_not_depend_on_the_grid() -> None:
    """Four times the cells, four times the FLOPs (the initial state apart), without looking at a cell."""
    small, large = costs(graph_of("fisher", 64)).step.flops, costs(graph_of("fisher", 1024)).step.flops
    assert large == 256 * small
