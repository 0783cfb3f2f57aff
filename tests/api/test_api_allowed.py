"""The second lock: what emitted source may consist of."""

from __future__ import annotations

import pytest

from npde.diagnostics import InternalError
from npde.emit.allowed import check

GOOD = '''"""A module."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DX = 20 / 32


class Pair(NamedTuple):
    a: Tensor
    b: Tensor


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((), math.log(0.1)))
        self.register_buffer("x", torch.fft.fftfreq(4), persistent=False)

    @property
    def D(self) -> Tensor:
        return torch.exp(self.weight)

    def forward(self, u: Tensor) -> Tensor:
        padded = F.pad(u, (1, 1), mode="circular")
        parts = [padded[..., i : i + 2] for i in range(2)]
        if u.shape[0] < 1:
            raise ValueError(f"got {list(u.shape)}")
        return sum(parts) * self.D
'''


def test_what_the_emitter_writes_is_allowed() -> None:
    check(GOOD)


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import sys as math2",
        "from os import system",
        "from . import secrets",
        "import torch.utils.cpp_extension",
        "from torch import load",
        "from torch import hub",
        "x = torch.load('weights.pt')",
        "x = torch.hub.load('a', 'b')",
        "x = torch.os.system('true')",
        "x = torch._C",
        "x = F.importlib.import_module('os')",
        "x = torch.serialization.os",
        "x = torch.manual_seed(0)",
        "x = torch.set_default_dtype(torch.float64)",
        "x = torch.compile",
        "x = torch",
        "x = [torch.fft]",
        "x = math if 1 else 2",
        "torch = 1",
        "x = eval('1')",
        "x = exec('1')",
        "x = open('/etc/passwd')",
        "x = __import__('os')",
        "x = getattr(nn, 'Module')",
        "x = globals()",
        "x = print('hello')",
        "x = input()",
        "x = breakpoint()",
        "x = ().__class__",
        "x = ().__class__.__bases__[0].__subclasses__()",
        "x = Net.__init__.__globals__",
        "x = (lambda: 0).__code__",
        "x = (i for i in ()).gi_frame",
        "x = '{0.__class__}'.format(1)",
        "x = __builtins__",
        "x = __file__",
        "def __getattr__(name): return 1",
        "def f():\n    global DX\n    DX = 1",
        "def f():\n    yield 1",
        "async def f(): pass",
        "try:\n    pass\nexcept ValueError:\n    pass",
        "while True:\n    pass",
        "del DX",
        "assert DX",
        "(y := 1)",
        "match DX:\n    case 1:\n        pass",
        "x = super().__reduce__",
        "x = nn.Module.__subclasses__()",
        "from torch.nn import *",
    ],
)
def test_what_could_reach_the_machine_is_not(line: str) -> None:
    with pytest.raises(InternalError, match=r"Emitted source|binds"):
        check(f"{GOOD}\n\n{line}\n")


@pytest.mark.parametrize("source", ["def f(:", "\0", "(" * 1000, "x" + "+x" * 200_000])
def test_what_is_no_python_is_a_bug_and_not_a_crash(source: str) -> None:
    with pytest.raises(InternalError):
        check(source)
