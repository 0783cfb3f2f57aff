"""The rules of docs/architecture.md, read off the imports: what may import what, where torch and printing are allowed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "npde"

FOUNDATION = {"records": set(), "source": set(), "options": {"records", "source"}, "diagnostics": {"source"}}
"""What everything may import, and what that may import itself."""

PIPELINE = ("syntax", "model", "symbolic", "discretize", "graph", "emit", "native")
"""Left to right; a package imports only from those to its left."""

AROUND = {
    "api", "analysis", "cli", "dump", "files", "notebook", "plot", "recipe", "runtime", "settings", "simulate", "textbook", "train",
    "view",
}  # fmt: skip
"""Reads the records of the pipeline and is never imported by it."""

TORCH = ("npde/train/", "npde/emit/live.py", "npde/emit/recurrent.py", "npde/emit/refusal.py", "npde/emit/rollout.py",
         "npde/simulate.py", "npde/files/pretrained.py",
         "npde/native/choose.py", "npde/native/live.py", "npde/native/operators.py", "npde/native/packing.py",
         "npde/native/runtime.py",
         "npde/api.py", "npde/cli/", "npde/analysis/budget.py", "npde/analysis/footprint.py", "npde/analysis/admission.py",
         "npde/analysis/watched.py")  # fmt: skip
"""Where torch may be imported: training, and where a live module is made or run."""

LONGEST = 450
"""Lines of a module; one that passes 400 should be looked at for a second concept."""

FORBIDDEN = {"eval", "exec", "sympify", "parse_expr", "lambdify", "compile", "__import__"}
"""Calls that could run a user's text."""

ALLOWED_CALLS = {("npde/emit/live.py", "exec"), ("npde/emit/live.py", "compile"), ("npde/emit/rollout.py", "compile")}
"""Emitted source is checked against a list of syntax nodes, then executed, here and nowhere else. The last is torch.compile."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def package_of(path: Path) -> str:
    """`npde/syntax/parser.py` → "syntax"; `npde/driver.py` → "driver"."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def type_only(tree: ast.Module) -> set[ast.AST]:
    """Nodes under `if TYPE_CHECKING:`."""
    guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return {inner for n in guarded for statement in n.body for inner in ast.walk(statement)}


def imports(tree: ast.Module, *, at_run_time: bool = False) -> Iterator[str]:
    """Dotted names of everything imported anywhere in a module."""
    skipped = type_only(tree) if at_run_time else set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(path: Path) -> set[str]:
    """Packages (and modules beside them) of npde that a module imports, its own left out."""
    known = {package_of(p) for p in modules()} - {"__init__"}
    found = {name.split(".")[1] for name in imports(tree_of(path)) if name.startswith("npde.")}
    return (found & known) - {package_of(path)}


@pytest.mark.parametrize("package", FOUNDATION)
def test_the_foundation_imports_nothing_above_it(package: str) -> None:
    for path in modules():
        if package_of(path) == package:
            assert imported_packages(path) <= FOUNDATION[package], name_of(path)


@pytest.mark.parametrize("package", PIPELINE)
def test_a_stage_imports_only_from_its_left(package: str) -> None:
    allowed = set(FOUNDATION) | set(PIPELINE[: PIPELINE.index(package)])
    for path in modules():
        if package_of(path) == package:
            assert imported_packages(path) <= allowed, name_of(path)


def test_the_driver_calls_stages_and_nothing_else() -> None:
    assert imported_packages(PACKAGE / "driver.py") <= set(FOUNDATION) | set(PIPELINE)


def test_nothing_but_the_entry_point_imports_the_command_line() -> None:
    for path in modules():
        if package_of(path) not in ("cli", "__main__"):
            assert "cli" not in imported_packages(path), name_of(path)


def test_every_module_has_a_place() -> None:
    known = {*FOUNDATION, *PIPELINE, *AROUND, "driver", "__init__", "__main__"}
    assert {package_of(p) for p in modules()} <= known, "say in this file and in docs/architecture.md where it belongs"


def test_torch_is_imported_only_where_modules_live_or_train() -> None:
    for path in modules():
        if any(n.split(".")[0] in ("torch", "safetensors") for n in imports(tree_of(path), at_run_time=True)):
            assert name_of(path).startswith(TORCH), name_of(path)


def test_only_the_command_line_prints_or_exits() -> None:
    for path in modules():
        if package_of(path) in ("cli", "__main__"):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("print", "exit", "quit", "sys.exit", "os._exit"), name_of(path)


def test_no_module_is_too_long() -> None:
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {n: k for n, k in lengths.items() if k > LONGEST} == {}


def test_no_text_is_evaluated() -> None:
    found = set()
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                is_regex = called == "re.compile"
                if called.rpartition(".")[2] in FORBIDDEN and not is_regex and not called.startswith("self."):
                    found.add((name_of(path), called.rpartition(".")[2]))
    assert found <= ALLOWED_CALLS


def test_no_symbolic_text_is_parsed_by_sympy() -> None:
    """`sp.S(text)` and `sp.Symbol` differ: the first evaluates. Only numbers may go through `S`, and none need to."""
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("sp.S", "sympy.S", "S"), name_of(path)


def test_nothing_is_unpickled() -> None:
    for path in modules():
        names = set(imports(tree_of(path)))
        assert not names & {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}, name_of(path)


def test_only_the_compiler_of_kernels_is_started() -> None:
    for path in modules():
        if name_of(path) != "npde/native/compiler.py":
            assert not {"subprocess", "pty", "multiprocessing"} & set(imports(tree_of(path))), name_of(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                assert not ast.unparse(node.func).startswith(("os.system", "os.exec", "os.spawn", "os.popen")), name_of(
                    path
                )
                assert "shell" not in {keyword.arg for keyword in node.keywords}, name_of(path)


def test_no_module_state_changes() -> None:
    """No `global` statement, and no cache that outlives its caller without a bound."""
    for path in modules():
        for node in ast.walk(tree_of(path)):
            assert not isinstance(node, ast.Global), name_of(path)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


def test_importing_npde_is_light() -> None:
    heavy = "{'torch', 'sympy', 'numpy', 'networkx', 'matplotlib', 'h5py', 'lark', 'rich', 'click'}"
    assert run_python(f"import npde, sys; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_the_compiler_does_not_import_torch() -> None:
    code = """
import sys
from pathlib import Path
from npde.driver import Compilation
from npde.source import Source
path = Path("examples/fisher.npde")
made = Compilation(Source(path.name, path.read_text(encoding="utf-8")))
made.source
from npde.view import render
render(made.graph, "html")
print("torch" in sys.modules)
"""
    assert run_python(code) == "False"
