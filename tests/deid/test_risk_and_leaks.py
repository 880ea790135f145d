"""Linkage, risk and the second look: against brute force where there is one."""

import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.identity import Claim, known, link, resident_number
from deid.policy import load_profile
from deid.risk import QUASI, measure
from deid.transform.generalise import holders, pooled
from deid.transform.pseudonym import pseudonymiser
from deid.transform.shift import offsets
from deid.verify import Identity, look, second_look
from policies.errors import LeakFound
from tests.deid.small_network import resident

ROW = st.tuples(*(st.sampled_from([None, "a", "b"]) for _ in range(5)), st.booleans())


def people(rows: list[tuple]) -> pl.DataFrame:
    schema = dict.fromkeys((*QUASI, "sensitive"), pl.String) | {"suppressed": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(deadline=None)
@given(st.lists(ROW, max_size=25))
def test_risk_is_what_brute_force_finds(rows: list[tuple]) -> None:
    shown = [row for row in rows if not row[5]]
    risk = measure(people(rows))
    classes = Counter(row[:4] for row in shown)
    overall = Counter(row[4] for row in shown)
    if not shown:
        assert (risk.k, risk.patients) == (0, 0)
        return
    inside = {key: Counter(row[4] for row in shown if row[:4] == key) for key in classes}
    distance = max(
        sum(abs(inside[key][value] / n - overall[value] / len(shown)) for value in overall) / 2
        for key, n in classes.items()
    )
    assert (risk.k, risk.unique) == (min(classes.values()), sum(n == 1 for n in classes.values()))
    assert risk.l_diversity == min(len(values) for values in inside.values())
    assert risk.t_closeness == pytest.approx(distance)
    assert risk.mean == pytest.approx(len(classes) / len(shown))


def claim(hospital: str = "a", **fields: str) -> Claim:
    return Claim(hospital, tuple((f"person.{name}", value) for name, value in fields.items()))


ID = resident("31010419600305001")
OTHER = resident("31010419600305003")
WHO = {"name": "欧阳琬", "phone": "13800000000", "birth_date": "1960-03-05"}


def same(*claims: Claim) -> bool:
    answers = link(claims).patient
    return None not in answers and len(set(answers)) == 1


def test_a_resident_number_links_hospitals_whatever_its_spelling() -> None:
    assert same(claim("a", id_card=ID), claim("b", id_card=f" {ID[:6]} {ID[6:]} ".lower()))


def test_name_birth_date_and_phone_link_together_but_not_apart() -> None:
    assert same(claim("a", **WHO), claim("b", **WHO | {"name": "欧阳　琬", "birth_date": "1960年3月5日"}))
    assert not same(claim("a", **WHO), claim("b", **WHO | {"phone": "13900000000"}))


def test_a_record_number_links_within_its_hospital_only() -> None:
    assert same(claim("a", mrn="H1", id_card=ID), claim("a", mrn="H1"))
    assert len(set(link([claim("a", mrn="H1"), claim("b", mrn="H1")]).patient)) == 2


def test_links_chain() -> None:
    assert same(claim("a", mrn="H1", id_card=ID), claim("a", mrn="H1", **WHO), claim("b", mrn="B1", **WHO))


def test_an_invalid_number_links_nothing() -> None:
    wrong = ID[:-1] + ("1" if ID[-1] != "1" else "2")
    assert link([claim(id_card=wrong)]).reasons == ("no-patient",)


def test_two_valid_numbers_are_never_one_patient() -> None:
    found = link([claim(mrn="H1", id_card=ID), claim(mrn="H1", id_card=OTHER), claim(mrn="H1")])
    assert found.reasons == ("", "", "ambiguous-patient")
    assert found.counts["conflicts"] == 1


@given(st.randoms(use_true_random=False))
def test_the_order_of_claims_does_not_matter(rng: random.Random) -> None:
    claims = [claim("a", mrn="H1", id_card=ID), claim("a", mrn="H1", **WHO), claim("b", mrn="B1", **WHO),
              claim("b", mrn="B2", id_card=OTHER), claim("a", mrn="H2")]  # fmt: skip
    expected = dict(zip(claims, link(claims).patient, strict=True))
    rng.shuffle(claims)
    assert dict(zip(claims, link(claims).patient, strict=True)) == expected


def test_an_old_number_of_fifteen_digits_is_completed() -> None:
    assert resident_number("310104600305001") == ID


@pytest.mark.parametrize("raw", ["", "310104196013050010", "x", resident("31010418490305001")])
def test_what_is_no_resident_number_is_none(raw: str) -> None:
    assert resident_number(raw) is None


@given(st.text(min_size=1))
def test_offsets_are_never_zero_and_pseudonyms_never_the_value(patient: str) -> None:
    days = offsets(b"k" * 32, "p")(patient)
    assert 0 < abs(days) <= 364
    assert pseudonymiser(b"k" * 32, "p", "patient")(patient) != patient


def published(text: str, patient: str = "p1") -> dict[str, pl.DataFrame]:
    return {"note": pl.DataFrame({"patient": [patient], "note_text": [text]})}


ONE = Identity("p1", (("王伟", "NAME"), ("13800000000", "PHONE"), ("1960-03-05", "DATE"), ("H1", "MRN")))


@pytest.mark.parametrize(
    ("text", "patient", "kind"),
    [
        ("电话１３８-0000 0000。", "p2", "PHONE"),
        ("王 伟自诉", "p1", "NAME"),
        (f"证号{ID}。", "p2", "resident-number"),
        ("电话一三八零零零零〇〇〇〇", "p2", "PHONE"),
        ("联系139 1111 2222", "p2", "mobile-number"),
        ("患者Wang Wei入院", "p1", "NAME"),
        ("pt. WEI, Wáng seen", "p1", "NAME"),
        ("王*伟", "p1", "NAME"),
        ("王\u200b伟", "p1", "NAME"),
        ("建明 欧阳", "p3", "NAME"),
    ],
)
def test_the_second_look_finds_what_is_left(text: str, patient: str, kind: str) -> None:
    with pytest.raises(LeakFound, match=kind) as caught:
        second_look(published(text, patient), [ONE, Identity("p3", (("欧阳建明", "NAME"),))])
    assert "138" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "patient"), [("王伟业路旁", "p2"), ("1960-03-05入院，H1N1阴性", "p1"), ("血压120/80", "p1")]
)
def test_the_second_look_does_not_cry_at_chance(text: str, patient: str) -> None:
    assert second_look(published(text, patient), [ONE]) == 1


def test_hits_say_where_and_never_what() -> None:
    found, _ = look(published("13800000000"), [ONE])
    assert {(hit.table, hit.column, hit.row) for hit in found} == {("note", "note_text", 0)}
    assert {hit.kind for hit in found} == {"PHONE", "mobile-number"}  # his own number, and anybody's


def test_values_of_few_patients_are_pooled() -> None:
    frame = pl.DataFrame({"patient": ["1", "2", "3", "3"], "by": ["x"] * 4, "v": ["a", "a", "b", "b"]})
    made, cells = pooled(frame, "v", ("by",), holders(frame, "v", ("by",)), 2)
    assert (made["v"].to_list(), cells) == (["a", "a", "other", "other"], 2)


def test_the_profiles_grow_stricter() -> None:
    assert [load_profile(name).k for name in ("cn_enclave", "cn_controlled", "cn_open")] == [5, 11, 20]


def test_visit_numbers_are_known_identifiers_unless_they_only_count_stays() -> None:
    long, short = Claim("a", (("visit.id", "V00012345"),)), Claim("a", (("visit.id", "12"),))
    assert known([long, short]) == (("V00012345", "MRN"),)
