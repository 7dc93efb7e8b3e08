import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrain.data.cell_parts import Parts, find_parts


def find(cells):
    counts = Counter(cells)
    return find_parts(list(counts), list(counts.values()))


def made(write, rows=200):
    """Returns cells that a function writes with a random generator."""
    rng = random.Random(0)
    return [write(rng.randint, rng.choice) for _ in range(rows)]


def a_range(number):
    low = number(5, 90)
    return f"{low}-{low + number(1, 50)}"


@pytest.mark.parametrize(
    ("write", "text", "suffixes", "values"),
    [
        (lambda n, c: f"{n(1, 5)}室{n(1, 3)}厅", "3室2厅", ["室", "厅"], [3, 2]),
        (lambda n, c: f"{c([1920, 1366, 2560])}x{n(400, 1080)}", "1920x1080", ["1", "2"], [1920, 1080]),
        (lambda n, c: f"{n(100, 160)}/{n(60, 99)}", "120/80", ["1", "2"], [120, 80]),
        (lambda n, c: f"{c('高中低')}区/{n(1, 30)}层", "高区/6层", ["1", "层"], ["高区", 6]),
        (lambda n, c: f"{n(1, 5)} bd, {n(1, 3)} ba", "2 bd, 1 ba", ["bd", "ba"], [2, 1]),
        (lambda n, c: f"{n(-800, 800) / 10}, {n(-800, 800) / 10}", "-33.9, 18.4", ["1", "2"], [-33.9, 18.4]),
        (lambda n, c: a_range(n), "10-20", ["1", "2"], [10, 20]),
        (lambda n, c: f"{n(4, 6)}'{n(0, 11)}\"", "5'11\"", ["1", "2"], [5, 11]),
        (lambda n, c: f"{n(1, 9)}-{n(10, 20)}K", "5-10K", ["1", "K"], [5, 10]),
        (lambda n, c: f"{n(1, 9) / 10}-{n(10, 20) / 10}", "0.5-1.2", ["1", "2"], [0.5, 1.2]),
        (lambda n, c: f"{c('$€')}{n(1, 99)}", "€5", ["1", "2"], ["€", 5]),
        (lambda n, c: f"{n(5, 90)} {c(['kg', 'lb'])}", "36 kg", ["1", "2"], [36, "kg"]),
        (lambda n, c: f"Tower {c('ABC')} - {n(1, 99)}", "Tower B - 7", ["1", "2"], ["Tower B", 7]),
    ],
)
def test_cells_of_several_numbers_are_split(write, text, suffixes, values):
    parts = find(made(write))
    assert [part.suffix for part in parts.parts] == suffixes
    assert [column.tolist() for column in parts.split([text])] == [[value] for value in values]
    assert Parts.from_json(json.loads(json.dumps(parts.to_json()))) == parts


@pytest.mark.parametrize(
    "write",
    [
        lambda n, c: f"{n(1, 28)}/{n(1, 12)}/{n(1990, 2020)}",
        lambda n, c: f"{n(1990, 2020)}-{n(10, 12)}-{n(10, 28)}",
        lambda n, c: f"{n(1990, 2020)}年{n(1, 12)}月",
        lambda n, c: f"{n(1, 12)}月{n(1, 28)}日",
        lambda n, c: f"{n(1, 12)}/{n(1, 31)}",
        lambda n, c: f"{n(1, 12)}/{n(1990, 2020)}",
        lambda n, c: f"{n(2000, 2020)}/{n(10, 99)}",
        lambda n, c: f"{c(['Jan', 'Feb', 'Dec'])}-{n(10, 28)}",
        lambda n, c: f"{c(['Mon', 'Tue'])} {n(10, 28)}",
        lambda n, c: f"Q{n(1, 4)} {n(1999, 2020)}",
        lambda n, c: f"{n(1, 23)}:{n(10, 59)}",
        lambda n, c: f"{n(1, 12)} {c(['am', 'pm'])}",
        lambda n, c: f"{n(1, 9)}.{n(1, 9)}.{n(1, 9)}",
        lambda n, c: ".".join(str(n(1, 255)) for _ in range(4)),
        lambda n, c: f"{c('ABC')}{n(1, 99)}-{n(1, 99)}",
        lambda n, c: f"A{n(1, 99)}-{n(1, 99)}",
        lambda n, c: f"ID {n(1000, 9999)}/{n(1000, 9999)}",
        lambda n, c: f"Customer {n(1, 99)} Order {n(100, 999)}",
        lambda n, c: f"{c('ABC')}{n(1, 99)}",
        lambda n, c: f"{n(1, 99)}{c('MF')}",
        lambda n, c: f"555-{n(1000, 9999)}",
        lambda n, c: f"({n(200, 999)}) {n(200, 999)}-{n(1000, 9999)}",
        lambda n, c: f"{n(100, 999)} {n(10, 99)}",
        lambda n, c: f"{n(0, 5)}-{n(0, 5)}",
        lambda n, c: f"0{n(1, 9)}室{n(1, 3)}厅",
        lambda n, c: f"{n(1, 9)},{n(1, 9)}",
        lambda n, c: f"${n(1, 9)},{n(100, 999)}",
        lambda n, c: f"{n(1, 99)} kg",
        lambda n, c: f"{n(1, 99)}",
        lambda n, c: f"{c(['PC', 'CA', 'A/5'])} {n(1000, 99999)} x{n(1, 9)}",
        lambda n, c: f"{n(1, 99)} {''.join(c('abcdefgh') for _ in range(5))} {n(1, 9)} St",
        lambda n, c: "".join(c("ab 12") for _ in range(8)),
        lambda n, c: c(["red", "blue"]),
    ],
)
def test_dates_codes_and_text_are_not_split(write):
    cells = made(write)
    assert find(cells) is None, cells[:3]


def test_what_may_be_a_day_is_split_where_the_user_says_so():
    floors = [f"{1 + at % 9}/{9 + at % 20}" for at in range(200)]
    assert find(floors) is None
    parts = find_parts(floors, [1] * len(floors), given=True)
    assert [column.tolist() for column in parts.split(["3/12"])] == [[3], [12]]


def test_a_few_other_cells_are_gaps_and_many_prevent_splitting():
    cells = made(lambda n, c: f"{n(1, 5)}室{n(1, 3)}厅", 100)
    parts = find([*cells, "别墅", "3房间"])
    assert np.isnan(parts.split(["别墅", "3房间", "1室", ""])[0]).all()
    assert find([*cells, *[f"别墅{c}" for c in "abcdefgh"]]) is None
    assert find([]) is None


def test_words_are_few_and_frequent():
    def cells(words, each):
        return [f"{word}区/{number}层" for word in words for number in range(1, each + 1)]

    assert find(cells("高中低", 10)).split(["顶区/3层"])[0].tolist() == ["顶区"]
    assert find(cells([chr(0x4E00 + i) for i in range(30)], 10)) is None
    assert find(cells([chr(0x4E00 + i) for i in range(10)], 2)) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(3000, 10**6), st.decimals(0, 99, places=2)), min_size=40, max_size=80))
def test_parts_are_read_back(rows):
    words = ["high", "low"] * len(rows)
    texts = [f"{number} m ({word}): {decimal} kg" for (number, decimal), word in zip(rows, words, strict=False)]
    columns = find(texts).split(texts)
    assert columns[0].tolist() == [number for number, _ in rows]
    assert columns[1].tolist() == [f"m ({word}" for word in words[: len(rows)]]
    assert columns[2].tolist() == [float(decimal) for _, decimal in rows]
