"""Worker processes: every task is done, whoever does it, and none outlives its process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from mmap import mmap
from pathlib import Path
from typing import Any

import pytest

from dltrain.workers import Workers, count_cores, done_in_order, may_fork

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks processes like this")


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("ahead", [1, 8, 64])
def test_every_task_is_done_when_its_number_comes(workers: int, ahead: int) -> None:
    memory = mmap(-1, 100)

    def work(task: int) -> None:
        memory[task] = task + 1

    for task in done_in_order(work, 100, workers, ahead):
        assert memory[task] == task + 1
        assert not any(memory[task + ahead :])
    assert bytes(memory[:]) == bytes(range(1, 101))


def test_a_task_that_fails_in_a_worker_fails_in_this_process() -> None:
    alone = os.getpid()

    def work(task: int) -> None:
        raise KeyError(task) if os.getpid() == alone else RuntimeError

    with pytest.raises(KeyError):
        list(done_in_order(work, 3, 2))


@linux
def test_no_worker_is_left_behind_as_a_zombie() -> None:
    list(done_in_order(lambda task: None, 50, 3))
    for _ in range(1000):  # their memory is freed meanwhile
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        time.sleep(0.01)
    pytest.fail("a worker is still there")


def test_threads_and_who_ignores_the_end_of_processes_have_no_workers() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(may_fork()))
    thread.start()
    thread.join()
    assert found == [False]
    assert count_cores() >= 1
    if sys.platform == "linux":
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert not may_fork()
        signal.signal(signal.SIGCHLD, before)
        assert may_fork()


def test_without_descriptors_one_process_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", refuse)
    assert list(done_in_order(lambda task: None, 5, 2)) == [0, 1, 2, 3, 4]


def run(code: str) -> str:
    """Returns what a program prints that ends within a minute."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


SIGNALLED = """
import os, signal, time
from dltrain import workers

class Stopped(BaseException):
    pass

def stop(*_):
    print("handled", flush=True)
    raise Stopped

signal.signal(signal.SIGTERM, stop)
fork = os.fork
def interrupted():
    worker = fork()
    os.kill(os.getpid(), signal.SIGTERM)  # to both
    return worker
os.fork = interrupted
try:
    list(workers.done_in_order(lambda task: time.sleep(0.01), 50, 3))
except Stopped:
    print("stopped", flush=True)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
"""


@linux
def test_a_signal_while_workers_are_made_stops_this_process_alone() -> None:
    assert run(SIGNALLED).split() == ["handled", "stopped", "alone"]


OPEN = """
import time
from dltrain.workers import done_in_order
tasks = done_in_order(lambda task: time.sleep(0.01), 50, 2)
print(next(tasks))
"""


def test_a_program_may_end_in_the_middle_of_its_tasks() -> None:
    assert run(OPEN).split() == ["0"]


@linux
def test_workers_take_no_signal_for_theirs() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(os.getpid()))
    handled: list[Any] = []

    def work(task: int) -> None:
        if os.getpid() != alone:
            os.kill(os.getpid(), signal.SIGUSR1)  # by whose default a process ends

    alone = os.getpid()
    handled += done_in_order(work, 20, 2)
    signal.signal(signal.SIGUSR1, before)
    assert handled == list(range(20))
    assert seen == []


@linux
def test_sockets_are_closed() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    list(done_in_order(lambda task: None, 5, 2))
    Workers(print).end()
    assert len([*Path("/proc/self/fd").iterdir()]) == before
