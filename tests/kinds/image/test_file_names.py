"""Targets in the names of image files: strings, classes, what is refused, and the labels of new files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dltrain.errors import ConfigError, DataError
from dltrain.kinds.image.encoder import ImageEncoder
from dltrain.kinds.image.file_names import parts_of
from dltrain.kinds.image.load import images
from dltrain.types import Data

STRINGS = ["".join(np.random.default_rng(at).choice(list("AB34XY"), 4)) for at in range(160)]


def fill(folder: Path, names: Sequence[str], size: tuple[int, int] = (20, 10)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("L", size, number % 250).save(folder / name)
    return folder


def load(folder: Path, **options: Any) -> Data:
    return images(path=str(folder), **({"labels": "names"} | options))


def spelled(data: Data, split: str) -> list[str]:
    rows = data.splits[split].target.tolist()  # type: ignore[index]
    return ["".join(data.facts.classes[at] for at in np.atleast_1d(row)) for row in rows]


@pytest.mark.parametrize("form", ["{}_{:03d}.png", "{1:03d}_{0}.png", "{}-img{:03d}.png", "{} ({}).png"])
def test_strings_in_names_are_read_whatever_stands_beside_them(tmp_path: Path, form: str) -> None:
    data = load(fill(tmp_path / "c", [form.format(string, at) for at, string in enumerate(STRINGS)]))
    assert (data.facts.task, data.facts.target, data.facts.classes) == ("characters", "text", tuple("34ABXY"))
    assert data.facts.input_shape == (1, 10, 20) and data.facts.preprocessing["resize"] == "stretch"
    assert not data.mirror
    for split in data.splits:
        names = data.splits[split].ids
        assert all(string in name for string, name in zip(spelled(data, split), names, strict=True))
    assert any(note.startswith("labels by the names of files, their part") for note in data.notes)


def test_whole_names_are_strings(tmp_path: Path) -> None:
    unique = sorted(set(STRINGS))
    data = load(fill(tmp_path / "c", [f"{string}.png" for string in unique]))
    assert data.facts.preprocessing["name_part"] == "name"
    assert set(spelled(data, "train")) <= set(unique)


@pytest.mark.parametrize("form", ["{}.{}.png", "{}_{}.png", "{}{}.png", "{}-{:04d}.png", "{1}_{0}.png"])
def test_classes_in_names_are_read(tmp_path: Path, form: str) -> None:
    names = [form.format(["cat", "dog"][at % 2], at) for at in range(60)]
    data = load(fill(tmp_path / "pets", names))
    assert (data.facts.task, data.facts.classes, data.facts.target) == ("classification", ("cat", "dog"), "class")
    assert all(name in file for name, file in zip(spelled(data, "test"), data.splits["test"].ids, strict=True))


def test_classes_of_several_words_are_read_whole(tmp_path: Path) -> None:
    breeds = ["american_bulldog", "Abyssinian", "wheaten_terrier"]
    data = load(fill(tmp_path / "pets", [f"{breeds[at % 3]}_{at}.png" for at in range(60)]))
    assert data.facts.classes == ("Abyssinian", "american_bulldog", "wheaten_terrier")
    two = load(fill(tmp_path / "two", [f"{['red_panda', 'polar_bear'][at % 2]}_{at}.png" for at in range(60)]))
    assert two.facts.classes == ("polar_bear", "red_panda")


def test_several_parts_are_asked_about_and_may_group(tmp_path: Path) -> None:
    names = [f"{['benign', 'malignant'][at // 4 % 2]}_patient{at // 4}_{at}.png" for at in range(80)]
    folder = fill(tmp_path / "scans", names)
    with pytest.raises(DataError, match="several parts of the names may be labels") as refused:
        load(folder)
    assert refused.value.override == "data.target=part1"
    assert "part1 (benign, malignant)" in refused.value.fix
    data = load(folder, target="part1", group="part2", val_fraction=0.2, test_fraction=0.2)
    groups = [{name.split("_")[1] for name in split.ids} for split in data.splits.values()]
    assert data.facts.classes == ("benign", "malignant")
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20


def test_numbers_in_names_are_amounts_where_they_are_named(tmp_path: Path) -> None:
    data = load(fill(tmp_path / "faces", [f"{20 + at}_{at % 2}_x.png" for at in range(60)]), target="part1")
    assert data.facts.task == "regression"


def test_names_that_say_nothing_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "c", [f"IMG_{at:04d}.png" for at in range(60)])
    with pytest.raises(DataError, match="the names of the images are not certainly labels") as refused:
        load(folder)
    assert "part2 (0000, 0001, 0002, ...)" in refused.value.fix
    with pytest.raises(DataError, match="there is no folder for each class") as plain:
        load(folder, labels=None)
    assert plain.value.override == ""
    with pytest.raises(DataError, match="have no 'part9'"):
        load(folder, target="part9")
    with pytest.raises(DataError, match="names of files are no table"):
        load(folder, target="part1", use=["part2"])


@pytest.mark.parametrize(
    ("form", "target"),
    [("{0}_{1:04d}.png", "part1"), ("7-{0}-{1:04d}.png", "part2"), ("IMG_{1:04d}.png", ""), ("{1}_x_9.png", "")],
)
def test_of_the_parts_of_names_one_that_can_be_predicted_is_proposed(tmp_path: Path, form: str, target: str) -> None:
    folder = fill(tmp_path / "c", [form.format(at % 10, at) for at in range(60)])
    with pytest.raises(DataError, match="not certainly labels") as refused:
        load(folder)
    assert refused.value.override == (f"data.target={target}" if target else "")
    if target:
        assert len(load(folder, target=target).facts.classes) == 10


def test_folders_of_splits_are_followed_and_one_without_labels_is_left_to_predict(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    fill(folder / "train", [f"{['cat', 'dog'][at % 2]}.{at}.png" for at in range(60)])
    fill(folder / "test1", [f"{at}.png" for at in range(1, 21)])
    data = load(folder)
    assert sum(len(split) for split in data.splits.values()) == 60
    assert any("test1/ has no labels in its names: its 20 images are not used" in note for note in data.notes)
    fill(folder / "test1", [f"{['cat', 'dog'][at % 2]}.{at}.png" for at in range(60, 70)])
    for at in range(1, 21):
        (folder / "test1" / f"{at}.png").unlink()
    labelled = load(folder)
    assert {name.split("/")[0].removesuffix("\\") for name in labelled.splits["test"].ids} == {"test1"}


def test_a_flat_folder_leads_to_the_command_that_reads_its_names(tmp_path: Path) -> None:
    for name, files in (
        ("pets", [f"{['cat', 'dog'][at % 2]}.{at}.png" for at in range(60)]),
        ("codes", [f"{string}_{at}.png" for at, string in enumerate(STRINGS)]),
        ("few", [f"{string}_{at}.png" for at, string in enumerate(STRINGS[:40])]),
    ):
        with pytest.raises(DataError, match="no folder for each class") as refused:
            load(fill(tmp_path / name, files), labels=None)
        assert refused.value.override == "data.labels=names"
    with pytest.raises(DataError, match="hardly classes") as few:
        load(tmp_path / "few")
    assert few.value.override == "task=characters"
    assert load(tmp_path / "few", task="characters").facts.task == "characters"


def test_new_files_are_labelled_by_the_same_part_of_their_names(tmp_path: Path) -> None:
    folder = fill(tmp_path / "c", [f"{string}_{at}.png" for at, string in enumerate(STRINGS)])
    data = load(folder)
    encoder = ImageEncoder.of(data.facts)
    files = sorted(str(path) for path in folder.iterdir())[:5]
    expected = [[data.facts.classes.index(one) for one in Path(file).name[:4]] for file in files]
    assert encoder.targets(files).tolist() == expected
    with pytest.raises(DataError, match="'q' in 'q4AB' is not a character of the model"):
        encoder.targets(["q4AB_1.png"])


def test_strings_are_seen_whole_unless_the_user_wants_it_otherwise(tmp_path: Path) -> None:
    folder = fill(tmp_path / "c", [f"{string}_{at}.png" for at, string in enumerate(STRINGS)], size=(400, 100))
    assert load(folder).facts.input_shape == (1, 64, 256)
    assert load(folder, size=[60, 20]).facts.input_shape == (1, 20, 60)
    cut = load(folder, size=32, resize="crop")
    assert any("are cut to the shape of 32×32, and with them their strings" in note for note in cut.notes)
    with pytest.raises(ConfigError, match=r"data\.size has 3 numbers") as refused:
        load(folder, size=[60, 20, 3])
    assert refused.value.override == "data.size=60"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("7ab3_001.png", {"name": "7ab3_001", "prefix": "7ab3", "part1": "7ab3", "part2": "001"}),
        ("cat.0.jpg", {"name": "cat.0", "prefix": "cat", "part1": "cat", "part2": "0"}),
        ("dog12.jpg", {"name": "dog12", "prefix": "dog", "part1": "dog12"}),
        ("12.jpg", {"name": "12", "prefix": None, "part1": "12"}),
    ],
)
def test_a_name_is_read_in_parts(name: str, parts: dict[str, str | None]) -> None:
    assert parts_of(Path(name)) == parts


def test_captchas_are_a_function_of_their_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dltrain.kinds.image.captcha import captcha

    monkeypatch.chdir(tmp_path)
    first, again = captcha(rows=120), captcha(rows=120)
    assert torch.equal(first.splits["test"].inputs[0], again.splits["test"].inputs[0])
    assert any("drew 120 captchas" in note for note in first.notes)
    assert not any("drew" in note for note in again.notes)
    more, other = captcha(rows=130), captcha(rows=120, seed=1)
    assert sum(len(split) for split in more.splits.values()) == 130
    assert sum(len(split) for split in captcha(rows=120).splits.values()) == 120
    assert not torch.equal(first.splits["test"].inputs[0], other.splits["test"].inputs[0])
    assert first.facts.input_shape == (1, 40, 100) and len(first.facts.outputs) == 4


def test_a_run_of_captchas_trains_reads_exports_and_goes_on(dltrain: Callable, tmp_path: Path) -> None:
    small = ("experiment=captcha", "data.rows=200", "trainer.epochs=1", "model.channels=[4,8]", "baseline=none")
    trained = dltrain(*small, "hydra.run.dir=run")
    assert trained.code == 0, trained.err
    assert set(trained.result["test"]) == {"loss", "exact", "accuracy"}
    assert set(trained.result["outputs"]) == {f"place {number}" for number in range(1, 5)}
    folder = tmp_path / "data" / "captcha" / "seed0"
    predicted = dltrain("predict", "run", str(folder), "-o", "out.csv")
    assert predicted.code == 0, predicted.err
    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert lines[0] == "id,predicted,score,remarks" and len(lines) == 201
    assert len(lines[1].split(",")[1]) == 4
    evaluated = dltrain("evaluate", "run", "data.path=data/captcha/seed0")
    assert evaluated.code == 0 and "exact" in evaluated.out and "trained on 140 of these 200" in evaluated.out
    assert dltrain("evaluate", "run").code == 0
    assert dltrain("export", "run", "--format", "torch-export", "-o", "model.pt2").code == 0
    assert dltrain("resume", "run", "trainer.epochs=2").code == 0
    refused = dltrain(*small, "augment.cutmix=1")
    assert refused.code == 2 and "CutMix replaces some characters" in refused.err
    assert dltrain(*small, "augment.mixup=0.2", "hydra.run.dir=mixed").code == 0
    sets = dltrain("predict", "run", str(folder), "--sets")
    assert sets.code == 2 and "--sets does not work for characters runs" in sets.err
