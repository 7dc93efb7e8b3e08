"""Runs of pretrained text encoders: their own tokens, features computed once, and a run that needs no folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from dltrain import load
from dltrain.data.network_folder import find_network
from dltrain.errors import ConfigError
from dltrain.experiment import features
from dltrain.models.names import picked_model
from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import load_weights, pointed

GOOD, BAD = ["fine", "lovely", "great"], ["poor", "awful", "dull"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, "a", "film", "with", "words", "some", "more"]
SHORT = (
    *(
        "model=encoder",
        "model.path=tiny",
        "data=text",
        "data.path=a.csv",
        "data.val_fraction=0.2",
        "baseline.seconds=0",
    ),
    *("trainer.epochs=2", "trainer.threads=1", "trainer.batch_size=8", "hydra.run.dir=run"),
)


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(5)  # as sentence-transformers leaves it
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The working directory of a command, with a table of short reviews."""
    labels = ["good" if row % 2 else "bad" for row in range(60)]
    texts = [
        f"a {(GOOD if label == 'good' else BAD)[row % 3]} film with {'some more ' * (row % 3)}words"
        for row, label in enumerate(labels)
    ]
    pd.DataFrame({"comment": texts, "mark": labels}).to_csv(tmp_path / "a.csv", index=False)
    return tmp_path


