"""The invented network: same numbers same bytes, and the truth says what is in them."""

import csv
import io
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from policies.errors import BadInput, Conflict, Misuse
from service.demo.network import Truth, generate, messages
from service.demo.network.people import START, check_digit, health, population, visits
from service.demo.network.truth import ISOLATION_DAYS, Book, Scope

LAYERS = {"patterns", "dates", "ages", "addresses", "organisations", "cues", "propagation"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    out = tmp_path_factory.mktemp("network")
    return out, generate(out, patients=120, seed=5)


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def front_page(root: Path) -> list[list[str]]:
    text = (root / "records/hospital_a/front_page.csv").read_bytes().decode("gb18030")
    return list(csv.reader(io.StringIO(text)))


def test_the_same_numbers_give_the_same_bytes(network: tuple[Path, Truth], tmp_path: Path) -> None:
    generate(tmp_path, patients=120, seed=5)
    assert files(tmp_path) == files(network[0])


def test_another_seed_gives_other_people(network: tuple[Path, Truth], tmp_path: Path) -> None:
    other = generate(tmp_path, patients=20, seed=6)
    cards = {i.value for i in network[1].identifiers if i.kind == "ID_CARD"}
    assert not cards & {i.value for i in other.identifiers if i.kind == "ID_CARD"}


def test_the_truth_survives_being_written(network: tuple[Path, Truth]) -> None:
    assert Truth.read(network[0] / "truth/truth.json") == network[1]


def test_a_file_that_is_no_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BadInput, match="not a medtrain"):
        Truth.read(tmp_path / "x.json")


