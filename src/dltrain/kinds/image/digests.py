"""Digests of images, by which a run knows those that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b, sha1
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dltrain.data.stored import in_parts
from dltrain.types import Stored

TRAINED = "trained_sha1"  # the digests of the training images, among the tensors that a run stores
SIZE = 8  # bytes

Hash = Callable[[Any], bytes]


def _sha1(image: Any) -> bytes:
    return sha1(image, usedforsecurity=False).digest()[:SIZE]  # most processors have instructions for it


def _blake2b(image: Any) -> bytes:
    return blake2b(image, digest_size=SIZE).digest()


HASHES: Mapping[str, Hash] = {TRAINED: _sha1, "trained": _blake2b}  # the latter in runs of older versions


def digests(images: Stored, hashed: Hash = _sha1) -> Tensor:
    """Returns a number for each image `(N,)` int64, which only equal pixels share."""
    parts = (part.contiguous().numpy() for part in in_parts(images))
    each = [hashed(image.data) for part in parts for image in part]
    return torch.from_numpy(np.frombuffer(b"".join(each), dtype=np.int64).copy())


def were_trained_on(images: Stored, stored: Mapping[str, Tensor]) -> Tensor | None:
    """Tells which images `(N,)` have the pixels of a training image; `None` if the run has stored no digests."""
    for name, hashed in HASHES.items():
        if name in stored:
            return torch.isin(digests(images, hashed), stored[name])
    return None
