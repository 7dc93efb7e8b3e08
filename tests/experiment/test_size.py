"""Models and steps that cannot fit into memory are refused before any of it is taken."""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any

import pytest
import torch
from torch import nn

from dltrain.config.compose import compose_jobs
from dltrain.errors import ConfigError
from dltrain.experiment import build, size
from dltrain.experiment.size import SizeLimit, largest_of, refuse_step, refuse_weights
from dltrain.experiment.slots import AT_ONCE
from dltrain.experiment.targets import check

GIB = 1 << 30
CPU = torch.device("cpu")
MANY = 10**9


def refusal(*overrides: str) -> ConfigError:
    (job,) = compose_jobs(list(overrides), sweep=False)
    if errors := check(job.config):
        return errors[0]
    with pytest.raises(ConfigError) as caught:
        build.build(job.config)
    return caught.value


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["model=mlp", "data=iris", f"model.hidden=[{MANY},{MANY}]"], "model.hidden"),
        (["model=tabm", "data=iris", f"model.members={MANY}"], "model.members"),
        (["model=cnn", "data=digits", f"model.channels=[{MANY}]"], "model.channels"),
        (["model=cnn", "data=digits", "model.convolutions=1000000000000"], "model.convolutions"),
        (["model=cnn", "data=digits", "model.members=100000"], "model.members"),
        (["model=resnet", "data=digits", "model.blocks=1000"], "model.blocks"),
        (["model=transformer", "data=text", "model.layers=1000"], "model.layers"),
        (["model=lstm", "data=digits", f"model.layers={MANY}"], "model.layers"),
        (["model=transformer", "data=digits", "model.patch=1000000000000"], "model.patch"),
        (["model=linear", "data=regression", "data.rows=1000000000000000"], "data.rows"),
        (["model=linear", "data=series", "data.rows=1000000000000000"], "data.rows"),
    ],
)
def test_sizes_that_no_machine_has_are_refused_at_once(overrides: list[str], where: str) -> None:
    began = perf_counter()
    assert refusal(*overrides).where == where
    assert perf_counter() - began < 20  # building it would take forever


@pytest.mark.parametrize(
    ("overrides", "fits", "usual"),
    [
        (["model=mlp", "data=iris", f"model.hidden=[{MANY},32]"], r"model\.hidden=\[(\d+),32\]", 256),
        (["model=transformer", "data=digits", f"model.width={MANY}"], r"model\.width=(\d+)", 128),
        (["model=sasrec", "data=ratings", "data.split=leave_last", f"model.length={MANY}"], r"model\.length=(\d+)", 20),
        (["model=textcnn", "data=text", f"model.kernel_sizes=[{MANY}]"], r"model\.kernel_sizes=\[(\d+)\]", 5),
        (["model=nhits", "data=series", f"model.hidden=[{MANY}]"], r"model\.hidden=\[(\d+)\]", 256),
    ],
)
def test_a_model_that_does_not_fit_names_one_that_does(
    overrides: list[str], fits: str, usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (size, build):
        monkeypatch.setattr(module, "free_memory", lambda: GIB // 4)
    torch.manual_seed(7)
    override = refusal(*overrides).override
    found = re.fullmatch(fits, override)
    assert found is not None and int(found[1]) == usual
    (job,) = compose_jobs([*overrides[:-1], override, "trainer.batch_size=2"], sweep=False)
    assert build.build(job.config).state.step == 0


def test_where_no_number_makes_a_model_fit_none_is_named() -> None:
    usual = {"width": 8}
    assert size.fitting({"width": 1000}, usual, lambda given: nn.Linear(10, given["width"]), GIB) == "model.width=8"
    assert size.fitting({"width": 1000}, usual, lambda given: nn.Linear(10**6, 10**6), GIB) == ""
    assert size.fitting({"width": 1000}, {}, lambda given: nn.Linear(1, 1), GIB) == ""
    assert size.fitting({}, usual, lambda given: nn.Linear(1, 1), GIB) == ""


def test_a_limit_changes_no_model() -> None:
    def make() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.LSTM(7, 3), nn.Embedding(4, 2), nn.BatchNorm1d(2))

    plain = make()
    with SizeLimit("own", {}) as limit:
        limited = make()
    assert limit.bytes >= sum(4 * parameter.numel() for parameter in plain.parameters())
    for one, other in zip(plain.state_dict().values(), limited.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_what_is_wrong_with_a_call_is_left_to_it() -> None:
    with SizeLimit("own", {}), pytest.raises(RuntimeError, match="negative"):
        torch.empty(-1)


def test_a_model_of_too_many_layers_ends_while_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "MOST_TENSORS", 50)
    with pytest.raises(ConfigError, match="more than 50 tensors"), SizeLimit("own", {"depth": 10**6}):
        nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**6)))


def test_training_needs_the_weights_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(1000, 1000, bias=False)  # 4 MB, and three times as much beside it
    monkeypatch.setattr(size, "free_memory", lambda: 13_000_000)
    refuse_weights(model, {}, CPU)
    monkeypatch.setattr(size, "free_memory", lambda: 11_000_000)
    with pytest.raises(ConfigError, match="the 1,000,000 parameters of Linear, with gradients and an optimizer, need"):
        refuse_weights(model, {"width": 1000}, CPU)
    refuse_weights(model.requires_grad_(False), {}, CPU)


def test_a_step_that_does_not_fit_names_a_batch_size_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "free_memory", lambda: GIB)
    refuse_step(1000, 1 << 20, CPU)
    with pytest.raises(ConfigError) as caught:
        refuse_step(5000, 1 << 20, CPU)
    assert caught.value.override == "trainer.batch_size=512"
    refuse_step(512, 1 << 20, CPU)


def test_the_outputs_of_layers_are_what_a_step_keeps() -> None:
    (job,) = compose_jobs(["model=mlp", "data=iris", "model.hidden=[1000]", "model.embed=null"], sweep=False)
    kept: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "refuse_step", lambda samples, each, device: kept.append(each))
        build.build(job.config)
    assert 8000 <= kept[0] <= 13_000  # of 1,000 numbers: the linear layer's, the activation's and perhaps dropout's


@pytest.mark.parametrize(
    ("given", "key"),
    [({"hidden": [3, 900], "layers": 12, "name": "x"}, ".hidden"), ({"bias": True, "name": "x"}, ""), ({}, "")],
)
def test_the_largest_number_is_named(given: dict[str, Any], key: str) -> None:
    assert largest_of(given) == key


def test_threads_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["model=linear", "data=iris", "trainer.threads=2"]
    monkeypatch.setattr(build, "count_cores", lambda: 1)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    error = refusal(*overrides)
    assert (error.where, error.override) == ("trainer.threads", "trainer.threads=1")
    assert error.what == "2 threads are more than the 1 core that this process may use"
    monkeypatch.setenv(AT_ONCE, "4")  # a job has its share of the cores, and may be given more
    (job,) = compose_jobs(overrides, sweep=False)
    assert build.build(job.config).threads == 2
