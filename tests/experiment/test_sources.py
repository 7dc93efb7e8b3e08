"""Data that jobs share, and data for a task of the user's own, which a data function knows nothing of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dltrain.config.compose import compose_jobs
from dltrain.errors import ConfigError
from dltrain.experiment import build, sources
from dltrain.experiment.sources import Sources
from dltrain.kinds.ratings.encoder import ranks_items
from dltrain.tasks import registry
from dltrain.tasks.classification import Classification
from dltrain.tasks.ranking import Ranking
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Task


class Doubting(Classification):
    """Classes, another loss."""


class Weighing(Regression):
    """Numbers, of another form than classes."""


class Listing(Ranking):
    """Items in an order."""


@pytest.fixture(autouse=True)
def _tasks() -> Iterator[None]:
    for task in (Doubting, Weighing, Listing):
        registry.register(task)
    yield
    for task in (Doubting, Weighing, Listing):
        del registry._own[task.name]


@pytest.mark.parametrize(
    ("task", "data"),
    [(Doubting, ("data=iris",)), (Doubting, ("data=digits",)), (Listing, ("data=ratings", "data.split=leave_last"))],
)
def test_a_task_that_derives_from_that_of_the_data_replaces_it(task: type[Task], data: tuple[str, ...]) -> None:
    (job,) = compose_jobs([*data, f"task.name={task.name}", "trainer.threads=1"], sweep=False)
    setup = build.build(job.config)
    assert type(setup.task) is task
    assert setup.data.facts.task == task.name
    assert ranks_items(setup.data.facts) == (task is Listing)


@pytest.mark.parametrize("name", ["regression", "Weighing"])
def test_a_task_for_other_targets_is_refused(name: str) -> None:
    name = Weighing.name if name == "Weighing" else name
    (job,) = compose_jobs(["data=iris", f"task.name={name}"], sweep=False)
    with pytest.raises(ConfigError, match=f"the data is for classification, not for {name}") as caught:
        build.build(job.config)
    assert (caught.value.where, caught.value.override) == ("task", "task=auto")


def test_small_data_sets_stay_in_memory_and_large_ones_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = compose_jobs(["data=iris", "data.folds=3", "data.fold=0"], sweep=False)
    nodes = [{**job.config["data"], "fold": fold} for fold in range(3)]
    shared = Sources()
    first = [shared.load(node) for node in nodes]
    assert all(shared.load(node) is one for node, one in zip(nodes, first, strict=True))
    monkeypatch.setattr(sources, "MOST_BYTES", 0)
    last = shared.load({**nodes[0], "seed": 1})
    assert shared.load({**nodes[0], "seed": 1}) is last and shared.load(nodes[2]) is first[2]
    assert shared.load(nodes[0]) is not first[0]
