"""Training images mixed in pairs: MixUp (Zhang et al., 2018) and CutMix (Yun et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dltrain.data.stored import to_device
from dltrain.types import Mixing

STREAM = 2  # of random numbers of a batch; the changes of single images have another


@dataclass(frozen=True)
class Mix:
    """Mixes the images of a batch in pairs, by one share for the whole batch; where both ways are wanted, by chance.

    Args:
        mixup: both parameters of the Beta distribution of the share in which two images are added; 0 for never.
        cutmix: the same for the share of the area that is left when a rectangle of another image is pasted in.
    """

    mixup: float
    cutmix: float

    def __call__(
        self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int
    ) -> tuple[tuple[Tensor, ...], Mixing]:
        """Returns mixed images `(B, C, H, W)` with their other inputs, and how they are mixed."""
        pixels, *others = inputs
        random = np.random.default_rng(np.random.SeedSequence([seed, epoch], spawn_key=(batch, STREAM)))
        partners = to_device(torch.from_numpy(random.permutation(len(pixels))), pixels.device)
        cuts = random.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if cuts else self.mixup
        share = float(random.beta(alpha, alpha))
        if not cuts:
            share = as_float32(share)
            mixed = [one * share + one[partners] * (1 - share) for one in inputs]
            return tuple(mixed), Mixing(partners, share)
        height, width = pixels.shape[2:]
        top, bottom = _interval(height, share, float(random.random()))
        left, right = _interval(width, share, float(random.random()))
        pasted = pixels.clone()
        pasted[:, :, top:bottom, left:right] = pixels[partners][:, :, top:bottom, left:right]
        rest = as_float32(1 - (bottom - top) * (right - left) / (height * width))
        blended = [one * rest + one[partners] * (1 - rest) for one in others]
        return (pasted, *blended), Mixing(partners, rest)


def as_float32(share: float) -> float:
    """Returns a share that a GPU computes with as Python does: 1 minus it is the same."""
    return float(np.float32(share))


def _interval(size: int, share: float, place: float) -> tuple[int, int]:
    """Returns first and last row, or column, of a rectangle around a place, whose area is `1 - share` unless the image
    ends before."""
    length = size * (1 - share) ** 0.5
    middle = place * size
    return max(0, round(middle - length / 2)), min(size, round(middle + length / 2))
