"""The ways in which an image is seen at test time: shifted a little, and mirrored where that keeps its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dltrain.types import BatchTransform, Facts

SHIFT = 16  # an image is shifted by one part in so many
DIRECTIONS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))  # down and to the right


@dataclass(frozen=True)
class View:
    """Shifts images, reflected at their edges, and mirrors them.

    Args:
        down: by how many pixels.
        right: by how many pixels.
        mirror: whether left and right change places.
    """

    down: int = 0
    right: int = 0
    mirror: bool = False

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns changed images `(B, C, H, W)`; other inputs stay as they are."""
        x, *others = inputs
        height, width = x.shape[2:]
        if self.down or self.right:
            rows, columns = abs(self.down), abs(self.right)
            padded = functional.pad(x, (columns, columns, rows, rows), mode="reflect")
            top, left = rows - self.down, columns - self.right
            x = padded[:, :, top : top + height, left : left + width]
        return (torch.flip(x, (3,)) if self.mirror else x, *others)


def views_of(facts: Facts) -> Sequence[BatchTransform]:
    """Returns five shifts of an image, and their mirror images where the run says that these keep their class."""
    _, height, width = facts.input_shape
    mirrors = (False, True) if facts.preprocessing.get("mirror") else (False,)
    return [
        View(down * max(1, height // SHIFT), right * max(1, width // SHIFT), mirror)
        for mirror in mirrors
        for down, right in DIRECTIONS
    ]
