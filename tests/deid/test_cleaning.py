"""Dates, numbers, encodings, duplicates, units: a value in, a value or a reason out."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.clean import dates, numbers
from deid.clean.dates import CleanDates, infer_order
from deid.clean.encoding import NotText, decode
from deid.clean.numbers import CleanNumbers
from deid.clean.plausible import CheckTimes
from deid.clean.text import MapValues
from deid.standardise import codes
from deid.standardise.units import analyte_of, analytes, convert
from deid.step import RowsLost, StepReport, rejects, take
from deid.transform.declassify import is_classified
from deid.transform.generalise import age_band, age_years, region

TEXT = "患者因胸闷气促三天入院，查体：神志清楚，血压一百四十，心率八十次。既往高血压病史十年，糖尿病。"
TRADITIONAL = "患者因胸悶氣促三天入院，查體：神志清楚，血壓一百四十，心率八十次。既往高血壓病史十年。"


def rows(**columns: list[str | None]) -> pl.DataFrame:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return frame.with_row_index("_row")


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("２０２０年３月５日", "2020-03-05"),
        ("2020年03月05日 14时30分", "2020-03-05"),
        ("二〇二〇年三月五日", "2020-03-05"),
        ("二零二零年十二月三十一日", "2020-12-31"),
        ("20200305", "2020-03-05"),
        ("20200305143000", "2020-03-05"),
        ("20200305 14:30", "2020-03-05"),
        ("20200305143000.12+0800", "2020-03-05"),
        ("2020.03.05", "2020-03-05"),
        ("20年3月5日", "2020-03-05"),
        ("85年3月5日", "1985-03-05"),
        ("民国109年3月5日", "2020-03-05"),
        ("民国元年3月5日", "1912-03-05"),
        ("公元2020年3月5日", "2020-03-05"),
        ("2020年3月5号", "2020-03-05"),
        ("2020-3-5上午9点", "2020-03-05"),
        ("2020-03-05 24:00:00", "2020-03-06"),
        ("2020-03-05T14:30:00+08:00", "2020-03-05"),
        ("43895", "2020-03-05"),
        ("05-MAR-2020", "2020-03-05"),
        ("Mar 5, 2020", "2020-03-05"),
        ("03/03/2020", "2020-03-03"),
        ("1900-01-01", None),
        ("9999-12-31", None),
        ("9999-12-31 24:00", None),
    ],
)
def test_a_written_day_is_read(written: str, day: str | None) -> None:
    assert dates.parse(written, "none") == (day, None)


@pytest.mark.parametrize(
    ("written", "order", "reason"),
    [
        ("农历二月十二", "none", "lunar-date"),
        ("2020-02-30", "none", "bad-date"),
        ("20200230", "none", "bad-date"),
        ("0000-00-00", "none", "bad-date"),
        ("2020", "none", "bad-date"),
        ("5 Foo 2020", "none", "bad-date"),
        ("3/4/20", "none", "bad-date"),
        ("1820-01-01", "none", "bad-date"),
        ("3/4/2020", "none", "ambiguous-date-order"),
        ("3/4/2020", "conflict", "conflicting-date-order"),
        ("3/4/2020", "YMD", "bad-date"),
    ],
)
def test_a_day_that_cannot_be_read_for_certain_has_a_reason(written: str, order: str, reason: str) -> None:
    assert dates.parse(written, order) == (None, reason)


def test_one_order_holds_for_the_whole_column() -> None:
    column = ["12/10/2017", "13/10/2017", "5/3/2020"]
    taken = take(CleanDates((("visit.start", "auto"),)), "s", rows(**{"visit.start": column}))
    assert taken.kept["visit.start"].to_list() == ["2017-10-12", "2017-10-13", "2020-03-05"]


@pytest.mark.parametrize(
    ("column", "order"),
    [(["10/13/2017"], "MDY"), (["13/10/2017", "10/13/2017"], "conflict"), (["1/2/2017"], "none"), ([], "none")],
)
def test_the_order_comes_from_the_column(column: list[str], order: str) -> None:
    assert infer_order(column) == order


def test_an_ambiguous_column_is_quarantined_and_its_clear_cells_are_not() -> None:
    taken = take(CleanDates((("d", "auto"),)), "s", rows(d=["1/2/2017", "2017-02-01", None]))
    assert taken.refused.rows() == [(0, "ambiguous-date-order")]


def test_only_irregular_days_count_as_repaired() -> None:
    report = take(CleanDates((("d", "auto"),)), "s", rows(d=["20200305", "2020年3月5日", None])).report
    assert (report.accepted, report.repaired, report.cells) == (2, 1, 2)


@pytest.mark.parametrize(
    ("cell", "comparator", "number", "unit"),
    [
        ("＜0.5", "<", 0.5, ""),
        ("≥ 3", ">=", 3.0, ""),
        ("大于等于3", ">=", 3.0, ""),
        ("1,234.5", "=", 1234.5, ""),
        ("12.3 mmol/L", "=", 12.3, "mmol/L"),
        ("5.6↑", "=", 5.6, ""),
        ("12.0 H", "=", 12.0, ""),
        ("-0.96", "=", -0.96, ""),
        ("三十五", "=", 35.0, ""),
        ("一百二十三点五", "=", 123.5, ""),
        ("一万零二", "=", 10002.0, ""),
        ("负三点五", "=", -3.5, ""),
        ("二〇", "=", 20.0, ""),
        ("1.2E3", "=", 1200.0, ""),
    ],
)
def test_comparator_number_and_unit_are_kept_apart(cell: str, comparator: str, number: float, unit: str) -> None:
    value = numbers.parse(cell)
    assert (value.comparator, value.number, value.unit) == (comparator, number, unit)


@pytest.mark.parametrize("cell", ["5,6", "阴性", "++", "1:80", "3-5", "12..3", "2+", "未见", "", "一万二"])
def test_text_is_never_made_a_number(cell: str) -> None:
    assert numbers.parse(cell).number is None


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_the_shortest_text_reads_back_as_the_same_number(number: float) -> None:
    assert float(numbers.shortest(number)) == number


def test_cells_that_must_be_numbers_are_quarantined_otherwise() -> None:
    taken = take(CleanNumbers(("n",)), "s", rows(n=["１２.0", "<3", "x", None]))
    assert taken.refused.rows() == [(1, "not-a-number"), (2, "not-a-number")]
    assert taken.kept["n"].to_list() == ["12", None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_undeclared_encoding_is_told(encoding: str) -> None:
    assert decode(TEXT.encode(encoding)).text == TEXT


def test_big5_is_not_taken_for_gb18030() -> None:
    found = decode(TRADITIONAL.encode("big5"))
    assert (found.text, found.encoding, found.guessed) == (TRADITIONAL, "big5", True)


def test_a_short_header_is_told() -> None:
    assert decode("姓名,病案号,诊断\n".encode("gb18030")).encoding == "gb18030"


def test_a_declared_encoding_that_fits_is_not_a_guess() -> None:
    assert not decode(TEXT.encode("gb18030"), "gb18030").guessed


@pytest.mark.parametrize(
    "raw",
    [
        bytes(range(256)),
        TEXT.encode() + "入院".encode("gb18030"),
        b"\xff\xfe\x00\xd8",
        b"a\x00b",
        "Müller, Émile".encode("latin-1"),
    ],
)
def test_bytes_that_are_not_text_are_refused(raw: bytes) -> None:
    with pytest.raises(NotText):
        decode(raw)


@pytest.mark.parametrize(
    ("reason", "cells"),
    [
        ("ends-before-start", {"visit.start": "2020-03-05", "visit.end": "2020-03-04"}),
        ("born-after-visit", {"visit.start": "2020-03-05", "person.birth_date": "2021-01-01"}),
        ("older-than-possible", {"visit.start": "2020-03-05", "person.birth_date": "1880-01-01"}),
        ("older-than-possible", {"person.age": "140"}),
        (
            "age-contradicts-birth",
            {"visit.start": "2020-03-05", "person.birth_date": "1960-01-01", "person.age": "95岁"},
        ),
    ],
)
def test_rows_that_contradict_themselves_are_quarantined(reason: str, cells: dict[str, str]) -> None:
    taken = take(CheckTimes(), "s", rows(**{name: [value] for name, value in cells.items()}))
    assert taken.refused["reason"].to_list() == [reason]


@pytest.mark.parametrize(("otherwise", "kept"), [("keep", ["a", "z"]), ("null", ["a", None]), ("quarantine", ["a"])])
def test_unlisted_values_are_handled_as_the_mapping_says(otherwise: str, kept: list[str | None]) -> None:
    taken = take(MapValues((("v", (("1", "a"),), otherwise),)), "s", rows(v=["1", "z"]))
    assert taken.kept["v"].to_list() == kept


@pytest.mark.parametrize(
    ("name", "value", "unit", "result"),
    [
        ("葡萄糖", 100.89, "mg/dL", 5.6),
        ("WBC", 5.6, "K/uL", 5.6),
        ("白细胞", 5.6, "×10^9/L", 5.6),
        ("PLT", 200, "G/L", 200),
        ("RBC", 4.5, "T/L", 4.5),
        ("WBC", 5600, "/uL", 5.6),
        ("CRP", 1, "mg/dL", 10),
        ("BMI", 22, "Kg/㎡", 22),
        ("BUN", 14, "mg/dL", 4.9975),
        ("K+", 4, "mEq/L", 4),
        ("钙", 5, "meq/L", 2.5),
        ("甘油三酯", 150, "mg/dL", 1.694),
        ("ALT", 30, "ＩＵ／Ｌ", 30),
        ("HbA1c", 48, "mmol/mol", 6.543),
        ("体温", 37, "℃", 37),
        ("体温", 37, "&#176;C", 37),
        ("血红蛋白", 8, "mmol/L", 128.9),
        ("肌酐", 1, "mg/dL", 88.4),
        ("收缩压", 16, "kPa", 120.0),
    ],
)
def test_results_are_brought_to_their_analytes_unit(name: str, value: float, unit: str, result: float) -> None:
    analyte = analyte_of(None, name)
    assert analyte is not None
    converted, problem = convert(value, unit, analyte)
    assert problem is None
    assert converted == pytest.approx(result, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "unit", "problem"),
    [
        ("WBC", "kelvin", "unknown-unit"),
        ("ALT", "mg/dL", "wrong-dimension"),
        ("葡萄糖", "K/uL", "wrong-dimension"),
        ("总蛋白", "mmol/L", "wrong-dimension"),
        ("葡萄糖", "meq/L", "wrong-dimension"),
        ("钠", "", "missing-unit"),
    ],
)
def test_a_unit_of_another_kind_is_refused(name: str, unit: str, problem: str) -> None:
    analyte = analyte_of(None, name)
    assert analyte is not None
    value, found = convert(5, unit, analyte)
    assert (math.isnan(value), found) == (True, problem)


@pytest.mark.parametrize("analyte", analytes(), ids=lambda analyte: analyte.name)
def test_every_analyte_takes_its_own_unit_and_its_own_code(analyte) -> None:
    assert convert(analyte.high, analyte.unit, analyte) == (pytest.approx(analyte.high), None)
    assert analyte_of(analyte.loinc, None) is analyte


@pytest.mark.parametrize(
    ("raw", "system", "code"),
    [
        ("e11900", "ICD-10-CN", "E11.900"),
        ("I10.x00", "ICD-10-CN", "I10.X00"),
        ("A17.0+", "ICD-10", "A17.0+"),
        ("J18", "ICD-10", "J18"),
        ("肺炎", "ICD-10", None),
        ("V58.6", "ICD-9-CM", "V58.6"),
        ("abc", "ICD-9-CM", None),
        ("01", "x", "01"),
        ("张三", None, None),
    ],
)
def test_codes_come_in_one_spelling_or_not_at_all(raw: str, system: str | None, code: str | None) -> None:
    assert codes.normalise(raw, system) == code


@pytest.mark.parametrize("head", ["绝密", "机密★5年", "【秘密】", "密级：机密", "秘　密★长期", "  机密文件  "])
def test_a_mark_at_the_head_is_a_mark(head: str) -> None:
    assert is_classified(f"{head}\n某部门诊记录")


@pytest.mark.parametrize("text", ["患者要求为其保守秘密", "秘密处理后出院", "一般\n" * 300 + "机密\n", "秘书，35岁"])
def test_the_words_in_running_text_are_no_mark(text: str) -> None:
    assert not is_classified(text)


@pytest.mark.parametrize(
    ("address", "place", "shown"),
    [
        ("上海市浦东新区云锦桥路1弄", "district", "上海市浦东新区"),
        ("上海市浦东新区云锦桥路1弄", "province", "上海市"),
        ("浙江省杭州市西湖区某路", "district", "浙江省杭州市西湖区"),
        ("浙江省杭州市西湖区某路", "city", "浙江省杭州市"),
        ("徐汇区某路", "district", "徐汇区"),
        ("某路1号", "district", None),
    ],
)
def test_addresses_keep_their_administrative_part(address: str, place, shown: str | None) -> None:
    assert region(address, place) == shown


@pytest.mark.parametrize(
    ("text", "age"), [("[70-80)", 70), ("8月", 0), ("> 89", 90), ("45岁", 45), (None, None), ("x", None)]
)
def test_ages_are_read(text: str | None, age: int | None) -> None:
    assert age_years(text) == age


@given(st.integers(0, 130), st.integers(1, 50))
def test_a_band_holds_its_age_and_never_an_age_above_89(age: int, step: int) -> None:
    band = age_band(age, step, 89)
    assert (
        band == ">=90"
        if age > 89
        else band is not None and int(band.split("-")[0]) <= age <= int(band.split("-")[-1]) <= 89
    )


class Careless:
    """A step that loses a row."""

    name = "careless"

    def __init__(self, after: pl.DataFrame, refused: pl.DataFrame) -> None:
        self.after, self.refused = after, refused

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        return self.after, self.refused


def test_a_step_that_loses_a_row_is_caught() -> None:
    table = rows(a=["1", "2"])
    with pytest.raises(RowsLost):
        take(Careless(table.head(1), rejects(table.head(0), "x")), "s", table)


def test_a_step_that_refuses_a_row_it_never_had_is_caught() -> None:
    table = rows(a=["1"])
    with pytest.raises(RowsLost):
        take(Careless(table, rejects(pl.DataFrame({"_row": [7]}), "x")), "s", table)


@pytest.mark.parametrize(("quarantined", "reasons"), [(2, (("x", 2),)), (1, ())])
def test_a_report_that_does_not_add_up_cannot_be_made(quarantined: int, reasons) -> None:
    with pytest.raises(RowsLost):
        StepReport("s", "s", 3, 2, 0, quarantined, 0, reasons)
