"""Free memory is that of the machine and of its container, and what needs more is refused with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltrain import memory
from dltrain.errors import ConfigError

GIB = 1 << 30


@pytest.fixture(autouse=True)
def time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets what was read last be too old at once."""
    monkeypatch.setattr(memory, "FRESH", 1e-9)


def container(folder: Path, monkeypatch: pytest.MonkeyPatch, *, limit: str, held: int, cached: int) -> None:
    monkeypatch.setattr(memory, "CGROUP", folder)
    monkeypatch.setattr(memory, "MEMINFO", folder / "meminfo")
    (folder / "meminfo").write_text(f"MemTotal: {64 << 20} kB\nMemAvailable:   {16 << 20} kB\n")
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{held}\n")
    (folder / "memory.stat").write_text(f"anon {held - cached}\ninactive_file {cached}\n")


def test_a_container_leaves_what_its_limit_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container(tmp_path, monkeypatch, limit=str(8 * GIB), held=5 * GIB, cached=2 * GIB)
    assert memory.free_memory() == 5 * GIB


def test_without_a_limit_it_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container(tmp_path, monkeypatch, limit="max", held=5 * GIB, cached=0)
    assert memory.free_memory() == 16 * GIB
    (tmp_path / "meminfo").unlink()
    assert memory.free_memory() > 0


def test_it_is_read_again_once_what_was_read_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(memory, "FRESH", 0.05)
    monkeypatch.setattr(memory, "monotonic", lambda: now)
    container(tmp_path, monkeypatch, limit=str(8 * GIB), held=5 * GIB, cached=0)
    assert memory.free_memory() == 3 * GIB
    container(tmp_path, monkeypatch, limit=str(8 * GIB), held=6 * GIB, cached=0)
    now += 0.02
    assert memory.free_memory() == 3 * GIB
    now += 0.05
    assert memory.free_memory() == 2 * GIB


def test_limits_of_a_process_count_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    free = memory.free_memory()
    assert free > 2**20
    used = memory._fields(Path("/proc/self/status"))["VmSize:"] << 10
    monkeypatch.setattr(
        resource, "getrlimit", lambda limit: (used + 2**20, -1) if limit == resource.RLIMIT_AS else (-1, -1)
    )
    assert memory.free_memory() <= 2**20


def test_a_group_of_processes_leaves_what_its_files_do_not_keep(tmp_path: Path) -> None:
    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    for place, most in ((group, "max"), (group.parent, "1000")):
        (place / "memory.max").write_text(f"{most}\n")
        (place / "memory.current").write_text("900\n")
        (place / "memory.stat").write_text("anon 200\ninactive_file 700\n")
    assert memory._left_below(tmp_path, "/a/b", "memory.max", "memory.current", "inactive_file") == [800]


def test_what_needs_more_is_refused_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: GIB)
    memory.refuse_rows(1000, 1000)
    with pytest.raises(ConfigError, match=r"10,000,000 generated rows need at least 2.8 GiB .* 1.0 GiB are free") as no:
        memory.refuse_rows(10_000_000, 300)
    assert no.value.where == "data.rows"
    assert no.value.override == "data.rows=100000"
    with pytest.raises(ConfigError) as no:
        memory.refuse_rows(10_000, 1 << 28)  # even a hundred are too many to propose
    assert not no.value.override


@pytest.mark.parametrize(
    ("size", "words"), [(0, "less than 1 MiB"), (3 << 20, "3.0 MiB"), (1536 << 20, "1.5 GiB"), (1 << 63, "8,192.0 PiB")]
)
def test_bytes_are_spelled_in_the_unit_that_fits(size: int, words: str) -> None:
    assert memory.spelled(size) == words
