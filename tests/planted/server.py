"""Runs tests on mistaken copies of npde: reads `{"file", "old", "new", "tests"}` a line, answers pytest's exit status.

Everything heavy is imported once; each run is a fork of this process that imports npde and the tests afresh from the copy.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

HEAVY = (
    "numpy",
    "scipy.linalg",
    "sympy",
    "torch",
    "torch.func",
    "lark",
    "networkx",
    "h5py",
    "safetensors.torch",
)


def run(copy: Path, tests: list[str], log: Path) -> int:
    """Pytest in a child of this process, which it cannot change."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    import pytest

    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]))
    sys.stdout.flush()
    os._exit(status)


def main(copy: Path) -> None:
    """Answers until the input ends."""
    sys.dont_write_bytecode = True
    for name in HEAVY:
        importlib.import_module(name)
    assert "npde" not in sys.modules
    for line in sys.stdin:
        asked = json.loads(line)
        file = copy / "npde" / asked["file"]
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(asked["old"], asked["new"]), encoding="utf-8")
        status = run(copy, asked["tests"], copy / "pytest.log")
        file.write_text(text, encoding="utf-8")
        print(status, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
