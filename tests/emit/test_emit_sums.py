"""Sums in place: only into arrays without a name, with the same values and gradients as the sums written out."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
import sympy as sp
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from npde.diagnostics import DiagnosticError
from npde.driver import Compilation
from npde.emit import nodes, stencil_text
from npde.emit.live import instantiate
from npde.emit.printer import Printer
from npde.emit.sums import Term, accumulated, combination
from npde.options import CompileOptions, Overrides
from npde.settings import overrides
from npde.source import Source
from tests.comparison import EXAMPLES, compiled, perturb, random_inputs

IN_PLACE = ("add_", "sub_", "mul_", "div_")


def as_a_sum(terms: list[Term], factor: str = "", divisor: str = "") -> str:
    """What `accumulated` writes, with an array for each partial sum."""
    body = "".join(f" {'-' if t.is_negative else '+'} {t.weight or 1} * ({t.array})" for t in terms)
    return f"({factor or 1} * (0{body}) / ({divisor or 1}))"


@pytest.mark.parametrize("factor, divisor", [("", ""), ("3", ""), ("", "2 * DX"), ("5", "DX**2")])
@pytest.mark.parametrize(
    "weights", [(1,), (-1,), (2,), (1, 1), (1, -1), (1, 3), (-1, 1), (-2, 1), (4, -2), (1, 1, 1, -3), (8, 1, -1, -8)]
)
def test_a_sum_has_its_value_and_leaves_its_arrays_alone(weights: tuple[int, ...], factor: str, divisor: str) -> None:
    values = {f"a{k}": torch.randn(3, 4, dtype=torch.float64) for k in range(len(weights))}
    terms = [Term(f"a{k}", "" if abs(w) == 1 else str(abs(w)), w < 0) for k, w in enumerate(weights)]
    before = {name: value.clone() for name, value in values.items()}
    names = {"torch": torch, "DX": 0.1, **values}
    found = eval(accumulated(terms, factor, divisor), names)
    assert torch.allclose(found, eval(as_a_sum(terms, factor, divisor), names), rtol=1e-14, atol=1e-14)
    assert all(torch.equal(values[name], before[name]) for name in values)


a, b, c, DT = sp.symbols("a b c DT")


@pytest.mark.parametrize(
    "expression, text",
    [
        (a + DT * b, "torch.add(a, b, alpha=DT)"),
        (a - DT / 2 * b, "torch.sub(a, b, alpha=0.5 * DT)"),
        (a + DT / 6 * sp.Add(b, 2 * c), "torch.add(a, torch.add(b, c, alpha=2), alpha=DT / 6)"),
        (sp.Mul(DT, a + b, evaluate=False) - c, "(DT * (a + b)).sub_(c)"),
        (a + b + c, "(a + b).add_(c)"),
        (a + b, "a + b"),
        (a + b * c, None),
        (a + sp.exp(b), None),
        (DT * a, None),
        (a + DT, None),
    ],
)
def test_a_combination_of_states_and_rates(expression: sp.Expr, text: str | None) -> None:
    assert combination(expression, Printer({}, frozenset({DT}))) == text


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.npde")), ids=lambda p: p.stem)
@pytest.mark.parametrize(
    "network, free",
    [
        ("cnn", "none"),
        pytest.param("mlp", "none", marks=pytest.mark.slow),
        pytest.param("mlp", "kernels", marks=pytest.mark.slow),
    ],
)
def test_nothing_that_has_a_name_is_written_into(path, network: str, free: str) -> None:
    """`(x + y).add_(z)` and `torch.add(x, y, alpha=w).add_(z)` change what nobody else can hold; scales are numbers."""
    options = CompileOptions(network=network, free=free)
    try:
        tree = ast.parse(Compilation(Source(path.name, path.read_text()), Overrides(), options).source)
    except DiagnosticError:
        if network == "cnn":
            raise
        pytest.skip("it has no such realisation")
    emitted = next(n for n in tree.body if isinstance(n, ast.ClassDef) and isinstance(n.bases[0], ast.Attribute))
    for node in ast.walk(emitted):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=[argument]) if name in IN_PLACE:
                assert _is_unnamed(owner), ast.unparse(node)
                if name in ("mul_", "div_"):
                    arrays = [n.id for n in ast.walk(argument) if isinstance(n, ast.Name) and not n.id.isupper()]
                    assert not arrays, ast.unparse(node)
            case _:
                pass


def _is_unnamed(owner: ast.expr) -> bool:
    match owner:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return True
        case ast.BinOp(op=ast.Mult(), left=ast.Constant() | ast.Name() | ast.BinOp() | ast.UnaryOp()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="add" | "sub")):
            return True
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in IN_PLACE:
            return _is_unnamed(inner)
        case _:
            return False


SMALL = {
    "fisher": {"grid": "x=9,y=7", "march": "rk4,steps=4", "extent": "t=0,0.4"},
    "gray_scott": {"grid": "x=8,y=8", "march": "ab3,steps=5", "extent": "t=0,0.5"},
    "shallow_water": {"grid": "x=8,y=9", "march": "ssprk3,steps=3", "extent": "t=0,0.1"},
    "wave": {"grid": "x=12", "march": "steps=4", "extent": "t=0,0.01"},
    "heat_box": {"grid": "x=5,y=6,z=7", "march": "heun,steps=3", "extent": "t=0,0.001"},
    "variable_heat": {"grid": "x=8,y=8", "march": "steps=3"},
    "ginzburg_landau": {"grid": "x=8,y=8", "march": "rk4,steps=3", "extent": "t=0,0.1"},
    "soliton": {"grid": "x=32", "march": "steps=3"},
}


def small(name: str, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    text = Source(name, (EXAMPLES / f"{name}.npde").read_text())
    made = Compilation(text, overrides(**SMALL[name]))
    return instantiate(made.graph, made.source, dtype=dtype)


def march(net: torch.nn.Module, state: torch.Tensor) -> list[torch.Tensor]:
    """All states of a march, and the gradients of their squares."""
    perturb(net)
    given = state.clone().requires_grad_()
    frames = net.march(*random_inputs(net, net.STEPS).values(), given, every=1)
    return [frames.detach(), *torch.autograd.grad(frames.square().sum(), [given, *net.parameters()])]


@pytest.mark.parametrize("name", SMALL)
def test_states_and_gradients_are_those_of_the_sums_written_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = small(name)
    start = 0.1 * net.initial_state(2) + 0.1 * torch.rand(net.initial_state(2).shape, dtype=torch.float64)
    found = march(net, start)
    with torch.no_grad():
        inferred = net.march(*random_inputs(net, net.STEPS).values(), start, every=1)
    assert torch.equal(inferred, found[0]), "with and without gradients"
    monkeypatch.setattr(stencil_text, "accumulated", as_a_sum)
    monkeypatch.setattr(nodes, "combination", lambda *_: None)
    plain = small(name)
    assert plain.source != net.source
    for one, other in zip(found, march(plain, start)):
        assert (one - other).abs().max() <= 1e-12 * max(1, float(other.abs().max()))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode
@pytest.mark.parametrize("name", ["fisher", "wave", "gray_scott"])
def test_forward_mode_and_vmap(name: str) -> None:
    net = small(name)
    start = 0.1 + 0.1 * torch.rand(net.initial_state(3).shape, dtype=torch.float64)
    moved, other = torch.randn_like(start), torch.randn_like(start)

    def final(state: torch.Tensor) -> torch.Tensor:
        return net.march(state, steps=2)

    _, along = torch.func.jvp(final, (start,), (moved,))
    _, back = torch.func.vjp(final, start)
    assert torch.isclose((along * other).sum(), (back(other)[0] * moved).sum(), rtol=1e-10)
    each = torch.func.vmap(lambda v: final(v[None])[0])(start)
    assert torch.allclose(each, final(start), rtol=1e-13, atol=1e-13)


class Arrays(TorchDispatchMode):
    """Counts arrays that operators make, of the size of the grid or more."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells, self.made = cells, Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        known = {v.untyped_storage()._cdata for v in args if isinstance(v, torch.Tensor)}
        if isinstance(out, torch.Tensor) and out.numel() >= self.cells:
            self.made[func._schema.name] += out.untyped_storage()._cdata not in known
        return out


