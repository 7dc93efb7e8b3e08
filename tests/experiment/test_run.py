from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
import yaml
from safetensors.torch import load_file

from dltrain.config.compose import compose_jobs
from dltrain.config.options import options
from dltrain.errors import DataError
from dltrain.experiment.build import Setup, build_model, build_optimizer
from dltrain.experiment.run import threads_in_words
from dltrain.experiment.targets import check
from dltrain.kinds.kind import kind_of
from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import pointed
from dltrain.training.settings import TrainerSettings
from dltrain.types import Facts, Spec

KINDS = {
    **dict.fromkeys(("cubic", "regression", "grades", "csv", "iris", "wine", "breast_cancer", "diabetes"), "table"),
    **dict.fromkeys(("animals", "captcha", "images", "digits", "mnist", "fashion_mnist", "cifar10"), "image"),
    **dict.fromkeys(("corpus", "verse"), "corpus"),
    **dict.fromkeys(("pairs", "sums", "number_words"), "pairs"),
    **dict.fromkeys(("ratings", "choices"), "ratings"),
    **{name: name for name in ("text", "series", "words")},
}
LARGE = ("transformer_medium", "transformer_large")  # of a family that is tried in other sizes
MODELS = {kind: kind_of(Facts(kind, "", ())).default_model for kind in KINDS.values()}
ONE_EACH = {
    "table": "csv",
    "image": "digits",
    "text": "text",
    "corpus": "verse",
    "pairs": "number_words",
    "series": "series",
    "ratings": "ratings",
    "words": "words",
}
TAKES = {
    "auto": ("table", "series"),
    "bag": ("text",),
    **dict.fromkeys(("ease", "sasrec"), ("ratings",)),
    **dict.fromkeys(("encoder_decoder", "gru_attention"), ("pairs",)),
    "cnn": ("image",),
    "encoder": ("text",),
    "pretrained": ("image",),
    **dict.fromkeys(("auto_recommender", "recommender"), ("ratings",)),
    "resnet": ("image",),
    "resnet9": ("image",),
    "tabm": ("table",),
    **dict.fromkeys(("textcnn", "textcnn_bag"), ("text",)),
    **dict.fromkeys(("dlinear", "nhits", "patchtst", "tide"), ("series",)),
    "knn": ("table", "image"),
    "word2vec": ("words",),
    **dict.fromkeys(("linear", "mlp"), ("table", "image", "series")),
    **dict.fromkeys(("rnn", "lstm", "gru"), ("text", "corpus", "series", "image")),
}
SEQUENCES = ("text", "corpus", "series", "image", "table")  # of the transformer, in every size
TURNS = {  # the cells of one class, and the sizes of another, share the kinds that they take
    "rnn": ("image",),
    "lstm": ("text",),
    "gru": ("corpus", "series"),
    "transformer": ("corpus", "series"),
    "transformer_small": ("text", "image", "table"),
    **dict.fromkeys(LARGE, ()),
    "encoder": (),  # which needs a folder of weights: test_encoder_runs.py
    **dict.fromkeys(("ease", "sasrec"), ()),  # which rank choices, as below
}
PAIRS = sorted(
    {(name, MODELS[KINDS[name]]) for name in options("data")}
    | {("choices", model) for model in ("ease", "sasrec")}
    | {(ONE_EACH[kind], model) for model in options("model") for kind in TURNS.get(model, TAKES.get(model, SEQUENCES))}
)
SMALL = {
    "animals": ["data.size=32"],
    "csv": ["data.path=table.csv", "data.target=y"],
    "images": ["data.path=images", "data.size=16"],
    "text": ["data.rows=300"],
    "corpus": ["data.characters=20000", "data.length=16"],
    "verse": ["data.rows=100", "data.length=16"],
    "pairs": ["data.path=pairs.csv"],
    "sums": ["data.rows=60", "data.digits=2"],
    "number_words": ["data.rows=60"],
    "series": ["data.rows=300", "data.window=24"],
    "ratings": ["data.rows=600"],
    "choices": ["data.rows=600"],
    "words": ["data.rows=400"],
}
SMALL_MODELS = {  # the README's commands train the same in their full size
    ("corpus", "transformer"): ["model.width=16", "model.ngrams=2"],
    ("image", "transformer_small"): ["model.patch=4"],
    ("image", "cnn"): ["model.channels=[8,16]"],
    ("table", "auto"): ["model.hidden=[8]"],
    ("image", "resnet"): ["model.channels=[8,16]"],
    ("image", "pretrained"): ["model.name=shufflenet_v2_x0_5", "model.weights=none", "model.freeze=none"],
}


