"""Saves and restores the state of every random number generator, as tensors and primitives."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


def generator_states(*, on_devices: bool = True) -> tuple[Any, ...]:
    """Returns the states of all generators in use, to be compared: they differ if random numbers were drawn between;
    those of GPUs only with `on_devices`."""
    _, keys, position, *spare = np.random.get_state(legacy=True)
    of_devices = torch.cuda.get_rng_state_all() if on_devices and torch.cuda.is_initialized() else []
    states = [bytes(state.numpy()) for state in (torch.get_rng_state(), *of_devices)]
    return (random.getstate(), np.asarray(keys).tobytes(), position, *spare, *states)


# One at a time: the random state, the number of threads and the log belong to the whole process.
TURN = threading.RLock()


def use_deterministic(deterministic: bool, *, warn_only: bool = False) -> None:
    """Calls `torch.use_deterministic_algorithms`, which imports torch's compiler, only where it changes anything."""
    now = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    if now != (deterministic, warn_only):
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Leaves every generator, torch's number of threads and what a model may set of torch's switches as they were.

    Other threads that use them wait meanwhile.

    Generators of CUDA devices that come into use inside the block get the CPU generator's seed, as they would have.
    """
    with TURN:
        if device.type == "cuda":
            torch.cuda.init()
        saved = save_random_state(torch.device("cpu"))
        on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        switches = {name: getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
        dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
        deterministic = torch.are_deterministic_algorithms_enabled()
        only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
        try:
            yield
        finally:
            restore_random_state(saved, torch.device("cpu"))
            if on_devices:
                torch.cuda.set_rng_state_all(on_devices)
            elif torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(torch.initial_seed())
            for name, value in switches.items():
                setattr(torch.backends.cudnn, name, value)
            torch.set_default_dtype(dtype)
            use_deterministic(deterministic, warn_only=only_warns)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


def seed_in_use(seed: int) -> None:
    """Seeds Python, NumPy and torch, on the devices that are in use; others keep the seed that somebody gave them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
