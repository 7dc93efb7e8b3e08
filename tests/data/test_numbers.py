import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dltrain.data.numbers import Ambiguous, Marks, NumberFormat, Numbers, infer_format, judge_marks

EXAMPLES = 300
POINT, COMMA = Marks(decimal="."), Marks(decimal=",")


def infer(cells, file=Marks(), given=Marks()):  # noqa: B008
    counts = Counter(cells)
    return infer_format(list(counts), list(counts.values()), file, given)


def numbers(cells, file=Marks(), given=Marks()):  # noqa: B008
    """Returns the numbers of a column, by its texts."""
    result = infer(cells, file, given)
    assert isinstance(result, Numbers), result
    return dict(zip(Counter(cells), result.numbers.tolist(), strict=True))


@pytest.mark.parametrize(
    "cells",
    [
        {"2,047": 2047, "464": 464},
        {"1,234.56": 1234.56, "7,001": 7001},
        {"1.234,56": 1234.56, "7.001": 7001},
        {"12,5": 12.5, "1,234": 1.234},
        {"0,123": 0.123, "1,234": 1.234},
        {"1.234": 1.234, "12.5": 12.5},
        {"1.234": 1.234, "5.678": 5.678},
        {"1.234.567": 1234567, "1.234": 1234},
        {"1,23,456": 123456, "12,34,567.5": 1234567.5, "999": 999},
        {"1 234": 1234, "12 345,5": 12345.5},
        {"1\u202f234": 1234, "1\xa0234": 1234.0, "5": 5},
        {"1'234": 1234, "1’234.5": 1234.5},
        {"(3,615)": -3615, "256": 256},
        {"($3,615)": -3615, "$256": 256, "$(5)": -5},
        {"−5": -5, "–6": -6, "7-": -7, "+8": 8},
        {"$1,234.50": 1234.5, "-$2": -2, "$-3": -3, "$.5": 0.5},
        {"Rs.500": 500, "Rs. 1,500": 1500, "Rs 70": 70},
        {"R$ 1.234,50": 1234.5, "R$ 7,00": 7},
        {"¥5": 5, "￥6": 6},
        {"5 €": 5, "6€": 6, "€7": 7},
        {"USD 5": 5, "6 USD": 6},
        {"$ 1,234.50": 1234.5, "$-": 0, "$ -": 0},
        {"5,25 €": 5.25, "- €": 0},
        {'="12.5"': 12.5, "'7": 7},
        {"3000元": 3000, "1.2万元": 12000, "3亿元": 3e8},
        {"68.6%": 68.6, "0%": 0, "0": 0},
        {"%50": 50, "%7": 7},
        {"36.15 kg": 36.15, "2 kg": 2},
        {"1992年建": 1992, "2001年建": 2001},
        {"1 month": 1, "60 months": 60},
        {"85 m2": 85, "120.5 m2": 120.5, "7 m²": 7},
        {"120 (kg)": 120, "7 (kg)": 7},
        {"3.6k": 3600, "256": 256, "1.2M": 1.2e6, "4.35k": 4350, "2B": 2e9},
        {"1.2m": 1.2e6, "800k": 8e5},
        {"300 K": 300, "290 K": 290},
        {"5 m": 5, "6 m": 6},
        {"3 B": 3, "4 B": 4},
        {"45 Lac": 4.5e6, "1.2 Cr": 1.2e7},
        {"5 千克": 5, "6 千克": 6},
        {"3600+": 3600, "200+": 200},
        {"10+ years": 10, "1 year": 1, "3 years": 3},
        {"~3615": 3615, "≈-5": -5, "ca. 7": 7, "about 8": 8, "约9": 9},
        {"1e5": 1e5, "1E-3": 1e-3, "1.5e+3": 1500},
        {"１２３": 123, "４．５": 4.5},
        {"٣": 3, "٤": 4},
        {"0": 0, "0.0": 0, "-0": 0, "12.": 12, ".5": 0.5},
        {"007.5": 7.5, "1": 1},
        {"05 min": 5, "12 min": 12},
        {str(2**53): 2**53, "1e300": 1e300},
    ],
    ids=lambda cells: next(iter(cells)),
)
def test_numbers_are_what_people_mean(cells):
    assert numbers(list(cells)) == cells
    style = infer(list(cells)).format
    assert NumberFormat.from_json(json.loads(json.dumps(style.to_json()))) == style
    np.testing.assert_array_equal(style.parse(list(cells)), list(cells.values()))


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "123"],
        ["007", "123", "x"],
        [str(2**53 + 1), "5"],
        ["2024-01-05", "2024-02-07"],
        ["12/05", "11/05"],
        ["05.12.", "24.12."],
        ["1.2", "1.3", "1.4", "1.5", "1.2.3"],
        ["1,2", "3,4", "1,5", "2,6", "1,2,3"],
        [f"{i}.{j}" for i in range(1, 10) for j in range(10)] + ["1.2.3", "1.2.4"],
        [f"{i},{j}" for i in range(1, 10) for j in range(10)] + ["1,2,3", "1,2,4"],
        ["192.168.0.1", "192.168.100.200"],
        ["192.168.100.201", "192.168.100.200", "10.0.0.1"],
        ["15:15", "16:16"],
        ["555-1234", "555-9999"],
        ["600 123 456", "601 999 888"],
        ["0x10", "0x1F"],
        ["nan", "inf", "-inf"],
        ["EMP12", "EMP13"],
        ["Room 12", "Room 13"],
        ["v1.2", "v1.3"],
        ["12A", "14B"],
        ["3 kg", "7 lb"],
        ["1_000", "2_000"],
        ["--5", "-6-"],
        ["<0.5", ">3"],
        ["1", "2", "3", "A"],
        [*map(str, range(1, 13)), "K"],
        ["12 Main St", "7 Oak Ave", "9 Elm St"],
        [f"{i}.5" for i in range(50)] + ["V27", "E888"],  # codes of diseases
        ["5 €-", "6 ?"],
        [],
    ],
    ids=lambda cells: next(iter(cells), "empty"),
)
def test_names_are_no_numbers(cells):
    assert infer(cells) is None