# fisher, a stage: ghost cells, two differences, three products, 1 - u, the sum; a step: three stages, two sums at its end.
# wave, a kick: ghost cells, the difference, its product; a step: two kicks, three sums, the state.
@pytest.mark.parametrize("name, arrays", [("fisher", 4 * 8 + 5), ("wave", 2 * 3 + 4)])
def test_a_step_makes_few_arrays(name: str, arrays: int) -> None:
    net = small(name)
    start = net.initial_state()
    counts = []
    for steps in (1, 2):
        with torch.no_grad(), Arrays(start[:, :1].numel()) as seen:
            net.march(start, steps=steps)
        counts.append(sum(seen.made.values()))
    assert counts[1] - counts[0] == arrays, seen.made


def test_a_state_for_all_samples_of_the_inputs() -> None:
    """A state of batch one stands for the batch of the inputs, whichever equations read these."""
    text = """model two
coordinates x in [0, 1], t in [0, 1]
field u(x, t), v(x, t)
input s(x)
dt(u) = 0.001*dxx(u) + s
dt(v) = 0.001*dxx(v)
boundary periodic
initial u = 0
initial v = 0
grid x: 8
march {scheme}, steps: 4
"""
    for scheme in ("rk4", "ab2", "sbdf2", "crank_nicolson"):
        _, net = compiled(text.format(scheme=scheme))
        s, state = torch.rand(3, 8, dtype=torch.float64), torch.rand(1, 2, 8, dtype=torch.float64)
        assert torch.equal(net(s, state), net(s, state.repeat(3, 1, 1)))
