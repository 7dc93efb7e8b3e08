"""Zip files of samples, unpacked into a temporary folder that is deleted when the program ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path

from dltrain.errors import DataError, StorageError


def is_archive(path: Path) -> bool:
    """Tells whether a path is a zip file."""
    return path.is_file() and zipfile.is_zipfile(path)


def unpack(path: Path) -> Path:
    """Returns the folder with a zip file's content, which is unpacked once.

    Raises:
        DataError: it is damaged or needs a password.
        StorageError: there is too little space.
    """
    stat = path.stat()
    return _unpack(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _unpack(path: Path, _changed: int, _size: int) -> Path:
    folder = tempfile.mkdtemp(prefix="dltrain-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as packed:
            needed = sum(info.file_size for info in packed.infolist())
            free = shutil.disk_usage(tempfile.gettempdir()).free
            if needed > free:
                raise StorageError(
                    f"{path} needs {needed >> 20:,} MiB unpacked, and {tempfile.gettempdir()} has {free >> 20:,} MiB",
                    where="data.path",
                    fix="unpack it elsewhere, and give the folder",
                )
            packed.extractall(folder)  # within the folder, whatever paths it holds
    except (OSError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be unpacked: {error}", where="data.path", fix="pack it again") from None
    return Path(folder)
