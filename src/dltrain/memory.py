"""How much memory is free, the refusal of what certainly needs more, and when memory is searched for garbage."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic

from dltrain.errors import ConfigError

CGROUP = Path("/sys/fs/cgroup")  # of the groups, such as containers, that this process runs in
MEMINFO = Path("/proc/meminfo")
FRESH = 0.05  # seconds
UNKNOWN = 1 << 50  # bytes, where the system does not say, so that only what no machine has is refused


def free_memory() -> int:
    """Returns the bytes of memory that this process can still take, of the machine, within its groups' limits and its
    own; they were read a twentieth of a second ago at most, because a job asks several times and reading takes long."""
    return _free_memory_in(int(monotonic() / FRESH))


@lru_cache(maxsize=1)
def _free_memory_in(_: int) -> int:
    """Returns the same, read once in each period of time."""
    return max(0, min([_free_on_machine(), *_left_of_groups(), *_left_of_limits()]))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps Python from searching for garbage inside the block, which makes many objects that are all needed."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def refuse_beyond(
    needed: float,
    what: str,
    *,
    where: str,
    fix: str,
    override: str = "",
    free: int | None = None,
    error: type[ConfigError] = ConfigError,
) -> None:
    """Makes sure that something fits into the free memory.

    Args:
        needed: bytes that it takes at least.
        what: the subject of the sentence, in the plural.
        where: the key that it depends on.
        fix: what to do about it.
        override: that does it, if it is certain.
        free: bytes that there are, if they are not those of this machine.
        error: that is raised.

    Raises:
        ConfigError: it does not.
    """
    free = free_memory() if free is None else free
    if needed > free:
        raise error(
            f"{what} need at least {spelled(needed)} of memory, and {spelled(free)} are free", where, fix, override
        )


def refuse_rows(rows: int, each: int) -> None:
    """Makes sure that generated rows fit into the free memory.

    Args:
        rows: their number.
        each: bytes that a row takes at least.

    Raises:
        ConfigError: they do not.
    """
    free = free_memory()
    what, fits = f"{rows:,} generated rows", free / each / 10  # with room for what is made of them
    override = f"data.rows={10 ** int(math.log10(fits))}" if fits >= 100 else ""
    refuse_beyond(rows * each, what, where="data.rows", fix="generate fewer", override=override, free=free)


def spelled(size: float) -> str:
    """Returns a number of bytes in words, such as `3.2 GiB`."""
    if size < 2**20:
        return "less than 1 MiB"
    power = min(3, int(math.log2(size)) // 10 - 2)
    return f"{size / 1024 ** (power + 2):,.1f} {('MiB', 'GiB', 'TiB', 'PiB')[power]}"


def _free_on_machine() -> int:
    """Returns the bytes that the machine has free, or could free at once."""
    with suppress(OSError, ValueError, KeyError):
        return _fields(MEMINFO)["MemAvailable:"] << 10
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return UNKNOWN


def _left_of_groups() -> list[int]:
    """Returns what the control groups of this process leave of their limits, of each of them."""
    with suppress(OSError, ValueError):
        left = []
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "":
                left += _left_below(CGROUP, name, "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
                left += _left_below(CGROUP / "memory", name, *names)
        return left
    return []


def _left_below(root: Path, name: str, limit: str, used: str, reclaimable: str) -> list[int]:
    """Returns what a group and those around it leave; inside a container, the group's folder may be the root itself."""
    own = root / name.lstrip("/")
    left = []
    for group in [own, *own.parents]:
        with suppress(OSError, ValueError, KeyError):  # "max" is no number
            most = int((group / limit).read_text())
            left.append(most - int((group / used).read_text()) + _fields(group / "memory.stat")[reclaimable])
        if group == root:
            break
    return left


def _left_of_limits() -> list[int]:
    """Returns what the limits of this process leave (`ulimit -v` and `-d`)."""
    try:
        import resource
    except ImportError:
        return []
    left = []
    with suppress(OSError, ValueError, KeyError):
        status = _fields(Path("/proc/self/status"))
        for limit, used in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
            most, _ = resource.getrlimit(limit)
            if most != resource.RLIM_INFINITY:
                left.append(most - (status[used] << 10))
    return left


def _fields(path: Path) -> dict[str, int]:
    """Returns the numbers of a file of lines `name number`."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
