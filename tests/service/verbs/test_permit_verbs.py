"""Permits: two people decide who did not ask; a permit ends by itself; the same request twice is one permit."""

from datetime import timedelta
from typing import Any

import pytest

from datasets import deciding
from policies.entry import stamp
from policies.errors import (
    Conflict,
    IllegalTransition,
    Misuse,
    NotFound,
    PermitExpired,
    Refused,
    SeparationOfDuty,
)
from policies.people import Person, Role
from policies.states import PermitState
from service import permits
from service.models import PermitRow
from tests.service.verbs.small_facility import Small, active_permit, application, count, entry_for, publish


def drafted(small: Small, **changes: Any) -> str:
    return str(permits.create(small.facility, small.lin, application(small.clock, **changes))["id"])


def submitted(small: Small, **changes: Any) -> str:
    made = drafted(small, **changes)
    assert permits.submit(small.facility, small.lin, made)["state"] == "submitted"
    return made


def test_the_second_approval_makes_a_permit_active(both: Small) -> None:
    made = submitted(both)
    assert permits.approve(both.facility, both.wu, made)["state"] == "submitted"
    told = permits.approve(both.facility, both.xu, made)
    assert (told["state"], told["approvals"]) == ("active", ["wu", "xu"])
    assert both.actions()[-4:] == ["permit.submit", "permit.approve", "permit.approve", "permit.activate"]


def test_the_same_key_is_the_same_permit_and_another_content_is_a_conflict(both: Small) -> None:
    asked = application(both.clock)
    first = permits.create(both.facility, both.lin, asked, key="k")
    both.clock.forward(minutes=1)
    assert permits.create(both.facility, both.lin, asked, key="k") == first
    assert permits.submit(both.facility, both.lin, first["id"])["state"] == "submitted"
    assert permits.create(both.facility, both.lin, asked, key="k")["state"] == "submitted"
    for change in ({"epsilon": "4"}, {"runs": 2}, {"ethics": "e-2"}, {"people": ["sun"]}, {"controller": "other"}):
        with pytest.raises(Conflict):
            permits.create(both.facility, both.lin, {**asked, **change}, key="k")
    assert permits.create(both.facility, both.rival, asked, key="k")["id"] != first["id"]
    assert count(both.facility, PermitRow) == 2


def test_the_same_person_does_not_approve_twice(both: Small) -> None:
    made = submitted(both)
    permits.approve(both.facility, both.wu, made)
    with pytest.raises(SeparationOfDuty):
        permits.approve(both.facility, both.wu, made)
    assert permits.show(both.facility, both.lin, made)["state"] == "submitted"
    assert both.denials("wu") == [("permit.approve", "separation-of-duty")]


def test_neither_the_author_nor_his_colleagues_approve(small: Small) -> None:
    made = submitted(small)
    author = Person("lin", "office", frozenset({Role.COMPLIANCE}))
    colleague = Person("wu", "pudong-ai", frozenset({Role.COMPLIANCE}))
    for person in (author, colleague):
        with pytest.raises(SeparationOfDuty):
            permits.approve(small.facility, person, made)


@pytest.mark.parametrize("who", ["zhou", "lin", "sun", "rival", "audit", "system", "security"])
def test_nobody_but_compliance_decides(small: Small, who: str) -> None:
    made, person = submitted(small), small.people[who]
    for attempt in (
        lambda: permits.approve(small.facility, person, made),
        lambda: permits.reject(small.facility, person, made, "no"),
        lambda: permits.revoke(small.facility, person, made, "no"),
    ):
        with pytest.raises(Refused):
            attempt()
    assert len(small.denials(who)) == 3


@pytest.mark.parametrize("who", ["zhou", "wu", "audit", "system", "security"])
def test_nobody_but_a_partner_applies(small: Small, who: str) -> None:
    with pytest.raises(Refused):
        permits.create(small.facility, small.people[who], application(small.clock))
    assert count(small.facility, PermitRow) == 0


@pytest.mark.parametrize("who", ["zhou", "rival", "system", "security"])
def test_another_organisations_permit_is_neither_seen_nor_handed_in(small: Small, who: str) -> None:
    made, person = drafted(small), small.people[who]
    assert permits.listing(small.facility, person) == []
    for attempt in (permits.show, permits.submit):
        with pytest.raises(Refused):
            attempt(small.facility, person, made)


