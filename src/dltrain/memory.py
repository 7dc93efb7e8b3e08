"""How much memory is free, and the refusal of what certainly needs more."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from dltrain.errors import ConfigError

CGROUP = Path("/sys/fs/cgroup")  # of version 2: the container that this process runs in
MEMINFO = Path("/proc/meminfo")
UNKNOWN = 8 << 30  # bytes, where the system does not say


def free_memory() -> int:
    """Returns the bytes of memory that this process can still take, of the machine and of its container."""
    return min([_free_on_machine(), *_free_in_container()])


def refuse_beyond(
    needed: float, what: str, *, where: str, fix: str, override: str = "", free: int | None = None
) -> None:
    """Makes sure that something fits into the free memory.

    Args:
        needed: bytes that it takes at least.
        what: the subject of the sentence, in the plural.
        where: the key that it depends on.
        fix: what to do about it.
        override: that does it, if it is certain.
        free: bytes that there are, if they are not those of this machine.

    Raises:
        ConfigError: it does not.
    """
    free = free_memory() if free is None else free
    if needed > free:
        raise ConfigError(
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
    what = f"{rows:,} generated rows"
    refuse_beyond(rows * each, what, where="data.rows", fix="generate fewer")


def spelled(size: float) -> str:
    """Returns a number of bytes in words, such as `3.2 GiB`."""
    power = min(3, max(0, int(math.log2(max(size, 1))) // 10 - 2))
    return f"{size / 1024 ** (power + 2):,.1f} {('MiB', 'GiB', 'TiB', 'PiB')[power]}"


def _free_on_machine() -> int:
    with suppress(OSError, ValueError, IndexError):
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        return 1024 * int(lines.get("MemAvailable", "").split()[0])
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return UNKNOWN


def _free_in_container() -> list[int]:
    """Returns the bytes that the container's limit leaves; files that it only caches count as free."""
    with suppress(OSError, ValueError):
        limit, held = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return [max(0, limit - held + int(statistics.get("inactive_file", 0)))]
    return []  # no container, or one without a limit ("max" is no number)
