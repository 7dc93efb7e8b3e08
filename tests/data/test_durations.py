import numpy as np
import pytest

from dltrain.data.durations import Durations, parse_durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60:15", 3615),
        ("4:16", 256),
        ("1:02:03", 3723),
        ("-1:30", -90),
        ("−1:30.5", -90.5),
        ("0 days 00:12:00", 720),
        ("1 day, 2:03:04", 93784),
        ("2h 50m", 10200),
        ("2h50m", 10200),
        ("2 hours 50 minutes", 10200),
        ("45 min", 2700),
        ("90 s", 90),
        ("5 d 3 h", 442800),
        ("25h", 90000),
        ("PT1H30M", 5400),
        ("P1DT2H", 93600),
        ("-PT1.5S", -1.5),
        ("1 Std. 30 Min.", 5400),
        ("2小时30分钟", 9000),
        ("1天 2小时", 93600),
        ("7:51 AM", 28260),
        ("12:05 am", 300),
        ("12:05:10 p.m.", 43510),
        ("1h30", 5400),
        ("3yrs 2mon", 99_932_400),
        ("2 weeks", 1_209_600),
        ("1 month", 2_629_800),
    ],
)
def test_durations_are_seconds(text, seconds):
    assert parse_durations([text]).tolist() == [seconds]


def test_other_texts_are_no_durations():
    texts = [
        "3:75",
        "x",
        "",
        "-",
        "12",
        "1h 30",
        "1:2:3:4",
        "12:5",
        "2024-01-05",
        "1 d 2:03",
        "1:70:00",
        "P",
        "PT",
        "P1M",
        "13:05 PM",
        "0:05 AM",
        "1h75",
    ]
    assert np.isnan(parse_durations([*texts, "1:00"])).tolist() == [True] * len(texts) + [False]


@pytest.mark.parametrize(
    ("column", "new", "seconds"),
    [
        (["7:51:10", "10:05:00"], "7:51", np.nan),
        (["7:51", "10:05"], "7:51:10", np.nan),
        (["7:51", "59:30"], "1:02:03", 3723),
        (["59:30", "1:02:03"], "7:51", 471),
        (["7:51 PM", "10:05 AM"], "8:00 am", 28800),
    ],
)
def test_a_text_with_other_colons_is_a_duration_where_they_have_one_meaning(column, new, seconds):
    form = Durations.of(column)
    assert not np.isnan(form.parse(column)).any()
    np.testing.assert_equal(form.parse([new]), [seconds])
