"""Runs: what is refused before anything is trained, and what is given back."""

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from datasets import ledger
from datasets.ledger import Event
from policies.entry import stamp
from policies.errors import (
    BudgetExhausted,
    Conflict,
    Frozen,
    GraphRefused,
    IllegalTransition,
    Misuse,
    NotFound,
    PermitExpired,
    Refused,
    SeparationOfDuty,
)
from policies.states import ChargeState, RunState
from policies.thresholds import budget, release_rules
from service import permits, releases, runs, staff
from service.database import reading, unit_of_work
from service.models import ChargeRow, PatientRow, ReleaseRow, RunRow
from service.training import parts_of
from tests.service.verbs.small_facility import Small, active_permit, application, count, entry_for, model, publish

TRAINING = {"steps": 5, "sampling_rate": 0.5}


def spec(permit: str, **changes: Any) -> dict[str, Any]:
    return {"permit": permit, "epsilon": "1", "training": TRAINING, **changes}


def submit(small: Small, permit: str, who: str = "lin", key: str | None = None, **changes: Any) -> dict[str, Any]:
    return runs.submit(small.facility, small.people[who], spec(permit, **changes), *model(), key)


def charged(small: Small, run: str) -> set[ChargeState]:
    return {charge.state for charge in small.facility.charges.of_run(run)}


def most_charged(small: Small) -> Any:
    with reading(small.facility.database) as session:
        tokens = session.scalars(sa.select(PatientRow.token)).all()
    return max(small.facility.charges.spent(tokens).values(), key=lambda amount: amount.rho)


def move(small: Small, run: str, *states: RunState) -> None:
    for state in states:
        with unit_of_work(small.facility.database, small.clock) as work:
            work.session.get_one(RunRow, run).state = state
            work.add(entry_for(small.facility))


def held(small: Small, run: str) -> None:
    """Put a release beside a run, as a finished job does."""
    move(small, run, RunState.PREPARING, RunState.TRAINING, RunState.AUDITING, RunState.AWAITING_RELEASE)
    with unit_of_work(small.facility.database, small.clock) as work:
        figures = {"epsilon": {"pld": 1.0}, "utility": {"charged": {}}, "tier": "T2"}
        row = ReleaseRow(run=run, digest="0" * 64, object=None, certificate=None, created_at=work.now())
        row.document = figures
        work.session.add(row)
        work.add(entry_for(small.facility))


def test_a_run_reserves_its_cost_at_once(both: Small) -> None:
    made = submit(both, active_permit(both))
    assert (made["state"], made["version"], made["epsilon"]) == ("queued", 1, "1")
    charges = both.facility.charges.of_run(made["id"])
    assert [charge.id for charge in charges] == [f"{made['id']}.evaluate", f"{made['id']}.train"]
    assert charged(both, made["id"]) == {ChargeState.RESERVED}
    assert sum(len(charge.tokens) for charge in charges) == 200
    assert runs.usage(both.facility, made["permit"]).epsilon == Decimal(1)


def test_the_same_key_is_the_same_run_and_another_content_is_a_conflict(both: Small) -> None:
    permit = active_permit(both, runs=3)
    first = submit(both, permit, key="k")
    assert submit(both, permit, key="k") == first
    for change in ({"epsilon": "0.5"}, {"training": {**TRAINING, "steps": 6}}, {"permit": active_permit(both)}):
        with pytest.raises(Conflict):
            submit(both, change.pop("permit", permit), key="k", **change)
    with pytest.raises(Conflict):
        runs.submit(both.facility, both.lin, spec(permit), *model(features=4), "k")
    assert (count(both.facility, RunRow), count(both.facility, ChargeRow)) == (1, 2)


@pytest.mark.parametrize("who", ["zhou", "rival", "sun", "wu", "audit", "system", "security"])
def test_nobody_but_a_person_of_the_permit_trains_under_it(small: Small, who: str) -> None:
    with pytest.raises(Refused):
        submit(small, active_permit(small), who)
    assert small.denials(who) == [("run.submit", "refused")]
    assert count(small.facility, ChargeRow) == 0


