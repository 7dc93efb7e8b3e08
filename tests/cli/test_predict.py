from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dltrain as package


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def stored(run: Path) -> dict[str, dict[str, str]]:
    """predictions.csv by id."""
    return {row["id"]: row for row in rows_of((run / "predictions.csv").read_text("utf-8"))}


@pytest.fixture
def copied(people_run: Path, tmp_path: Path) -> Path:
    """The run somewhere else."""
    return Path(shutil.copytree(people_run, tmp_path / "elsewhere"))


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_predictions_of_the_test_rows_are_those_of_training(dltrain: Callable, copied: Path, people_csv: Path) -> None:
    called = dltrain("predict", str(copied), str(people_csv))
    assert called.code == 0
    found = {row["id"]: row for row in rows_of(called.out)}
    assert len(found) == 120
    for name, row in stored(copied).items():
        assert found[name]["predicted"] == row["predicted"]
        for label in ("score_no", "score_yes"):
            assert float(found[name][label]) == pytest.approx(float(row[label]), abs=1e-6)


def test_numbers_are_in_the_targets_own_unit(dltrain: Callable, pay_run: Path, people_csv: Path) -> None:
    found = {row["id"]: row for row in rows_of(dltrain("predict", str(pay_run), str(people_csv)).out)}
    for name, row in stored(pay_run).items():
        assert float(found[name]["predicted"]) == pytest.approx(float(row["predicted"]), rel=1e-6)


def test_a_row_is_predicted_alike_alone_and_among_others(people_run: Path, people_csv: Path) -> None:
    model = package.load(people_run)
    frame = pd.read_csv(people_csv, dtype=str).drop(columns="stays")
    among = model.predict(frame)
    alone = pd.concat([model.predict(frame.iloc[[row]]) for row in range(0, 120, 13)])
    np.testing.assert_allclose(alone["score_yes"], among["score_yes"].iloc[::13], atol=1e-6)
    assert list(alone["id"]) == list(among["id"].iloc[::13])


def test_other_columns_and_orders_change_nothing_and_oddities_are_named(
    dltrain: Callable, copied: Path, people_csv: Path, tmp_path: Path
) -> None:
    plain = pd.read_csv(people_csv, dtype=str).drop(columns="stays")
    plain[plain.columns[::-1]].assign(note="=1+1").to_csv(tmp_path / "new.csv", index=False)
    assert dltrain("predict", str(copied), str(people_csv)).out == dltrain("predict", str(copied), "new.csv").out

    plain.loc[5, "city"] = "Rome"
    plain.drop(columns="pay").to_csv(tmp_path / "odd.csv", index=False)
    called = dltrain("predict", str(copied), "odd.csv", "-o", "out.csv")
    written = rows_of((tmp_path / "out.csv").read_text("utf-8"))
    assert written[4]["remarks"] == "no column pay"
    assert written[5]["remarks"] == "city new: Rome; no column pay"
    assert "no column pay: every sample" in called.out
    assert "city new: 1 of 120 samples (Rome)" in called.out


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format_holds_the_same_rows(
    dltrain: Callable, copied: Path, people_csv: Path, tmp_path: Path, suffix: str
) -> None:
    assert dltrain("predict", str(copied), str(people_csv), "-o", f"out.{suffix}").code == 0
    path = tmp_path / f"out.{suffix}"
    read = {
        "csv": lambda: pd.read_csv(path, dtype={"id": str}, keep_default_na=False),
        "jsonl": lambda: pd.read_json(path, lines=True, dtype={"id": str}),
        "parquet": lambda: pd.read_parquet(path),
    }[suffix]()
    expected = package.load(copied).predict(str(people_csv))
    assert list(read.columns) == list(expected.columns) == ["id", "predicted", "score_no", "score_yes", "remarks"]
    assert list(read["predicted"]) == list(expected["predicted"])
    np.testing.assert_allclose(read["score_yes"], expected["score_yes"], atol=1e-6)
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix == ".tmp"] == []


def test_standard_input_takes_csv_and_json_lines(
    dltrain: Callable, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, "年龄,city,pay,number\n30,Ulm,300,1007\n".encode())
    from_csv = dltrain("predict", str(copied), "-")
    record = {"年龄": 30, "city": "Ulm", "pay": 300, "number": 1007}
    pipe(monkeypatch, (json.dumps(record) + "\n").encode())
    from_json = dltrain("predict", str(copied), "-")
    assert from_csv.code == from_json.code == 0
    assert from_csv.out == from_json.out != ""
    assert from_csv.err == "predict 1 sample\n"


