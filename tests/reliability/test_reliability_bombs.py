"""Texts made to exhaust a compiler: each is diagnosed within a second, all of them in less than 500 MB.

They run in one child process, which is measured; a crash of the interpreter would be seen as such.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reliability_inputs import ROOT, assert_well_formed, front_end, heat

from npde.diagnostics import Diagnostic, DiagnosticError
from npde.driver import Compilation
from npde.source import Source
from npde.syntax import limits

SECONDS = 1.0
MEGABYTES = 500


def let(value: str) -> str:
    return heat(declare=f"let k = {value}", equation="dt(u) = k*dxx(u)")


def term(value: str) -> str:
    return heat(f"dt(u) = dxx(u) + {value}")


def chain(first: str, step: str, count: int) -> str:
    """`let` after `let`, each made of the one before."""
    return "\n".join([f"let k0 = {first}", *(f"let k{n + 1} = {step.replace('#', f'k{n}')}" for n in range(count))])


def functions(step: str, count: int) -> str:
    lines = ["let f0(x) = x"] + [f"let f{n + 1}(x) = {step.replace('#', f'f{n}')}" for n in range(count)]
    return "\n".join(lines)


M = 1_000_000
BOMBS: dict[str, str | bytes] = {
    # brackets and nesting
    "round brackets": term("(" * 10_000 + "u" + ")" * 10_000),
    "square brackets": term("[" * 10_000 + "u" + "]" * 10_000),
    "mixed brackets": term("([" * 5_000 + "u" + "])" * 5_000),
    "open brackets": term("(" * 40_000),
    "closing brackets": term(")" * 40_000),
    "open brackets to the end": "(" * M,
    "calls": term("sin(" * 10_000 + "u" + ")" * 10_000),
    "a call of deep calls": term("sin(" * 199 + "u" + ")" * 199 + "()"),
    "calls of calls": term("u" + "()" * 10_000),
    "adjoints": term("adjoint(" * 190 + "u" + ")" * 190),
    "indices": term("u" + "[0]" * 10_000),
    "indices within indices": term("u[" * 10_000 + "0" + "]" * 10_000),
    "vectors": term("[" + ", ".join(["u"] * 16_000) + "]"),
    "vectors within vectors": term("[" * 190 + "u" + "]" * 190),
    "laplacians": term("lap(" * 190 + "u" + ")" * 190),
    "gradients": term("grad(" * 190 + "u" + ")" * 190),
    "conditions within conditions": term("where(u < 1, " * 199 + "u" + ", u)" * 199 + "()"),
    # chains
    "signs": term("-" * 45_000 + "u"),
    "plus signs": term("+" * 45_000 + "u"),
    "prefix operators": term("Δ" * 45_000 + "u"),
    "divergences": term("∇·" * 20_000 + "u"),
    "partials": term("∂x " * 20_000 + "u"),
    "sums": term(" + ".join(["u"] * 20_000)),
    "products": term("*".join(["u"] * 20_000)),
    "a million terms": term(" + ".join(["u"] * 240_000)),
    "comparisons": term("where(" + " < ".join(["u"] * 10_000) + ", 1, 2)"),
    "equals signs": " = ".join(["u"] * 20_000),
    "commas": heat(declare="let k = f(" + "," * 40_000 + ")"),
    "colons": heat(grid="grid x" + ":" * 40_000),
    "primes": term("x" + "'" * 10_000),
    "arguments": term("max(" + ", ".join(["u"] * 20_000) + ", dt)"),
    # numbers
    "a tower": let("9^9^9"),
    "a taller tower": let("9^9^9^9^9"),
    "a tower in brackets": let("((9^9)^9)^9^9"),
    "a tower of tens": let("10^10^10"),
    "a tower with a name": heat("dt(u) = dxx(u) + u^9^9^9"),
    "a tower at the limit": let("2^" * 199 + "2"),
    "many powers": let("2^" * 20_000 + "1"),
    "a large power": let("2^1000000"),
    "a small power": let("2^-1000000"),
    "a power beyond doubles": let("10^400"),
    "a fraction to a fraction": let("(1/3)^(1000/7)^9"),
    "a product of powers": let("*".join(["10^300"] * 500)),
    "an exponent": let("1e400"),
    "a huge exponent": let("1e999999999999"),
    "a small exponent": let("1e-999999999999"),
    "an endless exponent": let("1e" + "9" * 100_000),
    "a million digits": let("1" * 900_000),
    "decimals": let("0." + "3" * 100_000),
    "a sum of fractions": let(" + ".join(f"1/{n}" for n in range(7001, 7900))),
    "squares of squares": heat(declare=chain("3", "#^2", 60), equation="dt(u) = k60*dxx(u)"),
    "doubled sums": heat(
        declare=chain("1/3", "# + #", 100),
        equation="dt(u) = k100^k100*dxx(u)",
    ),
    "division by zero": let("1/(1 - 1)"),
    "a power of zero": let("0^(-1)"),
    "exponentials": let("exp(exp(exp(exp(10))))"),
    "a large factor of itself": let("1e300*1e300"),
    # known functions
    "functions that double": heat(declare=functions("#(x)*#(x) + #(x + 1)", 40), equation="dt(u) = f40(x)*dxx(u)"),
    "functions within functions": heat(declare=functions("#(#(x))", 40), equation="dt(u) = f40(x)*dxx(u)"),
    "a function of itself": heat(declare="let f(x) = f(x) + 1", equation="dt(u) = f(x)*dxx(u)"),
    # derivatives
    "a high derivative": heat("dt(u) = d(u, x, 1000)"),
    "a higher derivative": heat(f"dt(u) = d(u, x, {10**30})"),
    "a derivative in letters": heat(f"dt(u) = d{'x' * 60}(u)"),
    "derivatives of derivatives": heat("dt(u) = " + "dxx(" * 150 + "u" + ")" * 150),
    # sizes
    "cells": heat(grid="grid x: 10000000000"),
    "cells in floating point": heat(grid="grid x: 1e10"),
    "cells beyond count": heat(grid="grid x: 10^100"),
    "cells of three axes": heat(
        "dt(u) = lap(u)",
        coordinates="coordinates x, y, z in [0, 1], t in [0, 1]",
        field="field u(x, y, z, t)",
        grid="grid x: 100000, y: 100000, z: 100000",
    ),
    "steps": heat(march="march rk4, steps: 10^30"),
    "a tiny step": heat(march="march rk4, dt: 1e-300"),
    "an order": heat(more="order 1000000"),
    "components": heat(field="field u[1000000000](x, t)"),
    "components beyond count": heat(field=f"field u[{'9' * 90}](x, t)"),
    "an index": term(f"u[{'9' * 90}]"),
    "a stencil": heat("dt(u) = K(u)", declare="learn K stencil 99999x99999"),
    "a stencil beyond count": heat("dt(u) = K(u)", declare=f"learn K stencil {'9' * 90}"),
    "channels": heat("dt(u) = K(u)", declare="learn K[1000000, 1000000] stencil 3"),
    "a wide closure": heat("dt(u) = dxx(u) + f(u)", declare="learn f(u) = mlp(1000000000, tanh)"),
    "a deep closure": heat("dt(u) = dxx(u) + f(u)", declare="learn f(u) = mlp(" + "8, " * 10_000 + "tanh)"),
    "regions": heat(more="output y[3] = regions(u, 10^12)"),
    "outputs": heat(more="output y[1000000000000] = linear(u)"),
    "noise": heat(initial="initial u = noise(10^40, 1)"),
    "extents": heat(coordinates="coordinates x in [0, 1e308 + 1e308], t in [0, 1]"),
    "an empty extent": heat(coordinates="coordinates x in [0, 0], t in [0, 1]"),
    "coordinates": heat(coordinates="coordinates " + ", ".join(f"x{n}" for n in range(1_000)) + " in [0, 1]"),
    # counts
    "fields": heat(field="field " + ", ".join(f"u{n}(x, t)" for n in range(10_000))),
    "fields of their own": heat(field="\n".join(f"field u{n}(x, t)" for n in range(10_000))),
    "a thousand fields": heat(field="\n".join(f"field u{n}(x, t)" for n in range(900))),
    "equations": heat("\n".join(["dt(u) = dxx(u)"] * 1_900)),
    "conditions": heat(boundary="\n".join(["boundary u = 0"] * 1_900)),
    "conditions of one side": heat(boundary="boundary x = 0: " + ", ".join(["u = 0"] * 5_000)),
    "definitions": heat(declare="\n".join(f"let k{n} = u{n}" for n in range(1_900))),
    "names": term("max(" + ", ".join(f"n{n}" for n in range(15_000)) + ")"),
    "wrong lines": "let = 1\n" * 1_900,
    "wrong characters": "$\n" * 400_000,
    "open texts": '"\n' * 400_000,
    # text
    "a long name": heat(declare=f"let {'k' * 900_000} = 1"),
    "a long Greek name": heat(declare=f"let {'ψ' * 400_000} = 1"),
    "a comment": "#" * M,
    "comments": "#\n" * (M // 2),
    "spaces": " " * M,
    "empty lines": "\n" * M,
    "carriage returns": "\r" * M,
    "more than a megabyte": "#" * (10 * M),
    "combining characters": heat(declare="let k" + "\u0301" * 200_000 + " = 1"),
    "wide characters": heat(declare="let " + "世" * 200_000 + " = 1"),
    "emoji": heat(declare="let 🌊 = 1"),
    "NUL": heat(declare="let k = \0"),
    "a byte order mark inside": heat(declare="\ufefflet k = 1"),
    "only a byte order mark": "\ufeff",
    "bidirectional controls": heat(declare="let k = 1  # \u202e\u2066"),
    "look-alikes": heat(declare="let \u0430 = 1"),
    "full-width letters": heat(declare="let \uff4b = 1"),
    "mathematical letters": heat(declare="let \U0001d458 = 1"),
    "a surrogate": heat(declare="let k = \ud800"),
    "not UTF-8": b"\xff\xfe" * 1_000,
    "UTF-16": heat().encode("utf-16"),
    "UTF-32": heat().encode("utf-32"),
    "a truncated character": heat().encode() + b"\xe2\x88",
    "overlong characters": b"model \xc0\xaf",
    "nothing": "",
    "a superscript tower": term("u" + "²" * 10_000),
    "extents of a stencil in an expression": term("3" + "x3" * 10_000),
}


HARMLESS: dict[str, str] = {
    "integrals": term("integral(" * 150 + "u" + ", x)" * 150),
    "a sum at the limit": term(" + ".join(f"u^{n % 3 + 1}" for n in range(limits.TERMS - 1))),
    "a product at the limit": term("*".join(["cos(u)"] * limits.TERMS)),
    "calls at the limit": term("sin(" * 150 + "u" + ")" * 150),
    "brackets at the limit": term("(" * 200 + "u" + ")" * 200),
}
"""Texts that look like bombs and are none: they compile in the same time and space."""


def compiled(text: str | bytes) -> tuple[Source, tuple[Diagnostic, ...]]:
    """Everything found on the way to the emitted source."""
    source, tree, found = front_end(text)
    if tree is None or any(diagnostic.severity == "error" for diagnostic in found):
        return source, found
    try:
        assert Compilation(source).source
        return source, found
    except DiagnosticError as error:
        return source, error.diagnostics


def peak_megabytes() -> int:
    """The most memory that this process has held. `ru_maxrss` is no such figure: it remembers the parent before the `exec`."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def child() -> None:
    """Runs every bomb and prints what became of it."""
    import time
    import traceback

    compiled(heat())
    for name, text in (BOMBS | HARMLESS).items():
        began = time.process_time()
        crash, found = "", ()
        try:
            source, found = compiled(text)
            assert_well_formed(source, found)
        except Exception:
            crash = traceback.format_exc()[-1500:]
        outcome = {
            "name": name,
            "seconds": time.process_time() - began,
            "errors": [diagnostic.code for diagnostic in found if diagnostic.severity == "error"],
            "megabytes": peak_megabytes(),
            "crash": crash,
        }
        print(json.dumps(outcome), flush=True)  # noqa: T201


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(here)])}
    code = f"import {Path(__file__).stem} as bombs; bombs.child()"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    made = {line["name"]: line for line in map(json.loads, run.stdout.splitlines())}
    assert run.returncode == 0, f"after {len(made)} bombs: {run.stderr[-2000:]}"
    return made


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[name]
    assert not outcome["crash"], outcome["crash"]
    assert outcome["errors"]
    assert outcome["seconds"] < SECONDS
    assert outcome["megabytes"] < MEGABYTES


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[name]
    assert not outcome["crash"], outcome["crash"]
    assert not outcome["errors"]
    assert outcome["seconds"] < 2 * SECONDS
    assert outcome["megabytes"] < MEGABYTES


def test_there_are_enough() -> None:
    assert len(BOMBS) >= 60
