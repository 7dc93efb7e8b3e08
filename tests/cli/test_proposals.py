"""A corrected command is tried before it is printed, and never means something else than what was typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.cli.proposals import propose
from dltrain.config.foreign_keys import COUNTERPARTS, VALUES
from dltrain.config.options import groups, options
from dltrain.config.overrides import usual_keys
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("trainer.max_epochs=5", "trainer.epochs=5"),
        ("max_epochs=5", "trainer.epochs=5"),
        ("num_train_epochs=5 seed=1", "trainer.epochs=5 seed=1"),
        ("precision=bf16-mixed", "trainer.precision=bfloat16"),
        ("trainer.precision=bf16-mixed", "trainer.precision=bfloat16"),
        ("trainer.precision=16-mixed", "trainer.precision=float16"),
        ("trainer.precision=bf16", "trainer.precision=bfloat16"),
        ("trainer.precision=fp16", "trainer.precision=float16"),
        ("trainer.precision=32", "trainer.precision=float32"),
        ("trainer.precision=16", "trainer.precision=float16"),
        ("fp16=true", "trainer.precision=float16"),
        ("mixed_precision=bf16", "trainer.precision=bfloat16"),
        ("trainer.gradient_clip_val=0.5", "trainer.clip_norm=0.5"),
        ("max_grad_norm=1", "trainer.clip_norm=1"),
        ("gradient_clip_val=0", "trainer.clip_norm=null"),
        ("batch_size=32", "trainer.batch_size=32"),
        ("data.batch_size=32", "trainer.batch_size=32"),
        ("batch=16", "trainer.batch_size=16"),
        ("batch=-1", "trainer.batch_size=auto"),
        ("lr=0.1", "optimizer.lr=0.1"),
        ("learning_rate=0.1,0.2 -m", "optimizer.lr=0.1,0.2 -m"),
        ("optimizer.learning_rate=0.1", "optimizer.lr=0.1"),
        ("lr0=0.1", "optimizer.lr=0.1"),
        ("weight_decay=0.1", "optimizer.weight_decay=0.1"),
        ("trainer.accumulate_grad_batches=4", "trainer.accumulate=4"),
        ("gradient_accumulation_steps=4", "trainer.accumulate=4"),
        ("accelerator=gpu", "trainer.device=auto"),
        ("accelerator=cpu", "trainer.device=cpu"),
        ("device=0", "trainer.device=cuda:0"),
        ("early_stopping_patience=4", "trainer.patience=4"),
        ("dropout=0.2", "model.dropout=0.2"),
        ("model.dropout_rate=0.2", "model.dropout=0.2"),
        ("model.hidden_size=64", "'model.hidden=[64]'"),
        ("hidden_sizes=[64,32]", "'model.hidden=[64,32]'"),
        ("model.units=64", "'model.hidden=[64]'"),
        ("random_state=3", "seed=3"),
        ("optim=adam", "optimizer=adam"),
        ("optimizer.name=adam", "optimizer=adam"),
        ("optim=adamw_torch", "optimizer=adamw"),
        ("loss=crossentropy", "loss=cross_entropy"),
        ("lr_scheduler=cosine", "scheduler=cosine"),
        ("test_size=0.2", "data.test_fraction=0.2"),
        ("label_smoothing=0.1", "loss=cross_entropy loss.label_smoothing=0.1"),
        ("class_weight=balanced", "loss=cross_entropy loss.class_weights=balanced"),
        ("momentum=0.9", "optimizer=momentum optimizer.momentum=0.9"),
        ("output_dir=runs/a", "hydra.run.dir=runs/a"),
        ("--epochs 10", "trainer.epochs=10"),
        ("--lr=0.1 model=linear", "optimizer.lr=0.1 model=linear"),
        ("--batch-size 8", "trainer.batch_size=8"),
        ("--learning-rate 0.1", "optimizer.lr=0.1"),
    ],
)
def test_keys_and_values_of_other_tools_get_their_counterpart(typed: str, proposed: str, dltrain: Callable) -> None:
    called = dltrain("data=iris", *typed.split())
    assert called.code == 2
    assert f": dltrain data=iris {proposed}\n" in called.err
    assert list(called.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("max_steps=100", "training is measured in epochs"),
        ("num_workers=4", "leave it out"),
        ("gpus=1", "a run uses one device"),
        ("early_stopping=true", "give trainer.patience"),
        ("model.num_classes=3", "it follows from the data"),
        ("amp=true", "trainer.precision=bfloat16 or float16"),
        ("resume=outputs/a", "dltrain resume RUN"),
        ("--num-workers 4", "leave it out"),
        ("loss=cross_entropy loss.class_weights={setosa:1,virginica:2}", "in the order of the classes: [1,2]"),
    ],
)
def test_where_there_is_no_counterpart_words_say_what_to_do(typed: str, words: str, dltrain: Callable) -> None:
    called = dltrain("data=iris", *typed.split())
    assert (called.code, words in called.err) == (2, True), called.err
    assert ": dltrain data=iris" not in called.err


@pytest.mark.parametrize(
    "typed",
    [
        "trainer.max_epochs=-1",
        "trainer.max_epochs=auto",
        "precision=fp8",
        "model.num_layers=3 model=linear",
        "hidden_size=wide",
        "model_name=resnet999",
    ],
)
def test_a_proposal_that_would_be_refused_itself_is_not_made(typed: str, dltrain: Callable) -> None:
    called = dltrain("data=iris", *typed.split())
    assert called.code == 2
    assert "; fix: " in called.err
    assert ": dltrain data=iris" not in called.err


@pytest.mark.parametrize("typed", ["optimizer.lr=0.1,-1", "optimizer.lr=range(-1,3)"])
def test_several_values_are_not_replaced_by_one(typed: str, dltrain: Callable) -> None:
    called = dltrain("-m", "model=linear", "data=iris", typed)
    assert called.code == 2
    assert "at optimizer.lr" in called.err
    assert "dltrain -m" not in called.err


def test_what_the_correction_lacks_is_added(dltrain: Callable) -> None:
    assert ": dltrain data.target=y data=csv data.path=...\n" in dltrain("data.target=y").err


def test_a_correction_that_cannot_be_applied_is_not_shown_as_the_same_command() -> None:
    where, old, new = "trainer.epoch in mine.yaml", "trainer.epoch", "trainer.epochs"
    assert propose(["data=iris"], [ConfigError("no such key", where, override=new, replaces=old)]) == ("", [])


def test_of_two_corrections_the_one_that_fails_is_left_out() -> None:
    good = ConfigError("", where="seed", override="seed=1")
    bad = ConfigError("", where="model", override="model=nothing")
    command, corrects = propose(["seed=x", "model=y"], [good, bad])
    assert (command, corrects) == ("", []) or corrects == [good]
    command, corrects = propose(["seed=x"], [good, bad])
    assert (command, corrects) == ("dltrain seed=1", [good])


def test_a_short_flag_is_taken_for_no_other_short_flag(dltrain: Callable) -> None:
    assert "did you mean --quiet?: dltrain data=iris --quiet" in dltrain("data=iris", "-q").err
    assert "there is no flag -x; fix: see dltrain" in dltrain("data=iris", "-x").err


def test_a_misspelt_format_or_name_is_corrected_without_composing(dltrain: Callable, people_run: Path) -> None:
    err = dltrain("export", str(people_run), "--format", "onx").err
    assert f"dltrain export {people_run} --format=onnx" in err
    err = dltrain("predict", str(people_run), "in.csv", "data.encodign=gbk").err
    assert f"did you mean data.encoding?: dltrain predict {people_run} in.csv data.encoding=gbk" in err


def test_every_counterpart_is_a_key_or_a_group_that_there_is() -> None:
    sections = {group: set() for group in groups()}
    for group, keys in sections.items():
        from dltrain.config.overrides import _content, option_file

        for option in options(group):
            keys |= set(_content(option_file(group, option)))
    for name, meant in COUNTERPARTS.items():
        assert meant.key or meant.words, name
        section, _, key = meant.key.partition(".")
        assert not meant.key or meant.key in ("seed", "hydra.run.dir", *sections) or key in sections[section], meant.key
    assert set(VALUES) <= {*usual_keys(), *sections}


@pytest.mark.parametrize("key", ["trainer.epochs", "optimizer.lr", "data.target", "model.dropout", "trainer.patience"])
def test_a_slip_is_found_and_another_word_is_not(key: str) -> None:
    known = usual_keys()
    section, _, name = key.partition(".")
    swapped = name[::-1] if len(name) < 3 else name[0] + name[2] + name[1] + name[3:]
    for slip in (name + "s", name[:-1], swapped):
        assert nearest(f"{section}.{slip}", [*known, key]) == key, slip
    for other in ("rate", "iterations", "neurons", "verbosity", "momentum"):
        assert nearest(f"{section}.{other}", known) == ""


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [("+optimizer.lr=0.1", "optimizer.lr=0.1"), ("+trainer.precision=bf16-mixed", "trainer.precision=bfloat16")],
)
def test_a_plus_before_a_key_that_exists_is_left_out(typed: str, corrected: str, dltrain: Callable) -> None:
    called = dltrain("data=iris", typed)
    assert called.code == 2
    assert called.err.endswith(
        f"the key exists already at {corrected.partition('=')[0]}; fix: leave out the +: "
        f"dltrain data=iris {corrected}\n"
    ), called.err