def test_a_network_needs_a_patient(tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        generate(tmp_path, patients=0, seed=1)


def test_records_are_never_overwritten(network: tuple[Path, Truth]) -> None:
    with pytest.raises(Conflict):
        generate(network[0], patients=1, seed=1)


def test_every_patient_has_a_front_page_and_a_laboratory(network: tuple[Path, Truth]) -> None:
    for person in network[1].people:
        hospitals = {record.file.split("/")[0] for record in person.records}
        assert "hospital_a" in hospitals
        assert hospitals & {"hospital_b", "hospital_c"}


def test_identifiers_stand_where_the_truth_says(network: tuple[Path, Truth]) -> None:
    content = files(network[0] / "records")
    broken = {s.file for s in network[1].spoiled if s.how in {"no-patient", "broken-segment", "blanks-in-name"}}
    for identifier in network[1].identifiers:
        for name in set(identifier.files) - broken:
            if name.endswith(("txt", "json", "hl7")):
                forms = (identifier.value.encode(), identifier.value.encode("gb18030"))
                assert any(form in content[name] for form in forms), name


def test_every_layer_has_identifiers_that_only_it_can_find(network: tuple[Path, Truth]) -> None:
    counted = Counter(i.layer for i in network[1].identifiers if i.layer and i.scope is not Scope.NOWHERE)
    assert set(counted) == LAYERS
    assert min(counted.values()) >= 20


def test_searchable_dates_of_a_patient_are_further_apart_than_any_offset() -> None:
    book = Book()
    first = date(2020, 1, 1)
    for days in (0, ISOLATION_DAYS, ISOLATION_DAYS + 1 + ISOLATION_DAYS):
        book.day(f"day {days}", first + timedelta(days=days), 0, "f")
    scopes = [i.scope for i in book.close(patients=1, seed=0, outcomes=[False]).identifiers]
    assert scopes == [Scope.NOWHERE, Scope.NOWHERE, Scope.OWN_NOTES]


def test_an_empty_value_is_no_identifier() -> None:
    book = Book()
    book.identifier("PHONE", "", 0, "f")
    assert book.close(patients=1, seed=0, outcomes=[False]).identifiers == ()


def test_some_identity_numbers_have_a_wrong_check_digit(network: tuple[Path, Truth]) -> None:
    cards = [i.value for i in network[1].identifiers if i.kind == "ID_CARD"]
    wrong = sum(check_digit(card[:17]) != card[17] for card in cards)
    assert 0 < wrong < len(cards) / 5


def test_messages_hold_a_name_whose_bytes_hold_a_delimiter(network: tuple[Path, Truth]) -> None:
    messages = [raw for name, raw in files(network[0] / "records").items() if name.endswith("hl7")]
    assert any("葉".encode("gb18030") in raw for raw in messages)
    assert "葉".encode("gb18030")[1:] == b"~"


def test_some_notes_are_in_undeclared_gbk(network: tuple[Path, Truth]) -> None:
    notes = [raw for name, raw in files(network[0] / "records").items() if "/notes/" in name]

    def is_utf8(raw: bytes) -> bool:
        try:
            return bool(raw.decode())
        except UnicodeDecodeError:
            return False

    assert 0 < sum(not is_utf8(raw) for raw in notes) < len(notes)


def test_spoiled_rows_are_spoiled_as_told(network: tuple[Path, Truth]) -> None:
    rows = front_page(network[0])
    for spoiled in network[1].spoiled:
        if spoiled.file.endswith("front_page.csv"):
            row, at = rows[spoiled.position], rows[0].index(spoiled.field) if spoiled.field else -1
            expected = {
                "row-too-short": len(row) < len(rows[0]),
                "row-too-long": len(row) > len(rows[0]),
                "zero-date": row[at] == "00000000",
                "impossible-date": row[at].endswith("0230"),
                "sex-in-words": row[at] in {"男", "女"},
                "code-without-dot": "." not in row[at],
                "full-width-digits": not row[at] or not row[at].isascii(),
                "blanks-in-name": "\u3000" in row[at],
                "age-not-of-birth": int(row[at] or 0) >= 40 if at >= 0 and rows[0][at] == "NL" else False,
                "duplicate-row": row == rows[spoiled.position - 1],
            }
            assert expected[spoiled.how], spoiled.how


def test_diabetes_stands_on_the_front_page_of_those_who_have_it(network: tuple[Path, Truth]) -> None:
    rows = front_page(network[0])
    fits = {r[rows[0].index("BAH")] for r in rows[1:] if any(c.upper().startswith("E11") for c in r)}
    people = population(120, 5)
    for person in network[1].people:
        if not any(s.file.endswith("front_page.csv") for s in network[1].spoiled):
            assert (people[person.number].mrn("a") in fits) == person.outcome


def test_messages_are_broken_in_both_ways_and_the_truth_says_so() -> None:
    book = Book()
    whole = ["MSH|^~\\&|LIS", "PID|1||B20263442", "OBX|1"]
    made = [messages._break(Random(n), whole, "f", n, book) for n in range(20)]
    assert {len(segments) for segments in made} == {2, 4}
    told = [s.how for s in book.close(patients=1, seed=0, outcomes=[False]).spoiled]
    assert [{"no-patient": 2, "broken-segment": 4}[how] for how in told] == [len(segments) for segments in made]


def test_stays_are_further_apart_than_any_offset() -> None:
    for person in population(60, 1):
        stays = visits(person, health(person, 1), 1)
        gaps = [(b.admitted - a.admitted).days for a, b in pairwise(stays)]
        assert all(gap > ISOLATION_DAYS for gap in gaps)


def test_the_outcome_can_be_learnt_but_not_read_off() -> None:
    people = population(1500, 3)
    state = [health(person, 3) for person in people]
    x = np.array(
        [[p.age(START), p.sex, h.bmi, h.glucose, h.hba1c, h.creatinine] for p, h in zip(people, state, strict=True)]
    )
    y = np.array([h.diabetic for h in state], float)
    design = np.c_[(x - x.mean(0)) / x.std(0), np.ones(len(x))]
    weights = np.linalg.lstsq(design[:1000], y[:1000], rcond=None)[0]
    assert 0.82 < area(design[1000:] @ weights, y[1000:]) < 0.92


def area(score: np.ndarray, truth: np.ndarray) -> float:
    """The area under the ROC curve: how often a positive has the higher score."""
    wins = score[truth == 1][:, None] > score[truth == 0][None, :]
    return float(wins.mean())
