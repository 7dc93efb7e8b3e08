"""A corrected command is tried before it is printed, and never means something else than what was typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.cli.proposals import corrected, propose
from dltrain.config.foreign_keys import COUNTERPARTS, METRIC_NAMES, OTHERWISE, VALUES
from dltrain.config.options import groups, options
from dltrain.config.overrides import usual_keys
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError
from dltrain.tasks.metric_table import METRICS


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
        ("--lr 0.1 --epochs 5 --seed 3", "optimizer.lr=0.1 trainer.epochs=5 seed=3"),
        ("--opt sgd --momentum 0.9", "optimizer=sgd optimizer.momentum=0.9"),
        ("--trainer.max_epochs=5", "trainer.epochs=5"),
        ("--dropout 0.2 --workers 4", "model.dropout=0.2"),
        ("trainer.epochs=10.0", "trainer.epochs=10"),
        ("trainer.epochs=1e3", "trainer.epochs=1000"),
        ("trainer.epochs='3'", "trainer.epochs=3"),
        ("trainer.patience=None", "trainer.patience=null"),
        ("metric_for_best_model=f1", "trainer.monitor=val/f1"),
        ("monitor=val_loss", "trainer.monitor=val/loss"),
        ("trainer.monitor=val_acc", "trainer.monitor=val/accuracy"),
        ("model.activation=swish", "model.activation=silu"),
        ("load_best_model_at_end=false", "trainer.keep=last"),
        ("max_epochs=5 accelerator=gpu devices=1", "trainer.epochs=5 trainer.device=auto"),
        ("num_workers=4 seed=1", "seed=1"),
        ("shuffle=true seed=1", "seed=1"),
        ("gradient_clip_val=1 gradient_clip_algorithm=norm", "trainer.clip_norm=1"),
        ("optimizer=SGD", "optimizer=sgd"),
        ("optimizer=torch.optim.AdamW", "optimizer=adamw"),
        ("loss=CrossEntropyLoss", "loss=cross_entropy"),
        ("loss=L1Loss", "loss=mae"),
        ("scheduler=OneCycleLR", "scheduler=one_cycle"),
        ("optimizer.lr = 0.1 seed=1", "optimizer.lr=0.1 seed=1"),
        ("trainer.device=gpu:0", "trainer.device=cuda:0"),
        ("use_bias=false model=linear", "model.bias=false model=linear"),
        ("warmup_ratio=0.1 scheduler=cosine", "scheduler.warmup=0.1 scheduler=cosine"),
        ("vocab_size=500 data=text", "data.vocabulary=500 data=text"),
        ("--cpu seed=1", "trainer.device=cpu seed=1"),
        ("task=binary", "task=classification"),
        ("model=mlp,linear", "model=mlp,linear -m"),
        ("solver=adam", "optimizer=adam"),
        ("model=LSTM", "model=lstm"),
        ("hidden_size=64 model=transformer", "model.width=64 model=transformer"),
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
        ("max_epochs=5 max_steps=100", "dltrain calls it trainer.epochs\n"),  # max_steps would be refused next
        ("gpus=2", "a run uses one device"),
        ("shuffle=false", "fix: training data is always shuffled"),
        ("gradient_clip_val=1 gradient_clip_algorithm=value", "clips by the norm of all gradients"),
        *((f"{key}=2", "limits every split") for key in ("limit_val_batches", "limit_train_batches")),
        ("trainer.overfit_batches=1", "limits every split"),
        ("trainer.patience=0", "give a whole number, at least 1, or null\n"),
        ("early_stopping_patience=0", "dltrain calls it trainer.patience"),
        ("trainer.precision=64-true", "give one of auto, float32, tf32, bfloat16, float16\n"),
        ("trainer.precision=float64", "give one of auto, float32, tf32, bfloat16, float16\n"),
        ("model.dropout=50", "as a share and not in percent"),
        ("num_layers=3", "model.hidden has the width of each layer"),
        ("depth=3 model=mlp", "model.hidden has the width of each layer"),
        ("width=64", "model.hidden has the width of each layer"),
        ("kernel_size=3", "it belongs to model=cnn"),
        ("embed_dim=8 d_model=16 model=transformer", "dltrain calls it model.width\n"),  # which of the two is meant?
        ("optimizer.lr_decay=0.1", "it belongs to optimizer=adagrad\n"),
        ("scheduler.warmup=0.1", "it belongs to scheduler=cosine or one_cycle\n"),
        ("=5", "write a key before the '='"),
        ("data.path=nowhere.csv data=csv data.target=y", "give the path of a CSV file"),
        ("C=0.1", "give trainer.l1, trainer.l2 or optimizer.weight_decay"),
        ("n_estimators=100", "dltrain trains neural networks"),
        ("trainer={epochs:5}", "give its keys one by one: trainer.epochs=5\n"),
        ("trainer.device=xpu", "use auto, cpu, cuda, cuda:1 or mps\n"),
        ("patch_size=4", "it belongs to model=transformer"),
        ("num_filters=8 model=cnn", "model.channels has the channels of each stage"),
        ("alpha=0.001", "give trainer.l2 or optimizer.weight_decay"),
        ("optimizer=adam momentum=0.9", "it belongs to optimizer=momentum"),
        ("model=deepfm", "choose from"),
        ("trainer.keep=all", "give one of best, last\n"),
        ("optimizer.lr=auto", "give a finite number"),
        ("seed=-1", "fix: give such a number\n"),
        ("kfold=5", "dltrain -m data.folds=5"),
        ("trainer.monitor=loss_of_mine data=iris", "give one of train/loss, val/loss"),
        ("scheduler=CosineAnnealingLR scheduler.T_max=10", "did you mean cosine?\n"),
        ("optimizer.lr=0.1 patience=3 scheduler=plateau", "trainer.patience or scheduler.patience"),
        ("fit=iris.csv", "no key is like it; dltrain --cfg job prints every key\n"),
        ("early_stopping=true", "give trainer.patience"),
        ("amp=true", "trainer.precision=bfloat16 or float16"),
        ("resume=outputs/a", "dltrain resume RUN"),
        ("loss=cross_entropy loss.class_weights={a:1,b:2}", "if they are a, b: loss.class_weights=[1,2]"),
        ("class_weight={1:3,0:1}", "if they are 0, 1: loss.class_weights=[1,3]"),
        ("hydra.output_subdir=null", "always keeps its config and overrides in .hydra/"),
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
        "test_size=30",
        "trainer.epoch=ten",
        "learning_rate=adaptive",
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
        assert meant.keys or meant.words, name
        for path in meant.keys:
            section, _, key = path.partition(".")
            assert path in ("seed", "hydra.run.dir", *sections) or key in sections[section], path
    all_keys = {f"{section}.{key}" for section, keys in sections.items() for key in keys}
    assert {*VALUES, *OTHERWISE, *(name for names in OTHERWISE.values() for name in names)} <= {*all_keys, *sections}
    assert set(METRIC_NAMES) <= set(METRICS)


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


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("predict RUN in.csv --trust=own", "predict RUN in.csv --trust=own --trust=mine"),
        ("predict RUN in.csv --trust own", "predict RUN in.csv --trust own --trust=mine"),
        ("predict RUN in.csv --trust a --trust b -o x", "predict RUN in.csv --trust a --trust b -o x --trust=mine"),
        ("predict RUN in.csv", "predict RUN in.csv --trust=mine"),
    ],
)
def test_what_is_trusted_already_stays_trusted(typed: str, proposed: str) -> None:
    refusal = ConfigError("the run's config names mine.Model", where="model._target_", override="--trust=mine")
    assert propose(typed.split(), [refusal]) == (f"dltrain {proposed}", [refusal])


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("predict in.csv RUN", "the run comes before the input at in.csv RUN; fix: dltrain predict RUN in.csv|"),
        ("predict in.csv RUN -o x.csv", "fix: dltrain predict RUN in.csv -o x.csv|"),
        ("evaluate in.csv", "in.csv is a file, not a run folder; fix: name a folder below outputs/|"),
        ("evaluate RUN in.csv", "write its key: dltrain evaluate RUN data.path=in.csv|"),
        ("evaluate RUN --data in.csv", "use the key data.path: dltrain evaluate RUN data.path=in.csv|"),
        ("evaluate RUN path=in.csv", "did you mean data.path?: dltrain evaluate RUN data.path=in.csv"),
        ("evaluate RUN data=in.csv", "write data.path: dltrain evaluate RUN data.path=in.csv"),
        (
            "check data=csv data.path=im.csv data.target=y",
            "did you mean in.csv?: dltrain check data=csv data.path=in.csv",
        ),
        ("check data=csv data.path=other.csv data.target=y", "there is no file other.csv at data.path; fix: choose a"),
        ("check data=csv data.path=in.csv data.target=zzz", "fix: name one of its columns: x, y|"),
        ("export RUN format=onnx", "write it as a flag: dltrain export RUN --format=onnx|"),
        ("export RUN --format onx", "did you mean onnx?: dltrain export RUN --format=onnx|"),
        ("export RUN --fromat=onnx", "did you mean --format?: dltrain export RUN --format=onnx|"),
        (
            "predict RUN in.csv --output_file x.csv",
            "did you mean --output?: dltrain predict RUN in.csv --output x.csv|",
        ),
        ("predict RUN in.csv --device cpu", "dltrain predict RUN in.csv trainer.device=cpu|"),
        ("predict RUN in.csv --trust=a,b", "give --trust for each: dltrain predict RUN in.csv --trust=a --trust=b|"),
        ("predict RUN in.csv --trust a,b", "give --trust for each: dltrain predict RUN in.csv --trust=a --trust=b|"),
        ("test RUN", "did you mean evaluate?: dltrain evaluate RUN|"),
        ("fit in.csv", "did you mean train?: dltrain train data=csv data.path=in.csv|"),
        (
            "-m list model",
            "the command list must be the first argument; only train and check take -m; fix: dltrain list [",
        ),
        ("-m seed=1,2 hydra/launcher=submitit_slurm", "at hydra/launcher; fix: pip install 'dltrain[slurm]'|"),
        ("model=mlp train", "the command train must be the first argument; fix: dltrain train ["),
        ("check optimizer.lr=0.1,0.2", "or train with each of them by -m: dltrain check optimizer.lr=0.1,0.2 -m|"),
        ("data=in.csv target=y", "give the file as data.path: dltrain data=csv data.path=in.csv data.target=y|"),
        ("model.hidden=[64, 32]", "write a list without blanks, as in [64,32]"),
        ("predict RUN --data in.csv", "give the input without a flag: dltrain predict RUN INPUT ... [-o FILE]"),
        ("optimizer.lr 0.1", "write optimizer.lr=...: dltrain optimizer.lr=0.1|"),
        ("nothing", "an override is key=value at nothing; fix: see dltrain --help|"),
    ],
)
def test_commands_of_habit_are_answered_with_the_right_one(typed: str, answer: str, dltrain: Callable) -> None:
    Path("in.csv").write_text("x,y\n1,2\n")
    Path("RUN").mkdir()
    Path("RUN", "status.json").write_text("{}")
    called = dltrain(*typed.split())
    assert called.code == 2
    assert answer in f"{called.err}|".replace("\n|", "|"), called.err


def test_a_path_with_blanks_stays_one_word(dltrain: Callable) -> None:
    Path("my table.csv").write_text("x,y\n1,2\n")
    assert "dltrain data=csv 'data.path=my table.csv'\n" in dltrain("my table.csv").err


def test_a_correction_of_two_keys_replaces_both() -> None:
    error = ConfigError("", "model.pools", override="model.pools=[8,4,1] model.apart=[24,12,1]")
    for typed in (["model.apart=[9]"], ["model.apart=[9]", "model.pools=[1,2]"], ["model.pools=[1,2]"]):
        assert sorted(corrected(["check", *typed, "seed=1"], [error])) == [
            "check",
            "model.apart=[24,12,1]",
            "model.pools=[8,4,1]",
            "seed=1",
        ]
