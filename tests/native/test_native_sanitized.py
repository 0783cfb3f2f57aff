"""Generated kernels under the address and undefined-behavior sanitizers: no entry beyond an array, no overflow of an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
COMPILER = shutil.which("gcc")

SCRIPT = """
import torch
from npde.native import build, sharing
load = build.load
flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
build.load = lambda source, *, name: load(source, name=name, flags=flags)
from tests.native.native_comparison import pair, worst

WALLS = '''model m
coordinates x in [0, 1], y in [0, 1], t in [0, 0.001]
field u(x, y, t), v(x, y, t)
learn D = 0.1 > 0, a(x, y) = 1 > 0, q(x) = 0.1
input s(t)
dt(u) = div(a*grad(u)) + D*u*v + s
dt(v) = D*lap(v) - u^2/(1 + v^2)
boundary x: periodic
boundary y = 0: u = q, v + D*dn(v) = t
boundary y = 1: dn(u) = 0, v = 0
initial u = x
initial v = y
grid x: 19, y: 7
order 4
march heun, steps: 6
'''
SUMS = '''model m
coordinates x in [0, 1], y in [0, 1], t in [0, 0.001]
field u[3](x, y, t), v(x, y, t)
learn K[5, 3] stencil 3x3, W(y, y', t), D = 0.1, b[5] = 0.1
dt(u) = -adjoint(K)(relu(K(u) + b)) + D*mean(u[0]^2, x, y)*u + sum(u[1], x)*u
dt(v) = tanh(integral(W(y, y')*v(x, y'), y'))
boundary x: periodic
boundary y = 0: u = 0, v = 0
boundary y = 1: dn(u) = 0, v = 0
initial u = x*y
initial v = x
grid x: 5, y: 19
march heun, steps: 3
network cnn
'''
torch.set_num_threads(2)
sharing.WAKE = sharing.BARRIER = 0.0
for batch in (1, 3):
    assert worst(*pair(SUMS), steps=3, every=2, batch=batch) == {}
for text in (WALLS, WALLS.replace("boundary x: periodic", "boundary x = 0: u = 0, v = 0\\nboundary x = 1: u = 1, dn(v) = 0")):
    torch_net, native_net = pair(text)
    for batch in (1, 3):
        assert worst(torch_net, native_net, steps=5, every=2, batch=batch) == {}
    native_net._npde.backend.runtime.depth = 2
    with torch.no_grad():
        given = torch.rand(1, 6, dtype=torch.float64)
        torch.testing.assert_close(native_net.march(given), torch_net.march(given), rtol=1e-12, atol=1e-12)
print("clean")
"""


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None or not sys.platform.startswith("linux"), reason="needs gcc's sanitizers")
def test_kernels_are_clean(tmp_path: Path) -> None:
    assert COMPILER is not None
    queries = [[COMPILER, f"-print-file-name={name}.so"] for name in ("libasan", "libubsan")]
    named = [subprocess.run(q, capture_output=True, text=True, check=True) for q in queries]
    libraries = [p.stdout.strip() for p in named]
    if not all(os.path.isabs(p) for p in libraries):
        pytest.skip("gcc has no sanitizers here")
    environment = {
        **os.environ, "LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0", "NPDE_CACHE": str(tmp_path), "CC": "gcc",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == "clean", done.stderr[-3000:]
