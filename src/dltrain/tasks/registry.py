"""The registry of tasks: the built-in ones, and the user's own that this process has imported."""

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
    "characters": "dltrain.tasks.characters.Characters",
    "classification": "dltrain.tasks.classification.Classification",
    "forecasting": "dltrain.tasks.forecasting.Forecasting",
    "generation": "dltrain.tasks.generation.Generation",
    "multilabel": "dltrain.tasks.multilabel.Multilabel",
    "next_token": "dltrain.tasks.next_token.NextToken",
    "ranking": "dltrain.tasks.ranking.Ranking",
    "rating": "dltrain.tasks.rating.Rating",
    "regression": "dltrain.tasks.regression.Regression",
    "word_vectors": "dltrain.tasks.word_vectors.WordVectors",
}

_own: dict[str, type[Task]] = {}


def register(task: type[Task]) -> str:
    """Registers a task of the user's own, and returns the name that facts record, its dotted path."""
    name = f"{task.__module__}.{task.__qualname__}"
    task.name = name
    _own[name] = task
    return name


def is_known(name: str) -> bool:
    """Tells whether a task is built in or registered."""
    return name in BUILT_IN or name in _own


def task_class(name: str) -> type[Task]:
    """Returns the class of the task of that name.

    Raises:
        CheckpointError: it is neither built in nor registered.
    """
    if name in _own:
        return _own[name]
    if name not in BUILT_IN:
        raise CheckpointError(
            f"the task {name} is not built in",
            where="task",
            fix="if you know and trust its module, name it as well",
            override=f"--trust={name.split('.')[0]}",
        )
    module, attribute = BUILT_IN[name].rsplit(".", 1)
    task: type[Task] = getattr(importlib.import_module(module), attribute)
    return task


def page_of(facts: Facts) -> Page:
    """Returns the part of a run's page that concerns its task; a general one if the task is not registered."""
    from dltrain.tasks.pages.page import Page

    return task_class(facts.task).page(facts) if is_known(facts.task) else Page(facts)
