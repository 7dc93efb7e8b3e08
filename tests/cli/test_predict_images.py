"""`predict` and `evaluate` with folders, patterns and tables of images, some of which cannot be read."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file


@pytest.fixture
def mixed(image_folder: Path, tmp_path: Path) -> Path:
    """Ten images, an eleventh that is cut, one without suffix, one of AVIF and a text."""
    folder = tmp_path / "mixed"
    shutil.copytree(image_folder / "light", folder)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:900])
    noise.save(folder / "unnamed", "JPEG")
    noise.save(folder / "phone.avif")
    (folder / "notes.txt").write_text("x")
    return folder


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text))}


def test_an_image_that_cannot_be_read_costs_its_row_a_remark(
    dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path
) -> None:
    called = dltrain("predict", str(image_run), "mixed", "-o", "out.csv")
    assert called.code == 0, called.err
    rows = rows_of((tmp_path / "out.csv").read_text("utf-8"))
    assert len(rows) == 13
    cut = rows.pop("mixed/cut.jpg")
    assert (cut["predicted"], cut["score_dark"]) == ("", "")
    assert cut["remarks"].startswith("the image cannot be read: image file is truncated")
    assert all(row["predicted"] and not row["remarks"] for row in rows.values())
    assert "the image cannot be read: 1 of 13 samples" in called.out
    assert "ignored 1 file that is no sample, such as notes.txt" in called.out


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_other_formats_hold_nothing_for_it(
    dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path, suffix: str
) -> None:
    assert dltrain("predict", str(image_run), "mixed", "-o", f"out.{suffix}").code == 0
    path = tmp_path / f"out.{suffix}"
    frame = pd.read_parquet(path) if suffix == "parquet" else pd.read_json(path, lines=True)
    cut = frame["id"] == "mixed/cut.jpg"
    assert frame.loc[cut, ["predicted", "score_dark", "score_light"]].isna().all(axis=None)
    assert frame.loc[~cut, "score_dark"].notna().all()


def test_if_no_image_can_be_read_nothing_is_written(dltrain: Callable, image_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "bad" / name).write_text("x")
    called = dltrain("predict", str(image_run), "bad", "-o", "out.csv")
    assert called.code == 2
    assert "none of the 2 samples can be read: cannot identify image file" in called.err
    assert not (tmp_path / "out.csv").exists()


def test_patterns_several_files_and_zip_files_are_inputs(
    dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path
) -> None:
    whole = rows_of(dltrain("predict", str(image_run), "mixed").out)
    pattern = rows_of(dltrain("predict", str(image_run), "mixed/*.png").out)
    assert set(pattern) == {f"mixed/{number}.png" for number in range(10)}
    both = rows_of(dltrain("predict", str(image_run), "mixed/1.png", "mixed/2.png").out)
    assert both == {name: whole[name] for name in ("mixed/1.png", "mixed/2.png")}
    assert len(rows_of(dltrain("predict", str(image_run), "mixed/1.png", "mixed").out)) == 13
    shutil.make_archive(str(tmp_path / "packed"), "zip", mixed)
    packed = rows_of(dltrain("predict", str(image_run), "packed.zip").out)
    assert packed["packed.zip/1.png"]["predicted"] == whole["mixed/1.png"]["predicted"]
    called = dltrain("predict", str(image_run), "nothing/*.png")
    assert (called.code, "no file matches nothing/*.png" in called.err) == (2, True)


def test_several_inputs_are_no_table(dltrain: Callable, people_run: Path, people_csv: Path) -> None:
    called = dltrain("predict", str(people_run), str(people_csv), str(people_csv))
    assert called.code == 2
    assert "there are 2 files, and the model takes a table" in called.err


@pytest.mark.parametrize(
    "table",
    [
        "id,label\n1,0\n2,0\n",
        "id,label\n1.png,0\n2.png,0\n",
        "index,image_path\n0,mixed/1.png\n1,mixed/2.png\n",
        "index,what\n0,1.png\n1,2.png\n",
    ],
)
def test_a_table_names_images_with_or_without_folder_and_suffix(
    dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path, table: str
) -> None:
    (tmp_path / "table.csv").write_text(table)
    called = dltrain("predict", str(image_run), "table.csv")
    assert called.code == 0, called.err
    whole = rows_of(dltrain("predict", str(image_run), "mixed").out)
    written = [line.split(",")[0 if table.startswith("id") else 1] for line in table.splitlines()[1:]]
    found = rows_of(called.out)
    assert list(found) == written
    for name, number in zip(written, (1, 2), strict=True):
        assert found[name]["score_dark"] == whole[f"mixed/{number}.png"]["score_dark"]


def test_a_row_whose_file_is_gone_has_a_remark(dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("file,number\nmixed/1.png,7\nmixed/gone.png,8\n")
    called = dltrain("predict", str(image_run), "table.csv", "--keep", "number")
    assert called.code == 0, called.err
    rows = rows_of(called.out)
    assert rows["mixed/gone.png"]["remarks"] == "the image cannot be read: there is no such file"
    assert [row["number"] for row in rows.values()] == ["7", "8"]


def evaluated(called: object) -> dict[str, object]:
    assert called.code == 0, called.err  # type: ignore[attr-defined]
    return dict(json.loads(called.out))  # type: ignore[attr-defined]


def test_labels_are_read_as_in_training(dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path) -> None:
    for split in ("Test", "Training"):
        for name in ("dark", "light"):
            shutil.copytree(image_folder / name, tmp_path / "splits" / split / f"{name.title()} ")
    plain = evaluated(dltrain("evaluate", str(image_run), f"data.path={image_folder}", "--json"))
    splits = evaluated(dltrain("evaluate", str(image_run), "data.path=splits", "--json"))
    assert splits["samples"] == 2 * plain["samples"]  # type: ignore[operator]
    assert splits["metrics"]["accuracy"] == plain["metrics"]["accuracy"]  # type: ignore[index]


def test_images_without_a_label_and_unreadable_ones_are_left_out(
    dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(image_folder, tmp_path / "new" / "train")
    shutil.copytree(image_folder / "dark", tmp_path / "new" / "test")
    (tmp_path / "new" / "train" / "dark" / "bad.png").write_text("x")
    answer = evaluated(dltrain("evaluate", str(image_run), "data.path=new", "--json"))
    count = sum(1 for _ in image_folder.rglob("*.png"))
    assert answer["samples"] == count
    notes = " ".join(answer["notes"])  # type: ignore[arg-type]
    assert f"left out {len(list((image_folder / 'dark').iterdir()))} samples without a label" in notes
    assert "left out 1 sample that cannot be read: new/train/dark/bad.png (cannot identify image file)" in notes


def test_a_folder_of_one_class_is_said(dltrain: Callable, image_run: Path, image_folder: Path) -> None:
    answer = evaluated(dltrain("evaluate", str(image_run), f"data.path={image_folder / 'dark'}", "--json"))
    assert "every sample is labelled dark" in answer["notes"]  # type: ignore[operator]


def test_the_page_says_how_many_images_were_trained_on(
    dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    trained = json.loads((image_run / "result.json").read_text("utf-8"))["data"]["splits"]["train"]
    answer = evaluated(dltrain("evaluate", str(image_run), f"data.path={image_folder}", "-o", "out", "--json"))
    assert answer["trained"] == trained > 0
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"; the model was trained on {trained} of them." in page
    assert "never trained on" not in page
    assert "never trained on" in (image_run / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "rows", [["none.png", "1.png", "2.png"], ["1.png", "2.png", "none.png"], ["none.png", "1.png"]]
)
def test_absent_files_cost_remarks_where_a_folder_below_the_table_holds_the_others(
    dltrain: Callable, image_run: Path, mixed: Path, tmp_path: Path, rows: list[str]
) -> None:
    (tmp_path / "table.csv").write_text("\n".join(["file,breed", *(f"{row},a" for row in rows)]))
    called = dltrain("predict", str(image_run), "table.csv")
    assert called.code == 0, called.err
    for name, row in rows_of(called.out).items():
        assert row["remarks"] == ("the image cannot be read: there is no such file" if name == "none.png" else "")


def test_a_column_of_numbers_that_match_files_by_chance_names_no_images(dltrain: Callable, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    lines = ["scan,age,kind"]
    for number in range(40):
        dark = number % 2
        Image.fromarray(random.integers(0, 60, (12, 12), dtype=np.uint8) + 150 * (1 - dark)).save(
            tmp_path / "photos" / f"{number:04d}.png"
        )
        lines.append(f"{number:04d}.png,{number % 9},{'dark' if dark else 'light'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    source = ("data=images", "data.path=photos", "data.labels=labels.csv", "data.target=kind", "data.use=[age]")
    assert dltrain("model=cnn", *source, "data.size=12", "debug=smoke", "hydra.run.dir=run").code == 0
    (tmp_path / "new.csv").write_text("age,scan\n3,0001.png\n4,9999.png\n")
    called = dltrain("predict", "run", "new.csv")
    assert called.code == 0, called.err
    rows = [line.split(",") for line in called.out.splitlines()]
    assert [row[0] for row in rows] == ["id", "0001.png", "9999.png"]
    assert rows[1][1] in ("dark", "light") and rows[2][1] == "" and "no such file" in rows[2][-1]
    (tmp_path / "nameless.csv").write_text("age,number\n3,1\n4,2\n")
    refused = dltrain("predict", "run", "nameless.csv")
    assert refused.code == 2 and "called 'scan' as in training" in refused.err


def test_several_inputs_keep_their_order(
    dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    first, second, third = sorted(image_folder.rglob("*.png"))[:3]
    shutil.copy(second, tmp_path / "folder" / "within.png")
    called = dltrain("predict", str(image_run), str(third), "folder", str(first))
    assert called.code == 0, called.err
    ids = [line.split(",")[0] for line in called.out.splitlines()[1:]]
    assert [Path(name).name for name in ids] == [third.name, "within.png", first.name]


def test_explanations_are_written_beside_predictions(
    dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, path in enumerate(sorted(image_folder.rglob("*.png"))[:3]):
        shutil.copy(path, photos / f"{number}.png")
    (photos / "broken.png").write_bytes(b"no image")
    called = dltrain("predict", str(image_run), "photos", "--explain", "maps", "-o", "p.csv")
    assert called.code == 0, called.err
    assert "explain 3 images, written to maps" in called.out
    files = sorted((tmp_path / "maps").iterdir())
    assert [path.name for path in files] == ["photos_0.png", "photos_1.png", "photos_2.png"]
    with Image.open(files[0]) as both:
        width, height = both.size
        assert width == 2 * height
        half = both.crop((0, 0, height, height)), both.crop((height, 0, width, height))
    assert half[0].tobytes() != half[1].tobytes()


def test_explanations_are_for_images_and_go_into_a_folder_outside_the_run(
    dltrain: Callable, image_run: Path, pay_run: Path, people_csv: Path, tmp_path: Path
) -> None:
    called = dltrain("predict", str(pay_run), str(people_csv), "--explain", "maps")
    assert called.code == 2 and "--explain is for images" in called.err
    called = dltrain("predict", str(image_run), "photos", "--explain", str(image_run / "plots"))
    assert called.code == 2 and "lies in the run's folder" in called.err
    (tmp_path / "taken").write_text("")
    called = dltrain("predict", str(image_run), "photos", "--explain", "taken")
    assert called.code == 2 and "taken is a file" in called.err


def test_the_page_shows_where_the_model_looks(image_run: Path) -> None:
    maps = load_file(image_run / "examples" / "maps.safetensors")
    inputs = load_file(image_run / "examples" / "inputs.safetensors")["input_0"]
    assert maps["places"].shape == (len(maps["rows"]), *inputs.shape[2:])
    assert maps["rows"][0] == 0
    assert len(set(maps["rows"].tolist())) == len(maps["rows"]) <= 8
    assert "Where the model looks" in (image_run / "report.html").read_text("utf-8")


def test_evaluate_reads_what_memory_cannot_hold_from_a_temporary_file(
    dltrain: Callable, image_run: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--json", "evaluate", str(image_run), f"data.path={image_folder}")
    usual = json.loads(dltrain(*arguments).out)
    monkeypatch.setattr("dltrain.data.gathered.free_memory", lambda: 0)
    called = dltrain(*arguments)
    assert called.code == 0, called.err
    answer = json.loads(called.out)
    assert answer["notes"][0].endswith("more than a third of the free memory: read from a temporary file")
    assert (answer["metrics"], answer["trained"]) == (usual["metrics"], usual["trained"])
    assert answer["notes"][1:] == usual["notes"]
