"""Many series in one file: told apart, each split and scaled, and turned if they lie in rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from series_tables import days, encoder_of, load, next_times, wave

from dltrain.errors import DataError
from dltrain.kinds.series.load import series


def panel(names: Sequence[Any], count: int = 80, column: str = "store", longer: int = 0) -> pd.DataFrame:
    """Daily sales of some series, each ten times the number of its place, each `longer` steps longer than the one
    before."""
    parts = [
        pd.DataFrame(
            {
                column: name,
                "date": days("2020-01-01", count + longer * place),
                "sales": 10 ** (place % 3) * wave(count + longer * place, seed=place),
            }
        )
        for place, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


def counting(count: int = 80) -> pd.DataFrame:
    """Three series whose values are their own step, 1000 times the number of the series more."""
    parts = [pd.DataFrame({"unique_id": f"s{at}", "ds": days("2020-01-01", count - 10 * at)}) for at in range(3)]
    return pd.concat([part.assign(y=1000.0 * at + np.arange(len(part))) for at, part in enumerate(parts)])


@pytest.mark.parametrize(
    ("table", "columns", "count"),
    [
        (panel(["north", "south"], column="unique_id"), ("unique_id",), 2),
        (panel(range(1, 6)), ("store",), 5),
        (panel(range(1, 6)).sort_values(["date", "store"]), ("store",), 5),
        (panel(range(1, 6)).assign(kind=lambda t: np.where(t["store"] < 3, "a", "b")), ("store",), 5),
        (pd.concat([panel([1, 2]).assign(item=item) for item in ("x", "y", "z")]), ("store", "item"), 6),
        (panel(["a", "b"], column="unique_id").drop(columns="date"), ("unique_id",), 2),
    ],
)
def test_series_are_told_apart(table: pd.DataFrame, columns: tuple[str, ...], count: int, tmp_path: Path) -> None:
    data = load(table, tmp_path)
    encoder = encoder_of(data)
    assert (encoder.roles.series, len(encoder.states), data.facts.features) == (columns, count, ("sales",))
    assert any(f"series {', '.join(columns)}: {count}" in note for note in data.notes)
    named = load(table, tmp_path, series=list(columns))
    assert torch.equal(named.splits["test"].target, data.splits["test"].target)


def test_what_several_columns_may_tell_apart_is_asked(tmp_path: Path) -> None:
    table = panel(["a", "b", "c", "d"], 60, "alpha")
    table["beta"] = np.tile(["u", "v"], len(table) // 2)
    with pytest.raises(DataError, match="two rows have the time") as refused:
        load(pd.concat([table, table.assign(sales=1)]), tmp_path)
    assert "data.series" in refused.value.fix
    blocks = table.assign(beta=np.where(np.arange(len(table)) < 30, "w", table["alpha"]))
    with pytest.raises(DataError, match="several series, which alpha or beta may tell apart") as refused:
        load(blocks, tmp_path)
    assert refused.value.override == "data.series=alpha"


def test_windows_and_splits_lie_within_each_series(tmp_path: Path) -> None:
    data = load(counting(), tmp_path, window=6, horizon=2, val_fraction=0.2, calendar=False)
    encoder = encoder_of(data)
    held = {name: [[], [], []] for name in ("train", "val", "test")}
    for name, split in data.splits.items():
        assert split.times is not None
        windows, codes = split.inputs[0][:, :, :1].double().numpy(), split.inputs[1][:, 0]
        values = encoder.unscale(windows, split.inputs)[:, :, 0]
        for window, target, code in zip(values, split.target.numpy(), codes.tolist(), strict=True):
            steps = np.append(window, target) - 1000 * code
            np.testing.assert_allclose(np.diff(steps), 1, atol=1e-3)
            held[name][code] += (target - 1000 * code).tolist()
    for code, count in enumerate((80, 70, 60)):
        test, val = round(count * 0.2), round(count * 0.2)
        assert max(held["train"][code]) == count - test - val - 1
        assert (min(held["val"][code]), max(held["val"][code])) == (count - test - val, count - test - 1)
        assert (min(held["test"][code]), max(held["test"][code])) == (count - test, count - 1)


def test_a_series_has_the_scale_of_its_own_training_part(tmp_path: Path) -> None:
    table = panel(["a", "b", "c"])
    before = encoder_of(load(table, tmp_path)).states
    late = table.groupby("store").cumcount() >= 64
    after = encoder_of(load(table.assign(sales=table["sales"].where(~late, 1e6)), tmp_path)).states
    for one, other, place in zip(before, after, range(3), strict=True):
        assert one.mean[0] == pytest.approx(wave(80, seed=place)[:56].mean() * 10**place)
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.naive, other.naive)


def test_series_of_different_length_are_taken_and_short_ones_named(tmp_path: Path) -> None:
    table = pd.concat([panel(["a", "b"], longer=25), panel(["c"], 6)])
    data = load(table, tmp_path)
    assert [state.name for state in encoder_of(data).states] == ["a", "b"]
    assert any("left out 1 series, too short for a window and its horizon: c" in note for note in data.notes)
    with_hole = panel(["a", "b", "c"]).drop(index=range(20, 55))
    notes = load(with_hole, tmp_path).notes
    assert any(note.startswith("left out 1 series, such as a: 35 of 80 steps") for note in notes)


def test_rows_of_one_series_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    table = panel(["a", "b"])
    twice = pd.concat([table, table.head(1).assign(sales=99)])
    with pytest.raises(DataError, match="two rows have the time 2020-01-01") as refused:
        load(twice, tmp_path)
    assert refused.value.override == "data.repeats=mean"
    assert len(encoder_of(load(twice, tmp_path, repeats="first")).states) == 2


def test_a_series_that_training_did_not_have_is_forecast_by_its_own_scale(tmp_path: Path) -> None:
    encoder = encoder_of(load(panel(["a", "b"]), tmp_path))
    encoded = encoder.encode(panel(["b", "new"]))
    assert encoded.times is not None
    codes = encoded.inputs[1][:, 0]
    assert codes.unique().tolist() == [-1, 1]
    assert "series new: new" in str(encoded.remarks[-1][0])
    own = encoded.inputs[2][codes == -1][0, 0].item()
    assert own == pytest.approx(wave(80, seed=1).mean() * 10, rel=1e-5)


def test_columns_that_never_change_describe_a_series(tmp_path: Path) -> None:
    table = panel(["a", "b", "c", "d"])
    table["kind"] = table["store"].map({"a": "city", "b": "city", "c": "land", "d": "land"})
    table["size"] = table["store"].map({"a": 100, "b": 200, "c": 300, "d": 400})
    data = load(table, tmp_path, target="sales")
    encoder = encoder_of(data)
    assert (encoder.roles.static, encoder.levels) == (("kind",), (("city", "land"),))
    assert any("not used: size, the same in all rows of a series" in note for note in data.notes)
    assert data.splits["train"].inputs[1].unique(dim=0).tolist() == [[0, 0], [1, 0], [2, 1], [3, 1]]
    strange = encoder.encode(table.assign(kind="sea"))
    assert set(strange.inputs[1][:, 1].tolist()) == {-1}


@pytest.mark.parametrize(
    ("columns", "first", "after"),
    [
        (days("2020-01-22", 60, "%m/%d/%y"), "3", "03/22/20"),
        ([str(year) for year in range(1960, 2020)], "3", "2020"),
        ([f"V{number}" for number in range(2, 62)], "V1", "V62"),
        ([f"d_{number}" for number in range(1, 61)], "id", "d_61"),
    ],
)
def test_a_table_whose_columns_are_times_is_turned(columns: list[str], first: str, after: str, tmp_path: Path) -> None:
    values = np.stack([wave(60, seed=seed) for seed in range(4)])
    first = first if first.isalpha() or first == "V1" else "Country"
    table = pd.DataFrame({first: ["A", "B", "C", "D"]} | dict(zip(columns, values.T, strict=True)))
    data = load(table, tmp_path, calendar=False)
    assert encoder_of(data).roles.series == (first,)
    assert any("4 rows are as many series" in note for note in data.notes)
    assert data.splits["test"].target[-1].item() == values[3, -1]
    assert next_times(data) == [after]
    again = encoder_of(data).encode(table)
    assert set(data.splits["test"].ids) < set(again.ids)


def test_the_rows_of_a_wide_table_are_named_by_words(tmp_path: Path) -> None:
    values = dict(zip(days("2020-01-22", 60, "%m/%d/%y"), wave(240).reshape(60, 4), strict=True))
    places = {"Province": ["", "", "x", "y"], "Country": ["A", "B", "C", "C"], "Lat": [1, 2, 3, 4]}
    encoder = encoder_of(load(pd.DataFrame(places | values), tmp_path))
    assert encoder.roles.series == ("Province", "Country")
    assert [state.name for state in encoder.states] == ["A", "B", "x / C", "y / C"]


def test_typed_dates_have_no_time_of_day(tmp_path: Path) -> None:
    pd.DataFrame({"date": pd.date_range("2022-01-01", periods=90), "v": wave(90)}).to_parquet(tmp_path / "p.parquet")
    data = series(path=str(tmp_path / "p.parquet"))
    assert (data.splits["test"].ids[-1], next_times(data)) == ("2022-03-31", ["2022-04-01"])
    assert encoder_of(data).encode(pd.read_parquet(tmp_path / "p.parquet")).ids[-1] == "2022-04-01"


def test_numbered_columns_of_one_series_are_no_times(tmp_path: Path) -> None:
    sensors = {f"sensor{number}": wave(100, seed=number) for number in range(1, 9)}
    data = load(pd.DataFrame({"time": days("2020-01-01", 100), **sensors}), tmp_path)
    assert data.facts.features == tuple(sensors)
    assert load(pd.DataFrame({f"x{number}": wave(100) for number in range(1, 9)}), tmp_path).facts.input_shape[1] == 8


def test_a_part_of_a_day_names_no_series(tmp_path: Path) -> None:
    table = pd.DataFrame({"date": np.repeat(days("2020-01-01", 40), 6), "period": list(range(6)) * 40, "v": wave(240)})
    with pytest.raises(DataError, match="two rows have the time 2020-01-01"):
        load(table, tmp_path, target="v")


def test_what_is_read_back_encodes_a_panel_as_training_did(tmp_path: Path) -> None:
    table = panel(["a", "b", "c"])
    table["kind"] = np.where(table["store"] == "c", "land", "city")
    data = load(table, tmp_path, horizon=3)
    encoded = encoder_of(data).encode(table)
    place = {name: position for position, name in enumerate(encoded.ids)}
    for split in data.splits.values():
        at = [place[name] for name in split.ids]
        for tensor, other in zip(encoded.inputs, split.inputs, strict=True):
            assert torch.equal(tensor[at], other)
