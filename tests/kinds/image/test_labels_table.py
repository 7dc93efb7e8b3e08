"""Images that a table names: classes, several labels, numbers, groups, and what is said of rows that name none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dltrain.errors import DataError
from dltrain.kinds.image import labels_table
from dltrain.kinds.image.load import images
from dltrain.kinds.table.csv_config import csv
from dltrain.types import MISSING_LABEL, Data

COUNT = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty images in photos/train, `i00.png` to `i39.png`, whose red is six times their number."""
    (tmp_path / "photos" / "train").mkdir(parents=True)
    for number in range(COUNT):
        Image.new("RGB", (9, 8), (6 * number, 100, 0)).save(tmp_path / "photos" / "train" / f"i{number:02d}.png")
    return tmp_path / "photos"


def write(folder: Path, name: str = "labels.csv", **columns: Sequence[Any]) -> None:
    pd.DataFrame(columns).to_csv(folder / name, index=False)


def names(form: str) -> list[str]:
    return [form.format(number) for number in range(COUNT)]


def load(folder: Path, **options: Any) -> Data:
    return images(path=str(folder), **({"size": 8, "labels": "labels.csv"} | options))


def numbers_of(data: Data, split: str) -> list[int]:
    """The numbers of a split's images, by their red."""
    return [round(float(image[0].float().mean()) / 6) for image in data.splits[split].inputs[0]]  # type: ignore[index]


@pytest.mark.parametrize("form", ["i{:02d}", "i{:02d}.png", "train/i{:02d}.png", "photos/train/i{:02d}", "I{:02d}.PNG"])
def test_classes_are_those_of_the_rows_however_files_are_written(folder: Path, form: str) -> None:
    write(folder, id=names(form), width=np.arange(COUNT) % 7, breed=[["pug", "corgi"][n % 2] for n in range(COUNT)])
    data = load(folder, target="breed")
    assert data.facts.classes == ("corgi", "pug")
    assert data.facts.target == "breed"
    for split in data.splits:
        expected = [["pug", "corgi"][number % 2] for number in numbers_of(data, split)]
        assert [data.facts.classes[label] for label in data.splits[split].target] == expected
        assert data.splits[split].ids == tuple(form.format(number) for number in numbers_of(data, split))
    assert data.notes[0] == "labels.csv names the images in its column id; the target is breed"


def test_numbers_are_amounts(folder: Path) -> None:
    write(folder, file=names("i{:02d}.png"), age=[n + 0.5 for n in range(COUNT)])
    data = load(folder)
    assert (data.facts.task, data.facts.target, data.facts.classes) == ("regression", "age", ())
    assert data.splits["train"].target[:, 0].tolist() == [n + 0.5 for n in numbers_of(data, "train")]
    assert data.facts.target_mean == pytest.approx(float(data.splits["train"].target.mean()))
    assert data.notes[-1] == "training may mirror images; data.mirror=false if that changes the numbers"
    assert load(folder, mirror=False).notes[-1] != data.notes[-1]
    several = load(folder, target=["age"])
    assert torch.equal(several.splits["test"].target, data.splits["test"].target)


def test_a_missing_label_of_an_image_is_said_and_costs_only_itself(folder: Path) -> None:
    red = [None if n % 5 == 0 else int(n > 20) for n in range(COUNT)]
    low = [None if n < 2 else int(n % 4 == 0) for n in range(COUNT)]
    write(folder, image=names("i{:02d}"), red=red, low=low)
    data = load(folder, target=["low", "red"])
    assert "left out 1 image without a value of low, red" in data.notes
    assert "missing targets, of which the row's other targets are still used: low (1), red (7)" in data.notes
    expected = [[MISSING_LABEL if label is None else label for label in (low[n], red[n])] for n in range(COUNT)]
    assert data.splits["train"].target.tolist() == [expected[number] for number in numbers_of(data, "train")]


