"""Values that stand for missing cells: said in a config, and remarked on where they are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from series_tables import encoder_of, load, wave

from dltrain.data.cells import read_cells
from dltrain.data.stand_ins import empty_cells, for_columns, read_stand_ins, remark_stand_in, spell_stand_ins
from dltrain.errors import DataError
from dltrain.kinds.table.load import table


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ([], {}),
        (-200, {"": ("-200",)}),
        ("Bad", {"": ("Bad",)}),
        ([-999, "n. b."], {"": ("-999", "n. b.")}),
        ({"age": -1, "pay": [0, 9]}, {"age": ("-1",), "pay": ("0", "9")}),
        ("{age: -1}", {"age": ("-1",)}),
    ],
)
def test_a_config_gives_values_for_all_columns_or_for_some(given: Any, expected: dict[str, tuple[str, ...]]) -> None:
    assert read_stand_ins(given) == expected


def test_what_says_no_values_is_refused() -> None:
    for given in ({"a": {"b": 1}}, "{a: [1}"):
        with pytest.raises(DataError) as refused:
            read_stand_ins(given)
        assert refused.value.where == "data.missing"
    with pytest.raises(DataError, match="no column 'agee'") as refused:
        for_columns({"agee": ("-1",)}, ["age", "pay"])
    assert "'age'" in refused.value.fix
    assert refused.value.override == "data.missing={age: [-1]}"


def test_cells_are_told_however_their_numbers_are_written() -> None:
    frame = pd.DataFrame(
        {
            "texts": ["-200", "-200,0", " -200.00 ", "−200", "1,5", "-2000"],
            "numbers": [-200.0, 1.0, 2.0, 3.0, 4.0, np.nan],
            "words": ["Bad", "bad", "good", "-200", "x", "y"],
        }
    )
    emptied, notes = empty_cells(frame, for_columns({"": ("-200", "Bad")}, list(frame.columns), kept=["numbers"]))
    assert emptied["texts"].isna().tolist() == [True] * 4 + [False] * 2
    assert emptied["words"].isna().tolist() == [True, False, False, True, False, False]
    assert emptied["numbers"].equals(frame["numbers"])
    assert notes == ["data.missing: -200, Bad in 6 cells of texts, words means that there is no value"]
    assert empty_cells(frame, {"texts": ("7",)})[1] == ["data.missing: no cell of texts holds 7"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([*np.linspace(0, 12, 97), *[-200.0] * 3], "-200"),
        ([*np.linspace(0, 1189, 97), *[-200.0] * 5], "-200"),  # nearer than the values are to each other
        ([*np.linspace(0, 12, 97), *[-200.0] * 2], ""),
        ([*np.linspace(10, 12, 97), *[77.5] * 3], "77.5"),  # far from all others, and often
        ([*np.linspace(-300, 300, 97), *[-999.0] * 3], "-999"),
        ([*np.linspace(-300, 300, 97), 999.0, 500.0, 600.0], ""),
        (np.linspace(0, 1, 100), ""),
        ([1.0] * 50 + [0.0] * 50, ""),
    ],
)
def test_a_value_far_from_all_others_that_repeats_is_remarked_on(values: Any, said: str) -> None:
    remarks = remark_stand_in("co", read_cells(pd.Series(np.asarray(values, dtype=float))))
    assert remarks == [] if not said else [f"say data.missing=[{said}]" in remark for remark in remarks] == [True]


@pytest.mark.parametrize("gaps", ["interpolate", "mask"])
def test_a_series_has_gaps_where_stand_ins_are_in_training_and_in_use(gaps: Any, tmp_path: Path) -> None:
    values = wave(120)
    values[[10, 40, 41, 90]] = -200
    frame = pd.DataFrame({"time": pd.date_range("2023-01-01", periods=120), "hour": 0, "v": values})
    assert any("data.missing=[-200]" in note for note in load(frame, tmp_path).notes)
    data = load(frame, tmp_path, missing=[-200], gaps=gaps, target="v")
    empty = load(frame.assign(v=frame["v"].where(frame["v"] > 0)), tmp_path, gaps=gaps, target="v")
    encoder = encoder_of(data)
    assert encoder.states[0].mean == pytest.approx(encoder_of(empty).states[0].mean)
    np.testing.assert_array_equal(data.splits["test"].target, empty.splits["test"].target)
    np.testing.assert_array_equal(
        encoder.encode(frame).inputs[0],
        encoder_of(empty).encode(frame.assign(v=frame["v"].where(frame["v"] > 0))).inputs[0],
    )


def test_a_table_has_gaps_where_stand_ins_are_but_no_class_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(50, 10, 200)
    frame = pd.DataFrame({"x": np.where(rng.random(200) < 0.1, -999, x), "z": rng.integers(0, 9, 200)})
    frame["y"] = np.where(x > 50, 0, 1)
    assert any("data.missing=[-999]" in note for note in table(frame, target="y").notes)
    data = table(frame, target="y", missing=[-999, 0])
    assert any("cells of x, z" in note for note in data.notes)
    assert sum(map(len, data.splits.values())) == 200
    with_gaps = table(frame.assign(x=frame["x"].replace(-999, np.nan), z=frame["z"].replace(0, np.nan)), target="y")
    for name, split in data.splits.items():
        np.testing.assert_array_equal(split.inputs[0], with_gaps.splits[name].inputs[0])
    only = table(frame, target="y", missing={"z": 0})
    assert any("cells of z means" in note for note in only.notes)


def test_new_rows_are_read_with_the_stand_ins_of_the_run(dltrain: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(50, 10, 300)
    frame = pd.DataFrame({"x": np.where(rng.random(300) < 0.2, -999, x).round(2), "y": (2 * x).round(2)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ("data.path=t.csv", "data.target=y", "data.missing=[-999]", "trainer.epochs=1", "hydra.run.dir=run")
    called = dltrain("data=csv", "model=linear", *options, "baseline=none")
    assert called.code == 0, called.err
    predicted = set()
    for value in ("-999", "NA", "-999.0"):
        (tmp_path / "new.csv").write_text(f"x\n{value}\n50\n")
        predicted.add(dltrain("predict", "run", "new.csv").out.splitlines()[1].split(",")[1])
    assert len(predicted) == 1


def test_the_argument_for_stand_ins_is_read_as_it_was_meant() -> None:
    stand_ins = {
        "risk of loss": ("-", "?", "N/A"),
        "age": ("-999",),
        "on": ("NULL", "no", "007", "1.50", "1_0", "0x1F"),
    }
    argument = spell_stand_ins(stand_ins)
    assert argument.startswith('data.missing={"risk of loss": ["-", "?", "N/A"], age: [-999], "on": ["NULL", "no", ')
    assert read_stand_ins(argument.removeprefix("data.missing=")) == stand_ins