@pytest.fixture
def bert(place: Path) -> Path:
    """The folder of a tiny BERT with random weights, beside the table."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("tokenizers")
    torch.manual_seed(5)
    settings = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    transformers.BertModel(settings).save_pretrained(place / "tiny")
    write_tokenizer(place / "tiny")
    return place / "tiny"


@pytest.fixture
def table(place: Path) -> Path:
    """The folder of a static network as model2vec writes it, beside the table."""
    pytest.importorskip("tokenizers")
    folder = place / "tiny"
    folder.mkdir()
    vectors = torch.randn(len(WORDS), 8, generator=torch.Generator().manual_seed(5))
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": False}))
    write_tokenizer(folder)
    return folder


def weights_of(run: str) -> dict[str, torch.Tensor]:
    return load_weights(pointed(RunDir(run).checkpoints, "best"))


def losses(run: str) -> list[tuple[float, float]]:
    return [(row["train/loss"], row["val/loss"]) for row in RunDir(run).read_history()]


def test_a_run_is_complete_without_the_folder(bert: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT)
    assert called.code == 0, called.err
    assert "tiny with the weights of model.safetensors; its head is new" in called.out
    assert "the 3 stages of the trunk are frozen" in called.out
    assert "60 samples pass the frozen trunk once" in called.out
    before = pd.read_csv("run/predictions.csv")
    texts = pd.read_csv("a.csv").loc[before["id"]]
    shutil.rmtree(bert)
    again = load("run", device="cpu").predict(texts.drop(columns="mark"))
    assert again["score_good"].to_numpy() == pytest.approx(before["score_good"].to_numpy(), abs=1e-5)
    called = dltrain("evaluate", "run", "data.path=a.csv")
    assert called.code == 0, called.err


def test_features_are_those_of_transformers_and_mean_pooling(bert: Path, dltrain: Callable) -> None:
    transformers = pytest.importorskip("transformers")
    assert dltrain(*SHORT, "debug=smoke").code == 0
    model = load("run", device="cpu")
    encoded = model.encoder.encode(["a fine film with words", "strange film"])
    module: Any = picked_model(model.module)
    with torch.no_grad():
        ours = module.features(*encoded.inputs)
        network = transformers.AutoModel.from_pretrained(str(bert)).eval()
        for row, numbers in enumerate(([2, 10, 4, 11, 12, 13, 3], [2, 1, 11, 3])):
            theirs = network(torch.tensor([numbers])).last_hidden_state.mean(dim=1)
            torch.testing.assert_close(ours[row : row + 1], theirs, rtol=1e-4, atol=1e-5)


def test_sentence_transformers_folder_says_how_to_pool(bert: Path, dltrain: Callable) -> None:
    parts = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (bert / "modules.json").write_text(json.dumps(parts))
    (bert / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (bert / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert dltrain(*SHORT, "debug=smoke").code == 0
    assert RunDir("run").read_facts().preprocessing["network"]["pool"] == "first"
    pooling = {"pooling_mode_mean_sqrt_len_tokens": True}
    (bert / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    called = dltrain(*SHORT, "debug=smoke")
    assert called.code == 2
    assert "model.pool=mean" in called.err


def test_cached_features_give_what_the_whole_network_gives(
    bert: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dltrain(*SHORT).code == 0
    monkeypatch.setattr(features, "are_cacheable", lambda setup: False)
    assert dltrain(*SHORT, "hydra.run.dir=whole").code == 0
    for cached, whole in zip(losses("run"), losses("whole"), strict=True):
        assert cached == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize(
    "how", ["model.freeze=none", "model.freeze=2", "model.unfreeze_epoch=1", "model.freeze=none model.bag=false"]
)
def test_a_resumed_run_has_the_same_bits_without_the_folder(bert: Path, dltrain: Callable, how: str) -> None:
    arguments = (*SHORT, *how.split(), "scheduler=constant", "trainer.save_epochs=1")
    assert dltrain(*arguments, "hydra.run.dir=whole").code == 0
    assert dltrain(*arguments, "trainer.epochs=1").code == 0
    shutil.rmtree(bert)
    called = dltrain("resume", "run", "trainer.epochs=2")
    assert called.code == 0, called.err
    assert losses("run") == losses("whole")
    whole = weights_of("whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights_of("run").items())


def test_frozen_stages_stay_and_the_others_learn_slower_than_the_head(bert: Path, dltrain: Callable) -> None:
    assert dltrain(*SHORT, "model.freeze=2").code == 0
    from safetensors.torch import load_file

    before, after = load_file(bert / "model.safetensors"), weights_of("run")
    for name, same in (("embeddings.word_embeddings", True), ("encoder.layer.0.output.dense", True)):
        assert torch.equal(after[f"trunk.network.{name}.weight"], before[f"{name}.weight"]) is same
    last = "encoder.layer.1.output.dense.weight"
    assert not torch.equal(after[f"trunk.network.{last}"], before[last])
    model: Any = picked_model(load("run", device="cpu").module)
    scales = model.rate_scales
    assert scales["head.2.weight"] == 1.0
    assert scales["trunk.network.encoder.layer.1.output.dense.weight"] == pytest.approx(0.1)
    assert scales["trunk.network.encoder.layer.0.output.dense.weight"] == pytest.approx(0.09)


def test_a_bag_is_trained_beside_the_trunk_and_blended_by_validation(bert: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "model.freeze=none", "trainer.epochs=4")
    assert called.code == 0, called.err
    (sentence,) = (one for one in called.result["diagnosis"] if one.startswith("blend: "))
    assert "encoder" in sentence and "bag" in sentence
    shutil.rmtree(bert)
    before = pd.read_csv("run/predictions.csv")
    texts = pd.read_csv("a.csv").loc[before["id"]]
    again = load("run", device="cpu").predict(texts.drop(columns="mark"))
    assert again["score_good"].to_numpy() == pytest.approx(before["score_good"].to_numpy(), abs=1e-5)


def test_a_run_from_before_there_was_a_bag_is_still_read(bert: Path, dltrain: Callable) -> None:
    assert dltrain(*SHORT, "model.freeze=none", "model.bag=false").code == 0
    config = RunDir("run").config
    config.write_text(config.read_text("utf-8").replace("  bag: false\n", ""), "utf-8")
    assert "bag" not in config.read_text("utf-8")
    called = dltrain("predict", "run", "a.csv")
    assert called.code == 0, called.err


def test_the_run_says_what_was_learned_elsewhere_and_what_here(bert: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "baseline.seconds=100")
    assert called.code == 0, called.err
    result = json.loads(RunDir("run").result.read_text("utf-8"))
    sentence = next(one for one in result["diagnosis"] if one.startswith("accuracy: features learned elsewhere"))
    assert f"a head learned here, reach {result['test']['accuracy']:.3f}" in sentence
    best = max(values["accuracy"] for values in result["baseline"].values())
    assert f"learned here alone, {best:.3f}" in sentence
    called = dltrain(*SHORT, "baseline.seconds=100", "model.freeze=none", "hydra.run.dir=tuned")
    assert called.code == 0, called.err
    result = json.loads(RunDir("tuned").result.read_text("utf-8"))
    assert "frozen_features" in result["baseline"]
    frozen = result["baseline"]["frozen_features"]["accuracy"]
    assert f"with a linear model of them, reach {frozen:.3f}" in called.out
    assert f"Encoder, trained further here, {result['test']['accuracy']:.3f}" in called.out


def test_a_run_begins_with_the_weights_and_the_tokens_of_another(bert: Path, dltrain: Callable) -> None:
    assert dltrain(*SHORT, "model.freeze=none").code == 0
    shutil.rmtree(bert)
    frame = pd.read_csv("a.csv")
    frame["mark"] = [["one", "two", "three"][row % 3] for row in range(len(frame))]
    frame.to_csv("b.csv", index=False)
    called = dltrain(
        "model=encoder", "data=text", "data.path=b.csv", "init_from=run", "debug=smoke", "hydra.run.dir=next"
    )
    assert called.code == 0, called.err
    assert "not taken, and new for" in called.out
    assert RunDir("next").read_facts().preprocessing["network"] == RunDir("run").read_facts().preprocessing["network"]


def test_static_vectors_need_no_transformers(table: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    called = dltrain(*SHORT)
    assert called.code == 0, called.err
    shutil.rmtree(table)
    model = load("run", device="cpu")
    module: Any = picked_model(model.module)
    encoded = model.encoder.encode(["a fine strange film"])
    vectors = torch.randn(len(WORDS), 8, generator=torch.Generator().manual_seed(5))
    mean = vectors[[10, 4, 11]].mean(dim=0, keepdim=True)  # without what stands around a text, and what is unknown
    torch.testing.assert_close(module.features(*encoded.inputs), mean)


def test_another_model_can_take_the_tokens_of_a_network(table: Path, dltrain: Callable) -> None:
    called = dltrain(
        *("model=textcnn", "data=text", "data.path=a.csv", "data.tokenizer=tiny", "debug=smoke", "hydra.run.dir=run")
    )
    assert called.code == 0, called.err
    shutil.rmtree(table)
    assert dltrain("predict", "run", "a.csv").code == 0


def test_without_the_packages_their_extra_is_named_before_anything_is_read(
    place: Path, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "tiny").mkdir()
    (place / "tiny" / "config.json").write_text('{"model_type": "bert"}')
    save_file({}, place / "tiny" / "model.safetensors")
    monkeypatch.setitem(sys.modules, "transformers", None)
    called = dltrain(*SHORT)
    assert called.code == 2
    assert "pip install 'dltrain[encoder]'" in called.err
    assert called.runs == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("model.path=null",), "none is given at model.path"),
        (("model.path=nowhere",), "there is no folder or installed package nowhere"),
        (("model.path=pytest",), "pytest holds no pretrained network"),
        (("model.path=a.csv",), "a.csv holds no pretrained network"),
    ],
)
def test_what_is_no_network_is_refused(place: Path, dltrain: Callable, given: tuple[str, ...], words: str) -> None:
    called = dltrain(*SHORT, *given)
    assert called.code == 2
    assert words in called.err
    assert called.runs == []


def test_a_folder_of_several_networks_is_refused_with_one_of_them(place: Path) -> None:
    for name in ("one", "two"):
        (place / "many" / name).mkdir(parents=True)
        (place / "many" / name / "config.json").write_text("{}")
        save_file({}, place / "many" / name / "model.safetensors")
    with pytest.raises(ConfigError, match="holds 2 pretrained networks") as caught:
        find_network(str(place / "many"))
    assert find_network(caught.value.override.removeprefix("model.path=")) == place / "many" / "one"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "a pickle could run code"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "holds neither tokenizer.json nor vocab.txt"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "my_own"}'), "my_own"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"12345678"), "cannot be read"),
        (lambda folder: save_file({}, folder / "model.safetensors"), "is missing or has another shape"),
    ],
)
def test_damaged_and_dangerous_folders_are_refused(
    bert: Path, dltrain: Callable, change: Callable[[Path], Any], words: str
) -> None:
    change(bert)
    called = dltrain(*SHORT)
    assert called.code == 2, called.err
    assert words in called.err
    assert called.runs == []


def test_texts_longer_than_the_network_reads_are_refused(bert: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "data.length=33")
    assert called.code == 2
    assert "data.length=32" in called.err


def test_the_users_own_tokens_are_refused(bert: Path, dltrain: Callable) -> None:
    called = dltrain(*SHORT, "data.tokens=word")
    assert called.code == 2
    assert "data.tokens=auto" in called.err
