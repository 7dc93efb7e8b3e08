"""Folders as people have them: which are splits, which are classes, and what is said of files that are not used."""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from dltrain.data.archives import is_archive, unpack
from dltrain.data.class_folders import ClassFolders, find_splits
from dltrain.data.folder_layout import NoClassFolders
from dltrain.data.folder_tree import FileType, read_tree
from dltrain.data.split_names import is_plain_split, split_of
from dltrain.errors import DataError

PHOTOS = FileType("photos", [".jpg"], "class/*.jpg", lambda path: path.read_bytes().startswith(b"JPEG"))


def fill(folder: Path, classes: Iterable[str] = ("cat", "dog"), count: int = 3) -> Path:
    """`count` files of each class."""
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / name / f"{number}.jpg").touch()
    return folder


def read(folder: Path, mean: str = "auto") -> ClassFolders:
    return find_splits(folder, PHOTOS, mean)  # type: ignore[arg-type]


def counts(found: ClassFolders) -> dict[str, dict[str, int]]:
    return {split: dict(Counter(part.labels)) for split, part in found.splits.items()}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Test"),
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("TRAIN", "TEST"),
        ("trainImages", "testImages"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train", "holdout"),
        ("Train set", "held-out"),
        ("train/images", "test/images"),
        ("train", "eval"),
        ("dogs_train2017", "dogs_dev2017"),
        ("训练集", "测试集"),
        ("Trainingsdaten", "Testdaten"),
        ("Trainings-Bilder", "Validierung"),
        ("entraînement", "test"),
        ("Entrenamiento", "Prueba"),
    ],
)
def test_splits_have_many_names(tmp_path: Path, train: str, test: str) -> None:
    fill(tmp_path / train)
    fill(tmp_path / test, count=1)
    assert counts(read(tmp_path)) == {"train": {"cat": 3, "dog": 3}, "test": {"cat": 1, "dog": 1}}


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev", "val_images", "eval"])
def test_three_splits_are_three(tmp_path: Path, val: str) -> None:
    for name, count in (("Train", 3), (val, 2), ("Test", 1)):
        fill(tmp_path / name, count=count)
    found = read(tmp_path)
    assert {split: part["cat"] for split, part in counts(found).items()} == {"train": 3, "val": 2, "test": 1}


def test_beside_val_eval_is_the_test_split(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("val", 2), ("eval", 1)):
        fill(tmp_path / name, count=count)
    assert {split: part["cat"] for split, part in counts(read(tmp_path)).items()} == {"train": 3, "val": 2, "test": 1}


def test_other_spellings_and_the_classes_are_said(tmp_path: Path) -> None:
    fill(tmp_path / "Training")
    fill(tmp_path / "Test", count=1)
    assert read(tmp_path).notes == (
        "splits by folder: train Training/, test Test/",
        "2 classes, by folder in train: cat (3), dog (3)",
    )


def test_each_class_may_have_its_own_splits(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, ("train",), 3)
        fill(tmp_path / name, ("test",), 1)
    found = read(tmp_path)
    assert counts(found) == {"train": {"cat": 3, "dog": 3}, "test": {"cat": 1, "dog": 1}}
    assert "each class has its own splits: train, test" in found.notes


def test_folders_around_the_classes_are_passed_through(tmp_path: Path) -> None:
    fill(tmp_path / "archive" / "hymenoptera_data" / "train")
    fill(tmp_path / "archive" / "hymenoptera_data" / "val", count=1)
    found = read(tmp_path)
    assert set(found.splits) == {"train", "test"}
    assert "the classes are in archive/hymenoptera_data/" in found.notes


def test_an_unlabelled_test_folder_is_for_predict(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("unknown",), 4)
    fill(tmp_path, ("test-mixed",), 2)
    found = read(tmp_path)
    assert counts(found) == {"train": {"cat": 3, "dog": 3}}
    assert f"its 4 photos are not used; predict them: dltrain predict RUN {tmp_path / 'test'}" in " ".join(found.notes)
    assert "test-mixed/ has no folder for each class: its 2 photos are not used" in " ".join(found.notes)