def test_a_typing_error_in_codes_keeps_them_names():
    assert infer([str(i) for i in range(100, 200)] + ["00" + str(i) for i in range(100)]) is None


@pytest.mark.parametrize(
    ("cells", "file", "about", "readings"),
    [
        (["1,234", "5,678"], Marks(), "marks", ("'1,234' is 1234", "'1,234' is 1.234")),
        (["1,234", "5000"], Marks(), "marks", ("'1,234' is 1234", "'1,234' is 1.234")),
        (["2,047", "464"], COMMA, "marks", ("'2,047' is 2047", "'2,047' is 2.047")),
        (["1.234", "5.678"], Marks(mixed=True), "marks", ("'1.234' is 1.234", "'1.234' is 1234")),
        (["12.5", "12,5"], Marks(), "marks", ("'12.5' is 12.5", "'12,5' is 12.5")),
        (["1,234", "1.234"], Marks(), "marks", ("'1,234' is 1234", "'1,234' is 1.234")),
        (["2,047"] * 300 + ["464", "12,5"], Marks(), "marks", ("'2,047' is 2047", "'12,5' is 12.5")),
        ([f"{i}.047" for i in range(1, 9)] + ["464"], Marks(), "marks", ("'1.047' is 1.047", "'1.047' is 1047")),
        (["68.6%", "0.7"], Marks(), "percent", ("'0.7' is 0.7 %", "'0.7' is a share of 1")),
        (["(5)", "(7)"], Marks(), "brackets", ("'(5)' is below zero", "'(5)' is above zero")),
        (
            [f"{i} kg" for i in range(20)] + [f"{i} cm" for i in range(20)],
            Marks(),
            "unit",
            ("'0 kg' is in kg", "'0 cm' is in cm"),
        ),
        (
            [f"${i}" for i in range(20)] + [f"{i}" for i in range(1, 20)],
            Marks(),
            "unit",
            ("'$0' is in $", "'1' is without a unit"),
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(cells, file, about, readings):
    assert infer(cells, file) == Ambiguous(about, readings)


def test_the_file_decides_what_a_column_leaves_open():
    assert numbers(["1,234", "5,678"], POINT) == {"1,234": 1234, "5,678": 5678}
    assert numbers(["1,234", "5,678"], COMMA) == {"1,234": 1.234, "5,678": 5.678}
    assert numbers(["1.234", "5.678"], COMMA) == {"1.234": 1234, "5.678": 5678}
    assert numbers(["1.234", "12.5"], COMMA) == {"1.234": 1.234, "12.5": 12.5}
    assert numbers(["2,047", "464"], POINT) == {"2,047": 2047, "464": 464}


def test_the_user_wins():
    assert numbers(["1,234", "5,678"], POINT, COMMA) == {"1,234": 1.234, "5,678": 5.678}
    assert numbers(["2,047", "464"], given=COMMA) == {"2,047": 2.047, "464": 464}
    assert numbers(["1.234", "5.678"], given=Marks(thousands=".")) == {"1.234": 1234, "5.678": 5678}
    assert numbers(["1,234", "5,678"], given=Marks(thousands=",")) == {"1,234": 1234, "5,678": 5678}
    assert infer(["1.5", "2.5"], given=COMMA) is None
    assert infer(["1,234", "5,678"], given=Marks(decimal=".", thousands="")) is None


@pytest.mark.parametrize(
    ("columns", "marks"),
    [
        ([["1.234,56"], ["464"]], Marks(",", ".")),
        ([["12,5"], ["1,234"]], Marks(",", None)),
        ([["0,123"]], Marks(",", None)),
        ([["1,234.56"]], Marks(".", ",")),
        ([["1.5"]], Marks(".", None)),
        ([["1,234,567"]], Marks(".", ",")),
        ([["$1,234.50", "$7.00"]], Marks(".", ",")),
        ([["1 234,5"], ["7"]], Marks(",", " ")),
        ([["1 234"], ["7"]], Marks(None, " ")),
        ([["1,234", "464"]], Marks()),
        ([["1.234", "464"]], Marks()),
        ([["12,5"], ["1.5"]], Marks(mixed=True)),
        ([["12,5"], ["1.2.3", "1.5"], ["192.168.100.201", "10.0.0.1"], ["1.5", "a", "b"]], Marks(",", None)),
        ([["05.12.2024", "24.12.2024"], ["1,5,7", "1,5"]], Marks()),
        ([[]], Marks()),
        ([], Marks()),
    ],
)
def test_a_file_shows_its_marks(columns, marks):
    assert judge_marks(columns) == marks


def test_words_among_numbers_are_gaps():
    cells = [f"{i / 10}" for i in range(1, 200)] + ["not measured"] * 9 + ["<0.5"] * 12
    result = infer(cells)
    assert result.gaps == ("<0.5", "not measured")
    assert int(np.isnan(result.numbers).sum()) == 2
    assert infer(["not measured"] * 60 + cells).gaps == ("not measured", "<0.5")
    assert infer(["not measured"] * 200 + cells) is None  # more than half
    assert infer([f"sample {chr(97 + i)}" for i in range(20)] * 3 + cells) is None  # many words in a fifth
    sizes = [str(30 + i % 25) for i in range(100)]
    assert infer(sizes + ["S", "L"] * 40) is None  # categories
    assert infer(sizes + ["unknown"] * 80).gaps == ("unknown",)


def test_limits_and_marks_without_a_letter_or_digit_are_gaps_however_many_they_are():
    measured = [f"{i / 100:.2f}" for i in range(1, 120)]
    limits = [f"<{i / 100:.2f}" for i in range(40, 120)]
    assert infer(measured + limits).format == NumberFormat()
    assert infer(measured + [".."] * 300).gaps == ("..",)


def test_a_number_out_of_a_constant_one_is_a_number_and_fractions_are_not():
    assert numbers(["4.1/5", "3.9/5", "4.9 /5", "NEW"] * 9 + [f"{i / 10}/5" for i in range(10, 40)])["4.1/5"] == 4.1
    assert numbers(["7 out of 10", "8.5 out of 10"])["8.5 out of 10"] == 8.5
    for fractions in (["1/2", "1/4", "3/4"], [f"{100 + i}/{60 + i % 7}" for i in range(50)]):
        assert infer(fractions) is None


def test_units_of_one_quantity_are_converted_to_the_most_frequent_one():
    result = infer([f"{i}.5 kg" for i in range(40)] + [f"{i}00 g" for i in range(20, 40)] + ["2 lb"])
    read = dict(zip(range(61), result.numbers, strict=True))
    assert result.format.unit == "kg" and read[39] == 39.5 and read[40] == 2.0
    assert "other units are converted: '2000 g' is 2 kg" in result.remarks
    again = NumberFormat.from_json(json.loads(json.dumps(result.format.to_json())))
    assert again == result.format and again.parse(["300 g", "1 kg"]).tolist() == [0.3, 1]
    assert np.isnan(again.parse(["5", "3 m"])).all()
    assert isinstance(infer([f"{i}.5 kg" for i in range(40)] + [f"{i}0 cm" for i in range(40)]), Ambiguous)


def test_a_few_numbers_of_another_unit_are_gaps():
    cells = [f"{i} kg" for i in range(1, 100)]
    assert infer([*cells, "80 lb"]).gaps == ("80 lb",)
    assert infer([*cells, "80"]).gaps == ()
    assert infer([f"{i}%" for i in range(1, 100)] + ["0.7"]).gaps == ("0.7",)
    assert infer([*map(str, range(1, 100)), "$80"]).gaps == ("$80",)


def test_prices_that_are_mostly_zero_have_a_unit():
    result = infer(["0"] * 900 + [f"${i}.99" for i in range(60)])
    assert result.format.unit == "$" and result.gaps == ()


def test_prices_without_cents_may_end_in_a_dash():
    assert numbers(["CHF 4'321.-", "CHF 950.-", "CHF 12.--"]) == {
        "CHF 4'321.-": 4321,
        "CHF 950.-": 950,
        "CHF 12.--": 12,
    }
    assert numbers(["50,- €", "7,– €"]) == {"50,- €": 50, "7,– €": 7}
    assert numbers(["50:-", "-7:-"]) == {"50:-": 50, "-7:-": -7}
    assert numbers(["5-", "7.5-"]) == {"5-": -5, "7.5-": -7.5}


def test_marks_of_footnotes_are_left_out_and_said():
    cells = ["12.3*", "4.5[1]", "7 †", "8.1", "9[b]", "10"]
    assert list(numbers(cells).values()) == [12.3, 4.5, 7, 8.1, 9, 10]
    assert infer(cells).remarks == ("marks of footnotes are left out: '12.3*' is 12.3",)
    assert infer(["5 kg*", "6 kg [2]"]).remarks[0] == "the unit is kg"
    assert infer(["A1*", "B2*", "*", "[1]"]) is None


def test_units_of_one_character_are_units():
    assert numbers(["40㎡", "120㎡", "7.5 ㎡"]) == {"40㎡": 40, "120㎡": 120, "7.5 ㎡": 7.5}
    assert numbers(["36.6℃", "-2℃"]) == {"36.6℃": 36.6, "-2℃": -2}
    assert infer(["40㎡", "50 m²", "60 m2"]).gaps == ()
    assert infer(["40☃", "50☃"]) is None


def test_what_was_read_is_said():
    cells = ["$(1,234)", "$2k", "~$7"]
    assert infer(cells).remarks == (
        "the unit is $",
        "commas separate thousands: '$(1,234)' is -1234",
        "multipliers are read: '$2k' is 2000",
        "brackets mean minus: '$(1,234)' is -1234",
        "approximations are read: '~$7' is 7",
    )
    assert infer(["12,5"]).remarks == ("commas are decimal marks: '12,5' is 12.5",)
    assert infer(["12.5", "-3"]).remarks == ()


def test_new_cells_are_read_in_the_format_of_the_column():
    european = infer(["2.628,16", "1.594,08"]).format
    np.testing.assert_array_equal(
        european.parse(["1.200", "1.200,00", "1200,5", "7", "1.5", "12.00", "1,2,3", "$5", "x", "", "(5)", "2k"]),
        [1200, 1200, 1200.5, 7] + [np.nan] * 7 + [2000],
    )
    assert infer(["12,5"], Marks(",", ".")).format.parse(["1.200"]).tolist() == [1200]
    assert np.isnan(infer(["12,5"]).format.parse(["1.200"])).all()
    np.testing.assert_array_equal(
        infer(["5 kg", "7 kg"]).format.parse(["6", "6 kg", "6 kgs", "6 lb", "0", "-6kg"]), [6, 6, 6, np.nan, 0, -6]
    )
    np.testing.assert_array_equal(infer(["5%", "7%"]).format.parse(["6", "6 %", "0", "0.7"]), [np.nan, 6, 0, np.nan])
    assert np.isnan(NumberFormat(thousands=" ").parse(["12 34", "1 2345", "0 123", "1234 567", "1 234 56"])).all()
    assert np.isnan(NumberFormat(thousands=",").parse(["12,34", "1,2345", "0,123", "1234,567", "1,234,56"])).all()
    np.testing.assert_array_equal(
        NumberFormat().parse(["nan", "inf", "1e400", "0x10", str(2**53 + 1), "1e5k", " 7 ", "a\nb"]),
        [*[np.nan] * 6, 7, np.nan],
    )


@dataclass(frozen=True)
class Style:
    """How a made-up table writes its numbers."""

    decimal: str
    thousands: str
    sign: str
    before: str
    after: str
    space: str = " "
    indian: bool = False
    bare: bool = False
    wide: bool = False
    power: int = 0

    def write(self, number: Decimal) -> str:
        """Returns the number as a text."""
        digits, _, places = f"{abs(number) / 10**self.power:f}".partition(".")
        places = places.rstrip("0") if self.power else places
        if self.thousands and self.indian:
            rest, groups = digits[:-3], [digits[-3:]]
            while rest:
                rest, groups = rest[:-2], [rest[-2:], *groups]
            digits = ",".join(groups)
        elif self.thousands:
            digits = f"{int(digits):,}".replace(",", self.thousands.replace(" ", self.space))
        if self.bare and digits == "0" and places:
            digits = ""
        text = digits + (self.decimal + places if places else "")
        if self.power:
            text += "k " if self.after[:1].isalpha() else "k"
        sign = self.sign if number < 0 else ""
        text = f"{self.before}{'-' * (sign == 'inner')}{text}{self.after}"
        text = {"trailing": f"{text}-", "brackets": f"({text})", "inner": text}.get(sign, f"{sign}{text}")
        return text.translate(str.maketrans("0123456789", "０１２３４５６７８９")) if self.wide else text


UNITS = [
    *[("", "")] * 4,
    *[("$", ""), ("€ ", ""), ("R$ ", ""), ("USD ", ""), ("Rs.", ""), ("￥", ""), ("%", "")],
    *[("", " €"), ("", "%"), ("", " kg"), ("", "kr"), ("", " zł"), ("", "元"), ("", "年建"), ("", " m2"), ("", "°C")],
    ("$", " per month"),
]


@st.composite
def styles(draw, decimals=".,", marks=(".", ",", " ", "'", "")):
    decimal = draw(st.sampled_from(decimals))
    thousands = draw(st.sampled_from([mark for mark in marks if mark != decimal]))
    before, after = draw(st.sampled_from(UNITS))
    return Style(
        decimal,
        thousands,
        draw(st.sampled_from(["-", "−", "–", "inner", "trailing", "brackets"])),
        before,
        after,
        draw(st.sampled_from([" ", "\xa0", "\u202f", "\u2009"])),
        thousands == "," and draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(0, 9)) == 0,
        3 if draw(st.integers(0, 5)) == 0 else 0,
    )


@st.composite
def columns(draw):
    places = draw(st.sampled_from([0, 0, 1, 2, 3, 3, 4]))
    largest = draw(st.sampled_from([999, 9_999, 999_999, 10**9]))
    number = st.integers(-largest * 10 ** min(places, 3), largest * 10 ** min(places, 3))
    values = draw(st.lists(number, min_size=1, max_size=25))
    values = [abs(value) for value in values] if draw(st.booleans()) else values
    exact = [Decimal(value).scaleb(-places) for value in values]
    return [value.normalize() + 0 for value in exact] if draw(st.booleans()) else exact


def check_read_back(style, column, texts, file):
    """Checks that the texts are read as the column's numbers, or are found ambiguous."""
    expected = dict(zip(texts, map(float, column), strict=True))
    result = infer(texts, file)
    if isinstance(result, Ambiguous):
        return
    if result is None:  # telephone numbers look like this
        assert style.thousands == " " and len({len(text) for text in texts}) == 1
        return
    assert dict(zip(Counter(texts), result.numbers.tolist(), strict=True)) == expected
    again = NumberFormat.from_json(result.format.to_json()).parse(texts)
    assert again.tolist() == [expected[text] for text in texts]


@settings(max_examples=EXAMPLES, deadline=None)
@given(styles(), st.lists(columns(), min_size=1, max_size=3))
@example(Style(",", ".", "-", "", ""), [[Decimal("2047"), Decimal("464")]])
@example(Style(",", "", "-", "", ""), [[Decimal("2.047"), Decimal("464")]])
@example(Style(".", ",", "brackets", "$", ""), [[Decimal("-3615"), Decimal("464")]])
def test_a_table_is_read_back_from_any_format(style, table):
    texts = [[style.write(number) for number in column] for column in table]
    evidence = [f"0{style.decimal}5", f"12{style.decimal}25"]
    file = judge_marks([list(dict.fromkeys(column)) for column in [evidence, *texts]])
    assert file.decimal == style.decimal and not file.mixed
    for column, written in zip(table, texts, strict=True):
        check_read_back(style, column, written, file)


@settings(max_examples=EXAMPLES, deadline=None)
@given(styles(), columns())
def test_a_column_alone_is_read_back_unless_only_the_defaults_decide(style, column):
    texts = [style.write(number) for number in column]
    bare = replace(style, before="", after="", wide=False)
    open_marks = re.compile(r"[1-9]\d{0,2}[.,]\d{3}k?|[^.,]*")  # 1.234 is 1234 here, and 2,047 is 2.047
    if style.decimal == "." or not all(open_marks.fullmatch(bare.write(abs(number))) for number in column):
        check_read_back(style, column, texts, Marks())


@settings(max_examples=EXAMPLES, deadline=None)
@given(styles(), columns(), styles(), columns(), columns())
def test_a_column_of_plain_numbers_changes_no_certain_reading(style, column, other_style, other, plain):
    texts = [style.write(number) for number in column]
    others = [other_style.write(number) for number in other]
    if judge_marks([texts]).decimal is None:
        return
    for file in (POINT, COMMA, Marks(mixed=True)):
        check_same(infer(texts, file), infer(texts))
    before = infer(texts, judge_marks([texts, others]))
    after = infer(texts, judge_marks([texts, others, [f"{number:f}" for number in plain]]))
    check_same(after, before)


def check_same(result, other):
    """Checks that two readings of a column are the same."""
    if isinstance(other, Numbers):
        np.testing.assert_array_equal(result.numbers, other.numbers)
    else:
        assert result == other


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.text("0123456789.,' ()-+−~%$€kMm万eE１٣²\n\u3000", max_size=9), max_size=8, unique=True))
def test_any_text_is_read_as_its_format_says(texts):
    for file in (Marks(), POINT, COMMA, Marks(",", "."), Marks(mixed=True)):
        result = infer(texts, file)
        if isinstance(result, Numbers):
            assert np.all(np.isfinite(result.numbers) | np.isnan(result.numbers))
            np.testing.assert_array_equal(result.format.parse(texts), result.numbers)
            assert list(result.gaps) == [text for text, x in zip(texts, result.numbers, strict=True) if np.isnan(x)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_as_computers_write_them_are_read_exactly(values):
    texts = list({repr(value): value for value in values})
    result = infer(texts, POINT)
    assert result.numbers.tolist() == [float(text) for text in texts]
