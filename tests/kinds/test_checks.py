from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from dltrain.kinds.checks import Finding
from dltrain.kinds.image.digits import digits
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.load import table
from dltrain.kinds.table.scikit_learn import toy_table
from dltrain.types import Data


def examine(data: Data) -> list[Finding]:
    return list(kind_of(data.facts).check(data))


def said(findings: list[Finding], words: str) -> list[Finding]:
    return [finding for finding in findings if words in str(finding)]


def random_table(rows: int = 400, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "y": rng.integers(0, 2, rows)})
    return frame.assign(**columns)


def test_a_column_that_tells_the_label_is_named() -> None:
    frame = random_table()
    leaky = examine(table(frame.assign(answer=frame["y"] * 3 + 1.0), target="y"))
    assert [finding.severity for finding in said(leaky, "answer alone predicts 100.0 % of the labels")] == ["warning"]
    assert "data.drop=[answer]" in str(leaky[0])
    assert not said(examine(table(frame, target="y")), "alone predicts")


def test_a_column_that_tells_a_number_is_named() -> None:
    frame = random_table()
    frame["y"] = np.random.default_rng(1).normal(size=400)
    assert said(examine(table(frame.assign(copy=frame["y"] * 2 + 1), target="y")), "copy alone predicts")
    assert not said(examine(table(frame, target="y")), "alone predicts")


def test_equal_rows_of_a_table_are_a_note() -> None:
    frame = random_table(a=np.arange(400) % 3, b=np.arange(400) % 5)
    (found,) = said(examine(table(frame, target="y")), "same inputs")
    assert found.severity == "note"
    assert said(examine(table(frame, target="y")), "groups of equal samples")


def test_imbalance_and_lonely_labels_are_told() -> None:
    labels = ["many"] * 395 + ["few"] * 4 + ["once"]
    found = examine(table(random_table(y=labels), target="y"))
    assert said(found, "trainer.balance=resample")
    assert said(found, "single training sample: once")[0].severity == "warning"


def test_small_splits_say_how_coarse_they_are() -> None:
    assert said(examine(toy_table(name="iris")), "only 15 samples: one more error changes accuracy by 6.7 points")


@pytest.mark.parametrize("data", [digits(), toy_table(name="breast_cancer"), toy_table(name="diabetes")])
def test_sound_data_gets_no_warning(data: Data) -> None:
    assert [finding for finding in examine(data) if finding.severity == "warning"] == []


def test_findings_reach_the_terminal_and_the_result(dltrain: Callable) -> None:
    called = dltrain("data=iris", "debug=smoke")
    assert "note    the test split has only 15 samples" in called.out
    assert called.result["doctor"][0]["severity"] == "note"


def patients(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    patient = rng.integers(1, 60, rows)
    return pd.DataFrame(
        {"patient_id": patient, "a": patient * 0.1 + rng.normal(size=rows), "y": patient + rng.normal(size=rows)}
    )


def test_ids_that_rows_share_prompt_a_split_by_group() -> None:
    (found,) = said(examine(table(patients(), target="y")), "known patient_id")
    assert (found.severity, found.fix.endswith("data.group=patient_id")) == ("warning", True)
    assert not said(examine(table(patients(), target="y", group="patient_id")), "patient_id")


def test_ids_that_folds_share_prompt_a_split_by_group() -> None:
    options = {"target": "y", "folds": 5, "test_fraction": 0.0}
    (found,) = said(examine(table(patients(), **options)), "known patient_id")
    assert found.what.startswith("100 % of the val rows") and found.fix.endswith("data.group=patient_id")
    assert not said(examine(table(patients(), group="patient_id", **options)), "patient_id")


def test_an_id_of_a_row_is_no_group() -> None:
    frame = patients().assign(patient_id=np.random.default_rng(1).permutation(400) * 7)
    assert not said(examine(table(frame, target="y")), "patient_id")


def test_a_target_far_from_all_others_is_named_with_its_row() -> None:
    frame = random_table(y=np.random.default_rng(1).normal(size=400))
    frame.loc[17, "y"] = 9_999.0
    (found,) = said(examine(table(frame, target="y")), "row 19: y is 9999")
    assert found.severity == "warning"
    heavy = random_table(y=np.random.default_rng(1).standard_t(3, size=400))
    assert not said(examine(table(heavy, target="y")), "far from the median")


def test_spellings_that_differ_in_case_are_named() -> None:
    frame = random_table(town=["Ulm", "ulm", "Bonn", "Bonn "] * 100)
    (found,) = said(examine(table(frame, target="y")), "only in case or blanks")
    assert "'Ulm' and 'ulm'" in found.what and "Bonn" not in found.what


def test_a_category_that_tells_the_number_is_named_by_its_column() -> None:
    town = np.arange(400) % 20
    frame = random_table(town=[f"T{code}" for code in town], y=town * 1.0)
    (found,) = said(examine(table(frame, target="y", task="regression")), "alone predicts")
    assert found.fix.endswith("data.drop=[town]")


def test_rows_in_the_order_of_time_prompt_a_split_by_time() -> None:
    days = [str(day.date()) for day in pd.date_range("2026-01-01", periods=400)]
    (found,) = said(examine(table(random_table(day=days), target="y")), "in the order of day")
    assert (found.severity, found.fix.endswith("data.time=day")) == ("warning", True)
    assert not said(examine(table(random_table(day=days), target="y", time="day")), "in the order of")
    shuffled = list(np.random.default_rng(0).permutation(days))
    assert not said(examine(table(random_table(day=shuffled), target="y")), "in the order of")


def test_a_target_with_many_gaps_is_named() -> None:
    frame = random_table()
    frame["y"] = np.where(np.arange(400) % 2, frame["y"].astype(str), "")
    (found,) = said(examine(table(frame, target="y")), "200 of the 400 rows have no value of y")
    assert "dltrain predict" in found.fix
