"""`npde show --stage kernels`: a text in which every name says one thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import npde

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = r"[A-Za-z_]\w*(?:\.\d+)?"


@pytest.mark.parametrize("example", ["fisher", "gray_scott", "wave", "closure"])
def test_names_are_stored_once_and_read_afterwards(example: str) -> None:
    model = npde.load(EXAMPLES / f"{example}.npde")
    step = model.show("kernels").split("\n\n")[0]
    assignments = re.findall(rf"^    ({NAME}) :?= (.*)$", step, re.MULTILINE)
    stored = re.findall(rf"^    ({NAME}) = ", step, re.MULTILINE)
    assert stored
    assert len(set(stored)) == len(stored)
    known: set[str] = set()
    for left, right in assignments:
        numbered = set(re.findall(r"[A-Za-z_]\w*\.\d+", right))
        assert numbered <= known, (left, numbered - known)
        known.add(left)
