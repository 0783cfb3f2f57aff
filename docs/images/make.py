"""Draws every picture of the README again: `.venv/bin/python docs/images/make.py [EXAMPLE …]`.

A small picture of each example for the gallery (its final state; over space and time for one space coordinate; over time for
none), and the pictures of the tour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import torch

import npde
from npde.driver import Compilation
from npde.source import Source
from npde.view import render

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
FRAMES = 120
SHOWN = {
    "gray_scott": "v",
    "wave": "u",
    "maxwell": "E",
    "shallow_water": "eta",
    "ginzburg_landau": "A",
    "brusselator": "u",
}


def digit() -> torch.Tensor:
    """A handwritten eight, 8 × 8."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return torch.as_tensor(digits.images[8] / 16)


def image32() -> torch.Tensor:
    return torch.nn.functional.interpolate(digit()[None, None], size=(20, 20))[0, 0]


def centered() -> torch.Tensor:
    out = torch.zeros(32, 32, dtype=torch.float64)
    out[6:26, 6:26] = image32()
    return out


INPUTS: dict[str, Callable[[int], dict[str, torch.Tensor]]] = {
    "parabolic_cnn": lambda _: {"image": digit()[None, None]},
    "diffractive": lambda _: {"image": centered()[None, None]},
    "neural_field": lambda _: {"features": digit().reshape(1, 64)},
    "rows": lambda _: {"s": digit()[None]},
    "driven": lambda steps: {"s": torch.sin(torch.linspace(0, 12, steps))[None].double()},
    "leaky_memory": lambda steps: {
        "s": torch.stack([torch.sin((k + 1) * torch.linspace(0, 9, steps)) for k in range(4)], -1)[None].double()
    },
}


def march(name: str) -> tuple[npde.Model, dict[str, torch.Tensor]]:
    """The fields of an example over time, `[T, (n,) *grid]`; one frame of a steady one."""
    model = npde.load(EXAMPLES / f"{name}.npde")
    torch.manual_seed(0)
    net = model.compile(dtype=torch.float64)
    if model.problem.marching is None:
        with torch.no_grad():
            return model, net.unpack(net())
    every = max(1, net.STEPS // FRAMES)
    with torch.no_grad():
        states = net.march(**INPUTS.get(name, lambda _: {})(net.STEPS), every=every)[0]
    return model, net.unpack(states)


def draw(name: str, model: npde.Model, fields: dict[str, torch.Tensor], path: Path) -> None:
    dimension = len(model.problem.space)
    figure, axes = plt.subplots(figsize=(1.5 if dimension > 1 else 2.0, 1.5), dpi=100)
    figure.subplots_adjust(0, 0, 1, 1)
    axes.set_axis_off()
    dimension = len(model.problem.space)
    field = fields[SHOWN.get(name, next(iter(fields)))]
    if field.is_complex():
        field = field.real if name == "helmholtz" else field.abs()
    if dimension == 0:
        curves = torch.cat([f.reshape(len(f), -1) for f in fields.values()], dim=1)
        axes.plot(curves.numpy(), linewidth=1.2)
        axes.margins(0.02, 0.08)
    else:
        while field.dim() > 1 + dimension:
            field = field[:, 0]
        shown = field if dimension == 1 else field[-1]
        while shown.dim() > 2:
            shown = shown[..., shown.shape[-1] // 2]
        axes.imshow(shown.T.numpy(), origin="lower", aspect="auto", cmap="viridis", interpolation="bilinear")
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def graph(name: str, path: Path) -> None:
    source = Source(f"{name}.npde", (EXAMPLES / f"{name}.npde").read_text(encoding="utf-8"))
    drawn = render(Compilation(source).graph, "svg")
    assert isinstance(drawn, str)
    path.write_text(drawn, encoding="utf-8")


def main(names: list[str]) -> None:
    for path in sorted(EXAMPLES.glob("*.npde")):
        if names and path.stem not in names:
            continue
        try:
            model, fields = march(path.stem)
        except npde.DiagnosticError as error:
            sys.stderr.write(f"{path.stem}: {error}\n")
            continue
        draw(path.stem, model, fields, HERE / f"{path.stem}.png")
        sys.stderr.write(f"{path.stem}\n")
    graph("parabolic_cnn", HERE / "parabolic_cnn.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