def test_unlabelled_files_of_train_that_no_other_split_has_are_no_class(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("neg", "pos", "unsup"))
    fill(tmp_path / "test", ("neg", "pos"))
    found = read(tmp_path)
    assert set(counts(found)["train"]) == {"neg", "pos"}
    assert "train/unsup/ is unlabelled: its 3 photos are not used" in found.notes


@pytest.mark.parametrize("names", [("bus", "car", "train"), ("valid", "invalid"), ("test", "background")])
def test_a_class_may_be_called_as_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert counts(read(fill(tmp_path, names))) == {"train": dict.fromkeys(sorted(names), 3)}


def test_a_class_called_train_may_have_folders(tmp_path: Path) -> None:
    fill(tmp_path, ("bus", "car"))
    fill(tmp_path / "train", ("steam", "electric"))
    found = read(tmp_path)
    assert counts(found) == {"train": {"bus": 3, "car": 3, "train": 6}}
    assert any("train is a class, with electric, steam in it" in note for note in found.notes)
    assert counts(read(tmp_path, "splits")) == {"train": {"electric": 3, "steam": 3}}


def test_splits_without_class_folders_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path, ("train", "test"))
    with pytest.raises(NoClassFolders, match="test, train hold photos, but no folder for each class") as refused:
        read(tmp_path)
    assert refused.value.override == ""  # it would train the training photos against the test photos
    assert "data.folders=classes" in refused.value.fix
    assert counts(read(tmp_path, "classes")) == {"train": {"test": 3, "train": 3}}


def test_folders_that_would_not_be_used_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    fill(tmp_path, ("bonus",), 5)
    with pytest.raises(DataError, match="bonus beside the splits test, train would not be used: 5 photos") as refused:
        read(tmp_path)
    assert refused.value.override == "data.folders=splits"
    found = read(tmp_path, "splits")
    assert set(found.splits) == {"train", "test"}
    assert any(note.startswith("bonus/ is no split: its 5 photos are not used; predict them") for note in found.notes)


def test_train_with_classes_beside_a_folder_that_says_nothing_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path, ("images",))
    with pytest.raises(DataError, match="are these folders splits or classes"):
        read(tmp_path)


@pytest.mark.parametrize("others", [("unseen",), ("new",), ("kaggle",), ("unknown", "extra"), ("field photos",)])
def test_a_guess_that_would_hide_the_classes_in_train_is_refused(tmp_path: Path, others: tuple[str, ...]) -> None:
    fill(tmp_path / "train")
    fill(tmp_path, others)
    with pytest.raises(DataError, match="train has a folder for each class, and beside it") as refused:
        read(tmp_path)
    assert refused.value.override == "data.folders=splits"
    found = read(tmp_path, "splits")
    assert counts(found) == {"train": {"cat": 3, "dog": 3}}
    assert f"predict them: dltrain predict RUN {tmp_path / others[0]}" in " ".join(found.notes)
    assert set(counts(read(tmp_path, "classes"))["train"]) == {"train", *others}


def test_classes_in_a_test_folder_alone_are_not_hidden_either(tmp_path: Path) -> None:
    fill(tmp_path / "test")
    fill(tmp_path, ("new",))
    with pytest.raises(DataError, match="beside it new holds 3 photos, but there is no folder for training") as refused:
        read(tmp_path)
    assert f"data.path={tmp_path / 'test'}" in refused.value.fix


def test_splits_of_several_kinds_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path, ("trainA", "trainB", "testA", "testB"))
    with pytest.raises(DataError, match="a split of each of several kinds of photos") as refused:
        read(tmp_path)
    assert refused.value.override == ""


@pytest.mark.parametrize("lacking", ["Testing", "Training", "both"])
def test_a_class_without_the_splits_of_the_others_is_named(tmp_path: Path, lacking: str) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, ("Training", "Testing"))
    fill(tmp_path / "elk", {"Testing": ("Training",), "Training": ("Testing",), "both": (".",)}[lacking])
    named = "Testing" if lacking == "both" else lacking
    with pytest.raises(DataError, match=f"elk has no {named} folder, as cat, dog have") as refused:
        read(tmp_path)
    assert refused.value.override == "data.folders=classes"
    assert counts(read(tmp_path, "classes")) == {"train": {"cat": 6, "dog": 6, "elk": 3}}


