from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dltrain import workers as processes
from dltrain.kinds.image import blocks
from dltrain.kinds.image import decoding as many
from dltrain.kinds.image.decoding import decode_each, without_warnings
from dltrain.kinds.image.depth import Decoded
from dltrain.kinds.image.pixels import Decoding

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks processes like this")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Images of many forms, some of which cannot be read."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number:03}.{'png' if number % 3 else 'jpg'}" for number in range(90)]
    for number, path in enumerate(paths):
        shape = (20 + number % 5, 17, 3) if number % 4 else (9, 30)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    Image.fromarray(random.integers(0, 65536, (9, 9), dtype=np.uint16)).save(paths[20])
    Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(paths[21], format="BMP")
    Image.new("RGBA", (9, 9), (200, 10, 10, 99)).save(paths[22])
    paths[40].write_bytes(b"")
    paths[41].write_bytes(paths[42].read_bytes()[:60])
    paths[55].unlink()
    return paths


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The process ids of the workers, which there are however few files there are."""
    made: list[int] = []
    fork = os.fork

    def counted() -> int:
        made.append(worker := fork())
        return worker

    monkeypatch.setattr(os, "fork", counted)
    monkeypatch.setattr(many, "WORKER_SECONDS", 1e-6)
    monkeypatch.setattr(many, "count_cores", lambda: 3)
    monkeypatch.setattr(blocks, "BLOCK_SECONDS", 0.001)
    yield made
    assert not any(map(is_running, made))


def is_running(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def assert_same(images: Sequence[Decoded | str], expected: Sequence[Decoded | str]) -> None:
    for image, other in zip(images, expected, strict=True):
        assert type(image) is type(other)
        if isinstance(image, str):
            assert image == other
        else:
            assert isinstance(other, np.ndarray)
            assert image.dtype == other.dtype
            np.testing.assert_array_equal(image, other)


def decode(files: Sequence[Path], decoding: Decoding) -> list[Decoded | str]:
    with without_warnings():
        return list(decode_each(files, decoding))


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_workers_decode_what_one_process_decodes(files: list[Path], channels: Any, workers: list[int]) -> None:
    decoding = Decoding((12, 8), channels)
    alone = [many._decode(file, decoding) for file in files]
    assert sum(isinstance(image, str) for image in alone) == 3
    assert_same(decode(files, decoding), alone)
    assert len(workers) == 2


def test_workers_take_a_part_of_the_work(files: list[Path], workers: list[int], tmp_path: Path) -> None:
    decode(files * 4, Noting(8, notes=tmp_path / "notes"))
    by = [int(line) for line in (tmp_path / "notes").read_text().split()]
    assert set(by) == {os.getpid(), *workers}


class Noting(Decoding):
    """Notes which process decodes, and takes its time for it."""

    notes: Path

    def __init__(self, size: int, notes: Path) -> None:
        super().__init__(size)
        object.__setattr__(self, "notes", notes)

    def decode_common(self, path: Path) -> Decoded | None:
        with self.notes.open("a") as opened:
            opened.write(f"{os.getpid()}\n")
        time.sleep(0.002)
        return super().decode_common(path)


class Failing(Decoding):
    """Kills or stops each worker at its second file."""

    by = signal.SIGKILL
    seen: list[Path]
    parent: int

    def __init__(self, size: int) -> None:
        super().__init__(size)
        object.__setattr__(self, "seen", [])
        object.__setattr__(self, "parent", os.getpid())

    def decode_common(self, path: Path) -> Decoded | None:
        self.seen.append(path)
        if os.getpid() != self.parent and len(self.seen) == 2:
            os.kill(os.getpid(), self.by)
        time.sleep(0.002)
        return super().decode_common(path)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP])
def test_workers_that_die_or_hang_lose_no_image(
    files: list[Path], workers: list[int], by: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(processes, "MOST_CHECKS", 5)
    monkeypatch.setattr(Failing, "by", by)
    assert_same(decode(files * 2, Failing(8)), [many._decode(file, Decoding(8)) for file in files * 2])
    assert len(workers) == 2


def test_who_stops_in_the_middle_ends_the_workers(files: list[Path], workers: list[int]) -> None:
    images = decode_each(files * 20, Decoding(8))
    for _ in range(10):
        next(images)
    images.close()  # type: ignore[attr-defined]
    assert len(workers) == 2


def refuse(*_: Any) -> Any:
    raise OSError(12, "Cannot allocate memory")


@pytest.mark.parametrize("refused", [(os, "fork", refuse), (blocks, "mmap", refuse)], ids=["process", "slots"])
def test_without_memory_for_workers_one_process_decodes(
    files: list[Path], refused: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "WORKER_SECONDS", 1e-6)
    monkeypatch.setattr(*refused)
    assert_same(decode(files, Decoding(8)), [many._decode(file, Decoding(8)) for file in files])


def test_neither_a_thread_nor_other_formats_have_workers(files: list[Path], workers: list[int]) -> None:
    thread = threading.Thread(target=decode, args=(files, Decoding(8)))
    thread.start()
    thread.join()
    decode([files[20]] * 40, Decoding(8))  # of 16 bits
    decode([files[21]] * 40, Decoding(8))  # BMP
    assert workers == []


SLOW = """
import os, sys, time
from pathlib import Path
from dltrain.kinds.image import decoding
from dltrain.kinds.image.pixels import Decoding

class Slow(Decoding):
    def decode_common(self, path):
        time.sleep(0.01)
        return super().decode_common(path)

fork = os.fork
def counted():
    worker = fork()
    if worker:
        print(worker, flush=True)
    return worker
os.fork = counted
decoding.WORKER_SECONDS = 1e-6
decoding.count_cores = lambda: 3
for image in decoding.decode_each([Path(sys.argv[1])] * 10000, Slow(8)):
    pass
"""


def test_workers_end_with_the_process_that_made_them(files: list[Path]) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW, str(files[0])], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        time.sleep(0.1)
        process.kill()
    assert not any(map(is_running, workers))
