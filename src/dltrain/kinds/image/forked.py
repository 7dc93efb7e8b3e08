"""Decodes image files by copies of this process, which write into memory that all share.

Threads would wait for each other in Python for most of the time that a small file takes, and a new process would first
import Pillow and NumPy. A copy starts at once, with all that is imported. It runs nothing but Pillow's decoders of JPEG
and PNG, which start no threads and lock nothing, and ends without cleaning up: what its threads were doing in this
process when it was copied does not matter to it.
"""

from __future__ import annotations

import gc
import math
import os
import select
import signal
import socket
import struct
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import NoReturn, Self

import numpy as np

from dltrain.kinds.image.depth import Pixels, is_deep
from dltrain.kinds.image.pixels import Decoding, height_and_width

BLOCK_SECONDS, MOST_FILES, MOST_BYTES = 0.004, 64, 2**22  # of a block, which one process decodes
SLOTS = 4  # blocks a process that are decoded before they are needed
CHECK_SECONDS = 0.5  # after which a process that waits for others looks whether they still run
MOST_CHECKS = 240  # in which nothing is finished, before the others are given up
NUMBER = struct.Struct("<i")


def may_fork() -> bool:
    """Tells whether this process may be copied: on Linux, by its main thread."""
    return sys.platform == "linux" and threading.current_thread() is threading.main_thread()


class ForkedDecoders:
    """Decodes files ahead, by this process and copies of it.

    Blocks of files are numbered; who has time takes the number of the next one from a socket and decodes the block into
    a slot of shared memory. Images that are neither JPEG nor PNG of 8 bits, or that cannot be read, are left out.

    Args:
        files: the files.
        decoding: how they are decoded.
        others: the number of copies.
        seconds: that a file takes, about.
    """

    def __init__(self, files: Sequence[Path], decoding: Decoding, others: int, seconds: float) -> None:
        self.files, self.decoding, self.others = files, decoding, others
        height, width = height_and_width(decoding.size)
        self.shape = (height, width, decoding.channels or 3)
        image = math.prod(self.shape)
        fitting = min(MOST_FILES, MOST_BYTES // image, int(BLOCK_SECONDS / seconds), -(-len(files) // (others + 1)))
        self.size = max(1, fitting)
        self.count = -(-len(files) // self.size)
        self.slots = min(self.count, SLOTS * (others + 1))
        memory = np.frombuffer(mmap(-1, self.slots * self.size * (1 + image)), dtype=np.uint8)
        self.images = memory[: -self.slots * self.size].reshape(self.slots, self.size, image)
        self.channels = memory[-self.slots * self.size :].reshape(self.slots, self.size)  # 0 of what is left out
        self.copies: list[int] = []

    def __enter__(self) -> Self:
        self.tasks, self.taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.finishes, self.finished = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with warnings.catch_warnings(), suppress(OSError):  # without memory for a copy, this process works alone
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which matter to no copy, as said above
            for _ in range(self.others):
                if not (copy := os.fork()):
                    self._serve()
                self.copies.append(copy)
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self.tasks, self.taken, self.finishes, self.finished):
            end.close()
        threading.Thread(target=wait_for, args=[self._kill()], daemon=True).start()

    def __iter__(self) -> Iterator[Pixels | None]:
        """Yields every image `(H, W, C)` in the order of the files; `None` for what is left out."""
        sent, done = 0, set[int]()
        for block in range(self.count):
            while sent < min(self.count, block + self.slots):
                self.tasks.send(NUMBER.pack(sent))
                sent += 1
            while block not in done:
                if (finished := receive(self.finished)) is not None:
                    done.add(finished)
                elif (task := receive(self.taken)) is not None:
                    self._decode(task)
                    done.add(task)
                elif not self._wait():
                    self._decode(block)
                    done.add(block)
            done.remove(block)
            yield from self._images_of(block)

    def _serve(self) -> NoReturn:
        """Decodes blocks, as a copy, until the process that it was copied from needs no more of them or is gone."""
        try:
            gc.disable()  # which would copy the memory that it looks at
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.tasks.close()
            self.finished.close()
            while task := self.taken.recv(NUMBER.size):
                self._decode(*NUMBER.unpack(task))
                self.finishes.send(task)
        finally:
            os._exit(0)

    def _decode(self, block: int) -> None:
        """Decodes a block into its slot."""
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for at, file in enumerate(self._files_of(block)):
            image = None
            with suppress(Exception):  # Pillow's decoders may raise anything for a broken file
                image = self.decoding.common(file)
            if image is None or is_deep(image):
                channels[at] = 0
            else:
                channels[at] = image.shape[2]
                images[at, : image.size] = image.ravel()

    def _images_of(self, block: int) -> Iterator[Pixels | None]:
        images, channels = self.images[block % self.slots], self.channels[block % self.slots]
        for image, count in zip(images[: len(self._files_of(block))], channels.tolist(), strict=False):
            shape = (*self.shape[:2], count)
            yield image[: math.prod(shape)].reshape(shape).copy() if count else None

    def _files_of(self, block: int) -> Sequence[Path]:
        return self.files[block * self.size : (block + 1) * self.size]

    def _wait(self) -> bool:
        """Waits until a copy has finished a block; returns whether one has, and else ends all of them."""
        for _ in range(MOST_CHECKS if self.copies else 0):
            if select.select([self.finished], [], [], CHECK_SECONDS)[0]:
                return True
            running = [copy for copy in self.copies if not os.waitpid(copy, os.WNOHANG)[0]]
            if len(running) < len(self.copies):
                self.copies = running
                break
        wait_for(self._kill())  # none may write while this process does
        return False

    def _kill(self) -> list[int]:
        """Kills the copies, and returns them."""
        copies, self.copies = self.copies, []
        for copy in copies:
            os.kill(copy, signal.SIGKILL)
        return copies


def wait_for(processes: Sequence[int]) -> None:
    """Waits until processes have ended."""
    for process in processes:
        os.waitpid(process, 0)


def receive(end: socket.socket) -> int | None:
    """Returns a number that has been sent; `None` if there is none now."""
    try:
        (number,) = NUMBER.unpack(end.recv(NUMBER.size, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return None
    return int(number)
