"""Every planted mistake is noticed by the tests of its own package; without it they pass."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.planted.bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
NOTICED = {1, 2}
"""Exit statuses of pytest when tests fail, and when modules raise while they are imported."""
SOUND = (
    "tests/discretize/test_discretize_stencils.py",
    "tests/syntax/test_syntax_format.py",
    "tests/files/test_files_atomic.py",
)


class Copy:
    """A copy of the project, and the process that runs tests on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rubbish = shutil.ignore_patterns("__pycache__")
        for name in ("npde", "tests", "examples", "grammar"):
            shutil.copytree(ROOT / name, folder / name, ignore=rubbish)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, folder / name)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
        command = [sys.executable, str(Path(__file__).with_name("server.py")), str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
        )

    def status(self, file: str, old: str, new: str, tests: tuple[str, ...]) -> int:
        """Pytest's exit status with `new` in place of `old`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"file": file, "old": old, "new": new, "tests": tests}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def log(self) -> str:
        return (self.folder / "pytest.log").read_text(encoding="utf-8")[-3000:]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("planted"))
    yield made
    made.close()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_place_is_there(bug: Bug) -> None:
    text = (ROOT / "npde" / bug.file).read_text(encoding="utf-8")
    assert bug.old in text, f"npde/{bug.file} has changed: say in tests/planted/bugs.py where the mistake is now"
    ast.parse(text.replace(bug.old, bug.new))


def test_there_are_enough() -> None:
    assert len(BUGS) >= 20


@pytest.mark.slow
def test_tests_pass_without_a_mistake(copy: Copy) -> None:
    """That they all pass is what the rest of the suite shows; here, that a copy is whole and its server works."""
    assert copy.status("source.py", "\0", "", SOUND) == 0, copy.log()


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_mistake_is_noticed(bug: Bug, copy: Copy) -> None:
    assert copy.status(bug.file, bug.old, bug.new, bug.tests) in NOTICED, copy.log()
    assert re.search(r"^(FAILED|ERROR) tests/", copy.log(), re.MULTILINE), copy.log()
