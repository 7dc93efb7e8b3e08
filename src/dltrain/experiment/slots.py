"""What a job in a process of its own may use of this machine: a GPU where there are several, and a share of the cores.

A process of a launcher takes the first free slot of the machine and keeps it until it ends. The slots are locks on
files, which the system frees however a process ends; launchers need not know of them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import torch

log = logging.getLogger("dltrain")

AT_ONCE = "DLTRAIN_JOBS_AT_ONCE"  # tells the processes of a launcher how many of them share this machine
VISIBLE = "CUDA_VISIBLE_DEVICES"


def jobs_at_once(n_jobs: int) -> int:
    """Returns how many jobs run at once where joblib is given this number: -1 is one a core, -2 one less."""
    cores = os.cpu_count() or 1
    return n_jobs if n_jobs > 0 else max(1, cores + 1 + n_jobs)


@cache
def take_share(device: str) -> int:
    """Takes a slot of this machine for this process, and limits it to what belongs to the slot.

    Where several GPUs are visible and the config leaves the choice open, it sees one of them, in turn; a scheduler that
    shows each process its own, as Ray and Slurm do, has done so already. Where the launcher said how many jobs run at
    once, the process has its share of the cores, and so many threads at most.

    Args:
        device: `trainer.device`.

    Returns:
        The number of the slot, from 0; -1 where none can be taken, and nothing is limited.
    """
    folder = Path(tempfile.gettempdir()) / f"dltrain-slots-{os.getuid()}"
    try:
        slot = first_free(folder)
    except OSError as error:
        log.warning("warning this job shares GPUs and cores with all others: %s cannot be written: %s", folder, error)
        return -1
    gpus = visible_gpus()
    if len(gpus) > 1 and device in ("auto", "cuda"):
        os.environ[VISIBLE] = gpus[slot % len(gpus)]
    at_once = int(os.environ.get(AT_ONCE, "1"))
    if at_once > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share_of(sorted(os.sched_getaffinity(0)), slot, at_once))
    return slot


def share_of(cores: list[int], slot: int, at_once: int) -> list[int]:
    """Returns the cores of a slot, if so many processes share them; a core is shared only where there are too few."""
    size = max(1, len(cores) // at_once)
    start = slot * size % (len(cores) // size * size)
    return cores[start : start + size]


def visible_gpus() -> list[str]:
    """Returns what `CUDA_VISIBLE_DEVICES` calls the GPUs that this process sees; it does not touch them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


def first_free(folder: Path) -> int:
    """Returns the number of the first slot that no process holds, which this one holds from now on."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in count():
        descriptor = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number  # the descriptor stays open
        except BlockingIOError:
            os.close(descriptor)
    raise AssertionError("unreachable")