def test_a_folder_beside_the_splits_of_a_class_is_named(tmp_path: Path) -> None:
    for name in ("cat", "dog", "elk"):
        fill(tmp_path / name, ("train", "test"))
    fill(tmp_path / "elk", ("close",))
    with pytest.raises(DataError, match="elk holds close beside its splits, which cat, dog do not") as refused:
        read(tmp_path)
    assert refused.value.override == "data.folders=classes"


def test_of_folders_with_the_same_folders_the_largest_is_proposed(tmp_path: Path) -> None:
    fill(tmp_path / "koetsu", count=2)
    fill(tmp_path / "oefening", count=8)
    with pytest.raises(DataError, match="hold the same folders, cat, dog") as refused:
        read(tmp_path)
    assert f"data.path={tmp_path / 'oefening'}," in refused.value.fix


def test_packed_samples_are_named_with_what_reads_them(tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in ("train", "test"):
        shutil.make_archive(str(packed / name), "zip", fill(tmp_path / name))
    (packed / "val.tar.gz").touch()
    assert (
        "packed/test.zip, packed/train.zip, packed/val.tar.gz are packed and not used: unpack what is to be read"
        in (" ".join(read_tree(tmp_path, PHOTOS).notes()))
    )
    with pytest.raises(DataError, match=r"test\.zip, train\.zip, val\.tar\.gz have to be unpacked") as refused:
        read(packed)
    assert refused.value.override == ""
    with pytest.raises(DataError, match="to be unpacked") as refused:
        find_splits(packed, replace(PHOTOS, read_packed=True))
    assert refused.value.override == f"data.path={packed / 'train.zip'}"
    assert counts(read(unpack(packed / "train.zip"))) == {"train": {"cat": 3, "dog": 3}}
    (packed / "train.zip").unlink()
    (packed / "val.tar.gz").unlink()
    with pytest.raises(DataError, match=r"test\.zip has to be unpacked") as refused:
        find_splits(packed, replace(PHOTOS, read_packed=True))
    assert refused.value.override == ""  # it would be trained on


@pytest.mark.parametrize(("count", "words"), [(1, "1 photo lies in the folder"), (2, "2 photos lie in the folder")])
def test_samples_without_folders_are_counted_in_words(tmp_path: Path, count: int, words: str) -> None:
    fill(tmp_path, (".",), count)
    with pytest.raises(NoClassFolders, match=f"no folder for each class: {words} itself"):
        read(tmp_path)


def test_folders_with_the_same_folders_in_them_are_hardly_classes(tmp_path: Path) -> None:
    for name in ("colour", "grey"):
        fill(tmp_path / name)
    with pytest.raises(DataError, match="colour, grey hold the same folders, cat, dog") as refused:
        read(tmp_path)
    assert f"data.path={tmp_path / 'colour'}" in refused.value.fix
    assert counts(read(tmp_path, "classes")) == {"train": {"colour": 6, "grey": 6}}


def test_names_of_classes_may_differ_in_case_between_splits(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("Cat", "Dog"))
    fill(tmp_path / "test", ("cat", "dog"))
    found = read(tmp_path)
    assert counts(found) == {split: {"Cat": 3, "Dog": 3} for split in ("train", "test")}
    assert any("train/Cat and test/cat, train/Dog and test/dog" in note for note in found.notes)


@pytest.mark.parametrize("name", ["café", "가방"])
def test_names_in_another_form_of_unicode_are_one_class(tmp_path: Path, name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    fill(tmp_path / "train", (forms[0], "b"))
    fill(tmp_path / "test", (forms[1], "b "))
    assert counts(read(tmp_path)) == {split: {forms[0]: 3, "b": 3} for split in ("train", "test")}


def test_names_that_differ_in_case_alone_are_refused_unless_they_are_letters(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    if (tmp_path / "B").exists():
        pytest.skip("this file system does not tell them apart")
    fill(tmp_path, ("a", "A", "b", "B"))
    assert len(counts(read(tmp_path))["train"]) == 4
    fill(tmp_path, ("cat", "Cat"))
    with pytest.raises(DataError, match="Cat and cat differ in case alone"):
        read(tmp_path)
    assert len(counts(read(tmp_path, "classes"))["train"]) == 6


def test_files_beside_the_class_folders_are_said_or_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cover.jpg").touch()
    assert (
        "1 photo in the folder itself lies in no folder of a class and is not used: cover.jpg" in read(tmp_path).notes
    )
    for number in range(9):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(NoClassFolders, match="10 photos in the folder itself lie in no folder of a class, and only 6"):
        read(tmp_path)


def test_what_programs_leave_behind_is_no_class_and_no_sample(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path / "__MACOSX", ("cat", "dog"))
    fill(tmp_path / "cat" / "@eaDir", ("0.jpg",), 1)
    fill(tmp_path / "cat", (".ipynb_checkpoints",), 1)
    (tmp_path / "cat" / "._0.jpg").touch()
    (tmp_path / "cat" / "Thumbs.db").touch()
    found = read(tmp_path)
    assert counts(found) == {"train": {"cat": 3, "dog": 3}}
    assert found.notes[1] == "ignored 9 hidden files and thumbnails, such as __MACOSX/cat/0.jpg"


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", ("cat",), 4)
    folder = fill(tmp_path / "photos")
    (folder / "cat" / "first").symlink_to(store / "cat")
    (folder / "cat" / "second").symlink_to(store / "cat")
    (folder / "dog" / "above").symlink_to(folder)
    (folder / "dog" / "gone").symlink_to(tmp_path / "nowhere")
    found = read(folder)
    assert counts(found) == {"train": {"cat": 7, "dog": 3}}
    assert found.notes[1:] == (
        "followed links to folders: cat/first",
        "cat/second is the same folder as cat/first: its 4 photos are read once",
        "did not follow dog/above, which leads back to a folder above",
        "links that lead nowhere: dog/gone",
    )


def test_class_folders_may_be_links_but_not_to_one_folder(tmp_path: Path) -> None:
    store = fill(tmp_path / "store")
    (tmp_path / "photos").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).symlink_to(store / name)
    assert counts(read(tmp_path / "photos")) == {"train": {"cat": 3, "dog": 3}}
    (tmp_path / "photos" / "cow").symlink_to(store / "dog")
    with pytest.raises(DataError, match="are the same folder, in two classes"):
        read(tmp_path / "photos")


def test_a_folder_below_two_links_is_read_once(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", ("cat", "dog"))
    folder = fill(tmp_path / "photos")
    (folder / "cat" / "inner").symlink_to(store / "cat")
    (folder / "cat" / "outer").symlink_to(store)
    assert counts(read(folder)) == {"train": {"cat": 9, "dog": 3}}


def test_files_are_known_by_their_content_too(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "0001").write_bytes(b"JPEG")
    (tmp_path / "cat" / "0002").write_bytes(b"text")
    found = read(tmp_path)
    assert counts(found) == {"train": {"cat": 4, "dog": 3}}
    assert found.notes[1] == "ignored 1 file that is no photo, such as cat/0002"


def test_a_zip_file_is_unpacked_once(tmp_path: Path) -> None:
    fill(tmp_path / "photos")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "photos"))
    assert is_archive(archive)
    assert not is_archive(tmp_path / "photos" / "cat" / "0.jpg")
    assert counts(read(unpack(archive))) == {"train": {"cat": 3, "dog": 3}}
    assert unpack(archive) == unpack(archive)
    archive.write_bytes(archive.read_bytes()[:40] + b"x" * 40 + archive.read_bytes()[80:])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("Training", "train"),
        ("x_train", "train"),
        ("valset", "val"),
        ("seg_pred", "unlabelled"),
        ("TestSet2", "test"),
        ("train_val", "train"),
    ],
)
def test_a_name_says_which_split_it_is(name: str, use: str) -> None:
    named = split_of(name)
    assert named is not None
    assert named.use == use


@pytest.mark.parametrize("name", ["cat", "validated", "contest", "trainer", "strain", "train_test", "12"])
def test_other_names_say_nothing_of_splits(name: str) -> None:
    assert split_of(name) is None
    assert not is_plain_split(name)
