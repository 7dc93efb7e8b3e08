"""Files of series as other tools and offices write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from series_tables import days, encoder_of, load, next_times, wave

from dltrain.data.table_files import read_table
from dltrain.errors import DataError
from dltrain.kinds.series.baselines import _ridge
from dltrain.kinds.series.load import series
from dltrain.tasks.forecasting import Forecasting
from dltrain.types import Data


def tsf(head: str, start: str = "", count: int = 3, missing: int = -1) -> str:
    """A .tsf file of some series, the value at a place missing."""
    rows = [
        ",".join("?" if at == missing else str(v) for at, v in enumerate(wave(60 + k, seed=k))) for k in range(count)
    ]
    lines = [f"T{k}:{start}{row}" for k, row in enumerate(rows)]
    return "\n".join(["# made up", "@relation x", "@attribute series_name string", head, "@data", *lines, ""])


@pytest.mark.parametrize(
    ("frequency", "after", "step"),
    [
        ("monthly", "1995-01-01", "1 month"),
        ("quarterly", "2005-01-01", "1 quarter"),
        ("weekly", "1991-02-25", "1 week"),
        ("daily", "1990-03-02", "1 day"),
        ("half_hourly", "1990-01-02 06:00:00", "30 minutes"),
        ("10_minutes", "1990-01-01 10:00:00", "10 minutes"),
    ],
)
def test_series_of_the_monash_archive_are_read(frequency: str, after: str, step: str, tmp_path: Path) -> None:
    head = f"@attribute start_timestamp date\n@frequency {frequency}\n@missing true"
    path = tmp_path / "x.tsf"
    path.write_text(tsf(head, "1990-01-01 00-00-00:", missing=7))
    data = series(path=str(path), calendar=False)
    assert (len(encoder_of(data).states), next_times(data), encoder_of(data).axis.step_words) == (3, [after], step)
    assert any("interpolated 3 of 183 steps" in note for note in data.notes)
    frame, _ = read_table(str(path))
    np.testing.assert_allclose(frame["value"].dropna()[:7], wave(60)[:7])


def test_without_start_or_frequency_a_tsf_file_counts_its_steps(tmp_path: Path) -> None:
    (tmp_path / "x.tsf").write_text(tsf("@horizon 3"))
    data = series(path=str(tmp_path / "x.tsf"))
    assert (next_times(data), encoder_of(data).roles.series) == (["61"], ("series_name",))
    (tmp_path / "bad.tsf").write_text(tsf("@horizon 3") + "T9:more:1,2,3\n")
    with pytest.raises(DataError, match="has 2 attributes, and 1 are declared") as refused:
        series(path=str(tmp_path / "bad.tsf"))
    assert refused.value.where.endswith("line 9")


def test_flags_after_the_numbers_of_eurostat_are_left_out(tmp_path: Path) -> None:
    months = days("2010-01-01", 60, "%Y-%m", "MS")
    values = wave(60)
    lines = ["freq,unit,geo\\TIME_PERIOD\t" + "\t".join(f"{month} " for month in months)]
    for geo in ("DE", "FR"):
        cells = [": " if at == 3 else f"{v} p" if at > 50 else f"{v} " for at, v in enumerate(values)]
        lines.append(f"M,I15,{geo}\t" + "\t".join(cells))
    data = load("\n".join(lines) + "\n", tmp_path)
    assert next_times(data) == ["2015-01"]
    assert any("left out the flags after numbers" in note for note in data.notes)
    assert data.splits["test"].target[-1].item() == values[-1]


@pytest.mark.parametrize("after", ["{v}", "{v};30;1"])
def test_years_and_months_without_header_are_times(after: str, tmp_path: Path) -> None:
    lines = [
        f"{t.year};{t.month:02};{after.format(v=v)}"
        for t, v in zip(pd.date_range("2000-05-01", periods=80, freq="MS"), wave(80), strict=True)
    ]
    data = load("\n".join(lines) + "\n", tmp_path)
    assert (next_times(data), encoder_of(data).roles.target) == (["2007-01"], ("column_3",))


def test_a_name_of_parts_of_a_date_is_that_of_times(tmp_path: Path) -> None:
    frame = pd.DataFrame({"STN": 260, "YYYYMMDD": days("2023-01-01", 80, "%Y%m%d"), "TG": wave(80)})
    assert next_times(load(frame, tmp_path)) == ["20230322"]
    unusual = load(frame.rename(columns={"YYYYMMDD": "dag"}).drop(columns="STN"), tmp_path)
    assert (next_times(unusual), encoder_of(unusual).roles.time) == (["20230322"], "dag")


def test_a_series_called_total_is_no_total_of_the_table(tmp_path: Path) -> None:
    names = ["Total", "Total/A", "Total/B"]
    parts = [pd.DataFrame({"unique_id": n, "ds": days("2020-01-01", 80), "y": wave(80)}) for n in names]
    data = load(pd.concat(parts), tmp_path)
    assert [len(state.last) and state.name for state in encoder_of(data).states] == names
    assert not any("left out" in note or "is called" in note for note in data.notes)
    ends = pd.DataFrame({"ds": [*days("2020-01-01", 80), "Total"], "y": [*wave(80), wave(80).sum()]})
    assert any("a total" in note for note in load(ends, tmp_path).notes)


def test_half_hours_of_days_with_changing_clocks_are_no_clock_times(tmp_path: Path) -> None:
    def periods(counts: list[int]) -> pd.DataFrame:
        dates = days("2023-03-24", len(counts))
        parts = [
            pd.DataFrame({"date": d, "period": range(1, c + 1), "nd": wave(c)})
            for d, c in zip(dates, counts, strict=True)
        ]
        return pd.concat(parts)

    assert next_times(load(periods([48] * 5), tmp_path)) == ["2023-03-29 00:00"]
    for short in (46, 50):
        with pytest.raises(DataError):
            load(periods([48, 48, short, 48, 48]), tmp_path)
        ignored = load(periods([48, 48, short, 48, 48]), tmp_path, gaps="ignore", target="nd")
        assert encoder_of(ignored).axis.unit == "rows"


def test_rows_of_separators_alone_below_a_table_are_left_out(tmp_path: Path) -> None:
    text = "Date;v;w\n" + "".join(
        f"{d};{v};1{at}\n" for at, (d, v) in enumerate(zip(days("2023-01-01", 60), wave(60), strict=True))
    )
    data = load(text + ";;\n" * 3, tmp_path)
    assert next_times(data) == ["2023-03-02"]
    assert any("left out 3 rows without any cell" in note for note in data.notes)


def coverage(data: Data, local: bool | None) -> tuple[float, bool]:
    """How often intervals of 90 % hold the test split, by the sizes that are chosen or by given ones."""
    from dltrain.kinds.series.encoder import WindowEncoder

    def task_of() -> Forecasting:
        return Forecasting(data.facts, Forecasting.default_loss(data.facts))

    encoder, task = WindowEncoder.of(data.facts), task_of()
    predictions = {name: _ridge(encoder, data.splits["train"], split) for name, split in data.splits.items()}
    if local is not None:
        task._tells_more_locally = lambda *_: local  # type: ignore[method-assign]
    stored: Any = task.learn_certainty(data.splits, predictions)
    again = task_of()
    again.use_certainty(stored)
    low, high = again.intervals(predictions["test"], data.splits["test"].inputs, 0.9)
    true = data.splits["test"].target.numpy()
    return float(((true >= low) & (true <= high)).mean()), again.local


def test_intervals_go_by_the_last_changes_where_the_noise_of_series_grows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def noise(growth: float) -> pd.DataFrame:
        months = days("2015-01-01", 60, "%Y-%m", "MS")
        sizes = np.linspace(1, growth, 60)
        parts = [
            pd.DataFrame({"unique_id": f"s{k}", "ds": months, "y": 500 + rng.normal(0, 1, 60) * sizes})
            for k in range(20)
        ]
        return pd.concat(parts)

    growing = load(noise(6.0), tmp_path, horizon=3)
    held, local = coverage(growing, None)
    assert local
    assert coverage(growing, False)[0] < held < 0.97
    assert not coverage(load(noise(1.0), tmp_path, horizon=3), None)[1]