@pytest.mark.parametrize("who", ["lin", "sun", "wu", "audit"])
def test_its_organisation_and_reviewers_see_a_permit(small: Small, who: str) -> None:
    made = drafted(small)
    (told,) = permits.listing(small.facility, small.people[who])
    assert (told["id"], told["holder"], told["recipe"]) == (made, "pudong-ai", "demo-diabetes")
    assert permits.show(small.facility, small.people[who], made)["id"] == made


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"dataset": "none"}, NotFound),
        ({"recipe": "none"}, NotFound),
        ({"recipe": "../budget"}, NotFound),
        ({"purpose": "research"}, Misuse),
        ({"legal_basis": " "}, Misuse),
        ({"epsilon": "much"}, Misuse),
        ({"epsilon": "NaN"}, Misuse),
        ({"epsilon": "Infinity"}, Misuse),
        ({"epsilon": "0"}, Misuse),
        ({"delta": "1"}, Misuse),
        ({"runs": 0}, Misuse),
        ({"not_after": "tomorrow"}, Misuse),
        ({"not_after": "2027-01-01T00:00:00"}, Misuse),
        ({"not_after": "2020-01-01T00:00:00Z"}, Misuse),
        ({"ethics": " "}, Misuse),
        ({"access_country": "China"}, Misuse),
        ({"delivery": "post"}, Misuse),
        ({"delivery": "outside"}, Misuse),
    ],
)
def test_an_application_that_breaks_a_rule_is_not_kept(small: Small, change: Any, error: Any) -> None:
    with pytest.raises(error):
        drafted(small, **change)
    assert count(small.facility, PermitRow) == 0


def test_only_a_named_person_hands_in_and_a_second_time_changes_nothing(small: Small) -> None:
    made = drafted(small)
    with pytest.raises(Refused, match="does not name"):
        permits.submit(small.facility, small.sun, made)
    shared = drafted(small, people=["sun"])
    assert permits.submit(small.facility, small.sun, shared)["state"] == "submitted"
    assert permits.submit(small.facility, small.lin, shared)["state"] == "submitted"


def test_a_purpose_that_the_consent_does_not_cover_is_refused(small: Small) -> None:
    publish(small.facility, dataset="narrow", purposes=["DUO:0000007"])
    with pytest.raises(Refused, match="consent"):
        submitted(small, dataset="narrow")
    assert submitted(small, dataset="narrow", purpose="DUO:0000007")


def test_steps_out_of_order_are_refused(small: Small) -> None:
    made = drafted(small)
    for attempt in (
        lambda: permits.approve(small.facility, small.wu, made),
        lambda: permits.reject(small.facility, small.wu, made, "no"),
        lambda: permits.revoke(small.facility, small.wu, made, "no"),
    ):
        with pytest.raises(IllegalTransition):
            attempt()
    active = active_permit(small)
    with pytest.raises(IllegalTransition):
        permits.reject(small.facility, small.wu, active, "too late")
    with pytest.raises(IllegalTransition):
        permits.approve(small.facility, Person("third", "office", frozenset({Role.COMPLIANCE})), active)


def test_a_rejection_is_final_and_its_reason_is_not_in_the_log(both: Small) -> None:
    made = submitted(both)
    for _ in range(2):
        assert permits.reject(both.facility, both.wu, made, "王小明 asked")["state"] == "rejected"
    assert "permit.reject" in both.actions()
    assert both.actions().count("permit.reject") == 1
    assert not any("王小明".encode() in raw for raw in both.facility.log.export())
    with pytest.raises(IllegalTransition):
        permits.approve(both.facility, both.xu, made)


def test_a_revoked_permit_stays_revoked(both: Small) -> None:
    made = active_permit(both)
    for _ in range(2):
        assert permits.revoke(both.facility, both.xu, made, "breach")["state"] == "revoked"
    assert permits.in_force(both.facility, made).state is PermitState.REVOKED


def test_a_permit_ends_at_its_last_moment_and_not_before(both: Small) -> None:
    made = active_permit(both, not_after=stamp(both.clock() + timedelta(hours=1)))
    both.clock.forward(minutes=59, seconds=59)
    assert permits.in_force(both.facility, made).state is PermitState.ACTIVE
    both.clock.forward(seconds=1)
    assert permits.in_force(both.facility, made).state is PermitState.EXPIRED
    assert permits.in_force(both.facility, made).state is PermitState.EXPIRED
    assert both.actions().count("permit.expire") == 1


def test_an_application_whose_time_has_passed_is_neither_handed_in_nor_approved(small: Small) -> None:
    ends = stamp(small.clock() + timedelta(hours=1))
    draft, waiting = drafted(small, not_after=ends), submitted(small, not_after=ends)
    small.clock.forward(hours=2)
    with pytest.raises(PermitExpired):
        permits.submit(small.facility, small.lin, draft)
    with pytest.raises(PermitExpired):
        permits.approve(small.facility, small.wu, waiting)


def test_a_crash_between_approval_and_activation_leaves_no_permit_behind(both: Small) -> None:
    made = submitted(both)
    permits.approve(both.facility, both.wu, made)
    found = both.facility.permits.get(made)
    voted = deciding.approve(both.xu, found, permits.way_of(both.facility, found), both.clock())
    both.facility.permits.put(voted, entry_for(both.facility))
    assert both.facility.permits.get(made).state is PermitState.APPROVED
    assert permits.in_force(both.facility, made).state is PermitState.ACTIVE


def test_there_is_no_permit_of_another_name(small: Small) -> None:
    for verb in (permits.show, permits.submit, permits.approve):
        with pytest.raises(NotFound):
            verb(small.facility, small.lin, "p-none")