@pytest.fixture
def sources(tmp_path: Path, known_sets: Path, drawn_animals: Path) -> None:
    """A small table, small folders of images and small known sets, where the command line is called."""
    from PIL import Image

    (tmp_path / "table.csv").write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{i * 3 % 5},{i % 2}\n" for i in range(60)))
    pairs = "".join(f"{i % 7} and {i},{i % 7 + i}\n" for i in range(60))
    (tmp_path / "pairs.csv").write_text("question,answer\n" + pairs)
    shutil.copytree(drawn_animals, tmp_path / "data" / "animals")
    for name, colour in (("红", "red"), ("blue", "blue")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (20, 18), colour).save(tmp_path / "images" / name / f"{number}.png")


@pytest.mark.parametrize(("data", "model"), PAIRS)
def test_data_and_model_train_together(
    data: str, model: str, dltrain: Callable, sources: None, short_samples: None, request: pytest.FixtureRequest
) -> None:
    if data in ONE_EACH.values() and model == MODELS[KINDS[data]]:
        request.getfixturevalue("rendered_plots")
    small = SMALL.get(data, []) + SMALL_MODELS.get((KINDS[data], model), [])
    called = dltrain(f"data={data}", f"model={model}", *small, "debug=smoke", "trainer.batch_size=8")
    assert called.code == 0, called.err
    assert math.isfinite(called.result["test"]["loss"])
    assert called.run.report.exists()
    assert "cannot be drawn" not in called.err


@pytest.mark.parametrize("model", options("model"))
def test_a_model_refuses_the_kinds_that_it_does_not_take(model: str) -> None:
    (job,) = compose_jobs([f"model={model}"], sweep=False)
    for kind in MODELS.keys() - set(TAKES.get(model, SEQUENCES)):
        with pytest.raises(DataError) as refused:
            build_model(job.config["model"], Facts(kind, "", (4,)), Spec(kind, (4,), 2))
        assert refused.value.override == f"model={MODELS[kind]}"


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        *(("table", "cnn"), ("image", "bag"), ("text", "tabm")),
        *(("corpus", "recommender"), ("series", "textcnn"), ("ratings", "linear")),
    ],
)
def test_data_of_another_kind_is_refused_with_a_model_for_it(
    kind: str, model: str, dltrain: Callable, sources: None
) -> None:
    data = ONE_EACH[kind]
    called = dltrain(f"data={data}", f"model={model}", *SMALL.get(data, []), "debug=smoke")
    assert called.code == 2
    assert f"model={MODELS[kind]}" in called.err


@pytest.mark.parametrize("model", LARGE)
def test_a_large_size_of_a_family_takes_a_step(model: str) -> None:
    (job,) = compose_jobs(["data=series", f"model={model}"], sweep=False)
    assert check(job.config) == []
    network = build_model(job.config["model"], Facts("series", "regression", (8, 1)), Spec("series", (8, 1), 1))
    optimizer = build_optimizer(job.config["optimizer"], network)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    network(torch.rand(2, 8, 1)).square().sum().backward()
    optimizer.step()
    assert all(not torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))


