"""What notes are made of."""

from datetime import date
from random import Random

import pytest

from service.demo.network import calendar
from service.demo.network.draft import Draft, Mark
from service.demo.network.people import population
from service.demo.network.truth import Book, Scope


def test_marks_take_the_places_of_a_sentence_in_order() -> None:
    book = Book()
    draft = Draft(population(1, 1)[0], "f", book)
    draft.line("由{}致电{}", Mark("NAME", "甲乙丙", "cues"), Mark("PHONE", "13900000000", "patterns"))
    assert draft.text == "由甲乙丙致电13900000000\n"
    found = book.close(patients=1, seed=1, outcomes=[False]).identifiers
    assert [(i.kind, i.layer) for i in found] == [("NAME", "cues"), ("PHONE", "patterns")]


@pytest.mark.parametrize(
    ("n", "text"), [(1, "一"), (10, "十"), (19, "十九"), (20, "二十"), (21, "二十一"), (30, "三十")]
)
def test_numbers_are_written_as_they_are_said(n: int, text: str) -> None:
    assert calendar.small_number(n) == text


def test_every_form_of_a_day_is_used() -> None:
    forms = {calendar.written(Random(n), date(2020, 3, 5)).value for n in range(200)}
    assert forms == {"2020年3月5日", "2020-03-05", "2020.03.05", "2020/03/05", "二〇二〇年三月五日", "2020年3月5号"}


def test_lunar_days_are_searched_in_the_patients_own_notes() -> None:
    marks = [calendar.lunar(Random(n)) for n in range(300)]
    assert {mark.scope for mark in marks} == {Scope.OWN_NOTES}
    assert {"农历正月初十", "农历腊月三十"} <= {mark.value for mark in marks}