def test_nothing_trains_under_a_permit_that_is_not_active(small: Small) -> None:
    made = permits.create(small.facility, small.lin, application(small.clock))["id"]
    with pytest.raises(Refused):
        submit(small, made)
    permits.submit(small.facility, small.lin, made)
    permits.approve(small.facility, small.wu, made)
    with pytest.raises(Refused):
        submit(small, made)
    revoked = active_permit(small)
    permits.revoke(small.facility, small.wu, revoked, "breach")
    with pytest.raises(Refused):
        submit(small, revoked)
    with pytest.raises(NotFound):
        submit(small, "p-none")


def test_an_expired_permit_trains_nothing(both: Small) -> None:
    permit = active_permit(both)
    both.clock.forward(days=31)
    with pytest.raises(PermitExpired):
        submit(both, permit)
    assert both.denials("lin") == [("run.submit", "permit-expired")]
    assert count(both.facility, ChargeRow) == 0


def test_the_emergency_stop_starts_no_run(small: Small) -> None:
    permit = active_permit(small)
    staff.freeze(small.facility, small.wu, "incident")
    with pytest.raises(Frozen):
        submit(small, permit)


def test_a_run_over_the_permits_budget_or_number_is_refused(both: Small) -> None:
    permit = active_permit(both, epsilon="2", runs=2)
    with pytest.raises(BudgetExhausted):
        submit(both, permit, epsilon="2.000001")
    submit(both, permit, epsilon="1.5")
    with pytest.raises(BudgetExhausted):
        submit(both, permit, epsilon="1")
    submit(both, permit, epsilon="0.5")
    with pytest.raises(BudgetExhausted, match="all runs"):
        submit(both, permit, epsilon="0.000001")
    assert {code for _, code in both.denials("lin")} == {"budget-exhausted"}


def test_a_run_over_the_patients_lifetime_budget_is_refused_and_reserves_nothing(both: Small) -> None:
    permit = active_permit(both, epsilon="60")
    with pytest.raises(BudgetExhausted):
        submit(both, permit, epsilon="60")
    assert (count(both.facility, ChargeRow), count(both.facility, RunRow)) == (0, 0)
    assert submit(both, permit)["state"] == "queued"


def test_one_patient_without_budget_left_stops_a_run_on_everybody(small: Small) -> None:
    train, _ = parts_of(small.facility, "net", 1)
    token = min(train)
    worn = Event("gaussian", 1.0, 0.6, 1)  # most of a lifetime
    small.facility.charges.reserve(
        [ledger.charge("old", "r-old", [worn], frozenset({token}), budget())], entry_for(small.facility)
    )
    with pytest.raises(BudgetExhausted) as caught:
        submit(small, active_permit(small, epsilon="8"), epsilon="8")
    assert token not in str(caught.value)


@pytest.mark.parametrize("epsilon", ["NaN", "-1", "0", "Infinity", "1e400", "much", "", None])
def test_an_epsilon_that_is_no_positive_number_is_refused(small: Small, epsilon: Any) -> None:
    with pytest.raises((Misuse, BudgetExhausted)):
        submit(small, active_permit(small), epsilon=epsilon)
    assert count(small.facility, ChargeRow) == 0


@pytest.mark.parametrize(
    "training",
    [
        {"stepz": 5},
        {"steps": 0},
        {"steps": -5},
        {"steps": "many"},
        {"steps": 2.5},
        {"sampling_rate": 0},
        {"sampling_rate": 1.5},
        {"sampling_rate": None},
        {"clip": -1},
        {"clip": "x"},
        {"loss": "hinge"},
        {"optimiser": {"name": "magic"}},
        {"optimiser": "sgd"},
        {"optimiser": {"learning_rate": "fast"}},
        {"evaluation": {"sigma": -1}},
        {"evaluation": []},
        "fast",
        ["steps"],
        7,
    ],
    ids=str,
)
def test_training_settings_that_make_no_sense_are_refused(small: Small, training: Any) -> None:
    with pytest.raises(Misuse):
        submit(small, active_permit(small), training=training)
    assert count(small.facility, ChargeRow) == 0


@pytest.mark.parametrize(
    ("graph", "init"),
    [
        (b"{}", model()[1]),
        (b"\x80\x04K.", model()[1]),
        (model()[0], b""),
        (model()[0], model(features=4)[1]),
        (model(outputs=3)[0], model(outputs=3)[1]),
    ],
    ids=["no graph", "pickle", "no weights", "weights of another model", "too many outputs"],
)
def test_a_model_that_breaks_the_rules_reserves_nothing(small: Small, graph: bytes, init: bytes) -> None:
    with pytest.raises(GraphRefused) as caught:
        runs.submit(small.facility, small.lin, spec(active_permit(small)), graph, init)
    assert small.denials("lin") == [("run.submit", caught.value.code)]
    assert count(small.facility, ChargeRow) == 0


