"""Changed copies of training images: small shifts, turns and zooms that keep what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, prod
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


class Augmentation(Protocol):
    """Inputs of a batch by name -> inputs of the same shapes, with randomness from the generator only."""

    def __call__(self, inputs: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True, slots=True)
class Jitter:
    """Each image moved by up to `shift` pixels an axis, turned by up to `degrees`, and scaled by up to a factor 1 ± `zoom`,
    each uniformly and by linear interpolation, black beyond the edge.

    `input` names what is changed; `shape` is (rows, columns) of its images where it holds them in another form: an input of
    the same number of values, flattened or as one row a step.
    """

    input: str
    shape: tuple[int, int]
    shift: float = 0.5
    degrees: float = 0.0
    zoom: float = 0.0

    def __call__(self, inputs: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        given = inputs[self.input]
        batch, (rows, columns) = len(given), self.shape
        if prod(given.shape[1:]) % (rows * columns):
            raise ValueError(f"'{self.input}' of shape {tuple(given.shape)} holds no images of {rows}×{columns}.")
        images = given.reshape(batch, -1, rows, columns)

        def uniform(*shape: int) -> Tensor:
            return (2 * torch.rand(batch, *shape, generator=generator) - 1).to(images)

        angle = uniform() * (self.degrees * pi / 180)
        scale = 1 + uniform(2) * self.zoom
        move = uniform(2) * (2 * self.shift) / torch.tensor([columns, rows]).to(images)
        across = torch.stack([scale[:, 0] * angle.cos(), -angle.sin(), move[:, 0]], dim=1)
        down = torch.stack([angle.sin(), scale[:, 1] * angle.cos(), move[:, 1]], dim=1)
        where = affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
        moved = grid_sample(images, where, align_corners=False)
        return {**inputs, self.input: moved.reshape(given.shape)}
