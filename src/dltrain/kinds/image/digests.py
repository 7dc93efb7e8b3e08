"""Digests of images, by which a run knows those that it was trained on."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from dltrain.data.stored import in_parts
from dltrain.types import Stored

TRAINED = "trained"  # the digests of the training images, among the tensors that a run stores


def digests(images: Stored) -> Tensor:
    """Returns a number for each image `(N,)` int64, which only equal pixels share."""
    parts = (part.contiguous().numpy() for part in in_parts(images))
    each = [blake2b(image.data, digest_size=8).digest() for part in parts for image in part]
    return torch.from_numpy(np.frombuffer(b"".join(each), dtype=np.int64).copy())
