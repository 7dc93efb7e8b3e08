"""Where every generator of random numbers stands, as tensors and primitives, and back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def save_random_state(device: torch.device) -> dict[str, Any]:
    """Python's, NumPy's and torch's, on the CPU and on the device of a model."""
    version, numbers, spare = random.getstate()
    name, keys, position, has_spare, legacy = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), spare],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_spare),
            float(legacy),
        ],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random_state(saved: Mapping[str, Any], device: torch.device) -> None:
    """Puts all of them back."""
    version, numbers, spare = saved["python"]
    random.setstate((version, tuple(numbers), spare))
    name, keys, *rest = saved["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(saved["torch"])
    if device.type == "cuda" and saved["cuda"] is not None:
        torch.cuda.set_rng_state(saved["cuda"], device)