def test_a_dataset_too_small_for_a_release_trains_nothing(small: Small) -> None:
    publish(small.facility, dataset="tiny", patients=20, declared=99)
    with pytest.raises(Refused, match="too small"):
        submit(small, active_permit(small, dataset="tiny"))


def test_a_permit_covers_the_newest_published_version_and_no_withdrawn_one(small: Small) -> None:
    permit = active_permit(small, runs=2)
    publish(small.facility, patients=210)
    assert submit(small, permit)["version"] == 2
    from policies.states import VersionState
    from service.models import VersionRow

    with unit_of_work(small.facility.database, small.clock) as work:
        for number in (1, 2):
            work.session.get_one(VersionRow, ("net", number)).state = VersionState.WITHDRAWN
        work.add(entry_for(small.facility))
    with pytest.raises(Refused, match="no published version"):
        submit(small, permit)


def test_a_permit_for_few_versions_trains_on_none_beyond_them(small: Small) -> None:
    from dataclasses import replace

    permit = active_permit(small)
    found = replace(small.facility.permits.get(permit), versions=(1, 1))
    publish(small.facility, patients=210)
    assert runs._version(small.facility, found)[0] == 1
    with pytest.raises(Refused):
        runs._version(small.facility, replace(found, versions=(3, 4)))


def test_a_run_cancelled_before_its_keys_were_handed_out_costs_nothing(both: Small) -> None:
    permit = active_permit(both)
    made = submit(both, permit)["id"]
    for _ in range(2):
        assert runs.cancel(both.facility, both.lin, made)["state"] == "cancelled"
    assert charged(both, made) == {ChargeState.VOIDED}
    assert most_charged(both).rho == 0
    assert runs.usage(both.facility, permit).runs == 0
    assert submit(both, permit)["state"] == "queued"


def test_a_run_cancelled_after_its_keys_were_handed_out_stays_charged(both: Small) -> None:
    made = submit(both, active_permit(both))["id"]
    move(both, made, RunState.PREPARING, RunState.TRAINING)
    both.facility.charges.spend(made, entry_for(both.facility))
    assert runs.cancel(both.facility, both.wu, made)["state"] == "cancelled"
    assert charged(both, made) == {ChargeState.SPENT}


