"""A server that forks one training process after another, so that a test can kill them without paying for imports.

Reads the path of a run directory a line, starts `fit(…, resume=True)` on it in a child, and answers with the child's process
number; `join` waits for the child and answers with its exit status.
"""

from __future__ import annotations

import os
import sys

import torch

import npde
from npde.train import Jitter, fit, supervised, trajectories

TEXTS = {
    "adam": """
model images
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn W(x, x', t), b(x, t) = 0
dt(u) = -u + tanh(integral(W(x, x')*u(x'), x') + b)
boundary periodic
input features(x)
initial u = features
grid x: 16
march euler, steps: 1
output y[3] = linear(u)
""",
    "lbfgs": """
model front
coordinates x in [0, 24], t in [0, 2]
field u(x, t)
learn D(x) = 0.2 > 0
learn r = 1 in [0, 5]
dt(u) = D*dxx(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-(x - 12)^2/8)
grid x: 24
march rk4, steps: 20
""",
}


def options(kind: str):
    """Module and arguments of `fit`."""
    generator = torch.Generator().manual_seed(3)
    net = npde.parse(TEXTS[kind]).compile(dtype=torch.float64, generator=generator)
    if kind == "adam":
        features = torch.randn(90, 16, generator=generator)
        labels = features[:, :3].argmax(1)
        data = supervised(net, {"features": features}, labels)
        jitter = Jitter("features", (4, 4), shift=0.3)
        return net, data, {"epochs": 24, "batch": 16, "val": 0.2, "augment": jitter, "lr": 0.01, "seed": 5}
    truth = torch.exp(-((torch.arange(24.0) - 12) ** 2) / torch.linspace(8, 40, 5)[:, None])
    data = trajectories(net, {"u": truth[None]}, [0.0, 0.5, 1.0, 1.5, 2.0], start="file")
    return net, data, {"epochs": 24, "strategy": "lbfgs"}


def train(kind: str, path: str) -> None:
    net, data, arguments = options(kind)
    fit(net, data, run_dir=path, resume=True, save_seconds=0, **arguments)


def main() -> None:
    torch.set_num_threads(1)
    for kind in TEXTS:
        options(kind)
    child = 0
    print("ready", flush=True)  # noqa: T201 - the protocol of the tests
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        if command == "join":
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201
            continue
        child = os.fork()
        if child == 0:
            try:
                train(command, rest)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
