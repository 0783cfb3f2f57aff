"""Generated kernels under sanitizers: no entry beyond an array, no overflow of an index, no entry that one thread writes while
another reads it."""

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
PLAIN = '''model m
coordinates t in [0, 1]
field h[9](t), z(t) complex
learn A[9, 9], B[9, 2], b[9] = 0.1, k(t) = 0.2
learn f(a) = mlp(8, 8, tanh)
input s[2](t), q
dt(h) = -h + tanh(A@h + B@s + b) + k*sin(t)*f(h[0])
i*dt(z) = q*z + abs(z)^2*z
initial h = 0.1
initial z = 1
march ab2, steps: 6
'''
torch.set_num_threads(2)
sharing.WAKE = sharing.BARRIER = 0.0
for batch in (1, 70):
    assert worst(*pair(PLAIN), steps=5, every=2, batch=batch) == {}
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
from tests.native.native_programs import generate
for seed in range(300, 306):
    torch_net, native_net = pair(generate(seed), network="cnn")
    native_net._npde.backend.runtime.depth = seed % 3
    assert worst(torch_net, native_net, steps=2, batch=1) == {}, seed
print("clean")
"""

TEAM = r"""
#include <pthread.h>
#include <omp.h>
static pthread_barrier_t team_barrier;
static __thread int team_me;
static int team_size;
typedef struct { void (*work)(void); int me; } Member;
static void *team_member(void *given) { Member *m = given; team_me = m->me; m->work(); return 0; }
static void run_team(void (*work)(void), int n)
{
    pthread_t threads[8];
    Member members[8];
    team_size = n;
    pthread_barrier_init(&team_barrier, 0, n);
    for (int k = 1; k < n; ++k) {
        members[k] = (Member){work, k};
        pthread_create(threads + k, 0, team_member, members + k);
    }
    team_me = 0;
    work();
    for (int k = 1; k < n; ++k) pthread_join(threads[k], 0);
    pthread_barrier_destroy(&team_barrier);
}
#undef BARRIER
#undef THREAD
#undef THREADS
#define BARRIER(size) if ((size) > 1) pthread_barrier_wait(&team_barrier);
#define THREAD() team_me
#define THREADS() team_size
"""
"""A parallel region and its barrier by POSIX threads: the sanitizer does not see how OpenMP's wait for each other."""

RACES = r"""
import re
import torch
from npde.native import build, runtime
from tests.native.native_comparison import pair, worst
from tests.native.test_native_leapfrog import SCHRODINGER
from tests.native.test_native_sanitized import TEAM
from tests.native.test_native_sums import LAYERS, SUMS
load = build.load

def by_threads(source):
    head = re.search(r"#pragma omp parallel .*\n    {\n", source)[0]
    tail = re.search(r"\n    }\n    if \(!is_whole\)", source)[0]
    region = "    const int all_teams = teams, all_size = size;\n    void region(void)\n    {\n"
    source = source.replace(head, region + "        int teams = all_teams, size = all_size;\n")
    source = source.replace(tail, "\n    }\n    run_team(region, all_teams * all_size);\n    if (!is_whole)")
    return re.sub(r"\ntypedef double T;", lambda found: TEAM + found[0], source, count=1)

build.load = lambda source, *, name: load(by_threads(source), name=name, flags=("-O1", "-g", "-fsanitize=thread"))
WALLS = '''model m
coordinates x in [0, 1], y in [0, 1], t in [0, 0.001]
field u(x, y, t)
learn a(x, y) = 1 > 0, q(y, t) = 0.1
dt(u) = div(a*grad(u)) - u^3
boundary y: periodic
boundary x = 0: u = q
boundary x = 1: dn(u) = 0
initial u = x
grid x: 19, y: 7
march heun, steps: 6
'''
for text in (WALLS, WALLS.replace("q(y, t)", "q(y)"), SCHRODINGER, SUMS, LAYERS):
    nets = pair(text)
    torch.set_num_threads(1)  # torch's own threads are not seen either
    for size, batch, depth in ((3, 1, 0), (2, 1, 2), (1, 3, 0)):
        runtime.Runtime.teams = lambda *_: (1, size) if size > 1 else (3, 1)
        nets[1]._npde.backend.runtime.depth = depth
        assert worst(*nets, steps=3, every=2, batch=batch) == {}
print("clean")
"""


def sanitized(
    script: str, libraries: tuple[str, ...], folder: Path, **options: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python with sanitizers' libraries loaded first."""
    assert COMPILER is not None
    queries = [[COMPILER, f"-print-file-name={name}.so"] for name in libraries]
    named = [subprocess.run(q, capture_output=True, text=True, check=True) for q in queries]
    found = [p.stdout.strip() for p in named]
    if not all(os.path.isabs(p) for p in found):
        pytest.skip("gcc has no such sanitizer here")
    own = {"LD_PRELOAD": " ".join(found), "NPDE_CACHE": str(folder), "CC": "gcc", "PYTHONPATH": str(ROOT), **options}
    where = shutil.which("setarch")
    fixed = [where, "-R"] if where and "TSAN_OPTIONS" in options else []  # addresses that the sanitizer can tell apart
    command = [*fixed, sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **own})


needs_gcc = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"), reason="needs gcc's sanitizers"
)


@pytest.mark.slow
@needs_gcc
def test_kernels_are_clean(tmp_path: Path) -> None:
    done = sanitized(SCRIPT, ("libasan", "libubsan"), tmp_path, ASAN_OPTIONS="detect_leaks=0")
    assert done.stdout.strip() == "clean", done.stderr[-3000:]


@pytest.mark.slow
@needs_gcc
@pytest.mark.parametrize("broken", [False, True], ids=["as written", "without barriers"])
def test_threads_do_not_race(broken: bool, tmp_path: Path) -> None:
    script = RACES
    if broken:  # what the sanitizer is there for
        script = script.replace(
            "load = build.load\n",
            'load, TEAM = build.load, TEAM.replace("pthread_barrier_wait(&team_barrier)", "")\n',
            1,
        )
        script = script.replace("for text in (WALLS, ", "for text in (WALLS,): #").replace("assert worst", "worst")
    done = sanitized(script, ("libtsan",), tmp_path, TSAN_OPTIONS="exitcode=0")
    if "FATAL" in done.stderr:
        pytest.skip("the thread sanitizer does not run here")
    assert done.stdout.strip() == "clean", done.stderr[-3000:]
    assert ("data race" in done.stderr) == broken, done.stderr[-3000:]
