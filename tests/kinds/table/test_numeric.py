import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from dltrain.data.cells import Cells, read_cells
from dltrain.errors import DataError
from dltrain.kinds.table.load import table
from dltrain.kinds.table.numeric import NumericEncoder
from dltrain.kinds.table.scale import bin_edges
from dltrain.types import Facts


def read(values, **options) -> Cells:
    return read_cells(pd.Series(values, **options))


def encoded(encoder: NumericEncoder, values) -> list[list[float]]:
    return encoder.encode(read(values)).tolist()


def skewed(count: int = 3000) -> np.ndarray:
    return np.random.default_rng(0).lognormal(0, 2, count)


def test_a_numeric_column_is_filled_and_standardised():
    encoder = NumericEncoder.fit("x", read(["1", "", "3", "8"]), numeric="standard")
    assert encoder.features == ("x", "x missing")
    x = np.array([1, 3, 3, 8.0])
    expected = np.stack([(x - x.mean()) / x.std(), [0, 1, 0, 0]], axis=1)
    np.testing.assert_allclose(encoder.encode(read(["1", "", "3", "8"])), expected, rtol=1e-6)


def test_a_numeric_column_can_stay_raw():
    encoder = NumericEncoder.fit("x", read(["1", "5"]), numeric="none")
    assert encoder.features == ("x",)
    assert encoder.encode(read(["7", "NA"])).tolist() == [[7], [3]]


@pytest.mark.parametrize("value", ["0.1", "1e30", "0"])
def test_a_column_constant_in_training_divides_by_one(value):
    encoder = NumericEncoder.fit("x", read([value] * 7), numeric="standard")
    assert encoder.scale.std == 1 and abs(encoder.encode(read([value]))[0, 0]) < 1e-6 * max(1, float(value))


def test_new_text_in_a_column_of_numbers_counts_as_missing_with_a_remark():
    encoder = NumericEncoder.fit("x", read(["1", "5"]), numeric="standard")
    new = read(["2", "a", "b"])
    assert encoder.encode(new)[:, 0].tolist() == pytest.approx([-0.5, 0, 0])
    assert next(encoder.find_oddities(new)).rows.tolist() == [False, True, True]


def test_a_column_in_which_no_cell_is_a_number_is_refused():
    encoder = NumericEncoder.fit("x", read(["1", "5"]), numeric="standard")
    with pytest.raises(DataError) as caught:
        encoder.encode(read(["a", "", "b"]))
    assert "row 2" in caught.value.where and "1 more" in caught.value.what


def test_quantiles_turn_any_distribution_into_a_normal_one():
    x = skewed()
    z = NumericEncoder.fit("x", read(x)).encode(read(x))[:, 0]
    expected = norm.ppf((np.argsort(np.argsort(x)) + 0.5) / len(x))
    inner = (x > np.quantile(x, 0.02)) & (x < np.quantile(x, 0.98))
    np.testing.assert_allclose(z[inner], expected[inner], atol=0.03)
    assert abs(z.mean()) < 0.01 and z.std() == pytest.approx(1, abs=0.05)
    assert abs(z).max() == pytest.approx(norm.ppf(1 - 0.5 / len(x)), rel=1e-6)


@pytest.mark.parametrize(("rows", "edges"), [(5, 5), (40, 10), (3000, 100), (40_000, 1000)])
def test_a_quantile_for_thirty_rows_between_ten_and_a_thousand(rows, edges):
    assert len(NumericEncoder.fit("x", read(skewed(rows))).scale.edges) == edges


def test_repeated_values_share_the_score_of_their_middle():
    values = [0.0] * 90 + [1.0] * 10
    encoder = NumericEncoder.fit("x", read(values))
    np.testing.assert_allclose(encoded(encoder, [0.0, 1.0])[0], norm.ppf(0.45), rtol=1e-6)
    np.testing.assert_allclose(encoded(encoder, [0.0, 1.0])[1], norm.ppf(0.95), rtol=1e-6)
    many = read([0.0] * 5000 + list(skewed(500)))
    z = NumericEncoder.fit("x", many).encode(many)[:, 0]
    assert len(set(z[:5000])) == 1 and z[0] == pytest.approx(norm.ppf(2500 / 5500), abs=1e-6)
    assert (np.diff(z[np.argsort(many.as_numbers(), kind="stable")]) >= 0).all()


def test_values_outside_the_training_range_stay_at_its_ends():
    encoder = NumericEncoder.fit("x", read([1.0, 2.0, 3.0, 4.0]))
    assert encoded(encoder, [-1e30, 1e30]) == encoded(encoder, [1.0, 4.0])


