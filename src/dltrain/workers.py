"""Worker processes, forked from this one, which share the work on numbered tasks with it.

Threads wait for each other in Python, and a new process would first import everything. A forked one starts at once,
with all that this process has in memory. Of its threads it has none, and it ends without cleaning up, so that it must
do nothing that waits for what other threads hold: it may compute with one thread and write into memory that all share,
and must neither log nor use a GPU.
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
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import NoReturn

CHECK_SECONDS = 0.5  # after which this process looks whether those that it waits for still run
MOST_CHECKS = 240  # in which no task is done, before the workers are given up
MOST_WORKERS, MOST_AHEAD = 15, 64  # processes, and tasks, of which the sockets hold all messages
NUMBER = struct.Struct("<i")

Work = Callable[[int], None]


def may_fork() -> bool:
    """Tells whether this process can have workers: on Linux, from its main thread, and if it learns of their end."""
    is_main = threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and is_main and signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN


def count_cores() -> int:
    """Returns the number of cores that this process may use, which those of a sweep share."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def done_in_order(work: Work, tasks: int, workers: int, ahead: int = MOST_AHEAD) -> Iterator[int]:
    """Does tasks by this process and workers; yields the number of each, in their order, when it is done.

    What workers do not do, because they cannot be made, die or hang, this process does itself.

    Args:
        work: does a task, and leaves its result in memory that is shared; a task may be done twice.
        tasks: how many there are, which are numbered from 0.
        workers: how many processes, 15 at most; none where this process cannot have any.
        ahead: tasks that may be done before the number that was yielded last is no longer needed, 64 at most.
    """
    shared = None
    if workers and may_fork():
        with suppress(OSError):  # no file may be opened any more
            shared = Workers(work)
    if shared is None:
        for task in range(tasks):
            work(task)
            yield task
        return
    try:
        shared.fork(min(workers, MOST_WORKERS))
        yield from shared.done_in_order(tasks, min(ahead, MOST_AHEAD))
    finally:
        shared.end()


class Workers:
    """Workers, and the sockets by which they get tasks: who has time takes the next one.

    Args:
        work: does a task.

    Raises:
        OSError: there are no more descriptors for sockets.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.running: list[int] = []
        self.idle = False  # whether they have done all tasks
        self.to_do, self.waiting = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.says_done, self.done = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def fork(self, count: int) -> None:
        """Makes workers, fewer where there is no memory for them.

        A signal that comes meanwhile is handled afterwards, by this process alone.
        """
        handled = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
        try:
            with warnings.catch_warnings(), suppress(OSError):
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which matter to no worker
                for _ in range(count):
                    if not (worker := os.fork()):
                        self._serve(handled, before)
                    self.running.append(worker)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def done_in_order(self, tasks: int, ahead: int) -> Iterator[int]:
        """Yields the number of each task when it is done; see the function of that name."""
        given, done = 0, set[int]()
        for task in range(tasks):
            while given < min(tasks, task + ahead):
                self.to_do.send(NUMBER.pack(given))
                given += 1
                if given == tasks:
                    self.to_do.shutdown(socket.SHUT_WR)  # who finds no more tasks ends
            while task not in done:
                if (other := receive(self.done)) is not None:
                    done.add(other)
                elif (own := receive(self.waiting)) is not None:
                    self.work(own)
                    done.add(own)
                elif not self._wait():
                    self.work(task)
                    done.add(task)
            done.remove(task)
            yield task
        self.idle = True

    def end(self) -> None:
        """Ends all workers, and closes the sockets; waits for the workers if they may be doing something."""
        self._kill(waits=not self.idle)
        for end in (self.to_do, self.waiting, self.says_done, self.done):
            end.close()

    def _serve(self, handled: Collection[int], mask: Collection[int]) -> NoReturn:
        """Does tasks, as a worker, until there are no more of them or the process that it was forked from is gone."""
        status = 1
        try:
            gc.disable()  # it would copy the memory that it looks at
            for number in handled:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that it was forked from ends it
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self.to_do.close()
            self.done.close()
            while message := self.waiting.recv(NUMBER.size):
                self.work(*NUMBER.unpack(message))
                self.says_done.send(message)
            status = 0
        finally:
            os._exit(status)

    def _wait(self) -> bool:
        """Waits until a worker has done a task; returns whether one has, and else ends all of them."""
        for _ in range(MOST_CHECKS):
            if select.select([self.done], [], [], CHECK_SECONDS if self.running else 0)[0]:
                return True
            if not self.running or self._have_failed():
                break
        self._kill(waits=True)  # none may write while this process does
        return False

    def _have_failed(self) -> bool:
        """Tells whether a worker has ended before there were no more tasks; forgets those that have ended."""
        ended = {worker: os.waitpid(worker, os.WNOHANG) for worker in self.running}
        self.running = [worker for worker, (process, _) in ended.items() if not process]
        return any(process and status for process, status in ended.values())

    def _kill(self, *, waits: bool) -> None:
        """Kills the workers; for the moment that it takes the system to free what they had, a thread can wait."""
        for worker in self.running:
            os.kill(worker, signal.SIGKILL)
        if waits:
            wait_for(self.running)
        elif self.running:
            threading.Thread(target=wait_for, args=(self.running,), daemon=True).start()
        self.running = []


def wait_for(processes: Sequence[int]) -> None:
    """Waits until processes that were forked from this one have ended."""
    for process in processes:
        os.waitpid(process, 0)


def receive(end: socket.socket) -> int | None:
    """Returns a number that has been sent; `None` if there is none now."""
    try:
        message = end.recv(NUMBER.size, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    return int(*NUMBER.unpack(message)) if message else None
