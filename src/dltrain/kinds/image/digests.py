"""Digests of images, by which a run knows those that it was trained on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from dltrain.data.stored import in_parts
from dltrain.types import Stored
from dltrain.workers import count_cores

TRAINED = "trained"  # the digests of the training images, among the tensors that a run stores
AT_ONCE = 64  # images that a thread takes


def digests(images: Stored) -> Tensor:
    """Returns a number for each image `(N,)` int64, which only equal pixels share."""
    with ThreadPoolExecutor(count_cores()) as pool:
        each = [digest for part in in_parts(images) for digest in pool.map(_digest, part.split(AT_ONCE))]
    return torch.from_numpy(np.frombuffer(b"".join(each), dtype=np.int64).copy())


def _digest(images: Tensor) -> bytes:
    return b"".join(blake2b(image.data, digest_size=8).digest() for image in images.contiguous().numpy())