@pytest.mark.parametrize("numeric", ["quantile", "standard", "none"])
@pytest.mark.parametrize("impute", ["median", "mean", "most_frequent", "interpolate", "category", "drop"])
def test_every_encoder_is_finite_and_survives_json(numeric, impute):
    encoder = NumericEncoder.fit("x", read(["1", "", "1", "9", "4"]), numeric=numeric, impute=impute)
    again = NumericEncoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))
    assert again == encoder
    assert np.isfinite(again.encode(read(["", "7", ""]))).all()
    assert len(encoder.features) == (1 if impute in ("interpolate", "drop") else 2)


@pytest.mark.parametrize(("impute", "fill"), [("median", 2.5), ("mean", 3.75), ("most_frequent", 1)])
def test_what_a_gap_is_filled_with(impute, fill):
    encoder = NumericEncoder.fit("x", read(["1", "", "1", "9", "4"]), numeric="none", impute=impute)
    assert encoded(encoder, ["", "5"]) == [[fill, 1], [5, 0]]


def test_a_gap_of_its_own_category_is_zero_beside_its_indicator():
    encoder = NumericEncoder.fit("x", read(["1", "", "1", "9"]), numeric="standard", impute="category")
    assert encoded(encoder, [""]) == [[0, 1]]


def test_a_gap_lies_between_the_rows_that_may_be_known():
    encoder = NumericEncoder.fit("x", read(["0", "10"]), numeric="none", impute="interpolate")
    assert encoded(encoder, ["", "0", "", "", "3", ""]) == [[0], [0], [1], [2], [3], [3]]
    assert encoded(encoder, ["", ""]) == [[5], [5]]
    x = encoder.encode(read(["0", "", "100", "", "4"]), interpolate_from=np.array([0, 1, 3, 4]))
    assert x[:, 0].tolist() == [0, 1, 100, 3, 4]


def test_rows_with_gaps_can_be_left_out():
    made = pd.DataFrame({"a": ["", *map(str, skewed(39))], "c": ["u", "", *["u", "v"] * 19], "y": map(str, skewed(40))})
    data = table(made, target="y", impute="drop")
    assert "left out 2 of 40 rows with missing cells: data.impute=drop" in data.notes
    assert sorted(int(row) for split in data.splits.values() for row in split.ids) == list(range(2, 40))
    with pytest.raises(DataError) as caught:
        table(made.assign(a=["", "1.5"] * 20, c=["u", ""] * 20), target="y", impute="drop")
    assert caught.value.override == "data.impute=median"


def test_a_category_can_be_filled_with_the_most_frequent_one():
    made = pd.DataFrame({"c": ["", *["u", "u", "v"] * 13], "y": map(str, skewed(40))})
    data = table(made, target="y", impute="most_frequent", val_fraction=0, test_fraction=0)
    assert data.facts.features == ("c=u", "c=v") and data.splits["train"].inputs[0][0].tolist() == [1, 0]
    assert "missing cells, filled with the most frequent category: c (1)" in data.notes


@pytest.mark.parametrize(("rows", "bins"), [(19, 1), (100, 5), (1999, 16), (2000, 48), (20_000, 48)])
def test_bins_hold_as_many_rows_each_and_are_few_for_few_rows(rows, bins):
    x = skewed(rows).astype(np.float32)
    edges = bin_edges(x)
    assert len(edges) == bins + 1 and edges[0] == x.min() and edges[-1] == x.max()
    assert (np.diff(edges) > 0).all()
    counts = np.histogram(x, edges)[0]
    assert counts.max() - counts.min() <= 2


def test_where_values_repeat_bins_are_spaced_by_the_distinct_ones():
    x = np.concatenate([np.zeros(2900), skewed(100)]).astype(np.float32)
    edges = bin_edges(x)
    assert len(edges) == 49 and edges[1] > 0
    assert bin_edges(np.array([0.0, 1, 1, 1, 5] * 200, np.float32)).tolist() == [0, 1, 5]
    assert bin_edges(np.ones(200, np.float32)).tolist() == []


def test_facts_know_the_bins_of_the_numbers_alone_and_survive_json():
    random = np.random.default_rng(0)
    made = pd.DataFrame({"c": ["u", "v"] * 30, "a": ["", *map(str, skewed(59))], "k": random.integers(0, 3, 60)})
    facts = table(made.assign(y=skewed(60)), target="y").facts
    assert facts.features == ("c=u", "c=v", "a", "a missing", "k")
    assert [len(edges) for edges in facts.bins] == [0, 0, 3, 0, 3]
    assert Facts.from_json(json.loads(json.dumps(asdict(facts)))) == facts
