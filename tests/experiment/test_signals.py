"""The first signal asks, the second one ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dltrain.experiment import compilation
from dltrain.experiment.signals import SIGNALS, Stopped, deferred, finishing, heard


@dataclass
class Work:
    stop_requested: bool = False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_what_is_under_way(number: int, code: int) -> None:
    before = [signal.getsignal(one) for one in SIGNALS]
    with pytest.raises(Stopped) as stopped, heard():
        os.kill(os.getpid(), number)
    assert stopped.value.exit_code == code
    assert [signal.getsignal(one) for one in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_work_to_stop_and_the_second_ends_it(number: int) -> None:
    work = Work()
    with pytest.raises(Stopped) as stopped, finishing(work) as request:  # noqa: PT012
        assert (request.number, work.stop_requested) == (0, False)
        os.kill(os.getpid(), number)
        assert (request.number, work.stop_requested) == (number, True)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.exit_code == 128 + number  # nobody heeded it


def test_an_error_that_follows_a_swallowed_signal_is_no_error() -> None:
    with pytest.raises(Stopped) as stopped, heard():  # noqa: PT012
        with contextlib.suppress(BaseException):  # as an import may do
            os.kill(os.getpid(), signal.SIGTERM)
        raise AttributeError("half of a module")
    assert stopped.value.exit_code == 143
    with pytest.raises(AttributeError), heard():
        raise AttributeError("no signal came")


def test_training_does_not_begin_after_a_swallowed_signal() -> None:
    with pytest.raises(Stopped) as stopped, heard():  # noqa: PT012
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        with finishing(Work()):
            pytest.fail("the training has begun")
    assert stopped.value.exit_code == 143
    with finishing(Work()) as request:  # of a later call in the same process
        assert request.number == 0


def test_a_signal_while_something_is_compiled_ends_the_run_before_its_first_step(
    dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def compiled(*_: object) -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it goes on")
        yield

    monkeypatch.setattr(compilation, "compiled", compiled)
    called = dltrain("model=linear", "data=iris", "baseline=none", "trainer.compile=true", "hydra.run.dir=run")
    assert called.code == 143, called.err
    assert called.run.read_status()["state"] == "interrupted"
    assert not called.run.history.exists()
    monkeypatch.undo()
    monkeypatch.chdir(called.folder)
    assert dltrain("resume", "run", "trainer.compile=false").code == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_deferred_signal_ends_what_follows_the_block(number: int) -> None:
    done = []
    with pytest.raises(Stopped) as stopped:  # noqa: PT012
        with deferred():
            os.kill(os.getpid(), number)
            done.append("written")
        done.append("trained")
    assert (stopped.value.exit_code, done) == (128 + number, ["written"])


def test_another_thread_hears_nothing_and_breaks_nothing() -> None:
    seen = []

    def work() -> None:
        with heard(), finishing(Work()) as request:
            seen.append(request.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]