def test_several_labels_come_in_columns_or_in_one_cell(folder: Path) -> None:
    red, low = [int(n > 20) for n in range(COUNT)], [int(n % 4 == 0) for n in range(COUNT)]
    listed = ["|".join(["red"] * r + ["low"] * w) for r, w in zip(red, low, strict=True)]
    write(folder, image=names("i{:02d}"), red=red, low=low)
    write(folder, "listed.csv", image=names("i{:02d}"), tags=listed)
    columns, cells = load(folder, target=["low", "red"]), load(folder, labels="listed.csv")
    assert columns.facts.outputs == cells.facts.outputs == ("low", "red")
    for data in (columns, cells):
        assert data.facts.task == "multilabel"
        expected = [[low[number], red[number]] for number in numbers_of(data, "train")]
        assert data.splits["train"].target.tolist() == expected
    with pytest.raises(DataError, match="there is no target") as refused:
        load(folder)
    assert refused.value.override == "data.target=[red,low]"
    write(folder, "single.csv", image=names("i{:02d}"), red=[float(r) for r in red], blue=[1.0 - r for r in red])
    single = load(folder, labels="single.csv", target=["red", "blue"])
    assert any("each image has exactly one of these labels" in note for note in single.notes)


def test_groups_stay_together(folder: Path) -> None:
    patient = [n // 4 for n in range(COUNT)]
    write(folder, image=names("i{:02d}"), patient=patient, label=["a", "b"] * (COUNT // 2))
    data = load(folder, group="patient", val_fraction=0.2, test_fraction=0.2)
    groups = [{patient[number] for number in numbers_of(data, split)} for split in data.splits]
    assert sum(map(len, groups)) == len(set.union(*groups)) == COUNT // 4
    with pytest.raises(DataError, match="no column 'person'"):
        load(folder, group="person")


def test_a_column_of_splits_is_followed(folder: Path) -> None:
    use = ["Training"] * 20 + ["PublicTest"] * 20
    write(folder, image=names("i{:02d}"), Usage=use, label=["a", "b"] * (COUNT // 2))
    data = load(folder, val_fraction=0)
    assert (sorted(numbers_of(data, "train")), sorted(numbers_of(data, "test"))) == (
        list(range(20)),
        list(range(20, 40)),
    )
    assert "splits by the column Usage: PublicTest is test, Training is train" in data.notes


def test_rows_without_an_image_are_refused_or_left_out(folder: Path) -> None:
    write(folder, image=[*names("i{:02d}"), "gone1", "gone2"], label=["a", "b"] * (COUNT // 2 + 1))
    with pytest.raises(DataError, match=r"2 of 42 rows name no image below .*: 'gone1', 'gone2'") as refused:
        load(folder)
    assert refused.value.override == "data.on_bad=skip"
    data = load(folder, on_bad="skip")
    assert sum(map(len, data.splits.values())) == COUNT
    assert "left out 2 of 42 rows of labels.csv, which name no image" in data.notes


def test_images_without_a_row_or_a_label_are_said(folder: Path) -> None:
    write(folder, image=names("i{:02d}")[:30], label=[*["a", "b"] * 14, None, None])
    data = load(folder)
    assert sum(map(len, data.splits.values())) == 28
    assert "left out 10 of 40 images, which labels.csv does not name" in data.notes
    assert "left out 2 images without a value of label" in data.notes


def test_an_image_has_one_target(folder: Path) -> None:
    write(folder, image=[*names("i{:02d}"), "i00"], label=[*["a", "b"] * (COUNT // 2), "a"])
    assert "1 row of labels.csv repeats another one's image and target" in load(folder).notes
    write(folder, image=[*names("i{:02d}"), "i00"], label=[*["a", "b"] * (COUNT // 2), "b"])
    with pytest.raises(DataError, match=r"i00\.png has several rows with different label: a and b"):
        load(folder)


def test_a_table_that_names_no_images_is_refused(folder: Path) -> None:
    write(folder, image=names("x{:02d}"), label=["a", "b"] * (COUNT // 2))
    with pytest.raises(
        DataError, match=r"no column of labels\.csv names the images in .*: its first row is 'x00', 'a'"
    ):
        load(folder)
    with pytest.raises(DataError, match="40 of 40 rows name no image"):
        load(folder, image="image")


def test_images_without_class_folders_lead_to_the_table(folder: Path) -> None:
    write(folder, id=names("i{:02d}"), breed=["a", "b"] * (COUNT // 2))
    with pytest.raises(DataError, match="all images are of one class, train") as refused:
        images(path=str(folder))
    assert refused.value.override == "data.labels=labels.csv"
    with pytest.raises(DataError, match=r"data\.target is a column of a table, and there is none"):
        images(path=str(folder), target="breed")


def test_codes_of_many_classes_are_no_amounts(folder: Path) -> None:
    codes = [number % 15 + 1 for number in range(COUNT)]
    write(folder, image=names("i{:02d}"), class_id=codes, score=codes)
    classes, amounts = load(folder, target="class_id"), load(folder, target="score")
    assert len(classes.facts.classes) == 15
    assert "class_id numbers 15 classes (task=regression takes them as amounts)" in classes.notes[-2]
    assert amounts.facts.task == "regression"
    assert load(folder, target="class_id", task="regression").facts.task == "regression"


def test_of_several_tables_the_one_that_names_most_images_is_proposed(folder: Path) -> None:
    (folder / "test").mkdir()
    Image.new("RGB", (9, 8)).save(folder / "test" / "t1.png")
    write(folder, "sample_submission.csv", image=["t1"], label=["a"])
    write(folder, "train.csv", image=names("i{:02d}"), label=["a", "b"] * (COUNT // 2))
    with pytest.raises(DataError, match="test, train hold images, but no folder for each class") as refused:
        images(path=str(folder))
    assert refused.value.override == "data.labels=train.csv"
    Image.new("RGB", (9, 8)).save(folder / "test" / "i00.png")
    with pytest.raises(DataError, match="'i00' may be") as refused:
        load(folder, labels="train.csv")
    assert "give the folder of these images alone as data.path" in refused.value.fix
    assert len(load(folder / "train", labels="train.csv").splits["train"]) == 30


def test_the_table_itself_may_be_the_path(folder: Path) -> None:
    write(folder, image=names("i{:02d}"), label=["a", "b"] * (COUNT // 2))
    data = images(path=str(folder / "labels.csv"), size=8)
    assert torch.equal(data.splits["train"].target, load(folder).splits["train"].target)


@pytest.mark.parametrize("mark", [",", " ", "\t"])
def test_a_table_without_header_loses_no_line(folder: Path, mark: str) -> None:
    lines = [f"train/i{number:02d}.png{mark}{number % 2}" for number in range(COUNT)]
    (folder / "labels.txt").write_text("\n".join(lines))
    data = load(folder, labels="labels.txt")
    assert sum(map(len, data.splits.values())) == COUNT
    assert data.splits["train"].target.tolist() == [number % 2 for number in numbers_of(data, "train")]
    assert "labels.txt has no header: its first line names an image" in data.notes


def test_two_tables_of_one_name_are_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    write(folder, image=names("i{:02d}"), label=["a", "b"] * (COUNT // 2))
    write(folder.parent, image=names("i{:02d}"), label=["b", "a"] * (COUNT // 2))
    with pytest.raises(DataError, match="there are two tables") as refused:
        images(path="photos", labels="labels.csv", size=8)
    assert refused.value.override == f"data.labels={folder / 'labels.csv'}"


@pytest.mark.parametrize("form", ["i{:02d}", "train/i{:02d}.png"])
def test_a_table_of_images_is_recognised_as_a_table(folder: Path, form: str) -> None:
    write(folder, id=names(form), width=np.arange(COUNT) % 7, breed=["a", "b"] * (COUNT // 2))
    path = str(folder / "labels.csv")
    with pytest.raises(DataError, match="the column 'id' names images, which data=csv does not look at") as refused:
        csv(path=path, target="breed")
    command = f"dltrain model=cnn data=images data.path={folder} data.labels=labels.csv data.target=breed"
    assert command in refused.value.fix
    assert refused.value.override == "data.drop=[id]"
    assert csv(path=path, target="breed", drop=["id"]).facts.features == ("width",)


def test_names_of_folders_may_be_amounts(folder: Path) -> None:
    for age in range(20, 30):
        (folder / "ages" / str(age)).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (9, 8), (age, number, 0)).save(folder / "ages" / str(age) / f"{number}.png")
    classes = images(path=str(folder / "ages"), size=8)
    assert len(classes.facts.classes) == 10
    assert "the names of the classes are numbers: task=regression takes them as amounts" in classes.notes
    amounts = images(path=str(folder / "ages"), size=8, task="regression")
    assert amounts.facts.classes == ()
    assert set(amounts.splits["train"].target.flatten().tolist()) <= set(map(float, range(20, 30)))


@pytest.mark.parametrize("target", ["label", "age", "[low,red]"])
def test_a_table_of_images_trains_predicts_and_is_evaluated(dltrain: Callable, folder: Path, target: str) -> None:
    red, low = [int(n > 20) for n in range(COUNT)], [int(n % 4 == 0) for n in range(COUNT)]
    write(folder, image=names("i{:02d}"), red=red, low=low, label=["a", "b"] * 20, age=[n + 0.5 for n in range(COUNT)])
    arguments = ("data.path=photos", "data.labels=labels.csv", f"data.target={target}", "data.size=8")
    trained = dltrain("model=linear", "data=images", *arguments, "trainer.epochs=2", "hydra.run.dir=run")
    assert trained.code == 0, trained.err
    train = trained.result["data"]["splits"]["train"]
    own = dltrain("evaluate", "run", "--json")
    new = dltrain("evaluate", "run", "data.path=photos", "data.labels=labels.csv", "--json")
    alone = dltrain("evaluate", "run", "data.path=photos/labels.csv", "--json")
    assert own.code == new.code == alone.code == 0, new.err
    assert '"samples": 40' in new.out
    assert '"samples": 40' in alone.out
    assert f"the model was trained on {train} of these 40 samples" in new.out
    assert "trained on" not in own.out
    predicted = dltrain("predict", "run", "photos/labels.csv", "--keep", "low")
    assert predicted.code == 0, predicted.err
    assert predicted.out.splitlines()[1].startswith("i00,1,")


@pytest.mark.parametrize("target", ["label", "age"])
def test_a_table_without_the_target_is_refused_with_its_columns(dltrain: Callable, folder: Path, target: str) -> None:
    write(folder, image=names("i{:02d}"), label=["a", "b"] * 20, age=[n + 0.5 for n in range(COUNT)])
    write(folder, "new.csv", image=names("i{:02d}"), site=["N", "S"] * 20)
    arguments = ("data.path=photos", "data.labels=labels.csv", f"data.target={target}", "data.size=8")
    trained = dltrain("model=linear", "data=images", *arguments, "debug=smoke", "hydra.run.dir=run")
    assert trained.code == 0, trained.err
    refused = dltrain("evaluate", "run", "data.path=photos", "data.labels=new.csv")
    assert refused.code == 2
    assert f"the table has no column '{target}', which the model predicts" in refused.err
    assert "the columns of this one are image, site" in " ".join(refused.err.split())


def split_tables(folder: Path) -> Path:
    """A table in the folder of each split, which names the images there, whose names come again in the others."""
    for split, count, offset in (("train", 20, 0), ("validation", 6, 20), ("test", 8, 30)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (9, 8), (6 * (offset + number), 100, 0)).save(folder / split / f"{number}.png")
        rows = range(count)
        kinds = [["pug", "corgi"][(offset + n) % 2] for n in rows]
        write(folder / split, "metadata.csv", file_name=[f"{n}.png" for n in rows], kind=kinds)
    return folder


def test_a_table_in_each_split_names_the_images_beside_it(tmp_path: Path) -> None:
    folder = split_tables(tmp_path / "photos")
    data = load(folder, labels="metadata.csv")
    assert data.facts.target == "kind"
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20, "val": 6, "test": 8}
    for name, split in data.splits.items():
        expected = [["pug", "corgi"][number % 2] for number in numbers_of(data, name)]
        assert [data.facts.classes[label] for label in split.target] == expected
    with pytest.raises(DataError) as error:
        images(path=str(folder), size=8)
    assert error.value.override == "data.labels=metadata.csv"


@pytest.mark.parametrize("column", ["set", "usage", "split"])
def test_a_column_that_is_called_as_splits_does_not_replace_the_tables_of_splits(tmp_path: Path, column: str) -> None:
    folder = split_tables(tmp_path / "photos")
    for split, count in (("train", 20), ("validation", 6), ("test", 8)):
        path = folder / split / "metadata.csv"
        pd.read_csv(path).assign(**{column: ["train", "test"] * (count // 2)}).to_csv(path, index=False)
    data = load(folder, labels="metadata.csv", target="kind")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20, "val": 6, "test": 8}
    data = load(folder, labels="metadata.csv", target=column)
    assert data.facts.classes == ("test", "train")
    assert numbers_of(data, "test") == list(range(30, 38))


def test_without_a_table_of_the_test_split_that_of_validation_is_it(tmp_path: Path) -> None:
    folder = split_tables(tmp_path / "photos")
    (folder / "test" / "metadata.csv").unlink()
    data = load(folder, labels="metadata.csv")
    assert numbers_of(data, "test") == list(range(20, 26))
    assert any("test validation/metadata.csv" in note for note in data.notes)


def test_a_file_of_boxes_for_each_image_is_read_as_no_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(COUNT):
        (folder / "train" / f"i{number:02d}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    read: list[str] = []
    monkeypatch.setattr(labels_table, "read_table", lambda path, **_: read.append(path))
    with pytest.raises(DataError):
        images(path=str(folder), size=8)
    assert not read


def test_tables_of_splits_with_other_columns_are_refused(tmp_path: Path) -> None:
    folder = split_tables(tmp_path / "photos")
    write(folder / "test", "metadata.csv", file_name=["0.png", "1.png"], breed=["pug", "corgi"])
    with pytest.raises(DataError, match="it has the columns file_name, breed, and that of train has file_name, kind"):
        load(folder, labels="metadata.csv")


def test_a_column_of_true_and_false_splits_and_unlabelled_test_images_are_left_out(folder: Path) -> None:
    is_test = [n >= 30 for n in range(COUNT)]
    write(folder, image=names("i{:02d}"), is_test=is_test, breed=["a", "b"] * 20)
    data = load(folder)
    assert sorted(numbers_of(data, "test")) == list(range(30, 40))
    assert data.facts.target == "breed"
    write(folder, image=names("i{:02d}"), is_test=is_test, breed=[*["a", "b"] * 15, *[None] * 10])
    unlabelled = load(folder)
    assert "no image of test has a value of breed: cut from train instead" in unlabelled.notes
    assert max(numbers_of(unlabelled, "test")) < 30


@pytest.mark.parametrize("name", ["file", "scan"])
def test_rows_that_repeat_an_image_do_not_hide_its_column(folder: Path, name: str) -> None:
    repeated = [*names("i{:02d}.png"), *names("i{:02d}.png")[:20]]
    write(folder, **{name: repeated}, label=[*["a", "b"] * 20, *["a", "b"] * 10])
    assert "20 rows of labels.csv repeat another one's image and target" in load(folder).notes
    write(folder, **{name: repeated}, label=[*["a", "b"] * 20, *["b", "a"] * 10])
    with pytest.raises(DataError, match=r"i00\.png has several rows with different label: a and b"):
        load(folder)


@pytest.mark.parametrize("form", ["i{:02d}.png", "i{:02d}"])
def test_absent_images_do_not_hide_the_column(folder: Path, form: str) -> None:
    absent = [form.format(number) for number in range(500, 900)]
    write(folder, file=[*absent, *names(form)], id=range(440), label=["a", "b"] * 220)
    with pytest.raises(DataError, match="400 of 440 rows name no image") as refused:
        load(folder)
    assert refused.value.override == "data.on_bad=skip"
    data = load(folder, on_bad="skip")
    assert sum(map(len, data.splits.values())) == COUNT


def test_absent_images_are_no_reason_for_numbers_that_match_by_chance(folder: Path) -> None:
    for number in range(COUNT):
        Image.new("RGB", (9, 8), (6 * number, 0, 0)).save(folder / f"{number}.png")
    write(folder, scan=[*names("i{:02d}.png")[:20], *names("gone{:02d}.png")[:20]], id=range(40), label=["a", "b"] * 20)
    with pytest.raises(DataError, match="20 of 40 rows name no image"):
        load(folder)


def test_names_of_several_images_are_the_reason_and_not_the_column(folder: Path) -> None:
    write(folder, file=names("i{:02d}"), label=["a", "b"] * 20)
    for number in range(COUNT):
        Image.new("RGB", (9, 8)).save(folder / "train" / f"i{number:02d}.jpg")
    with pytest.raises(DataError, match=r"'i00' may be .*i00\.jpg, .*i00\.png"):
        load(folder)
    write(folder, file=names("i{:02d}"), image_path=names("train/i{:02d}.jpg"), label=["a", "b"] * 20)
    assert len(load(folder).splits["train"]) == 30


def test_numbers_with_zeros_name_images_and_other_numbers_are_asked_for(folder: Path) -> None:
    for number in range(COUNT):
        (folder / "train" / f"i{number:02d}.png").rename(folder / "train" / f"{number:04d}.png")
    write(folder, id_code=names("{:04d}"), label=["a", "b"] * 20)
    assert len(load(folder, target="label").splits["train"]) == 30
    write(folder, age=[n % 9 for n in range(COUNT)], code=list(range(COUNT)), label=["a", "b"] * 20)
    with pytest.raises(DataError, match=r"100 % of the values of code may do so, such as 0") as refused:
        load(folder, target="label")
    assert refused.value.override == "data.image=code"
    assert len(load(folder, target="label", image="code").splits["train"]) == 30


@pytest.mark.parametrize("box", ["xmin ymin xmax ymax", "x y width height", "bbox_x1 bbox_y1 bbox_x2 bbox_y2", "bbox"])
def test_boxes_are_said_to_be_left_out(folder: Path, box: str) -> None:
    boxes = {name: [5] * COUNT for name in box.split()}
    write(folder, image=names("i{:02d}"), label=["a", "b"] * 20, **boxes)
    note = f"the boxes in {', '.join(box.split())} are not used: an image has one target, as a whole"
    assert note in load(folder).notes
    twice = pd.read_csv(folder / "labels.csv")
    pd.concat([twice, twice.assign(label=["b", "a"] * 20)]).to_csv(folder / "labels.csv", index=False)
    with pytest.raises(DataError, match="several rows with different label") as refused:
        load(folder)
    assert "cut out each box as an image of its own" in refused.value.fix


def test_sizes_of_images_are_no_boxes(folder: Path) -> None:
    write(folder, image=names("i{:02d}"), width=[9] * COUNT, height=[8] * COUNT, label=["a", "b"] * 20)
    assert not any("boxes" in note for note in load(folder).notes)


def test_a_table_beside_a_test_folder_without_classes_measures_a_run(dltrain: Callable, tmp_path: Path) -> None:
    for number in range(24):
        for place in (f"train/{'ab'[number % 2]}", "test"):
            (tmp_path / "set" / place).mkdir(parents=True, exist_ok=True)
            shade = 200 * (number % 2) + number
            Image.new("L", (8, 8), shade).save(tmp_path / "set" / place / f"{number:02d}.png")
    rows = [f"{number:02d}.png,{'ab'[number % 2]}" for number in range(24)]
    table = tmp_path / "set" / "test_labels.csv"
    table.write_text("\n".join(["file,label", *rows]))
    (tmp_path / "set" / "sizes.csv").write_text("\n".join(["file,size", *(f"{at:02d}.png,8" for at in range(24))]))
    notes = images(path=str(tmp_path / "set"), size=8).notes
    command = f"dltrain evaluate RUN data.path={tmp_path / 'set' / 'test'} data.labels={table}"
    assert f"test_labels.csv labels the images in test/ by its column label; measure a run on them: {command}" in notes
    assert "sizes.csv names the images in test/ and is not used either" in notes
    options = ("data.path=set", "data.size=8", "trainer.epochs=2", "hydra.run.dir=run")
    trained = dltrain("model=linear", "data=images", *options)
    assert trained.code == 0, trained.err
    measured = dltrain("evaluate", "run", *command.split()[3:], "--json")
    assert measured.code == 0, measured.err
    assert '"samples": 24' in measured.out


def test_images_written_as_text_are_no_names_of_images(folder: Path) -> None:
    pixels = [" ".join(str(number * at % 256) for at in range(64)) for number in range(COUNT)]
    write(folder, "faces.csv", emotion=[number % 3 for number in range(COUNT)], pixels=pixels)
    with pytest.raises(DataError, match="lists 64 numbers in its column pixels, such as 8×8 pixels") as refused:
        load(folder, labels="faces.csv")
    assert "np.savez" in refused.value.fix


def test_a_refusal_shows_only_the_beginnings_of_long_cells(folder: Path) -> None:
    write(folder, note=["word " * 400] * COUNT, kind=["a", "b"] * (COUNT // 2))
    with pytest.raises(DataError, match="names the images") as refused:
        load(folder)
    assert len(refused.value.what) < 400
    write(folder, image=[*names("i{:02d}")[1:], "x" * 3000], kind=["a", "b"] * (COUNT // 2))
    with pytest.raises(DataError, match="1 of 40 rows names no image") as refused:
        load(folder)
    assert len(refused.value.what) < 400
