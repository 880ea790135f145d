"""Taking identifiers out of a text: tags, masks, shifted dates in the same written form."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect import Span
from deid.detect.rewrite import replace, rewrite, shift

FORMS = [
    ("2023-05-18", "2023-06-01"),
    ("2023/5/18", "2023/6/1"),
    ("2023.5.18", "2023.6.1"),
    ("2023年5月18日", "2023年6月1日"),
    ("2023 年 05 月 18 日", "2023 年 06 月 01 日"),
    ("２０２３年５月１８日", "2023年6月1日"),
    ("20230518", "20230601"),
    ("202305181030", "202306011030"),
    ("二〇二三年五月十八日", "二〇二三年六月一日"),
    ("二零二三年十二月二十日", "二零二四年一月三日"),
    ("May 18, 2023", "June 1, 2023"),
    ("Apr 18, 2023", "May 2, 2023"),
    ("18 Jul 2023", "1 Aug 2023"),
    ("18th July 2023", "1st August 2023"),
]


@pytest.mark.parametrize(("old", "new"), FORMS)
def test_a_moved_date_keeps_its_written_form(old, new):
    assert shift(old, 14) == new


@pytest.mark.parametrize(
    "value", ["端午节", "5月18日", "2023年5月", "农历二月十二", "Tuesday", "2023-02-30", "05/18/2023", "Foo 3, 2023"]
)
def test_a_date_that_cannot_be_read_in_full_is_not_moved(value):
    assert shift(value, 14) is None


def test_a_date_beyond_the_calendar_is_not_moved():
    assert shift("2099-12-31", 10**7) is None


@given(st.dates(date(1900, 1, 1), date(2090, 1, 1)), st.integers(-364, 364))
def test_intervals_survive(day, days):
    assert shift(day.isoformat(), days) == (day + timedelta(days)).isoformat()


def test_names_become_tags_and_dates_move():
    spans = [Span(9, 19, "DATE", 1.0, "dates"), Span(2, 5, "NAME", 1.0, "cues"), Span(21, 24, "DATE", 1.0, "dates")]
    text = "患者王建国复诊，于2023-05-18，自端午节"
    assert rewrite(text, spans, shift_days=1) == "患者[NAME]复诊，于2023-05-19，自[DATE]"


def test_without_a_shift_dates_are_tagged():
    assert rewrite("2023-05-18", [Span(0, 10, "DATE", 1.0, "dates")], shift_days=None) == "[DATE]"


def test_a_mask_keeps_the_length():
    assert replace("患者王某。", [Span(2, 4, "NAME", 1.0, "cues")], "mask") == "患者**。"
    assert replace("患者王某。", [Span(2, 4, "NAME", 1.0, "cues")]) == "患者[NAME]。"
