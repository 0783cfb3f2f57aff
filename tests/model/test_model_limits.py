"""Hostile input: a coded diagnostic at once, never a traceback, however deep or large."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

from npde import model, syntax
from npde.diagnostics import DiagnosticError
from npde.model.constant import ConstantError, evaluate
from npde.source import Source
from npde.syntax import tree

BASE = "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\n{declare}\ndt(u) = {rate}\nboundary periodic\ninitial u = 0\n{rest}\n"
REST = "grid x: 32\nmarch rk4, steps: 10"


def text(declare: str = "", rate: str = "dxx(u)", rest: str = REST) -> str:
    return BASE.format(declare=declare, rate=rate, rest=rest)


def lets(first: str, step: str, count: int, *, function: bool = False) -> str:
    """`let a0 = first`, `let a1 = step(a0)`, …"""
    head = "(x)" if function else ""
    lines = [f"let a0{head} = {first}"]
    lines += [f"let a{k}{head} = {step.replace('a', f'a{k - 1}')}" for k in range(1, count)]
    return "\n".join(lines)


BOMBS = {
    "tower": text(rate="9^9^9*u"),
    "tower of lets": text(lets("9", "a^a", 5), "a4*u"),
    "tower in an extent": "coordinates x in [0, 9^9^9], t in [0, 1]\nfield u(x, t)\n",
    "tower in a grid": text(rest="grid x: 9^9^9\nmarch rk4, steps: 10"),
    "tower in a step": text(rest="grid x: 32\nmarch rk4, dt: 1/9^9^9"),
    "tower as an exponent": text(rate="u^(9^9^9)"),
    "tower of fractions": text(rate="(1/9)^(9^9)*u"),
    "tower of decimals": text(rate="1.5^99999*u"),
    "negative tower": text(rate="9^(-9^9)*u"),
    "large factorless product": text(lets("9^300", "a*a", 40), "a39*u"),
    "doubled sums": text(lets("x", "a + a", 60, function=True), "a59*u"),
    "squared functions": text(lets("x", "a*a", 60, function=True), "a59*u"),
    "chain of functions": text(lets("x", "sin(a)", 1500, function=True), "a1499*u"),
    "nested calls of functions": text("let f(x) = 2*x", "f(" * 150 + "x" + ")" * 150 + "*u"),
    "derivative of order 1000": text(rate="d(u, x, 1000)"),
    "derivative of order 9^9": text(rate="d(u, x, 9^9)"),
    "many nested derivatives": text(rate="lap(" * 100 + "u" + ")" * 100),
    "many cells": text(rest="grid x: 10^10\nmarch rk4, steps: 10"),
    "many steps": text(rest="grid x: 32\nmarch rk4, steps: 10^15"),
    "tiny step": text(rest="grid x: 32\nmarch rk4, dt: 1e-300"),
    "many components": text("learn A[100000, 100000] = 0"),
    "wide closure": text("learn f(p) = mlp(10^9, tanh)", "f(u)"),
    "wide stencil": text("learn K stencil 999999999", "K(u)"),
    "many fields": "coordinates x in [0, 1], t in [0, 1]\nfield " + ", ".join(f"u{k}(x, t)" for k in range(1500)),
    "many unknown names": text(rate=" + ".join(f"q{k}" for k in range(900))),
    "many arguments": text(rate="max(" + ", ".join(["u"] * 2000) + ")"),
    "many regions": text(rest=f"{REST}\noutput y[3] = regions(u, 9^9)"),
    "many learned cells": text("learn W(x, x')", "integral(W(x, x')*u(x'), x')", "grid x: 2^31\nmarch rk4, steps: 10"),
    "overflowing function": text(rate="exp(exp(exp(9)))*u"),
    "division by a vanishing constant": text(rate="u/(1/3 + 1/6 - 1/2)"),
    "start of a huge function": text(
        lets("x", "a + a", 14, function=True) + "\nlearn V(x) = a13 > -1", "V*u"
    ),
}  # fmt: skip


def answered(name: str) -> bool:
    """Whether a bomb gives a problem or diagnostics."""
    try:
        problem, found = model.check(syntax.parse(Source("bomb.npde", BOMBS[name])))
    except DiagnosticError:  # the parser has limits of its own
        return True
    return problem is not None or bool(found)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_at_once(name: str) -> None:
    begin = time.process_time()
    assert answered(name)
    assert time.process_time() - begin < 2  # measured: under half a second


@pytest.mark.parametrize("name", ["tower", "tower in a grid", "large factorless product", "doubled sums", "many cells"])
def test_a_bomb_takes_little_memory(name: str) -> None:
    tracemalloc.start()
    assert answered(name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("name", ["tower", "tower of lets", "large factorless product", "doubled sums", "many cells"])
def test_a_bomb_is_refused(name: str) -> None:
    problem, found = model.check(syntax.parse(Source("bomb.npde", BOMBS[name])))
    assert problem is None
    assert all(d.code.startswith("N0") for d in found)


# --- trees that no parser would make ----------------------------------------------------------------------------------


def file_with(rate: tree.Expression) -> tree.SyntaxTree:
    whole = syntax.parse(Source("test.npde", text()))
    statements = tuple(
        tree.Equation(s.left, rate, s.span) if isinstance(s, tree.Equation) else s for s in whole.statements
    )
    return tree.SyntaxTree(statements, (), whole.source)


def chain(wrap: Callable[[tree.Expression], tree.Expression], count: int) -> tree.Expression:
    node: tree.Expression = tree.Name("u")
    for _ in range(count):
        node = wrap(node)
    return node


DEEP: dict[str, Callable[[tree.Expression], tree.Expression]] = {
    "sum": lambda e: tree.Binary("+", e, tree.Name("u")),
    "right sum": lambda e: tree.Binary("+", tree.Name("u"), e),
    "product": lambda e: tree.Binary("*", e, tree.Name("u")),
    "power": lambda e: tree.Binary("^", e, tree.Number("2")),
    "right power": lambda e: tree.Binary("^", tree.Number("2"), e),
    "minus": lambda e: tree.Unary("-", e),
    "call": lambda e: tree.Call(tree.Name("sin"), (e,)),
    "vector": lambda e: tree.Vector((e,)),
    "index": lambda e: tree.Index(e, tree.Number("0")),
    "dot": lambda e: tree.Binary("·", e, tree.Name("u")),
    "callee": lambda e: tree.Call(e, (tree.Name("u"),)),
}


@pytest.mark.parametrize("name", DEEP)
def test_depth_never_meets_the_recursion_limit(name: str) -> None:
    assert sys.getrecursionlimit() <= 10_000
    problem, found = model.check(file_with(chain(DEEP[name], 10_000)))
    assert problem is not None or found


@pytest.mark.parametrize("name", ["sum", "product", "minus"])
def test_ten_thousand_terms_make_a_problem(name: str) -> None:
    problem, found = model.check(file_with(chain(DEEP[name], 10_000)))
    assert problem is not None, found
    assert model.describe(problem)
    assert problem == problem
    assert hash(problem.equations[0])


def test_nesting_up_to_the_limit_of_the_parser_is_fine() -> None:
    problem, found = model.check(syntax.parse(Source("deep.npde", text(rate="tanh(" * 190 + "u" + ")" * 190))))
    assert problem is not None, found
    assert problem == problem
    assert model.describe(problem)


def test_a_shared_function_is_weighed_as_if_written_out() -> None:
    source = text(lets("x", "a*a", 40, function=True), "a39*u")
    _, found = model.check(syntax.parse(Source("test.npde", source)))
    assert [d.code for d in found if d.severity == "error"] == ["N0320"]


def test_a_constant_is_evaluated_once_however_often_it_is_shared() -> None:
    begin = time.process_time()
    problem, _ = model.check(syntax.parse(Source("test.npde", text(lets("1", "a/2 + a/2", 200), "a199*u"))))
    assert problem is not None
    assert time.process_time() - begin < 2


def test_an_unknown_part_is_no_constant() -> None:
    problem, _ = model.check(syntax.parse(Source("test.npde", text())))
    assert problem is not None
    with pytest.raises(ConstantError):
        evaluate(problem.equations[0].right, {}, {})
