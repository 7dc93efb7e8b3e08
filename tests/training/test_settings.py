"""Device, threads, batch size and precision."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from dltrain.errors import ConfigError
from dltrain.kinds.kind import kind_of
from dltrain.tasks.precision import autocast
from dltrain.training.budget import Budget
from dltrain.training.settings import TrainerSettings, choose_device, choose_threads
from dltrain.types import Facts


@pytest.mark.parametrize(
    ("count", "epochs"), [(1, 60), (300, 60), (3000, 60), (6000, 30), (30_000, 6), (60_000, 6), (10**7, 6)]
)
def test_the_number_of_epochs_follows_from_the_number_of_samples(count: int, epochs: int) -> None:
    assert TrainerSettings(epochs=None).settled(count).last_epoch == epochs
    assert TrainerSettings(epochs=7).settled(count).last_epoch == 7


@pytest.mark.parametrize(
    ("count", "kind", "epochs"),
    [
        (3000, "image", 60),
        (6000, "ratings", 30),
        (2000, "text", 30),
        (60_000, "text", 4),
        (19_000, "corpus", 1),
        (950, "corpus", 20),
        (64_000, "series", 8),
        (1000, "series", 64),
        (100, "series", 200),
    ],
)
def test_every_kind_trains_for_as_long_as_suits_it(count: int, kind: str, epochs: int) -> None:
    assert TrainerSettings(epochs=None).settled(count, budget(kind)).last_epoch == epochs


@pytest.mark.parametrize(
    ("count", "kind", "size"),
    [
        (999, "image", 32),
        (1000, "image", 64),
        (5000, "image", 128),
        (999, "table", 32),
        (5000, "table", 64),
        (5000, "ratings", 512),
        (5000, "series", 128),
        (5000, "corpus", 256),
        (1999, "text", 32),
        (2000, "text", 64),
    ],
)
def test_the_batch_size_follows_from_number_and_kind(count: int, kind: str, size: int) -> None:
    assert TrainerSettings().batch_size_for(count, budget(kind)) == size
    assert TrainerSettings(batch_size="full").batch_size_for(count, budget(kind)) == count
    assert TrainerSettings(batch_size=5).batch_size_for(count, budget(kind)) == 5


def budget(kind: str) -> Budget:
    return kind_of(Facts(kind, "", ())).budget


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("auto").type == ("cuda" if there else "cpu")


def test_a_device_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="this machine has no device cuda:2") as refused:
        choose_device("cuda:2")
    assert refused.value.fix == "use one that it has: cpu, cuda"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"this machine has no device {name}") as refused:
        choose_device(name)
    assert (refused.value.where, refused.value.override) == ("trainer.device", "trainer.device=auto")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "0", "", "meta", "xla", "CUDA"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a device"):
        choose_device(name)


def test_each_thread_has_enough_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4), raising=False)
    assert [choose_threads(work) for work in (1000, 29 * 10**6, 59 * 10**6)] == [1, 1, 1]
    assert [choose_threads(work) for work in (60 * 10**6, 100 * 10**6, 10**9)] == [2, 3, 4]


def test_threads_are_those_of_the_cores_that_a_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert choose_threads(10**9) == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_autocast_computes_in_the_precision(precision: Any) -> None:
    with autocast(precision, torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == getattr(torch, precision)
