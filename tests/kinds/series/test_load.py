"""Series: no target of a held-out part is seen in training, and what a file lacks is mended or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_series
from dltrain.errors import DataError
from dltrain.kinds.series.date_columns import MONTHS, join_dates
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.types import Data


def write(tmp_path: Path, frame: pd.DataFrame) -> str:
    frame.to_csv(tmp_path / "s.csv", index=False)
    return str(tmp_path / "s.csv")


def counting(rows: int = 120, freq: str = "MS") -> pd.DataFrame:
    """A series whose values are their own step, so that a window says where it lies."""
    times = pd.date_range("2001-01-01", periods=rows, freq=freq)
    return pd.DataFrame({"Month": times.strftime("%Y-%m-%d"), "Sales": np.arange(rows, dtype=float)})


def steps_of(data: Data, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a split's windows `(N, T)` and of its targets `(N, H)`, of a counting series."""
    split = data.splits[name]  # type: ignore[index]
    said = data.facts.preprocessing
    return np.rint(split.inputs[0][:, :, 0].numpy() * said["std"][0] + said["mean"][0]), split.target.numpy()


@pytest.mark.parametrize(("window", "horizon"), [(12, 1), (10, 7), (30, 12)])
def test_no_target_of_a_held_out_part_is_seen_before_it(tmp_path: Path, window: int, horizon: int) -> None:
    fractions = {"test_fraction": 0.2, "val_fraction": 0.2}
    data = series(path=write(tmp_path, counting()), window=window, horizon=horizon, calendar=False, **fractions)
    held_out = {"train": 72, "val": 96, "test": 120}
    start = 0
    for name, end in held_out.items():
        inputs, targets = steps_of(data, name)
        assert inputs.shape[1] == window
        assert targets.shape[1] == horizon
        np.testing.assert_array_equal(inputs[:, -1] + 1, targets[:, 0])  # a window reaches to what it forecasts
        np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
        assert targets.min() == max(start, window)
        assert targets.max() == end - 1
        assert len(targets) == end - max(start, window) - horizon + 1  # one for every step
        start = end
    assert steps_of(data, "train")[0].max() < 72


def test_scaling_is_learned_from_the_training_part_alone(tmp_path: Path) -> None:
    frame = counting()
    path = write(tmp_path, frame)
    before = series(path=path, window=12).facts
    frame.loc[84:, "Sales"] = 1e6
    after = series(path=write(tmp_path, frame), window=12).facts
    assert (
        (before.target_mean, before.target_std) == (after.target_mean, after.target_std) == (41.5, np.arange(84).std())
    )


def test_the_last_steps_test_by_number_or_by_share(tmp_path: Path) -> None:
    path = write(tmp_path, counting(144))
    assert len(series(path=path, horizon=12, test_steps=48, window=24).splits["test"]) == 37
    data = series(path=path, horizon=12, test_fraction=0, val_fraction=0, window=24)
    assert list(data.splits) == ["train"]
    assert len(data.splits["train"]) == 144 - 24 - 12 + 1


def test_rows_in_disorder_are_sorted_and_it_is_said(tmp_path: Path) -> None:
    frame = counting()
    tidy = series(path=write(tmp_path, frame), window=12)
    shuffled = series(path=write(tmp_path, frame.sample(frac=1, random_state=0)), window=12)
    assert torch.equal(tidy.splits["test"].target, shuffled.splits["test"].target)
    assert any("sorted the rows by" in note for note in shuffled.notes)
    assert tidy.splits["test"].ids[0] == "2009-01-01"  # the first step that tests


