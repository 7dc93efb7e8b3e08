"""A loss or a metric of the user's own that cannot be used is one sentence at its key, before a folder exists."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dltrain.config.compose import compose_jobs
from dltrain.errors import ConfigError
from dltrain.experiment import build
from dltrain.tasks.losses import ClassificationLoss, Loss
from dltrain.tasks.metric_table import MetricInfo
from dltrain.tasks.metrics import Metric
from dltrain.types import Facts

BETTER = {"hits": MetricInfo("Hits", "max", "share", 0.0, 1.0)}


class WithoutTasks(Loss):
    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.out_features = len(facts.classes)


class WithoutWidth(Loss):
    tasks = ("classification",)

    def __init__(self, facts: Facts) -> None:
        super().__init__()


class ForEachSample(ClassificationLoss):
    def __init__(self, facts: Facts) -> None:
        super().__init__(facts, None)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(output, target, reduction="none")[:, None]


class Failing(ForEachSample):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return output - target[:, None, None, :2]


class Weightless(ForEachSample):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return super().forward(output, target).mean()

    def weight(self, target: Tensor) -> float:
        return 0.0


def sums(predicted: Tensor, target: Tensor) -> Tensor:
    return torch.stack([(predicted == target).double().sum(), torch.tensor(float(len(target))).double()])


def share(name: str) -> Callable[[Tensor], dict[str, float]]:
    return lambda sums: {name: float(sums[0] / sums[1])}


def hits(facts: Facts) -> Metric:
    return Metric(sums, share("hits"), info=BETTER)


def undescribed(facts: Facts) -> Metric:
    return Metric(sums, share("undescribed"))


def called_accuracy(facts: Facts) -> Metric:
    return Metric(sums, share("accuracy"))


def raising(facts: Facts) -> Metric:
    return Metric(lambda predicted, target: 1 / 0, share("hits"), info=BETTER)


def for_each_sample(facts: Facts) -> Metric:
    return Metric(lambda predicted, target: (predicted == target).double(), share("hits"), info=BETTER)


def misnamed(facts: Facts) -> Metric:
    return Metric(sums, share("hit"), info=BETTER)


def no_metric(facts: Facts) -> Metric:
    return 3  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def _module_of_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parts_of_mine", sys.modules[__name__])
    for name in ("hits", "undescribed", "called_accuracy", "raising", "for_each_sample", "misnamed", "no_metric"):
        monkeypatch.setattr(globals()[name], "__module__", "parts_of_mine")


@pytest.fixture(scope="module")
def iris() -> Mapping[str, Any]:
    (job,) = compose_jobs(["data=iris", "model=linear", "baseline=none", "trainer.threads=1"], sweep=False)
    return job.config


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("WithoutTasks", r"parts_of_mine\.WithoutTasks has no attribute tasks, which says which tasks it is for"),
        ("WithoutWidth", r"parts_of_mine\.WithoutWidth has no attribute out_features"),
        ("ForEachSample", r"the loss ForEachSample returns a tensor of shape \(3, 1\) instead of one number"),
        ("Failing", r"the loss Failing of linear's output cannot be computed: IndexError.*metrics.py, line"),
        ("Weightless", "the weight of the loss Weightless is 0 for a batch"),
    ],
)
def test_a_loss_that_cannot_be_used_is_one_sentence(iris: Mapping[str, Any], name: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build.build({**iris, "loss": {"_target_": f"parts_of_mine.{name}"}})
    assert caught.value.where == "loss"
    assert re.search(what, caught.value.what), caught.value.what


@pytest.mark.parametrize(
    ("names", "monitor", "where", "what"),
    [
        (["called_accuracy"], "val/loss", "called_accuracy", "measures 'accuracy', which is the name of another"),
        (["hits", "hits"], "val/loss", "hits1", "measures 'hits', which is the name of another"),
        (["raising"], "val/loss", "raising", r"the metric raising cannot be computed: ZeroDivisionError"),
        (["for_each_sample"], "val/loss", "for_each_sample", r"returns tensors of shape \(3,\) and \(1,\) instead"),
        (["misnamed"], "val/loss", "misnamed", "announces 'hits', and its compute returns hit"),
        (["no_metric"], "val/loss", "no_metric", "returns an int instead of a Metric"),
        (["undescribed"], "val/undescribed", "undescribed", "undescribed cannot be monitored, because it has no info"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_sentence(
    iris: Mapping[str, Any], names: list[str], monitor: str, where: str, what: str
) -> None:
    nodes = {f"{name}{number or ''}": {"_target_": f"parts_of_mine.{name}"} for number, name in enumerate(names)}
    with pytest.raises(ConfigError) as caught:
        build.build({**iris, "metric": nodes, "trainer": {**iris["trainer"], "monitor": monitor}})
    assert caught.value.where == f"metric.{where}"
    assert re.search(what, caught.value.what), caught.value.what


def test_metrics_that_can_be_used_are_measured(iris: Mapping[str, Any]) -> None:
    nodes = {name: {"_target_": f"parts_of_mine.{name}"} for name in ("hits", "undescribed")}
    setup = build.build({**iris, "metric": nodes, "trainer": {**iris["trainer"], "monitor": "val/hits"}})
    predicted, target = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])
    values = setup.task.metric.compute(setup.task.metric.update(predicted, target))
    assert values["hits"] == values["undescribed"] == values["accuracy"] == 0.75


def test_a_run_with_an_own_metric_is_reproduced(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "metric").mkdir(parents=True)
    (tmp_path / "configs" / "metric" / "hits.yaml").write_text("hits: {_target_: parts_of_mine.hits}\n")
    choices = ("model=linear", "data=iris", "metric=hits", "trainer.monitor=val/hits", "trainer.epochs=1")
    assert dltrain(*choices, "baseline=none", "hydra.run.dir=run").code == 0
    assert dltrain("reproduce", "run").code == 2  # the metric's module is not trusted
    called = dltrain("reproduce", "run", "--trust", "parts_of_mine", "--json")
    assert called.code == 0, called.err
    before, after = json.loads(called.out.splitlines()[-1])["figures"]["val/hits"]
    assert before == after > 0
