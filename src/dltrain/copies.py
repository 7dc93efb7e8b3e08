"""Copies of this process, which share the work on numbered tasks with it.

Threads wait for each other in Python, and a new process would first import everything. A copy starts at once, with all
that this process has in memory. Of the threads of this process it has none, and it ends without cleaning up, so that it
must do nothing that waits for what other threads hold: it may compute with one thread and write into memory that all
share, and must neither log nor use a GPU.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, Self

CHECK_SECONDS = 0.5  # after which a process that waits for copies looks whether they still run
MOST_CHECKS = 240  # in which nothing is finished, before the copies are given up
MOST_COPIES = 15  # of which sockets hold all messages
NUMBER = struct.Struct("<i")


def may_copy() -> bool:
    """Tells whether this process may be copied: on Linux, by its main thread."""
    return sys.platform == "linux" and threading.current_thread() is threading.main_thread()


def count_cores() -> int:
    """Returns the number of cores that this process may use, which those of a sweep share."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Copies:
    """Copies of this process, from entering the context until it is left.

    Who has time takes the next task from a socket. What a copy was doing when it died or was given up, and all else
    that is left, this process does itself.

    Args:
        work: does a task, and leaves its result in memory that is shared; it may do a task twice.
        count: the number of copies; fewer are made where there is no memory for them.
    """

    def __init__(self, work: Callable[[int], None], count: int) -> None:
        self.work, self.count = work, min(count, MOST_COPIES) if may_copy() else 0
        self.running: list[int] = []
        self.done: set[int] = set()

    def __enter__(self) -> Self:
        if not self.count:
            return self
        self.tasks, self.taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.finishes, self.finished = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with warnings.catch_warnings(), suppress(OSError):
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which matter to no copy, as said above
            for _ in range(self.count):
                if not (copy := os.fork()):
                    self._serve()
                self.running.append(copy)
        return self

    def __exit__(self, *_: object) -> None:
        if not self.count:
            return
        for end in (self.tasks, self.taken, self.finishes, self.finished):
            end.close()
        threading.Thread(target=wait_for, args=[self._kill()], daemon=True).start()

    def offer(self, task: int) -> None:
        """Puts a task behind those that have not been taken, of which there may be four for each process."""
        if self.count:
            self.tasks.send(NUMBER.pack(task))

    def finish(self, task: int) -> None:
        """Returns when a task that was offered is done; until then this process does what nobody has taken."""
        if not self.count:
            self.work(task)
            return
        while task not in self.done:
            if (finished := receive(self.finished)) is not None:
                self.done.add(finished)
            elif (taken := receive(self.taken)) is not None:
                self._do(taken)
            elif not self._wait():
                self._do(task)
        self.done.remove(task)

    def _do(self, task: int) -> None:
        self.work(task)
        self.done.add(task)

    def _serve(self) -> NoReturn:
        """Does tasks, as a copy, until the process that it was copied from needs no more of them or is gone."""
        try:
            gc.disable()  # it would copy the memory that it looks at
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.tasks.close()
            self.finished.close()
            while task := self.taken.recv(NUMBER.size):
                self.work(*NUMBER.unpack(task))
                self.finishes.send(task)
        finally:
            os._exit(0)

    def _wait(self) -> bool:
        """Waits until a copy has finished a task; returns whether one has, and else ends all of them."""
        for _ in range(MOST_CHECKS if self.running else 0):
            if select.select([self.finished], [], [], CHECK_SECONDS)[0]:
                return True
            running = [copy for copy in self.running if not os.waitpid(copy, os.WNOHANG)[0]]
            if len(running) < len(self.running):
                self.running = running
                break
        wait_for(self._kill())  # none may write while this process does
        return False

    def _kill(self) -> Sequence[int]:
        """Kills the copies, and returns them."""
        copies, self.running = self.running, []
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
