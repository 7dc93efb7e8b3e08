"""Random generators that depend only on a seed and a purpose, never on what was drawn before."""

from __future__ import annotations

import numpy as np
import torch


def seeded(seed: int, epoch: int, *stream: int) -> torch.Generator:
    """Returns a generator on the CPU, the same on every machine; other streams of an epoch are independent of it."""
    state = np.random.SeedSequence([seed, epoch], spawn_key=stream).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
