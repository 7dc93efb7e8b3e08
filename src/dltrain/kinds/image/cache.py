"""The cache of decoded images: a file for the same images and settings, which all runs on this machine share.

A file is named by a digest of the contents of the images and of how they are decoded, so that it cannot be out of date.
Its form is that of safetensors. It gets its name when it is whole, and a lock lets one run at a time write it; what a
killed run has left of one is overwritten or removed. All files together take at most half of the disk's free space, and
the one that was used longest ago goes first. Deleting any of them is safe at any time.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import features

from dltrain.errors import StorageError
from dltrain.kinds.image.decoded import AT_ONCE, InFile
from dltrain.kinds.image.decoding import decode_all, decode_each, without_warnings
from dltrain.kinds.image.depth import is_deep
from dltrain.kinds.image.pixels import Decoding, height_and_width
from dltrain.storage import flush
from dltrain.workers import count_cores

log = logging.getLogger("dltrain")

PLACE = "DLTRAIN_CACHE"  # the environment variable that names another folder
VERSION = 1  # of the files, and of how images are decoded
SMALL = 2**17  # bytes of a file
WHOLE, PARTIAL = ".safetensors", ".partial"
SHARE = 0.5  # of the disk's free space that all files may take
MARGIN = 2**16  # bytes of a file that are no pixels, and more for each image
FLAGS = 2  # bytes an image: its channels, and whether it is deep
TYPES: Mapping[str, np.dtype[Any]] = {"U8": np.dtype(np.uint8), "F32": np.dtype(np.float32)}


def cache_folder() -> Path:
    """Returns the folder of the files, which need not exist."""
    if os.environ.get(PLACE):
        return Path(os.environ[PLACE]).expanduser() / "images"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "dltrain" / "images"


def room() -> int:
    """Returns the bytes that a new file may take; 0 where the folder cannot be written to."""
    folder = cache_folder()
    existing = next(place for place in [folder, *folder.parents] if place.is_dir())
    if not os.access(existing, os.W_OK):
        return 0
    cached = sum(map(_size_on_disk, folder.glob("*" + WHOLE)))
    return int(SHARE * (shutil.disk_usage(existing).free + cached))


def size_of(count: int, planes: tuple[int, int, int], dtype: np.dtype[Any]) -> int:
    """Returns about how many bytes a file of images takes at most."""
    return count * (int(np.prod(planes)) * dtype.itemsize + FLAGS) + MARGIN


def cached(files: Sequence[Path], decoding: Decoding) -> InFile:
    """Returns decoded images from the cache; what is not there is decoded first.

    Raises:
        StorageError: the disk is full or not writable.
    """
    folder = cache_folder()
    path = folder / (key_of(files, decoding) + WHOLE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (found := _open(path, files, decoding)) is not None:
            return found
        with _lock(path.with_suffix(PARTIAL)) as descriptor:
            if (found := _open(path, files, decoding)) is not None:
                return found  # another run has written it meanwhile
            with without_warnings():
                _write(path, descriptor, files, decoding)
        found = _open(path, files, decoding)
    except OSError as error:
        raise StorageError(
            f"cannot write decoded images into {folder}: {error.strerror}",
            where="data.storage",
            fix="free some space, set DLTRAIN_CACHE to another folder, or decode them in every epoch",
            override="data.storage=stream",
        ) from error
    if found is None:
        raise StorageError(f"{path} was removed while it was written", fix="try again, or use data.storage=stream")
    return found


def key_of(files: Sequence[Path], decoding: Decoding) -> str:
    """Returns a digest of the contents of image files, in their order, and of what decides on their pixels."""
    versions = [PIL.__version__, *(features.version(name) for name in ("jpg", "zlib", "webp", "avif"))]
    digest = blake2b(repr((VERSION, versions, decoding)).encode(), digest_size=16)
    with ThreadPoolExecutor(count_cores()) as pool:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            small = sum(map(_size_of, some)) < SMALL * len(some)  # for which threads would wait for each other
            for content in (map if small else pool.map)(_digest, some):
                digest.update(content)
    return digest.hexdigest()


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return file_digest(opened, lambda: blake2b(digest_size=16)).digest()
    except OSError:
        return bytes(16)


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _open(path: Path, files: Sequence[Path], decoding: Decoding) -> InFile | None:
    """Returns the images of a whole file; `None` if there is none, or one that could not be read can be read now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        offset = int.from_bytes(os.read(descriptor, 8), "little")
        header = json.loads(os.read(descriptor, offset))
        offset += 8
        flags = {name: _read_flags(descriptor, offset, header[name]["data_offsets"]) for name in ("channels", "deep")}
        pixels = header["pixels"]
        whole = os.fstat(descriptor).st_size == offset + header["deep"]["data_offsets"][1]
        planes, dtype = tuple(pixels["shape"][1:]), TYPES[pixels["dtype"]]
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole or pixels["shape"][0] != len(files):
        os.close(descriptor)
        return None
    images = InFile(path, descriptor, offset, planes, dtype, flags["channels"], flags["deep"].astype(bool))
    lost = [files[row] for row in np.flatnonzero(flags["channels"] == 0).tolist()]
    if any(image is not None for image in decode_all(lost, decoding)[0]):  # as once a library is installed
        return None
    with suppress(OSError):
        os.utime(path)  # it has been used
    return images


