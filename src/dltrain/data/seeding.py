"""Random numbers that are a function of what they are for, never of what was drawn before."""

from __future__ import annotations

import numpy as np
import torch


def seeded(seed: int, epoch: int, *stream: int) -> torch.Generator:
    """A generator on the CPU, the same on every machine; different streams of an epoch have nothing in common."""
    state = np.random.SeedSequence([seed, epoch], spawn_key=stream).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