def test_a_run_folder_holds_what_the_contract_says(dltrain: Callable) -> None:
    called = dltrain("model=mlp", "data=iris", "trainer.epochs=5", "seed=3", "hydra.run.dir=here")
    run = RunDir(called.folder / "here")
    assert called.code == 0
    assert called.run.path == run.path

    result = called.result
    for split in ("train", "val", "test"):
        assert set(result[split]) == {"loss", "accuracy", "precision", "recall", "f1", "roc_auc"}
    assert result["seed"] == 3
    assert result["monitor"] == "val/loss"
    assert 1 <= result["best_epoch"] <= 5
    assert result["data"]["rows"] == 150
    assert result["data"]["splits"] == {"train": 120, "val": 15, "test": 15}
    embedding = 4 * (6 * 12 + 12)  # numbers, bins, width: a bin for 20 of the 120 rows
    assert result["parameters"] == embedding + 4 * 12 * 256 + 256 + 256 * 128 + 128 + 128 * 3 + 3
    assert result["samples_per_second"] > 0
    assert set(result) >= {"baseline", "seconds", "device", "versions", "git"}
    assert run.read_status()["state"] == "done"

    history = run.read_history()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert {"step", "seconds", "lr", "train/loss", "val/loss", "val/accuracy"} <= set(history[0])
    assert min(history, key=lambda row: row["val/loss"])["epoch"] == result["best_epoch"]

    assert yaml.safe_load(run.config.read_text())["trainer"]["epochs"] == 5
    assert yaml.safe_load((run.hydra / "overrides.yaml").read_text())[0] == "model=mlp"
    with run.predictions.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    assert sum(row["true"] == row["predicted"] for row in rows) / 15 == pytest.approx(result["test"]["accuracy"])
    assert sum(float(rows[0][f"score_{name}"]) for name in ("setosa", "versicolor", "virginica")) == pytest.approx(1)
    assert len(load_file(run.examples / "inputs.safetensors")["input_0"]) == 15
    assert "test " in run.log.read_text()
    assert json.loads(run.facts.read_text())["classes"] == ["setosa", "versicolor", "virginica"]


def test_results_are_those_of_the_best_checkpoint(dltrain: Callable) -> None:
    called = dltrain("model=mlp", "data=wine", "optimizer.lr=0.03", "trainer.epochs=12", "trainer.patience=null")
    best = pointed(called.run.checkpoints, "best")
    epoch = json.loads((best / "manifest.json").read_text())["epoch"]
    row = called.run.read_history()[epoch - 1]
    assert epoch == called.result["best_epoch"]
    assert called.result["val"]["loss"] == pytest.approx(row["val/loss"], abs=1e-12)
    assert json.loads((pointed(called.run.checkpoints, "last") / "manifest.json").read_text())["epoch"] == 12


