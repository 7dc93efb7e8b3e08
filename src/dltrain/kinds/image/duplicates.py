"""Finds copies among images: the same pixels, or nearly, as after another compression or another size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dltrain.data.stored import in_parts
from dltrain.kinds.image.digests import digests
from dltrain.types import Stored

MOST = 20_000  # images that are compared with each other
FEWEST_PIXELS = 16  # of a side, below which only equal pixels are copies
SIDE, FREQUENCIES = 32, 8  # of the perceptual hash: the image's size, and the cosines along each side
BITS_APART = 8  # of 64, up to which two images are compared closely
MOST_PAIRS = 500_000  # compared closely; more of them say that all images look alike
THUMB = 16  # pixels per side of the images that are compared closely
NEAR = 0.17  # distance of two copies, relative to the contrast of that with more
SMALL, NEAR_SMALL = 32, 0.06  # pixels of a side, below which two drawings of a digit come as near as a resized copy
NEARER = 0.4  # than the nearest of other images by this factor
OTHERS = 1000  # images among which that one is looked for
FLAT = 2.0  # standard deviation of pixels, below which an image shows nothing
CHUNK = 512
AT_ONCE = 64  # images whose pixels are looked at together, which a CPU's caches hold

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Alike:
    """Which images are copies of each other.

    Args:
        group: `(N,)` first image of each image's group; of an image without copies, itself.
        exact: `(N,)` first image with the same pixels.
        flat: `(N,)` whether an image shows nothing, and so is no copy.
        brightest: `(N,)` the largest value of a pixel.
        compared: number of images among which near copies were looked for.
    """

    group: Rows
    exact: Rows
    flat: NDArray[np.bool_]
    brightest: NDArray[np.uint8]
    compared: int


class _Seen(NamedTuple):
    """What is compared of some images, so that their pixels are read once: the hashes and thumbnails of chosen ones."""

    keys: Rows
    spread: Floats
    brightest: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    thumbs: Floats
    contrasts: Floats

    def only(self, chosen: NDArray[np.bool_]) -> _Seen:
        """Returns what is compared closely of some of the chosen images."""
        return self._replace(hashes=self.hashes[chosen], thumbs=self.thumbs[chosen], contrasts=self.contrasts[chosen])


def find_copies(pixels: Sequence[Stored], first: Rows) -> Alike:
    """Returns the copies among images.

    Two images are near copies if their perceptual hashes (the signs of their lowest frequencies) nearly agree, and
    their thumbnails are much more alike than those of other images are.

    Args:
        pixels: `(n, C, H, W)` uint8 each, N in all.
        first: images that are compared even if there are more than 20,000; of the others, evenly spaced ones are.
    """
    count = sum(map(len, pixels))
    tiny = min(pixels[0].shape[2:]) < FEWEST_PIXELS
    chosen = np.zeros(count, dtype=bool)
    chosen[[] if tiny else _chosen(count, first)] = True
    seen = _look_at(pixels, chosen)
    flat = seen.spread < FLAT
    _, leader, place = np.unique(seen.keys, return_index=True, return_inverse=True)
    exact = np.where(flat, np.arange(count), leader[place]).astype(np.int64)
    group = exact.copy()
    compared = ~flat[chosen]
    rows = np.flatnonzero(chosen)[compared]
    limit = NEAR_SMALL if min(pixels[0].shape[2:]) < SMALL else NEAR
    if len(rows) > 1:
        for left, right in _near(seen.only(compared), rows, limit):
            _merge(group, left, right)
    roots = np.array([_root(group, row) for row in range(count)])
    return Alike(roots, exact, flat, seen.brightest, len(rows))


def _look_at(pixels: Sequence[Stored], chosen: NDArray[np.bool_]) -> _Seen:
    """Returns what is compared of all images, of which `chosen` `(N,)` ones are compared closely."""
    count, channels = len(chosen), pixels[0].shape[1]
    # Made before parts are read: small arrays among large ones would keep the memory of these from being used again.
    seen = _Seen(
        np.empty(count, np.int64),
        np.empty(count, np.float32),
        np.empty(count, np.uint8),
        np.empty(chosen.sum(), np.uint64),
        np.empty((chosen.sum(), channels * THUMB**2), np.float32),
        np.empty(chosen.sum(), np.float32),
    )
    start = first = 0
    for part in (part for of_split in pixels for part in in_parts(of_split)):
        end = start + len(part)
        some = part[torch.from_numpy(chosen[start:end])]
        flattened = part.flatten(1)
        seen.keys[start:end] = digests(part).numpy()
        seen.spread[start:end] = torch.cat([_spread(chunk.float()) for chunk in flattened.split(AT_ONCE)]).numpy()
        seen.brightest[start:end] = flattened.amax(dim=1).numpy()
        last = first + len(some)
        if last > first:
            seen.hashes[first:last] = hashes(some)
            seen.thumbs[first:last], seen.contrasts[first:last] = thumbs(some)
        start, first = end, last
    return seen


def _spread(x: Tensor) -> Tensor:
    """Returns the standard deviation of each row `(N, F)`, several times as fast as `std`; changes `x`."""
    x -= x.mean(dim=1, keepdim=True)
    return (x.square_().sum(dim=1) / (x.shape[1] - 1)).sqrt()


def hashes(pixels: Tensor) -> NDArray[np.uint64]:
    """Returns the perceptual hash of each image `(N, C, H, W)`, 64 bits: whether each of the lowest frequencies of its
    brightness is above their median."""
    cosines = _cosines(SIDE, FREQUENCIES)
    bits = []
    for chunk in pixels.split(AT_ONCE):
        grey = functional.adaptive_avg_pool2d(chunk.float().mean(dim=1, keepdim=True), SIDE)[:, 0]
        frequencies = (cosines @ grey @ cosines.T).flatten(1)
        frequencies[:, 0] = 0  # the brightness of the whole image
        bits.append((frequencies > frequencies[:, 1:].median(dim=1, keepdim=True).values).numpy())
    packed = np.packbits(np.concatenate(bits), axis=1)
    return packed.view(np.uint64)[:, 0]


def thumbs(pixels: Tensor) -> tuple[Floats, Floats]:
    """Returns each image `(N, C, H, W)` in 16×16 pixels less its mean, as a vector of length 1, `(N, C·256)`, and how
    long that vector was, `(N,)`."""
    parts, lengths = [], []
    for chunk in pixels.split(AT_ONCE):
        small = functional.adaptive_avg_pool2d(chunk.float(), THUMB).flatten(1)
        small -= small.mean(dim=1, keepdim=True)
        parts.append(functional.normalize(small, dim=1))
        lengths.append(small.norm(dim=1))
    return np.asarray(torch.cat(parts)), np.asarray(torch.cat(lengths))


def _near(seen: _Seen, rows: Rows, limit: float) -> Iterator[tuple[int, int]]:
    """Yields pairs of rows whose images, as they have been seen, are near copies: at most `limit` apart."""
    pairs, thumb = _similar(seen.hashes), seen.thumbs
    if not len(pairs) or len(pairs) > MOST_PAIRS:
        return
    distance = _distances(seen, pairs)
    pairs, distance = pairs[distance <= limit], distance[distance <= limit]
    others = thumb[np.linspace(0, len(thumb) - 1, min(OTHERS, len(thumb))).astype(np.int64)]
    left, where = np.unique(pairs[:, 0], return_inverse=True)
    nearest = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), CHUNK):
        apart = np.sqrt(np.maximum(2 - 2 * thumb[left[start : start + CHUNK]] @ others.T, 0))
        nearest[start : start + CHUNK] = np.where(apart > limit, apart, np.inf).min(axis=1)
    for one, other in pairs[distance <= NEARER * nearest[where]]:
        yield int(rows[one]), int(rows[other])


def _similar(codes: NDArray[np.uint64]) -> Rows:
    """Returns pairs `(n, 2)` of hashes that differ in few bits; none further on once they are too many."""
    found, total = [], 0
    for start in range(0, len(codes), CHUNK):
        block = codes[start : start + CHUNK]
        left, right = np.nonzero(np.bitwise_count(block[:, None] ^ codes[None, start:]) <= BITS_APART)
        later = right > left
        found.append(np.stack([left[later], right[later]], axis=1) + start)
        total += len(found[-1])
        if total > MOST_PAIRS:
            break
    return np.concatenate(found)


def _distances(seen: _Seen, pairs: Rows) -> Floats:
    """Returns how far apart the thumbnails of pairs are `(n,)`, relative to the one with more contrast."""
    parts = [
        np.linalg.norm(seen.thumbs[part[:, 0]] - seen.thumbs[part[:, 1]], axis=1)
        for part in np.array_split(pairs, -(-len(pairs) // (8 * CHUNK)))
    ]
    contrasts = np.sort(seen.contrasts[pairs], axis=1)
    ratio = contrasts[:, 0] / np.maximum(contrasts[:, 1], 1e-6)
    return np.sqrt(np.square(1 - ratio) + ratio * np.square(np.concatenate(parts)))


def _chosen(count: int, first: Rows) -> Rows:
    """Returns the rows that are compared, in their order."""
    first = first[:MOST]
    others = np.setdiff1d(np.arange(count), first)
    if len(others) > MOST - len(first):
        others = others[np.linspace(0, len(others) - 1, MOST - len(first)).astype(np.int64)]
    return np.sort(np.concatenate([first, others]))


def _cosines(side: int, frequencies: int) -> Tensor:
    """Returns the first cosines of the discrete cosine transform, `(frequencies, side)`."""
    at = (torch.arange(side) + 0.5) * math.pi / side
    return torch.cos(torch.arange(frequencies)[:, None] * at)


def _root(group: Rows, row: int) -> int:
    while group[row] != row:
        group[row] = group[group[row]]
        row = int(group[row])
    return row


def _merge(group: Rows, left: int, right: int) -> None:
    one, other = _root(group, left), _root(group, right)
    group[max(one, other)] = min(one, other)