def test_json_is_one_line_and_quiet_says_nothing(
    dltrain: Callable, copied: Path, people_csv: Path, tmp_path: Path
) -> None:
    answer = json.loads(dltrain("predict", str(copied), str(people_csv), "--json").out)
    assert answer["rows"] == len(answer["predictions"]) == 120
    quiet = dltrain("predict", str(copied), str(people_csv), "-o", "out.csv", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert (tmp_path / "out.csv").exists()


def test_images_come_one_by_one_in_folders_lists_and_pipes(
    dltrain: Callable, image_run: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = stored(image_run)
    folder = rows_of(dltrain("predict", str(image_run), str(image_folder)).out)
    assert len(folder) == 20
    by_name = {str(Path(row["id"]).relative_to(image_folder)): row for row in folder}
    for name, row in expected.items():
        assert by_name[name]["predicted"] == row["predicted"]
        assert float(by_name[name]["score_dark"]) == pytest.approx(float(row["score_dark"]), abs=1e-6)

    image = image_folder / "light" / "3.png"
    (alone,) = rows_of(dltrain("predict", str(image_run), str(image)).out)
    assert alone["id"] == str(image)
    (tmp_path / "list.csv").write_text(f"weight,path\n1,{image}\n")
    (listed,) = rows_of(dltrain("predict", str(image_run), "list.csv").out)
    pipe(monkeypatch, f"{image}\n".encode())
    (named,) = rows_of(dltrain("predict", str(image_run), "-").out)
    assert alone == listed == named
    pipe(monkeypatch, image.read_bytes())
    (piped,) = rows_of(dltrain("predict", str(image_run), "-").out)
    assert piped | {"id": ""} == alone | {"id": ""}


@pytest.mark.parametrize(
    ("run", "content", "name", "said"),
    [
        ("people_run", b"", "empty.csv", "is empty"),
        ("people_run", b"pay\n", "header.csv", "no rows"),
        ("people_run", "年龄,city,pay\nold,Ulm,3\n".encode(), "text.csv", "'old' in a column of numbers at row 2"),
        ("people_run", b"\x89PNG\r\n", "photo.png", "is an image"),
        ("people_run", b"[1]\n", "list.jsonl", "not a JSON object"),
        ("image_run", b"hello", "photo.png", "cannot be read"),
        ("image_run", b"a,b\n1,2\n", "table.csv", "trained on files"),
    ],
)
def test_bad_input_is_refused_with_a_fix(
    dltrain: Callable,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    run: str,
    content: bytes,
    name: str,
    said: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    called = dltrain("predict", str(request.getfixturevalue(run)), name, "-o", "out.csv")
    assert called.code == 2
    assert said in called.err and "; fix: " in called.err
    assert not (tmp_path / "out.csv").exists()


def test_a_misspelt_file_is_answered_with_the_corrected_command(
    dltrain: Callable, people_run: Path, people_csv: Path, tmp_path: Path
) -> None:
    shutil.copy(people_csv, tmp_path / "people.csv")
    called = dltrain("predict", str(people_run), "poeple.csv")
    assert called.code == 2
    assert called.err.strip().endswith(f"dltrain predict {people_run} people.csv")


def test_an_input_is_never_overwritten(dltrain: Callable, people_run: Path, people_csv: Path, tmp_path: Path) -> None:
    shutil.copy(people_csv, tmp_path / "people.csv")
    before = (tmp_path / "people.csv").read_bytes()
    assert dltrain("predict", str(people_run), "people.csv", "-o", "people.csv").code == 2
    assert (tmp_path / "people.csv").read_bytes() == before


@pytest.fixture(scope="module")
def passengers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, test.csv without answers, and a run trained on the first."""
    folder = tmp_path_factory.mktemp("passengers")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"PersonNo": range(1, 121), "Class": random.integers(1, 4, 120), "Fare": random.random(120)})
    frame["Saved"] = (frame["Fare"] + random.normal(0, 0.2, 120) > 0.5).astype(int)
    frame.to_csv(folder / "train.csv", index=False)
    new = frame.drop(columns="Saved").assign(PersonNo=range(501, 621))
    new.to_csv(folder / "test.csv", index=False)
    new.assign(PersonNo=range(119, -1, -1)).rename(columns={"PersonNo": "id"}).to_csv(folder / "other.csv", index=False)
    package.train(
        f"data.path={folder / 'train.csv'}", "data=csv", "data.target=Saved", "model=linear", "trainer.epochs=1",
        "baseline=none", f"hydra.run.dir={folder / 'run'}", quiet=True,
    )  # fmt: skip
    return folder


def test_ids_of_the_file_name_the_rows_of_predictions(dltrain: Callable, passengers: Path) -> None:
    trained = list(rows_of((passengers / "run" / "predictions.csv").read_text("utf-8")))
    table = pd.read_csv(passengers / "train.csv").set_index("PersonNo")
    assert all(int(row["true"]) == table.loc[int(row["id"]), "Saved"] for row in trained)
    run = str(passengers / "run")
    for name, first in (("test.csv", ["501", "502"]), ("other.csv", ["119", "118"])):
        rows = rows_of(dltrain("predict", run, str(passengers / name)).out)
        assert [row["id"] for row in rows][:2] == first


def test_columns_of_the_input_are_kept_as_they_are(dltrain: Callable, passengers: Path) -> None:
    run, new = str(passengers / "run"), str(passengers / "test.csv")
    (first, *_) = rows_of(dltrain("predict", run, new, "--keep", "Class,Fare").out)
    line = (passengers / "test.csv").read_text().splitlines()[1].split(",")
    assert list(first)[:3] == ["id", "Class", "Fare"] and [first["Class"], first["Fare"]] == line[1:]
    refused = dltrain("predict", run, new, "--keep", "Clas")
    assert (refused.code, "name one of its columns" in refused.err) == (2, True)


def test_a_file_without_answers_leads_to_predict(dltrain: Callable, passengers: Path) -> None:
    refused = dltrain("evaluate", str(passengers / "run"), f"data.path={passengers / 'test.csv'}")
    assert (refused.code, "dltrain predict RUN FILE" in refused.err) == (2, True)


def test_a_bad_cell_costs_its_row_a_remark(dltrain: Callable, passengers: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("PersonNo,Class,Fare\n1,2,0.3\n2,2,not paid\n3,1,0.9\n")
    rows = list(rows_of(dltrain("predict", str(passengers / "run"), "bad.csv").out))
    assert [row["remarks"] for row in rows] == ["", "Fare is no number: not paid", ""]


def test_the_most_probable_classes_replace_all_scores(dltrain: Callable, image_run: Path, image_folder: Path) -> None:
    whole = dltrain("predict", str(image_run), str(image_folder), "-o", "all.csv")
    called = dltrain("predict", str(image_run), str(image_folder), "--top", "2", "-o", "top.csv")
    assert (whole.code, called.code) == (0, 0), called.err
    scores, top = pd.read_csv("all.csv"), pd.read_csv("top.csv")
    assert list(top.columns) == ["id", "predicted", "top_1", "score_1", "top_2", "score_2", "remarks"]
    for (_, row), (_, best) in zip(scores.iterrows(), top.iterrows(), strict=True):
        of_class = {name.removeprefix("score_"): row[name] for name in scores.columns if name.startswith("score_")}
        ranked = sorted(of_class, key=lambda name: -of_class[name])
        assert [best["top_1"], best["top_2"]] == ranked[:2]
        assert best["predicted"] == ranked[0]
        assert [best["score_1"], best["score_2"]] == pytest.approx([of_class[name] for name in ranked[:2]])
    frame = package.load(image_run).predict(str(image_folder), top=1)
    assert list(frame["top_1"]) == list(top["top_1"])


@pytest.mark.parametrize("count", ["0", "99"])
def test_a_number_of_classes_that_there_are_not_is_refused(dltrain: Callable, image_run: Path, count: str) -> None:
    called = dltrain("predict", str(image_run), "photos", "--top", count)
    assert called.code == 2
    assert "--top must lie between 1 and " in called.err and f"not {count}" in called.err


def test_top_is_for_classes(dltrain: Callable, pay_run: Path, people_csv: Path) -> None:
    called = dltrain("predict", str(pay_run), str(people_csv), "--top", "2")
    assert called.code == 2
    assert "--top does not work for regression runs" in called.err