def test_the_cubic_experiment_equals_a_plain_loop_bit_for_bit(dltrain: Callable) -> None:
    epochs = 300
    called = dltrain("experiment=cubic", f"trainer.epochs={epochs}", "trainer.threads=1", "trainer.device=cpu")

    x = torch.linspace(-10, 10, 1000)[:, None]
    y = x**3
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = torch.nn.MSELoss()(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert [row["train/loss"] for row in called.run.read_history()] == losses
    saved = load_file(pointed(called.run.checkpoints, "last") / "model.safetensors")
    assert len(saved) == 6
    for name, tensor in model.state_dict().items():
        assert torch.equal(saved[f"layers.{name}"], tensor), name


def test_linear_regression_recovers_the_coefficients(dltrain: Callable) -> None:
    called = dltrain("experiment=linear_regression", "data.noise=0")
    weights = load_file(pointed(called.run.checkpoints, "best") / "model.safetensors")
    truth = json.loads(called.run.facts.read_text())["truth"]
    assert weights["linear.weight"][0].tolist() == pytest.approx(truth["coefficients"], abs=1e-2)
    assert weights["linear.bias"].item() == pytest.approx(truth["bias"], abs=1e-2)
    assert (called.run.plots / "coefficients.png").exists()


def test_the_same_seed_gives_the_same_run(dltrain: Callable) -> None:
    short = ("model=mlp", "data=iris", "trainer.epochs=3", "baseline=none")
    for name in ("a", "b"):
        dltrain(*short, f"hydra.run.dir={name}")
    dltrain(*short, "seed=1", "hydra.run.dir=c")
    losses = [[row["train/loss"] for row in RunDir(name).read_history()] for name in ("a", "b", "c")]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_no_validation_split_monitors_the_training_loss(dltrain: Callable) -> None:
    called = dltrain("data=cubic", "data.val_fraction=0", "data.test_fraction=0", "trainer.epochs=3")
    assert called.result["monitor"] == "train/loss"
    assert called.result["val"] == called.result["test"] == {}
    assert set(called.run.read_history()[0]) == {"epoch", "step", "seconds", "lr", "train/loss", "train_seconds"}


def test_divergence_ends_with_3_and_says_what_to_do(dltrain: Callable) -> None:
    called = dltrain("data=cubic", "optimizer=sgd", "optimizer.lr=1e20", "trainer.epochs=5")
    assert called.code == 3
    assert "optimizer.lr=0.001" in called.err
    assert "lr 1e+20" in called.err
    assert called.run.read_status()["state"] == "diverged"


def test_weights_that_explode_in_the_last_step_are_no_result(dltrain: Callable) -> None:
    options = [
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "trainer.batch_size=full",
        "trainer.clip_norm=null",
        "trainer.l2=1e12",
    ]
    called = dltrain("data=cubic", "trainer.epochs=1", *options)
    assert called.code == 3
    assert not called.run.result.exists()
    assert not called.run.checkpoints.exists()


def test_a_folder_that_holds_a_run_is_not_written_into(dltrain: Callable) -> None:
    assert dltrain("data=iris", "debug=smoke", "hydra.run.dir=same").code == 0
    before = (Path("same") / "result.json").read_bytes()
    called = dltrain("data=iris", "debug=smoke", "hydra.run.dir=same", "seed=9")
    assert called.code == 2
    assert "already contains a run" in called.err
    assert (Path("same") / "result.json").read_bytes() == before


def test_an_empty_folder_may_be_named(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "空 folder (1)").mkdir()
    called = dltrain("data=iris", "debug=smoke", f"hydra.run.dir={tmp_path}/空 folder (1)")
    assert called.code == 0
    assert called.run.path.name == "空 folder (1)"


def test_two_thousand_epochs_print_about_twenty_lines(dltrain: Callable) -> None:
    out = dltrain("experiment=cubic", "trainer.epochs=2000", "data.rows=8", "model.hidden=[2]").out
    assert 15 <= sum(line.startswith("epoch") for line in out.splitlines()) <= 25


def test_quiet_says_nothing_and_json_says_the_result(dltrain: Callable) -> None:
    assert dltrain("data=iris", "debug=smoke", "--quiet").out == ""
    called = dltrain("data=iris", "debug=smoke", "--json", "hydra.run.dir=other")
    assert json.loads(called.out)["test"] == json.loads(Path("other/result.json").read_text())["test"]


def test_early_stopping_stops(dltrain: Callable) -> None:
    called = dltrain("data=iris", "trainer.epochs=50", "trainer.patience=2", "trainer.min_delta=10")
    assert called.result["epochs"] == 3
    assert called.result["best_epoch"] == 1


def test_chinese_headers_brackets_and_commas_in_overrides(dltrain: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "数据, x=y"
    folder.mkdir()
    rows = "".join(f"{i},学生{i},{i % 7},{i * 3 % 10 / 2},{'及格' if i % 3 else '不及格'}\n" for i in range(60))
    (folder / "成绩 (1).csv").write_text("学号,姓名,语文 #1,Price ($),结果=等级\n" + rows, encoding="gbk")
    called = dltrain(
        "model=mlp",
        "data=csv",
        f"data.path={folder}/成绩 (1).csv",
        "data.target=结果=等级",
        "data.drop=[学号,姓名,Price ($)]",
        "data.encoding=gbk",
        "trainer.epochs=2",
        "hydra.run.dir=结果 (a,b)",
    )
    assert called.code == 0, called.err
    facts = json.loads(called.run.facts.read_text("utf-8"))
    assert facts["features"] == ["语文 #1"]
    assert facts["classes"] == ["不及格", "及格"]


def test_models_of_the_users_own_need_one_file_and_one_config(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "homemade.py").write_text(
        "from torch import nn\n"
        "class Tiny(nn.Module):\n"
        "    takes = ('table',)\n"
        "    def __init__(self, spec, width: int = 4):\n"
        "        super().__init__()\n"
        "        self.net = nn.Sequential(nn.Linear(spec.input_shape[0], width), nn.Linear(width, spec.out_features))\n"
        "    def forward(self, x):\n"
        "        return self.net(x)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "tiny.yaml").write_text("# My own.\n_target_: homemade.Tiny\nwidth: 5\n")
    called = dltrain("model=tiny", "data=iris", "trainer.epochs=1")
    assert called.code == 0, called.err
    assert called.result["parameters"] == 4 * 5 + 5 + 5 * 3 + 3
    assert "tiny" in dltrain("list", "model").out
    assert dltrain("model=tiny", "data=iris", "+model.widht=3").code == 2


def test_a_config_of_the_users_own_may_not_hide_a_built_in_one(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mlp.yaml").write_text("_target_: os.system\n")
    called = dltrain("model=mlp", "data=iris")
    assert called.code == 2
    assert "model/mlp.yaml" in called.err


OTHERS = ("mse", "mae", "huber", "quantile", "sampled_softmax", "estimated_softmax", "bpr", "negative_sampling")
CLASSES = [
    *((name, "wine") for name in options("loss") if name not in OTHERS),
    ("bce", "breast_cancer"),  # one output instead of one a class
    ("hinge", "breast_cancer"),
]


@pytest.mark.parametrize(("loss", "data"), CLASSES)
def test_every_classification_loss_learns(loss: str, data: str, dltrain: Callable) -> None:
    fast = ("trainer.epochs=15", "optimizer.lr=0.02", "baseline=none")
    called = dltrain("model=linear", f"data={data}", f"loss={loss}", *fast)
    assert called.result["train"]["accuracy"] > 0.9
    assert math.isfinite(called.result["test"]["roc_auc"])


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_every_regression_loss_learns(loss: str, dltrain: Callable) -> None:
    fast = ("trainer.epochs=30", "optimizer.lr=0.05")
    called = dltrain("model=linear", "data=regression", f"loss={loss}", "baseline=none", *fast)
    assert called.result["test"]["r2"] > 0.99


@pytest.mark.parametrize("scheduler", options("scheduler"))
def test_every_schedule_trains(scheduler: str, dltrain: Callable) -> None:
    fast = ("trainer.epochs=12", "optimizer.lr=0.05", "baseline=none")
    called = dltrain("model=linear", "data=iris", f"scheduler={scheduler}", *fast)
    rates = {row["lr"] for row in called.run.read_history()}
    assert (len(rates) == 1) == (scheduler == "constant") or scheduler == "plateau"
    assert called.result["train"]["accuracy"] > 0.8


def test_report_draws_the_page_again(dltrain: Callable) -> None:
    called = dltrain("data=iris", "debug=smoke")
    called.run.report.unlink()
    assert dltrain("report", str(called.run.path)).code == 0
    assert called.run.report.exists()
    refused = dltrain("report", "nowhere")
    assert refused.code == 2
    assert "nowhere" in refused.err


def test_the_last_weights_can_be_kept(dltrain: Callable) -> None:
    fast = (
        "model=mlp",
        "data=wine",
        "optimizer.lr=0.03",
        "trainer.epochs=12",
        "trainer.patience=null",
        "baseline=none",
    )
    best = dltrain(*fast, "hydra.run.dir=best").result
    assert dltrain(*fast, "trainer.keep=last", "hydra.run.dir=last").code == 0
    last = json.loads(Path("last/result.json").read_text())
    assert best["best_epoch"] < 12 == last["best_epoch"]
    run = RunDir("last")
    assert pointed(run.checkpoints, "best") == pointed(run.checkpoints, "last")
    assert last["val"]["loss"] == pytest.approx(run.read_history()[-1]["val/loss"], abs=1e-12)
    assert "Weights of the last of 12 epochs" in run.report.read_text()


def test_patience_counts_from_the_best_epoch_though_the_last_is_kept(dltrain: Callable) -> None:
    called = dltrain("data=iris", "trainer.patience=2", "trainer.min_delta=10", "trainer.keep=last")
    assert called.result["epochs"] == called.result["best_epoch"] == 3


@pytest.mark.parametrize(
    ("asked", "threads", "words"),
    [
        (None, 1, "1 thread of 4, because more would gain little in steps this small"),
        (None, 4, "4 threads"),
        (1, 1, "1 thread"),
    ],
)
def test_fewer_threads_than_cores_are_explained(
    asked: int | None, threads: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dltrain.experiment.run.count_cores", lambda: 4)
    setup = SimpleNamespace(threads=threads, settings=TrainerSettings(threads=asked))
    assert threads_in_words(cast(Setup, setup)) == words
