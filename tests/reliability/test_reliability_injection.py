"""Code in places where a user writes text: it is never run, and nothing but text comes of it.

A child process installs an audit hook, then takes every payload through the compiler to emitted source, canonical text and
rendered diagnostics. The hook sees what the interpreter is asked to do: compile, run or import code, start programs, open
sockets or files for writing. Whatever source is emitted is then read, without running it, for names it must not use.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reliability_inputs import EXAMPLES, ROOT, front_end, heat

from npde.diagnostics import DiagnosticError, render
from npde.driver import Compilation
from npde.emit.allowed import check
from npde.syntax import format

CANARY = "npde_canary"

CODE = [
    f"__import__('os').system('touch {CANARY}')",
    f'__import__("os").system("touch {CANARY}")',
    f"open('{CANARY}', 'w')",
    f'open("{CANARY}", "w")',
    f"exec(\"open('{CANARY}', 'w')\")",
    f"eval(\"open('{CANARY}', 'w')\")",
    "eval(compile(x, x, x))",
    "exec(x)",
    "eval(x)",
    "compile(x)",
    "open(x)",
    "getattr(u, x)",
    "globals()",
    "vars(u)",
    "breakpoint()",
    "exit()",
    "input(x)",
    "print(u)",
    "().__class__.__bases__[0].__subclasses__()",
    "u.__class__.__mro__",
    "[c for c in ().__class__.__base__.__subclasses__()]",
    "(lambda: 1)()",
    "lambda u: u",
    "u if u else 0",
    "x := 1",
    "u; import os",
    "u\nimport os",
    f"u\n    import os; os.system('touch {CANARY}')",
    "sympify(x)",
    "S('__import__(1)')",
    "Symbol('x', commutative=False)",
    "parse_expr(x)",
    "torch.load(x)",
    "torch.ops.load_library(x)",
    "numpy.load(x)",
    "pickle.loads(x)",
    "os.system(x)",
    "subprocess.run(x)",
    "socket.socket()",
    "{u.__class__}",
    "{0.__class__}",
    "%(x)s",
    "%s%s%s",
    "`id`",
    "$(id)",
    "${HOME}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'''",
    '"""',
    '""" + __import__(1) + """',
    "\\",
    "\\\\",
    "\\N{BULLET}",
    "\\x41\\u0041\\101",
    "\\n",
    "\\'; import os; \\'",
    "#",
    "# noqa",
    "# type: ignore",
    "# -*- coding: rot13 -*-",
    "%load_ext x",
    "!touch x",
    "@torch.jit.script",
    "\u2028import os",
    "\x0cimport os",
    "\rimport os",
]
NAMES = [
    "eval", "exec", "open", "compile", "getattr", "globals", "locals", "vars", "print", "exit", "help", "object", "type",
    "lambda", "class", "def", "import", "return", "yield", "global", "assert", "del", "None", "True", "False", "async", "await",
    "torch", "nn", "math", "self", "Tensor", "Module", "os", "sys", "state", "steps", "every", "start", "forward", "train",
    "half", "parameters", "buffers", "register_buffer", "register_parameter", "state_dict", "load_state_dict", "to", "zeros",
    "Tensor", "coefficients", "at_step", "callable", "named_tuple", "functional", "DT", "network",
    "__init__", "__class__", "__import__", "__builtins__", "__reduce__", "__del__", "_k", "dtype", "device", "batch",
]  # fmt: skip


def payloads(stride: int = 4) -> list[str]:
    """Every code in every place that holds text; every name in one of `stride` of the places that hold a name."""
    found = []
    for code in CODE:
        found += [
            heat(f"dt(u) = dxx(u) + {code}"),
            heat(declare=f"let k = {code}", equation="dt(u) = k*dxx(u)"),
            heat(name=f'model heat "{code}"'),
            heat(name=f"model heat  # {code}"),
            heat(name=f"model {code}"),
            heat(initial=f'initial u = exp("{code}")'),
        ]
    for number, name in enumerate(NAMES):
        places = [
            heat(name=f"model {name}"),
            heat(f"dt({name}) = dxx({name})", field=f"field {name}(x, t)", initial=f"initial {name} = 0"),
            heat(f"dt(u) = {name}*dxx(u)", declare=f"learn {name} = 1 > 0"),
            heat(f"dt(u) = dxx(u) + {name}(u)", declare=f"learn {name}(u) = mlp(4, tanh)"),
            heat(f"dt(u) = dxx(u) + {name}", declare=f"input {name}(x)"),
            heat(f"dt(u) = {name}(x)*dxx(u)", declare=f"let {name}(x) = 1 + x"),
            heat(coordinates=f"coordinates x, {name} in [0, 1], t in [0, 1]"),
            heat(more=f"output {name}[2] = linear(u)"),
            heat(f"dt(u) = {name}(u)"),
        ]
        found += places[number % stride :: stride]
    return found


