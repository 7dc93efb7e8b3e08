"""What a user's own files say counts, is checked, and is refused with the file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltrain.config.compose import Job, compose_job
from dltrain.errors import ConfigError

GLOBAL = "# @package _global_\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes a file below the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def trainer(*overrides: str, **more: Any) -> dict[str, Any]:
    return dict(compose_job(["data=iris", *overrides], **more).config["trainer"])


def refusals(*overrides: str, **more: Any) -> list[ConfigError]:
    with pytest.raises((ConfigError, ExceptionGroup)) as refused:
        compose_job(["data=iris", *overrides], **more)
    error = refused.value
    return list(error.exceptions) if isinstance(error, ExceptionGroup) else [error]  # type: ignore[list-item]


LONG = "defaults: [default]\nepochs: 7\npatience: null\n"


def test_what_the_user_picks_wins_over_the_recipe_and_what_it_leaves_open_stays(write: Callable) -> None:
    write("configs/trainer/long.yaml", LONG)
    recipe = trainer()
    assert (recipe["epochs"], recipe["patience"], recipe["clip_norm"]) == (200, 16, 1.0)
    picked = trainer("trainer=long")
    assert (picked["epochs"], picked["patience"], picked["clip_norm"]) == (7, None, 1.0)


def test_what_an_option_inherits_from_another_of_the_users_is_the_users_word_too(write: Callable) -> None:
    write("configs/trainer/long.yaml", LONG)
    write("configs/trainer/longer.yaml", "defaults: [long, _self_]\nepochs: 9\n")
    picked = trainer("trainer=longer")
    assert (picked["epochs"], picked["patience"], picked["clip_norm"]) == (9, None, 1.0)


def test_the_usual_option_picked_by_name_says_all_of_its_values() -> None:
    picked = trainer("trainer=default")
    assert (picked["epochs"], picked["patience"], picked["clip_norm"]) == (50, None, None)


def test_an_experiment_picks_as_the_command_line_does_and_its_own_values_come_last(write: Callable) -> None:
    write("configs/trainer/long.yaml", LONG)
    write("configs/experiment/mine.yaml", GLOBAL + "defaults:\n  - override /trainer: long\n")
    write("configs/experiment/other.yaml", GLOBAL + "defaults:\n  - override /trainer: long\ntrainer:\n  epochs: 3\n")
    assert trainer("experiment=mine")["epochs"] == 7
    assert trainer("experiment=other")["epochs"] == 3
    assert trainer("experiment=other", "trainer.epochs=2")["epochs"] == 2
    assert trainer("experiment=other", "debug=smoke")["epochs"] == 1


def test_a_recipe_of_the_users_own_gives_way_to_the_users_own_option(write: Callable) -> None:
    write("configs/optimizer/fast.yaml", "defaults: [adamw]\nlr: 0.5\n")
    write("configs/recipe/slow.yaml", GLOBAL + "optimizer:\n  lr: 0.1\n  weight_decay: 0.3\n")
    assert compose_job(["recipe=slow"]).config["optimizer"]["lr"] == 0.1
    picked = compose_job(["recipe=slow", "optimizer=fast"]).config["optimizer"]
    assert (picked["lr"], picked["weight_decay"]) == (0.5, 0.3)


def test_a_recipe_picks_options_whose_values_it_may_change(write: Callable) -> None:
    write("configs/recipe/slow.yaml", GLOBAL + "defaults:\n  - override /optimizer: sgd\noptimizer:\n  lr: 0.25\n")
    optimizer = compose_job(["recipe=slow"]).config["optimizer"]
    assert (optimizer["_target_"], optimizer["lr"]) == ("torch.optim.SGD", 0.25)


def test_sections_that_do_not_exist_are_refused_with_the_file_and_the_nearest(write: Callable) -> None:
    write("configs/experiment/typo.yaml", GLOBAL + "optimiser:\n  lr: 0.5\ntrianer:\n  epochs: 3\nzzz: 1\n")
    errors = refusals("experiment=typo")
    assert [error.where for error in errors] == [
        f"{section} in configs/experiment/typo.yaml" for section in ("optimiser", "trianer", "zzz")
    ]
    assert ["optimizer" in errors[0].fix, "trainer" in errors[1].fix, "choose from" in errors[2].fix] == [True] * 3


@pytest.mark.parametrize(
    ("said", "where", "fix"),
    [
        ("trainer:\n  epoch: 3\n", "trainer.epoch", "did you mean trainer.epochs?"),
        ("trainer:\n  max_epochs: 3\n", "trainer.max_epochs", "dltrain calls it trainer.epochs"),
        ("model:\n  channels: [3]\n", "model.channels", "it belongs to model=cnn"),
        ("loss:\n  label_smoothing: 0.1\n", "loss.label_smoothing", "it belongs to loss=cross_entropy"),
        (
            "loss:\n  label_smoothing: 0.1\n",
            "loss.label_smoothing",
            "write - override /loss: cross_entropy under defaults",
        ),
        ("optimizer.lr: 0.5\n", "optimizer.lr", "write optimizer: {lr: 0.5}"),
        ("trainer.patience: null\n", "trainer.patience", "write trainer: {patience: null}"),
        ("model: mlp\n", "", "write - override /model: mlp under defaults"),
        ("model: null\n", "", "write its keys: model: {key: value}"),
        ("trainer: 5\n", "", "write its keys: trainer: {key: value}"),
    ],
)
def test_keys_that_do_not_exist_are_refused_with_the_file(said: str, where: str, fix: str, write: Callable) -> None:
    write("configs/experiment/typo.yaml", GLOBAL + said)
    (error,) = refusals("experiment=typo")
    assert error.where == (f"{where} in configs/experiment/typo.yaml" if where else "configs/experiment/typo.yaml")
    assert fix in error.fix


def test_a_file_without_its_first_line_is_told_what_it_lacks(write: Callable) -> None:
    write("configs/experiment/nopkg.yaml", "trainer:\n  epochs: 3\n")
    (error,) = refusals("experiment=nopkg")
    assert "# @package _global_" in error.fix
    assert error.where == "configs/experiment/nopkg.yaml"


def test_wrong_values_name_the_file_that_they_stand_in(write: Callable, dltrain: Callable) -> None:
    write("configs/trainer/mine.yaml", "defaults: [default]\nepochs: ten\nepoch: 3\n")
    err = dltrain("data=iris", "trainer=mine").err
    assert "'ten' is not a whole number, at least 1, or null at trainer.epochs in configs/trainer/mine.yaml" in err
    assert "no such key at trainer.epoch in configs/trainer/mine.yaml; fix: did you mean trainer.epochs?\n" in err
    overruled = dltrain("data=iris", "trainer=mine", "trainer.epochs=zero").err
    assert "at trainer.epochs;" in overruled


def test_a_value_that_is_missing_in_a_file_is_told_with_the_file(write: Callable) -> None:
    write("configs/data/mine.yaml", "defaults: [csv]\ntarget: y\npath: ???\n")
    (error,) = refusals("data=mine")
    assert error.where == "data.path in configs/data/mine.yaml"


def test_a_folder_that_is_named_wins_over_what_is_built_in(write: Callable) -> None:
    write("conf/model/mlp.yaml", "_target_: mlp\nhidden: [8]\n")
    write("conf/experiment/mine.yaml", GLOBAL + "defaults:\n  - override /model: mlp\n")
    write("conf/train.yaml", "nothing: of dltrain\n")  # another program's
    job = compose_job(["experiment=mine"], "conf")
    assert job.config["model"] == {"_target_": "mlp", "hidden": [8]}
    assert "nothing" not in job.config
    assert len(compose_job(["model=mlp"]).config["model"]) > 2


FOREIGN = {
    "configs/train.yaml": "defaults: [model: mnist]\n",
    "configs/config.yaml": "lr: 0.1\n",
    "configs/callbacks/progress.yaml": "progress: {}\n",
    "configs/model/net.yaml": "\ttabs: are no YAML\n",
}


def test_the_configs_of_another_program_stop_nothing(write: Callable, dltrain: Callable, people_run: Path) -> None:
    for name, text in FOREIGN.items():
        write(name, text)
    write("configs/model/latin.yaml", "").write_bytes(b"# caf\xe9\n")
    write("new.csv", "number,年龄,city,pay\n1,30,Ulm,300\n")
    assert dltrain("--help").code == 0
    assert "wandb: {}" not in dltrain("list", "logger").out
    assert "callbacks" not in dltrain("list").out
    assert dltrain("predict", str(people_run), "new.csv").code == 0
    assert dltrain("data=iris", "debug=smoke", "baseline=none").code == 0
    assert dltrain("data=iris", "momentum=0.9").code == 2  # looks into every option's file


def test_a_file_that_hides_a_built_in_one_is_refused_by_what_composes_alone(
    write: Callable, dltrain: Callable, people_run: Path
) -> None:
    write("configs/model/mlp.yaml", "_target_: somebody.Net\n")
    write("new.csv", "number,年龄,city,pay\n1,30,Ulm,300\n")
    for arguments in (("--help",), ("list",), ("predict", str(people_run), "new.csv"), ("help", "train")):
        assert dltrain(*arguments).code == 0
    for arguments in (("data=iris",), ("check", "data=iris"), ("data=iris", "--cfg", "job")):
        called = dltrain(*arguments)
        assert (called.code, "configs/model/mlp.yaml hides dltrain's own" in called.err) == (2, True)


def test_interpolations_of_hydras_own_config_are_resolved() -> None:
    job = compose_job(["data=iris", "trainer.monitor=val/${hydra:job.name}", "hydra.job.name=accuracy"])
    assert job.config["trainer"]["monitor"] == "val/accuracy"


def test_hydras_search_path_is_looked_into(write: Callable, tmp_path: Path) -> None:
    write("more/model/small.yaml", "defaults: [mlp]\nhidden: [2]\n")
    job: Job = compose_job(["data=iris", "model=small", f"hydra.searchpath=['file://{tmp_path}/more']"])
    assert job.config["model"]["hidden"] == [2]


def test_an_option_without_a_target_is_refused_with_the_file_and_its_first_line(write: Callable) -> None:
    write("configs/trainer/bare.yaml", "epochs: 7\n")
    (error,) = refusals("trainer=bare")
    assert (error.where, "begin it with defaults: [default]" in error.fix) == ("configs/trainer/bare.yaml", True)


def test_a_whole_loss_may_stand_in_an_experiment_and_its_values_are_checked(write: Callable, dltrain: Callable) -> None:
    text = GLOBAL + "loss: {_target_: cross_entropy, class_weights: WEIGHTS}\n"
    write("configs/experiment/weighted.yaml", text.replace("WEIGHTS", "[1, 2, 3]"))
    assert compose_job(["data=iris", "experiment=weighted"]).config["loss"]["class_weights"] == [1, 2, 3]
    write("configs/experiment/weighted.yaml", text.replace("WEIGHTS", "{a: 1, b: 2}"))
    err = dltrain("check", "data=iris", "experiment=weighted").err
    assert "at loss.class_weights in configs/experiment/weighted.yaml" in err
    assert "if they are a, b: loss.class_weights=[1,2]" in err


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (GLOBAL + "defaults:\n  - /optimizer: sgd\n", "write - override /optimizer: sgd in the defaults of the file"),
        ("defaults:\n  - override /model: mlp\n", "begin the file with # @package _global_"),
    ],
)
def test_defaults_that_hydra_refuses_get_the_fix_of_the_file(text: str, fix: str, write: Callable) -> None:
    write("configs/experiment/odd.yaml", text)
    (error,) = refusals("experiment=odd")
    assert error.fix == fix