def test_a_gap_is_interpolated_and_neither_forecast_nor_forecast_from(tmp_path: Path) -> None:
    frame = counting()
    gone = frame.drop(index=[50, 51]).reset_index(drop=True)
    gone.loc[gone["Sales"] == 60, "Sales"] = np.nan
    data = series(path=write(tmp_path, gone), window=12, horizon=3)
    assert any("interpolated 3 of 120 steps" in note for note in data.notes)
    inputs, targets = steps_of(data, "train")
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
    for step in (50, 51, 60):
        assert step not in targets
        assert step not in inputs[:, -1]
        assert step in inputs
    with pytest.raises(
        DataError, match="3 steps have no value, 2 of them consecutive, from 2005-03-01 to 2005-04-01"
    ) as no:
        series(path=write(tmp_path, gone), window=12, gaps="refuse")
    assert no.value.override == "data.gaps=interpolate"
    with pytest.raises(DataError) as no:
        series(path=write(tmp_path, gone), window=12, max_gap=1)
    assert no.value.override == "data.max_gap=2"


def test_a_row_that_repeats_another_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    frame = counting()
    tidy = series(path=write(tmp_path, frame), window=12)
    twice = series(path=write(tmp_path, pd.concat([frame[:7], frame[3:]])), window=12)
    assert torch.equal(tidy.splits["test"].target, twice.splits["test"].target)
    assert any("with the same time and values as another: 4" in note for note in twice.notes)


def test_rows_of_one_time_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    frame = counting()
    path = write(tmp_path, pd.concat([frame, frame.tail(1).assign(Sales=7)]))
    with pytest.raises(DataError, match="two rows have the time 2010-12-01 and different values") as refused:
        series(path=path, window=12)
    assert refused.value.where == "rows 121 and 122, column 'Month' of the file"
    assert refused.value.override == "data.repeats=mean"
    assert series(path=path, window=12, repeats="mean").splits["test"].target[-1].item() == (119 + 7) / 2
    assert series(path=path, window=12, repeats="first").splits["test"].target[-1].item() == 119


def test_a_target_that_is_not_there_or_not_numbers_is_answered_with_one_that_is(tmp_path: Path) -> None:
    frame = counting().assign(Cost=np.arange(120.0), Sales=[*map(str, range(119)), "closed"])
    path = write(tmp_path, frame)
    for target, override in (("nope", "data.target=Cost"), (["nope", "Cost"], "data.target=Cost")):
        with pytest.raises(DataError, match="no column 'nope'") as refused:
            series(path=path, target=target)
        assert refused.value.override == override
    for wanted in (None, ["Sales", "Cost"]):
        with pytest.raises(DataError, match="'closed' in a column of numbers") as refused:
            series(path=path, target=wanted)
        assert refused.value.override == "data.target=Cost"


def test_a_time_off_the_beat_is_refused(tmp_path: Path) -> None:
    frame = counting(freq="h")
    frame["Month"] = pd.date_range("2001-01-01", periods=120, freq="h").strftime("%Y-%m-%d %H:%M")
    frame.loc[40, "Month"] = "2001-01-02 16:20"
    with pytest.raises(DataError, match=r"not a whole number of steps \(1 hour\) after") as refused:
        series(path=write(tmp_path, frame))
    assert "row 42" in refused.value.where
    frame.loc[40, "Month"] = "soon"
    with pytest.raises(DataError, match="'soon' is not a date or time"):
        series(path=write(tmp_path, frame), time="Month")


@pytest.mark.parametrize(
    ("options", "override"),
    [
        ({"window": 100, "horizon": 12}, "data.window=30"),
        ({"horizon": 60}, "data.horizon=1"),
        ({"test_steps": 3, "horizon": 12}, "data.test_steps=12"),
        ({"test_steps": 119}, "data.test_steps=24"),
        ({"val_fraction": 0.6, "test_fraction": 0.6}, "data.test_fraction=0.1"),
    ],
)
def test_a_series_that_is_too_short_says_what_would_fit(tmp_path: Path, options: dict, override: str) -> None:
    path = write(tmp_path, counting())
    with pytest.raises(DataError) as refused:
        series(path=path, **options)
    assert refused.value.override == override
    key, value = override.removeprefix("data.").split("=")
    series(path=path, **(options | {key: float(value) if "." in value else int(value)}))


