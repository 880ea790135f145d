from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from dataset_factories import NOW, compliance, dataset, entry, officer, permit, person

from datasets.deciding import approve, check_can_approve
from datasets.permits import (
    MemoryPermits,
    Permit,
    Request,
    Usage,
    check_can_activate,
    check_can_start_run,
    check_can_submit,
    step,
)
from policies.errors import (
    BudgetExhausted,
    Conflict,
    IllegalTransition,
    Misuse,
    NotFound,
    PermitExpired,
    Refused,
    SeparationOfDuty,
)
from policies.review import permit_rules
from policies.states import PermitState

SUBMITTED, ACTIVE = PermitState.SUBMITTED, PermitState.ACTIVE
SHORT = permit_rules().demonstration
END = datetime(2026, 12, 31, tzinfo=UTC)


def active(**changed) -> Permit:
    return permit(**{"state": ACTIVE, "approvals": ("wang", "zhao")} | changed)


def request(**changed) -> Request:
    usual = {
        "dataset": "demo",
        "version": 1,
        "recipe": "demo-diabetes",
        "epsilon": Decimal(1),
        "delta": Decimal("1e-6"),
    }
    return Request(**usual | changed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "research"},
        {"legal_basis": " "},
        {"people": frozenset()},
        {"recipes": ()},
        {"versions": (0, None)},
        {"versions": (3, 2)},
        {"epsilon": Decimal(0)},
        {"epsilon": Decimal("NaN")},
        {"delta": Decimal(1)},
        {"runs": 0},
        {"not_after": datetime(2026, 12, 31)},  # noqa: DTZ001  # a moment without a zone is what is refused
        {"not_after": datetime(2025, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_permit_without_sense_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        permit(**wrong)


def test_a_permit_has_no_default_for_its_end() -> None:
    with pytest.raises(TypeError, match="not_after"):
        Permit(id="p-1")  # type: ignore[call-arg]  # what is refused


def test_a_permit_comes_back_from_its_json() -> None:
    one = active(conditions=("results are published",), versions=(1, 3), epsilon=Decimal("0.10"))
    assert Permit.from_dict(one.as_dict()) == one
    assert one.as_dict()["epsilon"] == "0.10"


def test_a_partner_submits_his_own_draft() -> None:
    check_can_submit(person(), permit(), dataset(), NOW)
    assert step(permit(), SUBMITTED).state is SUBMITTED


def test_a_dataset_for_general_research_takes_every_purpose() -> None:
    check_can_submit(person(), permit(), dataset(purposes=frozenset({"DUO:0000042"})), NOW)


@pytest.mark.parametrize(
    ("who", "what", "where", "why"),
    [
        (person(org="other"), permit(), dataset(), Refused),
        (person("stranger"), permit(), dataset(), Refused),
        (officer("gu", "aico"), permit(), dataset(), Refused),
        (person(), permit(state=ACTIVE), dataset(), IllegalTransition),
        (person(), permit(), dataset(id="other"), Refused),
        (person(), permit(purpose="DUO:0000018"), dataset(), Refused),
        (person(), permit(not_after=NOW), dataset(), PermitExpired),
    ],
)
def test_a_submission_that_breaks_a_rule_is_refused(who, what, where, why) -> None:
    with pytest.raises(why) as refusal:
        check_can_submit(who, what, where, NOW)
    assert refusal.type is why


def test_two_different_compliance_people_make_a_permit_approved() -> None:
    once = approve(compliance("wang"), permit(state=SUBMITTED), SHORT, NOW)
    assert once.state is SUBMITTED
    twice = approve(compliance("zhao"), once, SHORT, NOW)
    assert (twice.state, twice.approvals) == (PermitState.APPROVED, ("wang", "zhao"))


@pytest.mark.parametrize(
    ("who", "what", "why"),
    [
        (compliance(), permit(state=SUBMITTED, approvals=("wang",)), SeparationOfDuty),
        (compliance("gu"), permit(state=SUBMITTED), SeparationOfDuty),
        (compliance(org="aico"), permit(state=SUBMITTED), SeparationOfDuty),
        (officer(), permit(state=SUBMITTED), Refused),
        (compliance(), permit(), IllegalTransition),
        (compliance(), permit(state=SUBMITTED, not_after=NOW), PermitExpired),
    ],
    ids=["twice", "author", "holder", "role", "draft", "expired"],
)
def test_an_approval_that_breaks_a_rule_is_refused(who, what, why) -> None:
    with pytest.raises(why) as refusal:
        check_can_approve(who, what, SHORT, NOW)
    assert refusal.type is why


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (permit(state=PermitState.APPROVED, approvals=("wang",)), SeparationOfDuty),
        (permit(state=PermitState.APPROVED, approvals=("wang", "gu")), SeparationOfDuty),
        (permit(state=PermitState.APPROVED, approvals=("wang", "wang")), SeparationOfDuty),
        (active(state=PermitState.CLOSED), IllegalTransition),
        (active(state=PermitState.APPROVED, not_after=NOW), PermitExpired),
        (active(state=PermitState.APPROVED, not_before=NOW + timedelta(days=1)), Refused),
    ],
)
def test_an_activation_that_breaks_a_rule_is_refused(what: Permit, why: type[Refused]) -> None:
    with pytest.raises(why) as refusal:
        check_can_activate(what, NOW)
    assert refusal.type is why


