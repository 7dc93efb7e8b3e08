"""The one list of tasks: the built-in ones, and those of one's own that this process has met."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dltrain.errors import CheckpointError

if TYPE_CHECKING:
    from dltrain.tasks.pages.page import Page
    from dltrain.tasks.task import Task
    from dltrain.types import Facts

BUILT_IN: Mapping[str, str] = {
    "classification": "dltrain.tasks.classification.Classification",
    "forecasting": "dltrain.tasks.forecasting.Forecasting",
    "multilabel": "dltrain.tasks.multilabel.Multilabel",
    "next_token": "dltrain.tasks.next_token.NextToken",
    "ranking": "dltrain.tasks.ranking.Ranking",
    "rating": "dltrain.tasks.rating.Rating",
    "regression": "dltrain.tasks.regression.Regression",
}

_own: dict[str, type[Task]] = {}


def register(task: type[Task]) -> str:
    """Makes a task of one's own known, and returns the name that facts record: its dotted path."""
    name = f"{task.__module__}.{task.__qualname__}"
    task.name = name
    _own[name] = task
    return name


def is_known(name: str) -> bool:
    """Tells whether a task is built in, or was met in this process."""
    return name in BUILT_IN or name in _own


def task_class(name: str) -> type[Task]:
    """Returns the task of that name.

    Raises:
        CheckpointError: it is of somebody's own, and has not been met.
    """
    if name in _own:
        return _own[name]
    if name not in BUILT_IN:
        raise CheckpointError(
            f"the task {name} is not built in",
            where="task",
            fix="if you know that module and trust it, say so",
            override=f"--trust={name.split('.')[0]}",
            replaces="--trust",
        )
    module, attribute = BUILT_IN[name].rsplit(".", 1)
    found: type[Task] = getattr(importlib.import_module(module), attribute)
    return found


def page_of(facts: Facts) -> Page:
    """Returns what the page of a run says of its task; of a task that is not known here, what holds for any."""
    from dltrain.tasks.pages.page import Page

    return task_class(facts.task).page(facts) if is_known(facts.task) else Page(facts)