def _read_flags(descriptor: int, offset: int, place: Sequence[int]) -> Any:
    begin, end = place
    return np.frombuffer(os.pread(descriptor, end - begin, offset + begin), dtype=np.uint8)


@contextmanager
def _lock(partial: Path) -> Iterator[int]:
    """Yields the descriptor of a file that this process alone writes; it is emptied unless it gets another name."""
    import fcntl

    while True:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("images    another run is decoding the same images; this one waits for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(partial, descriptor):
            break
        os.close(descriptor)  # it has got its name, or was removed
        if partial.with_suffix(WHOLE).exists():
            descriptor = -1
            break
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            if _is_at(partial, descriptor):
                partial.unlink()
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Tells whether a path still names an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write(path: Path, descriptor: int, files: Sequence[Path], decoding: Decoding) -> None:
    """Decodes images into an open file, which then takes its name."""
    planes = (decoding.channels or 3, *height_and_width(decoding.size))
    if not _write_as(descriptor, files, decoding, planes, "U8"):
        _write_as(descriptor, files, decoding, planes, "F32")
    partial = path.with_suffix(PARTIAL)
    os.fsync(descriptor)
    partial.replace(path)
    flush(path.parent)


def _write_as(
    descriptor: int, files: Sequence[Path], decoding: Decoding, planes: tuple[int, int, int], kind: str
) -> bool:
    """Writes images with values of a type; returns whether it fits all of them."""
    dtype = TYPES[kind]
    _make_room(size_of(len(files), planes, dtype))
    stride = int(np.prod(planes)) * dtype.itemsize
    end, count = len(files) * stride, len(files)
    header = {
        "pixels": {"dtype": kind, "shape": [count, *planes], "data_offsets": [0, end]},
        "channels": {"dtype": "U8", "shape": [count], "data_offsets": [end, end + count]},
        "deep": {"dtype": "U8", "shape": [count], "data_offsets": [end + count, end + 2 * count]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, len(text).to_bytes(8, "little") + text, 0)
    offset = 8 + len(text)
    channels, deep = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=np.uint8)
    for row, image in enumerate(decode_each(files, decoding)):
        if isinstance(image, str):
            continue
        if is_deep(image) and kind == "U8":
            return False
        channels[row], deep[row] = image.shape[2], is_deep(image)
        _pwrite(descriptor, np.ascontiguousarray(image.transpose(2, 0, 1), dtype=dtype), offset + row * stride)
    _pwrite(descriptor, np.concatenate([channels, deep]), offset + end)
    return True


def _pwrite(descriptor: int, values: Any, offset: int) -> None:
    content = values.data.cast("B")
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _make_room(needed: int) -> None:
    """Removes what killed runs have left, and files that were used longest ago until a new one fits.

    Raises:
        StorageError: it does not fit.
    """
    import fcntl

    folder = cache_folder()
    for partial in folder.glob("*" + PARTIAL):
        with suppress(OSError), partial.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where a run is writing it
            partial.unlink()
    if needed > room():
        raise StorageError(
            f"the decoded images need {needed / 2**30:.1f} GiB, more than half of what the disk of {folder} has free",
            where="data.storage",
            fix="free some space, set DLTRAIN_CACHE to a folder on another disk, or decode them in every epoch",
            override="data.storage=stream",
        )
    by_age = sorted(folder.glob("*" + WHOLE), key=lambda file: file.stat().st_mtime)
    while by_age and needed + sum(map(_size_on_disk, by_age)) > room():
        by_age.pop(0).unlink(missing_ok=True)


def _size_on_disk(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except OSError:
        return 0