def test_an_approved_permit_is_activated_when_its_time_has_come() -> None:
    check_can_activate(active(state=PermitState.APPROVED, not_before=NOW), NOW)


def test_a_run_within_the_permit_may_start() -> None:
    check_can_start_run(person(), active(), request(), Usage(1, Decimal(2), Decimal("9e-6")), NOW)


@pytest.mark.parametrize(
    ("who", "what", "asked", "usage", "why"),
    [
        (person(org="other"), active(), request(), Usage(), Refused),
        (person("stranger"), active(), request(), Usage(), Refused),
        (person(), active(not_after=NOW), request(), Usage(), PermitExpired),
        (person(), active(state=PermitState.EXPIRED), request(), Usage(), PermitExpired),
        (person(), active(approvals=("wang",)), request(), Usage(), SeparationOfDuty),
        (person(), active(state=PermitState.REVOKED), request(), Usage(), Refused),
        (person(), active(not_before=NOW + timedelta(days=1)), request(), Usage(), Refused),
        (person(), active(), request(dataset="other"), Usage(), Refused),
        (person(), active(versions=(2, None)), request(), Usage(), Refused),
        (person(), active(versions=(1, 2)), request(version=3), Usage(), Refused),
        (person(), active(), request(recipe="other"), Usage(), Refused),
        (person(), active(), request(), Usage(runs=2), BudgetExhausted),
        (person(), active(), request(), Usage(1, Decimal("2.0000000001")), BudgetExhausted),
        (person(), active(), request(delta=Decimal("1.1e-5")), Usage(), BudgetExhausted),
    ],
)
def test_a_run_outside_the_permit_is_refused(who, what, asked, usage, why) -> None:
    with pytest.raises(why) as refusal:
        check_can_start_run(who, what, asked, usage, NOW)
    assert refusal.type is why


def test_a_permit_ends_at_its_last_moment_exactly() -> None:
    check_can_start_run(person(), active(), request(), Usage(), END - timedelta(microseconds=1))
    with pytest.raises(PermitExpired):
        check_can_start_run(person(), active(), request(), Usage(), END)


def test_a_returned_permit_loses_its_approvals() -> None:
    returned = step(permit(state=SUBMITTED, approvals=("wang",)), PermitState.RETURNED)
    assert returned.approvals == ()


def test_no_step_makes_a_permit_approved_without_two_people() -> None:
    with pytest.raises(SeparationOfDuty):
        step(permit(state=SUBMITTED, approvals=("wang",)), PermitState.APPROVED)
    with pytest.raises(IllegalTransition):
        step(permit(), ACTIVE)


def test_permits_are_found_by_id_and_by_organisation() -> None:
    permits = MemoryPermits([permit(), permit(id="p-2", holder_org="other")])
    assert permits.get("p-1") == permit()
    assert [one.id for one in permits.of("other")] == ["p-2"]
    with pytest.raises(NotFound):
        permits.get("p-3")


def test_terms_change_while_a_permit_is_a_draft_and_not_later() -> None:
    permits = MemoryPermits()
    permits.put(permit(), entry())
    permits.put(permit(epsilon=Decimal(5)), entry())
    permits.put(permit(epsilon=Decimal(5), state=SUBMITTED), entry())
    with pytest.raises(Conflict):
        permits.put(permit(epsilon=Decimal(50), state=SUBMITTED), entry())
    assert (permits.get("p-1").epsilon, len(permits.entries)) == (Decimal(5), 3)


def test_approvals_are_written_while_the_terms_stay() -> None:
    permits = MemoryPermits([permit(state=SUBMITTED)])
    permits.put(permit(state=SUBMITTED, approvals=("wang",)), entry())
    assert permits.get("p-1").approvals == ("wang",)


def test_a_permit_is_not_written_into_a_state_it_cannot_reach() -> None:
    permits = MemoryPermits([permit()])
    with pytest.raises(IllegalTransition):
        permits.put(replace(permit(), state=ACTIVE), entry())
