"""How much memory this process may still take: what the machine has free, within its group's limits and its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

ASSUMED = 8 << 30  # bytes, where the system does not say
GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Returns the bytes of memory that this process can still take."""
    return max(0, min([_free(), *_left_of_group(), *_left_of_limits()]))


def _free() -> int:
    """Returns the bytes that the machine has free, or could free at once."""
    with suppress(OSError, ValueError, KeyError):
        return _fields(Path("/proc/meminfo"))["MemAvailable:"] << 10
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ASSUMED


def _left_of_group() -> list[int]:
    """Returns what the control groups of this process leave of their limits, of each of them."""
    with suppress(OSError, ValueError):
        left = []
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "":
                left += _left_below(GROUPS, name, "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
                left += _left_below(GROUPS / "memory", name, *names)
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
