"""Decodes many image files, in their order: by this process alone, or ahead, by worker processes or threads."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter

from dltrain.data.folder_tree import beginning_of
from dltrain.kinds.image.blocks import Blocks
from dltrain.kinds.image.depth import Decoded
from dltrain.kinds.image.pixels import HEAD, Decoding, height_and_width, is_common
from dltrain.workers import MOST_WORKERS, count_cores, may_fork

AHEAD, BYTES_AHEAD = 32, 2**25  # images a core that are decoded before they are needed, and their bytes at most
MOST_FILES, TASK_SECONDS = 16, 0.002  # of a task of a thread
TRIED = 4  # files by which it is known whether they are small
SMALL_SECONDS, LARGE_SECONDS = 0.00015, 0.001  # for a file, up to which threads do not help, and beyond which they do
WORKER_SECONDS = 0.05  # of decoding for each worker process, beside which forking it takes little


def decode_all(files: Sequence[Path], decoding: Decoding) -> tuple[list[Decoded | None], list[tuple[Path, str]]]:
    """Returns every image as `read_image` does, `None` if it cannot be read, and the reasons of those."""
    with without_warnings():
        each = list(decode_each(files, decoding))
    bad = [(file, image) for file, image in zip(files, each, strict=True) if isinstance(image, str)]
    return [None if isinstance(image, str) else image for image in each], sorted(bad)


def decode_each(files: Sequence[Path], decoding: Decoding) -> Iterator[Decoded | str]:
    """Yields every image as `read_image` does, or the reason why it cannot be read.

    Worker processes decode ahead where there is enough to do for them. Where there cannot be any, or files are neither
    JPEG nor PNG, threads do, unless the files are small: most of their time is Python's, so that threads would wait for
    each other.
    """
    at, each, shares = 0, list[float](), may_fork()
    while at < len(files):
        some = files[at : at + (1 if len(each) < TRIED else MOST_FILES)]
        images, seconds = _decode_some(some, decoding)
        yield from images
        at += len(some)
        each.append(seconds / len(some))
        usual = min(each[-TRIED:])
        if len(each) < TRIED and usual < LARGE_SECONDS:
            continue
        workers = min(count_cores() - 1, MOST_WORKERS, int(usual * (len(files) - at) / WORKER_SECONDS))
        if shares and workers:
            left = files[at:]
            if (blocks := _blocks_of(left, decoding, workers, usual)) is not None:
                for file, image in zip(left, blocks, strict=True):
                    yield _decode(file, decoding) if image is None else image
                return
            shares = False
        if each[-1] > LARGE_SECONDS or usual > SMALL_SECONDS:
            yield from _decode_by_threads(files[at:], decoding)
            return


def _blocks_of(files: Sequence[Path], decoding: Decoding, workers: int, seconds: float) -> Blocks | None:
    """Returns files in blocks; `None` if some are neither JPEG nor PNG of up to 8 bits, or without memory for them."""
    if not all(map(_begins_as_common, files[:: max(1, len(files) // TRIED)])):
        return None
    with suppress(OSError):
        return Blocks(files, decoding, workers, seconds)
    return None


def _decode_by_threads(files: Sequence[Path], decoding: Decoding) -> Iterator[Decoded | str]:
    """Yields what `decode_each` does, by threads; a task of a thread is a few files."""
    waiting: deque[Future[tuple[Sequence[Decoded | str], float]]] = deque()
    height, width = height_and_width(decoding.size)
    most = count_cores() * max(1, min(AHEAD, BYTES_AHEAD // (3 * height * width)))
    at, ahead, size = 0, 0, 1
    pool = ThreadPoolExecutor(count_cores())
    try:
        while (some := files[at : at + size]) or waiting:
            if some:
                waiting.append(pool.submit(_decode_some, some, decoding))
                at += len(some)
                ahead += len(some)
            if not some or ahead > most:
                images, seconds = waiting.popleft().result()
                ahead -= len(images)
                size = max(1, min(MOST_FILES, int(TASK_SECONDS * len(images) / max(seconds, 1e-9))))
                yield from images
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_some(files: Sequence[Path], decoding: Decoding) -> tuple[Sequence[Decoded | str], float]:
    """Returns images, or the reasons why they cannot be read, and the seconds that this took."""
    began = perf_counter()
    return [_decode(file, decoding) for file in files], perf_counter() - began


def _decode(file: Path, decoding: Decoding) -> Decoded | str:
    try:
        return decoding(file)
    except Exception as error:  # Pillow's decoders may raise anything for a broken file
        return _reason(file, error)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppresses Pillow's warnings about odd metadata, and about sizes, which are checked; only for the main thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(path: Path, error: Exception) -> str:
    """Returns why an image cannot be read."""
    if not path.exists():
        return "there is no such file"
    if path.stat().st_size == 0:
        return "it is empty"
    text = (getattr(error, "strerror", None) or str(error)).replace(str(path), "").strip(" '\"")
    return text.splitlines()[0] if text else type(error).__name__


def _begins_as_common(file: Path) -> bool:
    """Tells whether a file begins as JPEG, or as PNG of up to 8 bits."""
    return is_common(beginning_of(file, HEAD))
