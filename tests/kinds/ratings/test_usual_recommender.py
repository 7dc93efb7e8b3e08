"""Which model a run of ratings takes where the user has named none, and what growth is bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import ConfigError, DataError
from dltrain.inference.load import load
from dltrain.kinds.kind import kind_of
from dltrain.kinds.ratings.load import ratings
from dltrain.kinds.ratings.splits import MOST_PAIRS, MOST_VALIDATED, draw_ranked
from dltrain.models.auto_recommender import auto_recommender
from dltrain.models.ease import MOST, MOST_CELLS, Ease
from dltrain.models.recommender import Recommender
from dltrain.types import Spec


def spec_of(users: int, items: int, *, choices: bool = True) -> Spec:
    return Spec("ratings", (2,), 1, vocab_sizes=(users, items), choices=choices)


def test_ease_is_taken_for_choices_that_it_can_solve_and_vectors_are_trained_for_all_else() -> None:
    assert type(auto_recommender(spec_of(9, 20))) is Ease
    assert type(auto_recommender(spec_of(MOST + 1, MOST + 1))) is Recommender
    assert type(auto_recommender(spec_of(9, 20, choices=False))) is Recommender
    assert type(auto_recommender(spec_of(20, 2 + MOST_CELLS // 20))) is Recommender


@pytest.mark.parametrize(
    "given", [{"width": 16}, {"width": 32}, {"members": 4}, {"biases": True}, {"hidden": [64, 32]}, {"dropout": 0.0}]
)
def test_whoever_gives_an_argument_gets_vectors_whatever_its_value(given: dict[str, Any]) -> None:
    model = auto_recommender(spec_of(9, 20), **given)
    assert isinstance(model, Recommender)
    assert (model.width, model.members) == (given.get("width", 32), 4)


def test_layers_have_one_member_and_no_more() -> None:
    model = auto_recommender(spec_of(9, 20), combine="neumf")
    assert isinstance(model, Recommender) and model.members == 1
    with pytest.raises(ConfigError, match="neumf has layers"):
        auto_recommender(spec_of(9, 20), combine="neumf", members=4)


def test_a_config_that_says_all_former_defaults_means_the_same_model() -> None:
    assert type(auto_recommender(spec_of(9, 20), "dot", 32, [64, 32], 0.0, True, 0.1, 0.05, 4)) is Ease


def test_weights_that_memory_cannot_hold_are_refused(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_ratings(900, 0).to_csv(tmp_path / "r.csv", index=False)
    monkeypatch.setattr("dltrain.kinds.ratings.solve.BYTES", 2**60)
    refused = dltrain("data=choices", "data.path=r.csv")
    assert refused.code == 2 and "of memory, and" in refused.err
    assert "dltrain data=choices data.path=r.csv model=recommender" in refused.err


@pytest.mark.parametrize(
    ("options", "model", "epochs"),
    [
        ((), "Recommender", 20),
        (("data.split=leave_last",), "Ease", 1),
        (("data.split=user",), "Ease", 1),
        (("data.split=leave_last", "data.count=plays"), "Recommender", 20),
        (("data.split=leave_last", "data.item_features=items.csv"), "Recommender", 20),
        (("data.split=leave_last", "model.width=8"), "Recommender", 20),
        (("data.split=leave_last", "model=recommender"), "Recommender", 20),
        (("data=choices",), "Ease", 1),
        (("data=choices", "data.count=plays"), "Recommender", 20),
    ],
)
def test_the_usual_model_suits_what_is_learned(
    options: tuple[str, ...], model: str, epochs: int, dltrain: Callable, tmp_path: Path
) -> None:
    frame = generate_ratings(900, 0)
    frame.assign(plays=1 + np.arange(len(frame)) % 30).to_csv(tmp_path / "r.csv", index=False)
    items = pd.DataFrame({"item": frame["item"].unique()})
    items.assign(genre=[f"g{at % 3}" for at in range(len(items))]).to_csv(tmp_path / "items.csv", index=False)
    data = [] if "data=choices" in options else ["data=ratings"]
    called = dltrain(*data, "data.path=r.csv", *options, "trainer.patience=null", "hydra.run.dir=run")
    assert called.code == 0, called.err
    assert type(load(tmp_path / "run").module).__name__ == model
    assert called.result["epochs"] == epochs
    assert ("chosen because items are ranked" in called.out) == (model == "Ease")


def test_held_out_users_whose_choices_are_weighed_are_refused_with_a_command_that_works(
    dltrain: Callable, tmp_path: Path
) -> None:
    frame = generate_ratings(900, 0)
    frame.assign(plays=1 + np.arange(len(frame)) % 30).to_csv(tmp_path / "r.csv", index=False)
    refused = dltrain("data=choices", "data.path=r.csv", "data.count=plays", "data.split=user")
    assert refused.code == 2
    assert "dltrain data=choices data.path=r.csv data.count=plays data.split=leave_last" in refused.err


def test_more_choices_than_can_be_ranked_in_minutes_are_a_sample_that_is_said() -> None:
    parts = {"train": np.arange(5), "val": np.arange(100, 40_100), "test": np.arange(50_000, 90_000)}
    drawn, notes = draw_ranked(parts, items=1000, seed=0)
    assert len(drawn["val"]) == MOST_VALIDATED and len(drawn["test"]) == 40_000 and len(drawn["train"]) == 5
    assert set(drawn["val"]) <= set(parts["val"]) and (np.diff(drawn["val"]) > 0).all()
    assert notes == [
        "20,000 of the 40,000 val choices are ranked among all items, drawn by data.seed, to save time; the others are "
        "left out"
    ]
    again, _ = draw_ranked(parts, items=1000, seed=0)
    other, _ = draw_ranked(parts, items=1000, seed=1)
    assert (again["val"] == drawn["val"]).all() and set(other["val"]) != set(drawn["val"])
    many, notes = draw_ranked(parts, items=1_000_000, seed=0)
    assert len(many["test"]) * 1_000_000 <= MOST_PAIRS["test"] and len(notes) == 2
    assert draw_ranked({"train": parts["train"]}, items=9, seed=0)[1] == []


def test_a_choice_is_held_against_no_more_items_than_there_are(dltrain: Callable, tmp_path: Path) -> None:
    generate_ratings(900, 0).to_csv(tmp_path / "r.csv", index=False)
    refused = dltrain("data=choices", "data.path=r.csv", "data.negatives=100000")
    assert refused.code == 2
    assert "each choice would be held against 100,000 items, and there are" in refused.err
    assert "dltrain data=choices data.path=r.csv data.negatives=16" in refused.err
    assert dltrain("check", "data=choices", "data.path=r.csv", "data.negatives=16").code == 0
    with pytest.raises(DataError):
        ratings(path=str(tmp_path / "r.csv"), choices=True, negatives=50_000)


def test_epochs_that_score_many_pairs_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_ratings(900, 0).to_csv(tmp_path / "r.csv", index=False)
    monkeypatch.setattr("dltrain.kinds.ratings.load.MANY_NEGATIVES", 100)
    monkeypatch.setattr("dltrain.kinds.ratings.kind.MANY_SCORES", 50_000)
    data = ratings(path=str(tmp_path / "r.csv"), choices=True, negatives=100)
    found = [str(finding) for finding in kind_of(data.facts).check(data)]
    assert any("each epoch scores" in words and "00 pairs" in words and "data.negatives=64" in words for words in found)
    usual = ratings(path=str(tmp_path / "r.csv"), choices=True)
    assert not any("each epoch scores" in str(finding) for finding in kind_of(usual.facts).check(usual))


def test_the_latest_choices_are_called_so(tmp_path: Path) -> None:
    frame = generate_ratings(900, 0)
    frame.drop(columns="rating").to_csv(tmp_path / "r.csv", index=False)
    data = ratings(path=str(tmp_path / "r.csv"), choices=True, split="time")
    assert any("the latest choices are the test split" in note for note in data.notes)


def test_a_split_by_user_says_that_it_predicts_no_ratings(tmp_path: Path) -> None:
    generate_ratings(900, 0).to_csv(tmp_path / "r.csv", index=False)
    words = "ratings of users that are held out are not predicted"
    data = ratings(path=str(tmp_path / "r.csv"), split="user")
    assert any(words in note and "data.split=random predicts ratings" in note for note in data.notes)
    for options in ({"split": "user", "choices": True}, {"split": "random"}):
        other = ratings(path=str(tmp_path / "r.csv"), **options)  # type: ignore[arg-type]
        assert not any(words in note for note in other.notes)