RUNNERS = {
    "eval",
    "exec",
    "compile",
    "open",
    "__import__",
    "getattr",
    "setattr",
    "globals",
    "locals",
    "vars",
    "input",
    "exit",
}
FORBIDDEN_EVENTS = (
    "compile", "exec", "import", "os.", "subprocess.", "socket.", "shutil.", "pty.", "ctypes.", "pickle.", "marshal.", "code.",
    "open", "tempfile.", "webbrowser.", "urllib.", "http.", "ftplib.", "smtplib.", "telnetlib.",
    "builtins.input", "builtins.breakpoint",
)  # fmt: skip


def whole_way(text: str) -> tuple[str, str]:
    """Emitted source if there is any, and everything else that is made of a text."""
    source, tree, found = front_end(text)
    shown = "\n".join(render(diagnostic, source, color=True) for diagnostic in found)
    if tree is None:
        return "", shown
    shown += format(tree) + format(tree, unicode=True)
    if any(diagnostic.severity == "error" for diagnostic in found):
        return "", shown
    try:
        return Compilation(source).source, shown
    except DiagnosticError as error:
        return "", shown + "".join(render(diagnostic, source) for diagnostic in error.diagnostics)


def child(stride: int) -> None:
    """Prints, for each payload, the events that the hook saw, and the emitted source."""
    warm = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    warm += [
        path.read_text(encoding="utf-8", errors="replace") for path in sorted((ROOT / "tests/errors").glob("*.npde"))
    ]
    for text in warm:
        whole_way(text)
    events: list[str] = []
    is_armed = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if is_armed and event.startswith(FORBIDDEN_EVENTS):
            events.append(f"{event} {arguments!r}"[:200])

    sys.addaudithook(hook)
    for number, text in enumerate(payloads(stride)):
        events.clear()
        is_armed, crash, emitted = True, "", ""
        try:
            emitted, _ = whole_way(text)
        except Exception as error:
            crash = f"{type(error).__name__}: {error}"
        finally:
            is_armed = False
        print(json.dumps({"number": number, "events": events, "crash": crash, "emitted": emitted}))  # noqa: T201
    is_armed = True
    compile("1", "proof", "eval")
    is_armed = False
    print(json.dumps({"number": -1, "events": events, "crash": "", "emitted": ""}))  # noqa: T201


def outcomes(folder: Path, stride: int) -> dict[int, dict[str, Any]]:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(here)]), "PYTHONDONTWRITEBYTECODE": "1"}
    code = f"import {Path(__file__).stem} as injection; injection.child({stride})"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert list(folder.iterdir()) == []
    return {line["number"]: line for line in map(json.loads, run.stdout.splitlines())}


def assert_nothing_is_run(made: dict[int, dict[str, Any]], stride: int) -> None:
    assert any(event.startswith("compile") for event in made[-1]["events"]), "the hook sees nothing"
    for number, text in enumerate(payloads(stride)):
        assert not made[number]["events"], text
        assert not made[number]["crash"], f"{made[number]['crash']} of:\n{text}"
    emitted = [outcome["emitted"] for outcome in made.values() if outcome["emitted"]]
    assert len(emitted) > 100
    for source in emitted:
        tree = check(source)
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & RUNNERS, source


def test_there_are_enough() -> None:
    assert len(payloads()) >= 500


def test_nothing_is_run(tmp_path: Path) -> None:
    assert_nothing_is_run(outcomes(tmp_path, stride=4), stride=4)


@pytest.mark.slow
def test_nothing_is_run_anywhere(tmp_path: Path) -> None:
    assert_nothing_is_run(outcomes(tmp_path, stride=1), stride=1)
