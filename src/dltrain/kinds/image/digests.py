"""Digests of images, by which a run knows those that it was trained on."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from dltrain.data.stored import in_parts
from dltrain.types import Stored

TRAINED = "trained"  # the digests of the training images, among the tensors that a run stores
BYTES = 8  # of a digest that are kept


def digests(images: Stored) -> Tensor:
    """Returns a number for each image `(N,)` int64, which only equal pixels share."""
    each = [sha256(image.data).digest()[:BYTES] for part in in_parts(images) for image in part.contiguous().numpy()]
    return torch.from_numpy(np.frombuffer(b"".join(each), dtype=np.int64).copy())
