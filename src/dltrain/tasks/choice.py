"""Which task the data poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dltrain.errors import ConfigError
from dltrain.tasks.classification import Classification
from dltrain.tasks.forecasting import Forecasting
from dltrain.tasks.losses import Loss
from dltrain.tasks.multilabel import Multilabel
from dltrain.tasks.next_token import NextToken
from dltrain.tasks.ranking import Ranking
from dltrain.tasks.rating import Rating
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Task
from dltrain.types import Facts, TaskName

TASKS: Mapping[TaskName, Callable[[Facts, Loss], Task]] = {
    "classification": Classification,
    "multilabel": Multilabel,
    "next_token": NextToken,
    "regression": Regression,
    "rating": Rating,
    "ranking": Ranking,
    "forecasting": Forecasting,
}


def build_task(facts: Facts, loss: Loss) -> Task:
    """The task of the data, with a loss that serves it.

    Raises:
        ConfigError: the loss is for another task.
    """
    if facts.task not in loss.tasks:
        raise ConfigError(
            f"this loss is for {' or '.join(loss.tasks)}, and the data asks for {facts.task}",
            where="loss",
            fix="leave the loss to the task",
            override="loss=auto",
        )
    return TASKS[facts.task](facts, loss)