def test_a_cancellation_and_its_refund_are_one_transaction(both: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.repositories.charges import SqlCharges

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    made = submit(both, active_permit(both))["id"]
    monkeypatch.setattr(SqlCharges, "void", crash)
    with pytest.raises(KeyboardInterrupt):
        runs.cancel(both.facility, both.lin, made)
    assert runs.get(both.facility, made).state is RunState.QUEUED
    monkeypatch.undo()
    runs.cancel(both.facility, both.lin, made)
    assert charged(both, made) == {ChargeState.VOIDED}


def test_a_run_that_awaits_its_release_is_not_cancelled(small: Small) -> None:
    made = submit(small, active_permit(small))["id"]
    held(small, made)
    with pytest.raises(IllegalTransition):
        runs.cancel(small.facility, small.lin, made)
    assert small.denials("lin") == [("run.cancel", "illegal-transition")]


@pytest.mark.parametrize("who", ["zhou", "rival", "system", "security"])
def test_another_organisations_run_is_neither_seen_nor_stopped(small: Small, who: str) -> None:
    made, person = submit(small, active_permit(small))["id"], small.people[who]
    held(small, made)
    assert runs.listing(small.facility, person) == releases.listing(small.facility, person) == []
    for attempt in (runs.show, runs.certificate, runs.cancel, releases.show, releases.names, releases.approve):
        with pytest.raises(Refused):
            attempt(small.facility, person, made)
    with pytest.raises(Refused):
        releases.fetch(small.facility, person, made, "model.safetensors")
    assert len(small.denials(who)) == 7


@pytest.mark.parametrize("who", ["lin", "sun", "wu", "audit"])
def test_its_organisation_and_reviewers_see_a_run(small: Small, who: str) -> None:
    made, person = submit(small, active_permit(small))["id"], small.people[who]
    assert [one["id"] for one in runs.listing(small.facility, person)] == [made]
    assert runs.show(small.facility, person, made)["state"] == "queued"
    with pytest.raises(NotFound, match="no certificate"):
        runs.certificate(small.facility, person, made)
    held(small, made)
    assert runs.certificate(small.facility, person, made)["note"].startswith("not released")
    assert [one["run"] for one in releases.listing(small.facility, person)] == [made]


def test_a_run_of_another_name_and_a_release_too_early_are_not_found(small: Small) -> None:
    with pytest.raises(NotFound):
        runs.show(small.facility, small.lin, "r-none")
    made = submit(small, active_permit(small))["id"]
    for attempt in (releases.show, releases.approve, releases.names):
        with pytest.raises(NotFound, match="not come to its release"):
            attempt(small.facility, small.wu, made)


def test_a_model_is_not_fetched_before_its_release(small: Small) -> None:
    made = submit(small, active_permit(small))["id"]
    held(small, made)
    with pytest.raises(Refused):
        releases.names(small.facility, small.lin, made)
    with pytest.raises(Refused):
        releases.fetch(small.facility, small.lin, made, "model.safetensors")


def test_a_single_approval_releases_nothing_and_the_same_person_gives_no_second(both: Small) -> None:
    made = submit(both, active_permit(both))["id"]
    held(both, made)
    told = releases.approve(both.facility, both.wu, made)
    assert (told["state"], told["approvals"], told["needed"]) == ("awaiting-release", ["wu"], 2)
    with pytest.raises(SeparationOfDuty):
        releases.approve(both.facility, both.wu, made)
    for who in ("lin", "audit"):
        with pytest.raises(Refused):
            releases.approve(both.facility, both.people[who], made)


def test_an_organisation_is_given_so_many_models_and_no_more_within_some_days(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = replace(release_rules(), releases_per_partner=1, releases_days=10)
    monkeypatch.setattr(releases, "release_rules", lambda: rules)
    made = submit(small, active_permit(small))["id"]
    held(small, made)
    releases.check_not_too_many(small.facility, "pudong-ai")
    with unit_of_work(small.facility.database, small.clock) as work:
        row = work.session.get_one(ReleaseRow, made)
        row.certificate, row.document = b"signed", {**row.document, "issued": stamp(small.clock())}
        work.add(entry_for(small.facility))
    with pytest.raises(Refused, match="at most 1 models within 10 days"):
        releases.check_not_too_many(small.facility, "pudong-ai")
    releases.check_not_too_many(small.facility, "rival-ai")
    small.clock.forward(days=11)
    releases.check_not_too_many(small.facility, "pudong-ai")


def test_an_author_who_changed_sides_does_not_approve_his_own_release(small: Small) -> None:
    from policies.people import Person, Role

    made = submit(small, active_permit(small))["id"]
    held(small, made)
    with pytest.raises(SeparationOfDuty):
        releases.approve(small.facility, Person("lin", "office", frozenset({Role.COMPLIANCE})), made)


def test_a_refused_release_never_leaves(both: Small) -> None:
    made = submit(both, active_permit(both))["id"]
    held(both, made)
    with pytest.raises(Refused):
        releases.refuse(both.facility, both.lin, made, "mine")
    assert releases.refuse(both.facility, both.wu, made, "too sharp")["state"] == "refused"
    assert runs.show(both.facility, both.lin, made)["code"] == "release-refused"
    with pytest.raises(IllegalTransition):
        releases.approve(both.facility, both.xu, made)
    with pytest.raises(Refused):
        releases.fetch(both.facility, both.lin, made, "model.safetensors")


def test_two_runs_at_once_never_use_one_permit_twice(both: Small) -> None:
    permit, ends = active_permit(both, runs=1), []

    def attempt() -> None:
        try:
            ends.append(submit(both, permit)["state"])
        except BudgetExhausted:
            ends.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["queued", "refused", "refused"]
    with reading(both.facility.database) as session:
        live = session.scalars(sa.select(ChargeRow).where(ChargeRow.state != ChargeState.VOIDED)).all()
    assert len({charge.run for charge in live}) == 1


def test_moments_in_a_run_are_the_facilitys(small: Small) -> None:
    assert submit(small, active_permit(small))["created"] == stamp(small.clock())
