"""Saves and restores the state of every random number generator, as tensors and primitives."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def save_random_state(device: torch.device) -> dict[str, Any]:
    """Returns the states of Python's, NumPy's and torch's generators, on the CPU and on a model's device."""
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
    """Restores what `save_random_state` returned."""
    version, numbers, spare = saved["python"]
    random.setstate((version, tuple(numbers), spare))
    name, keys, *rest = saved["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(saved["torch"])
    if device.type == "cuda" and saved["cuda"] is not None:
        torch.cuda.set_rng_state(saved["cuda"], device)
