"""A convolution whose filters whiten patches of images, and are computed rather than trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 5e-3  # added to the variance of a direction, so that the noise in directions of almost none stays small
FLAT = 1e-7  # of the largest variance; directions of less are those of no image, such as colours of grey ones
NUMBERS = 2**23  # of patches that are looked at together


class Whitening(nn.Module):
    """Convolution by the principal directions of patches, each divided by its root mean square, in both signs.

    Neighbouring pixels are much alike, so that most of a patch's variance is its brightness; in the outputs, all
    directions have about the same variance, and none is correlated with another (as in Jordan's networks for CIFAR-10,
    2024). The filters are those of a random convolution until they are fitted.

    Args:
        depth: channels of an image.
        filters: number of filters; the directions of most variance come first, and all directions repeat where there
            are fewer.
        kernel_size: height and width of a patch; odd, so that the padding keeps the size.
    """

    weight: Tensor

    def __init__(self, depth: int, filters: int, kernel_size: int) -> None:
        super().__init__()
        random = nn.Conv2d(depth, filters, kernel_size, bias=False)
        self.register_buffer("weight", random.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Returns the outputs `(B, filters, H, W)` for images `(B, depth, H, W)`."""
        return functional.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Computes the filters from batches of images `(B, depth, H, W)`, on one thread, so that sums are the same."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            self._fit(batches)
        finally:
            torch.set_num_threads(threads)

    def _fit(self, batches: Iterable[Tensor]) -> None:
        filters, *patch = self.weight.shape
        size = patch[-1]
        products, count = self.weight.new_zeros(self.weight[0].numel(), self.weight[0].numel(), dtype=torch.float64), 0
        for batch in batches:
            height, width = batch.shape[2:]
            padding = 0 if min(height, width) >= size else size // 2
            for images in batch.split(max(1, NUMBERS // (height * width * len(products)))):
                patches = functional.unfold(images, size, padding=padding).transpose(0, 1).flatten(1).double()
                products += patches @ patches.T
                count += patches.shape[1]
        variances, directions = torch.linalg.eigh(products / count)  # from the smallest on
        most = min(-(-filters // 2), max(1, int((variances > FLAT * variances[-1]).sum())))
        scaled = (directions / (variances.clamp(min=0) + EPSILON).sqrt()).T.flip(0)[:most]
        pairs = torch.cat([scaled, -scaled])
        self.weight.copy_(pairs.repeat(-(-filters // len(pairs)), 1)[:filters].view(-1, *patch))
