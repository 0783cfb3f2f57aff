"""Handwritten digits: 1797 real images of 8×8 pixels that ship with scikit-learn, and how each example learns to read them.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

The recipes were found on other splits than those that are reported (`benchmarks/digits.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import torch
from torch import Tensor

import npde
from demo.paths import example
from npde.train import Adam, CrossEntropy, Dataset, Jitter, Metrics, Run, evaluate, fit, silent, supervised

if TYPE_CHECKING:
    from npde.emit.live import LiveModule
    from npde.train import Reporter

SIDE = 8
GRAYS = 16
"""Pixels are whole numbers 0 … 16."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one example is trained: its input's name, the form its images take, and everything that `fit` is told."""

    input: str
    encode: Callable[[Tensor], Tensor]
    strategy: Adam
    smoothing: float
    epochs: int
    batch: int
    jitter: Jitter | None = None


def as_channel(images: Tensor) -> Tensor:
    """[B, 8, 8] -> [B, 1, 8, 8]."""
    return images[:, None]


def as_vector(images: Tensor) -> Tensor:
    """[B, 8, 8] -> [B, 64]."""
    return images.flatten(1)


def as_rows(images: Tensor) -> Tensor:
    """[B, 8, 8]: a step a row, as they are."""
    return images


def enlarged(images: Tensor) -> Tensor:
    """[B, 8, 8] -> [B, 1, 32, 32]: each pixel a square of 4×4 cells."""
    return images.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]


RECIPES: Mapping[str, Recipe] = {
    "parabolic_cnn": Recipe(
        "image", as_channel, Adam(lr=0.01, clip=1.0), 0.05, 60, 64, Jitter("image", (8, 8), 0.5, 10, 0.1)
    ),
    "neural_field": Recipe(
        "features",
        as_vector,
        Adam(lr=0.003, weight_decay=0.01),
        0.05,
        100,
        64,
        Jitter("features", (8, 8), 0.7, 10, 0.1),
    ),
    "rows": Recipe(
        "s", as_rows, Adam(lr=0.01, clip=1.0, weight_decay=0.02), 0.1, 150, 64, Jitter("s", (8, 8), 0.5, 5, 0.05)
    ),
    "diffractive": Recipe("image", enlarged, Adam(lr=0.02), 0.1, 40, 64),
}


def images() -> tuple[Tensor, Tensor]:
    """All images [1797, 8, 8] in [0, 1] and their digits [1797]."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return torch.tensor(found.images / GRAYS, dtype=torch.float32), torch.tensor(found.target)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trained classifier on images that it never saw: `wrong` are their positions in the data set."""

    net: LiveModule
    run: Run
    train: Metrics
    test: Metrics
    wrong: tuple[int, ...]
    said: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """Share of test images that are read right."""
        assert self.test.accuracy is not None
        return self.test.accuracy


def learn(
    name: str,
    train: Sequence[int],
    test: Sequence[int],
    *,
    seed: int = 0,
    run_dir: Path | None = None,
    reporter: Reporter = silent,
) -> Outcome:
    """Train an example on the images at `train` and read those at `test`; the second play no part in the first."""
    recipe = RECIPES[name]
    net = npde.load(example(name)).compile(generator=torch.Generator().manual_seed(seed))
    pixels, digits = images()

    def dataset(indices: Sequence[int]) -> Dataset:
        return supervised(net, {recipe.input: recipe.encode(pixels[indices])}, digits[indices])

    run = fit(
        net,
        dataset(train),
        strategy=recipe.strategy,
        loss=CrossEntropy(recipe.smoothing),
        epochs=recipe.epochs,
        batch=recipe.batch,
        seed=seed,
        augment=recipe.jitter,
        run_dir=run_dir,
        reporter=reporter,
    )
    with torch.no_grad():
        said = net(recipe.encode(pixels[test])).argmax(1)
    wrong = [k for k, (a, b) in enumerate(zip(said.tolist(), digits[test].tolist())) if a != b]
    return Outcome(
        net=net,
        run=run,
        train=evaluate(net, dataset(train)),
        test=evaluate(net, dataset(test)),
        wrong=tuple(int(test[k]) for k in wrong),
        said=tuple(int(said[k]) for k in wrong),
    )


def write(path: Path, name: str, indices: Sequence[int]) -> None:
    """Images and digits as a data file for `npde train` and `npde eval`."""
    pixels, digits = images()
    recipe = RECIPES[name]
    with h5py.File(path, "w") as file:
        file[recipe.input] = recipe.encode(pixels[indices]).numpy()
        file["labels"] = digits[indices].numpy()
