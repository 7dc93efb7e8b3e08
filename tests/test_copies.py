"""Copies of the process: what they do is done once, whoever does it."""

from __future__ import annotations

import os
import threading
from mmap import mmap

import pytest

from dltrain.copies import MOST_COPIES, Copies, count_cores, may_copy


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_task_is_done_when_it_is_finished(count: int) -> None:
    memory = mmap(-1, 40)

    def work(task: int) -> None:
        memory[task] = task + 1

    with Copies(work, count) as copies:
        assert len(copies.running) == (count if may_copy() else 0)
        for task in range(40):
            copies.offer(task)
            if task >= 8:
                copies.finish(task - 8)
                assert memory[task - 8] == task - 7
        for task in range(32, 40):
            copies.finish(task)
    assert bytes(memory[:]) == bytes(range(1, 41))


def test_a_task_that_fails_in_a_copy_fails_in_this_process() -> None:
    alone = os.getpid()

    def work(task: int) -> None:
        raise KeyError(task) if os.getpid() == alone else RuntimeError

    with Copies(work, 2) as copies:
        copies.offer(0)
        with pytest.raises(KeyError):
            copies.finish(0)
    assert copies.running == []


def test_threads_make_no_copies_and_no_process_makes_many() -> None:
    made: list[Copies] = []
    thread = threading.Thread(target=lambda: made.append(Copies(print, 2)))
    thread.start()
    thread.join()
    assert made[0].count == 0
    assert Copies(print, 10**6).count == (MOST_COPIES if may_copy() else 0)
    assert count_cores() >= 1
