"""What a run's config changes: against the defaults of its data and model, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltrain.experiment.changes import save_changes


def changes(dltrain: Callable[..., Any], *arguments: str) -> list[tuple[str, str, str]]:
    called = dltrain(*arguments, "debug=smoke", "--quiet")
    assert called.code == 0, called.err
    said = json.loads(called.run.changes.read_text("utf-8"))["changes"]
    return [
        (one["key"], one["default"], one["value"]) for one in said if not one["key"].startswith(("debug", "trainer"))
    ]


def test_a_run_as_it_comes_changes_nothing(dltrain: Callable[..., Any]) -> None:
    assert changes(dltrain, "data=iris", "model=linear") == []


def test_keys_and_other_options_are_named(dltrain: Callable[..., Any]) -> None:
    found = changes(dltrain, "data=iris", "optimizer=sgd", "optimizer.lr=0.5", "model.hidden=[8,4]", "seed=3")
    assert ("optimizer", "adamw", "sgd") in found
    assert ("seed", "0", "3") in found
    assert "[8, 4]" in [value for _, _, value in found]
    assert {key for key, _, _ in found} == {"optimizer", "optimizer.lr", "model.hidden", "seed"}


def test_the_changes_of_a_config_that_is_read_back_are_the_same(dltrain: Callable[..., Any]) -> None:
    words = ("optimizer=sgd", "optimizer.lr=1e-7", "model.hidden=[8,4]", "trainer.patience=null", "trainer.ema=0.5")
    called = dltrain("data=iris", *words, "model.batch_norm=true", "debug=smoke", "--quiet")
    assert called.code == 0, called.err
    written = called.run.changes.read_text("utf-8")
    assert {"true", "null", "1.0e-07"} <= {one["value"] for one in json.loads(written)["changes"]}
    called.run.changes.unlink()
    save_changes(called.run)
    assert called.run.changes.read_text("utf-8") == written


def test_what_must_be_given_has_no_default_and_the_environment_stays_unread(
    dltrain: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("x,成绩\n" + "".join(f"{n},{n * 2.5}\n" for n in range(40)), encoding="utf-8")
    monkeypatch.setenv("TABLE", "a.csv")
    found = changes(dltrain, "data=csv", "data.path=${oc.env:TABLE}", "data.target=成绩")
    assert ("data.path", "", "${oc.env:TABLE}") in found
    assert ("data.target", "null", "成绩") in found


def test_an_experiment_is_told_by_what_it_sets(dltrain: Callable[..., Any]) -> None:
    found = changes(dltrain, "experiment=linear_regression")
    assert ("experiment", "null", "linear_regression") in found
    assert "model" not in {key for key, _, _ in found}


def test_a_folder_of_more_configs_is_looked_into(dltrain: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "more" / "optimizer").mkdir(parents=True)
    (tmp_path / "more" / "optimizer" / "mine.yaml").write_text(
        "_target_: torch.optim.SGD\nlr: 0.1\nmomentum: 0.5\n", encoding="utf-8"
    )
    found = changes(dltrain, "data=iris", "optimizer=mine", "optimizer.momentum=0.9", "--config-dir", "more")
    assert found == [("optimizer", "adamw", "mine"), ("optimizer.momentum", "0.5", "0.9")]
