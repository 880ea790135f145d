"""Deciding on an application: each step by the right person, once, in order, without an interest in it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dataset_factories import NOW, compliance, dataset, officer, permit

from datasets import deciding
from datasets.duo import Intent, covers, match
from datasets.permits import Permit
from policies.errors import IllegalTransition, Misuse, PermitExpired, Refused, SeparationOfDuty
from policies.review import permit_rules
from policies.states import PermitState

LONG, SHORT = permit_rules().sensitive, permit_rules().demonstration
OWNER = officer("li", "hospital")


def asked(**changes: Any) -> Permit:
    return permit(**{"state": PermitState.SUBMITTED, "justification": "no smaller set will do"} | changes)


def reviewed(**changes: Any) -> Permit:
    one = asked(**changes)
    for who, kind in ((OWNER, "hospital"), (compliance("ma"), "ethics"), (compliance("hu"), "privacy")):
        one = deciding.review(who, one, kind, positive=True, way=LONG, now=NOW)
    return one


def approved() -> Permit:
    once = deciding.approve(compliance("wang"), reviewed(), LONG, NOW, "results are published")
    return deciding.approve(compliance("zhao"), once, LONG, NOW)


def failed(what: Permit, where: Any, **more: Any) -> set[str]:
    given = {"colleagues": frozenset({"gu"}), "earlier": (), "lifetime": 10.0} | more
    return {f.code for f in deciding.precheck(what, where, permit_rules(), **given) if not f.holds}


def test_an_application_in_order_passes_every_check() -> None:
    assert failed(asked(), dataset()) == set()


@pytest.mark.parametrize(
    ("what", "where", "code"),
    [
        ({"purpose": "DUO:0000042"}, {}, "consent-covers-purpose"),
        ({"access_country": "US"}, {"genomic": True}, "genetic-resources-stay"),
        ({"controller_country": "DE"}, {"genomic": True}, "genetic-resources-stay"),
        ({}, {"level": 5}, "level-allows-training"),
        ({"people": frozenset({"gu", "stranger"})}, {}, "people-are-colleagues"),
        ({"not_after": NOW + timedelta(days=731)}, {}, "not-too-long"),
        ({"delivery": "outside", "delivery_basis": "contract"}, {}, "stays-in-the-sandbox"),
        ({"justification": ""}, {}, "need-is-explained"),
    ],
)
def test_the_precheck_finds_what_is_wrong(what: Any, where: Any, code: str) -> None:
    assert code in failed(asked(**what), dataset(**where))


def test_the_precheck_points_out_what_the_partner_did_before() -> None:
    earlier = [permit(id="p-8", state=PermitState.REVOKED), permit(id="p-9", state=PermitState.ACTIVE)]
    assert failed(asked(), dataset(), earlier=earlier) == {"no-earlier-revocation", "no-other-permit-on-it"}
    assert failed(asked(renews="p-9"), dataset(), earlier=earlier[1:], lifetime=2.0) == {"within-lifetime-budget"}


def test_only_blocking_checks_stop_an_application() -> None:
    noted = deciding.Finding("a", holds=False, blocking=False)
    deciding.check_findings([noted])
    with pytest.raises(Refused, match="b-check"):
        deciding.check_findings([noted, deciding.Finding("b-check", holds=False, blocking=True)])
    assert noted.as_dict()["detail"] == ""


def test_real_patients_data_need_every_review_before_anybody_votes() -> None:
    once = deciding.review(OWNER, asked(), "hospital", positive=True, way=LONG, now=NOW)
    with pytest.raises(Refused, match="ethics, privacy"):
        deciding.approve(compliance("wang"), once, LONG, NOW)
    assert approved().state is PermitState.APPROVED
    assert approved().conditions == ("results are published",)


def test_a_negative_review_lets_nobody_approve() -> None:
    against = deciding.review(compliance("ma"), asked(), "ethics", positive=False, way=LONG, now=NOW)
    with pytest.raises(Refused, match="ethics"):
        deciding.approve(compliance("wang"), against, LONG, NOW)


def test_a_person_gives_one_review_and_a_kind_is_given_once() -> None:
    once = deciding.review(compliance("ma"), asked(), "ethics", positive=True, way=LONG, now=NOW)
    for who, kind in (("ma", "privacy"), ("hu", "ethics")):
        with pytest.raises(SeparationOfDuty):
            deciding.review(compliance(who), once, kind, positive=True, way=LONG, now=NOW)
    with pytest.raises(Misuse):
        deciding.review(compliance("hu"), asked(), "ethics", positive=True, way=SHORT, now=NOW)
    with pytest.raises(IllegalTransition):
        deciding.review(compliance("hu"), permit(), "ethics", positive=True, way=LONG, now=NOW)


def test_enough_votes_against_reject() -> None:
    assert deciding.reject(compliance("wang"), asked(), SHORT, NOW).state is PermitState.REJECTED
    once = deciding.reject(compliance("wang"), asked(), LONG, NOW)
    assert once.state is PermitState.SUBMITTED
    with pytest.raises(SeparationOfDuty):
        deciding.reject(compliance("wang"), once, LONG, NOW)
    with pytest.raises(SeparationOfDuty):
        deciding.approve(compliance("wang"), once, SHORT, NOW)
    assert deciding.reject(compliance("zhao"), once, LONG, NOW).state is PermitState.REJECTED


def test_who_declares_an_interest_loses_his_say() -> None:
    once = deciding.approve(compliance("wang"), asked(), SHORT, NOW)
    told = deciding.declare_conflict(compliance("wang"), once)
    assert (told.approvals, told.conflicts) == ((), ("wang",))
    with pytest.raises(SeparationOfDuty, match="interest"):
        deciding.approve(compliance("wang"), told, SHORT, NOW)
    with pytest.raises(IllegalTransition):
        deciding.declare_conflict(compliance("wang"), permit())


def test_the_controllers_staff_do_not_decide() -> None:
    assert deciding.conflicted(compliance(org="parent"), asked(controller="parent"))
    assert not deciding.conflicted(compliance(), asked(controller="parent"))


def test_both_sides_sign_the_same_terms() -> None:
    one = deciding.sign(compliance("gu"), approved(), "holder", LONG, NOW)
    assert deciding.sign(compliance("gu"), one, "holder", LONG, NOW) == one
    assert not deciding.is_signed(one, LONG)
    both = deciding.sign(OWNER, one, "owner", LONG, NOW)
    assert deciding.is_signed(both, LONG)
    assert not deciding.is_signed(replace(both, conditions=()), LONG)
    assert Permit.from_dict(both.as_dict()) == both


def test_a_signature_out_of_place_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        deciding.sign(OWNER, asked(), "owner", LONG, NOW)
    with pytest.raises(Misuse):
        deciding.sign(OWNER, approved(), "owner", SHORT, NOW)
    with pytest.raises(PermitExpired):
        deciding.sign(OWNER, replace(approved(), not_after=NOW), "owner", LONG, NOW)


def test_reminders_are_due_at_thirty_seven_and_one_days_and_never_twice() -> None:
    def due(days: float, *told: int) -> tuple[int, ...]:
        one = asked(state=PermitState.ACTIVE, not_after=NOW + timedelta(days=days), reminded=told)
        return deciding.due_reminders(one, permit_rules(), NOW)

    assert (due(31), due(30), due(30, 30), due(6.5, 30), due(0.5, 30, 7)) == ((), (30,), (), (7,), (1,))
    assert due(0.5) == (30, 7, 1)
    assert deciding.due_reminders(asked(), permit_rules(), NOW) == ()


def test_a_permit_is_closed_with_a_statement() -> None:
    active = asked(state=PermitState.ACTIVE)
    with pytest.raises(Misuse):
        deciding.close(active, "  ")
    assert deciding.close(active, " nothing is left ").statement == "nothing is left"
    with pytest.raises(IllegalTransition):
        deciding.close(asked(), "too early")


@pytest.mark.parametrize(
    ("consent", "purpose", "fits"),
    [
        ({"DUO:0000004"}, "DUO:0000042", True),
        ({"DUO:0000042"}, "DUO:0000006", True),
        ({"DUO:0000006"}, "DUO:0000007", True),
        ({"DUO:0000006"}, "DUO:0000042", False),
        ({"DUO:0000007"}, "DUO:0000006", False),
        ({"DUO:0000011"}, "DUO:0000011", True),
        (set(), "DUO:0000042", False),
    ],
)
def test_a_wider_permission_covers_a_narrower_purpose(consent: set[str], purpose: str, fits: bool) -> None:
    assert covers(frozenset(consent), purpose) is fits
    assert match(frozenset(consent), frozenset(), Intent(purpose=purpose)).fits is fits


@pytest.mark.parametrize(
    ("condition", "breaks", "keeps"),
    [
        ("DUO:0000046", {"commercial": True}, {}),
        ("DUO:0000045", {"for_profit": True}, {}),
        ("DUO:0000018", {"for_profit": True}, {}),
        ("DUO:0000021", {"ethics": False}, {}),
        ("DUO:0000022", {"country": "US"}, {}),
        ("DUO:0000019", {}, {"undertakes": frozenset({"DUO:0000019"})}),
    ],
)
def test_every_condition_is_asked_and_an_unmet_one_is_named(condition: str, breaks: Any, keeps: Any) -> None:
    consent = frozenset({"DUO:0000042", condition, "DUO:0000025", "DUO:0000026"})
    assert match(consent, frozenset(), Intent(purpose="DUO:0000006", **keeps)).fits
    assert match(consent, frozenset(), Intent(purpose="DUO:0000006", **breaks)).unmet == (condition,)


def test_disease_specific_consent_is_about_those_diseases() -> None:
    consent, about = frozenset({"DUO:0000007"}), frozenset({"E11"})
    for asked_for, fits in ((frozenset({"E11.9"}), True), (frozenset({"C34"}), False), (frozenset(), False)):
        assert match(consent, about, Intent(purpose="DUO:0000007", diseases=asked_for)).fits is fits
    assert match(consent | {"DUO:0000006"}, about, Intent(purpose="DUO:0000007")).fits