def test_several_columns_are_forecast_together(tmp_path: Path) -> None:
    frame = counting().assign(Cost=np.arange(120.0) * 2, note="x")
    data = series(path=write(tmp_path, frame), window=12, horizon=2)
    assert data.facts.features == ("Sales", "Cost")
    assert data.facts.outputs == ("Sales +1", "Cost +1", "Sales +2", "Cost +2")
    assert data.facts.input_shape == (12, 2)
    first = data.splits["train"].target[0].tolist()
    assert first == [12.0, 24.0, 13.0, 26.0]
    one = series(path=write(tmp_path, frame), window=12, target="Cost")
    assert (one.facts.target, one.facts.outputs) == ("Cost", ())
    with pytest.raises(DataError, match="no column 'Costs'") as refused:
        series(path=write(tmp_path, frame), target="Costs")
    assert refused.value.override == "data.target=Cost"


def test_a_column_without_numbers_or_of_one_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column contains numbers"):
        series(path=write(tmp_path, counting().assign(Sales="x")))
    with pytest.raises(DataError, match="every training value of Sales is the same"):
        series(path=write(tmp_path, counting().assign(Sales=3.0)))


def test_values_far_from_zero_keep_their_steps(tmp_path: Path) -> None:
    frame = counting()
    frame["Sales"] += 1e9
    inputs = series(path=write(tmp_path, frame), window=12).splits["train"].inputs[0]
    spread = np.arange(84).std()
    np.testing.assert_allclose(np.diff(inputs[:, :, 0].numpy(), axis=1) * spread, 1, rtol=1e-4)


def test_the_generated_series_has_the_seasons_it_is_made_of() -> None:
    data = series()
    assert data.facts.preprocessing["period"] in (24, 168)
    assert data.facts.input_shape[0] >= 48
    again = generate_series(100, 3)
    assert again.equals(generate_series(100, 3))
    assert not again["value"].equals(generate_series(100, 4)["value"])


@pytest.mark.parametrize("months", [list(range(1, 13)), [name.capitalize() for name in MONTHS]])
def test_years_and_months_in_columns_of_their_own_are_dates(months: list[object], tmp_path: Path) -> None:
    rows = [f"{year},{month},{year + number}" for year in range(1949, 1959) for number, month in enumerate(months)]
    path = tmp_path / "flights.csv"
    path.write_text("year,month,passengers\n" + "\n".join(reversed(rows)))
    data = series(path=str(path))
    assert data.facts.features == ("passengers",)
    assert data.facts.preprocessing["axis"]["name"] == "year-month"
    assert data.splits["test"].ids[-1] == "1958-12"
    assert data.splits["test"].target[-1].item() == 1958 + 11
    encoder = WindowEncoder.of(data.facts)
    assert encoder.encode(pd.read_csv(path, dtype=str)).ids[-1] == "1959-01"


def test_years_and_quarters_are_dates_and_what_is_none_stays_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"year": np.repeat(np.arange(1959.0, 1969), 4), "quarter": [1.0, 2, 3, 4] * 10, "x": range(40)}
    )
    joined = join_dates(frame, ())
    assert list(joined.columns) == ["year-quarter", "x"]
    assert list(joined["year-quarter"][:5]) == ["1959-01", "1959-04", "1959-07", "1959-10", "1960-01"]
    assert join_dates(frame, ("quarter",)) is frame
    days = frame.assign(month=2, day=30)
    for other in (frame.assign(quarter=range(40)), frame.assign(quarter="spring"), frame[["year", "x"]], days):
        assert join_dates(other, ()) is other


def test_values_are_always_standardised() -> None:
    with pytest.raises(DataError, match="standardised") as caught:
        series(rows=100, scale_target=False)
    assert caught.value.override == "data.scale_target=true"
