"""The whole course of an application for real patients' data, from the first keystroke to the closing statement."""

import json
from datetime import timedelta
from typing import Any

import pytest

from policies.access import Action
from policies.entry import stamp
from policies.envelope import unseal
from policies.errors import Conflict, IllegalTransition, Misuse, NotFound, Refused, SeparationOfDuty, Shredded
from policies.people import Person, Role
from policies.states import ChargeState, PermitState, RunState
from service import drafts, execution, notices, permits, rounds, runs, staff
from service.log.log import Wanted
from service.models import RunRow
from service.stopping import is_stopped, stop_runs
from tests.service.verbs.small_facility import Small, active_permit, application, count, model, publish
from tests.service.verbs.test_run_verbs import TRAINING, charged, held, move

NING = Person("ning", "office", frozenset({Role.COMPLIANCE}))
OU = Person("ou", "office", frozenset({Role.COMPLIANCE}))


@pytest.fixture
def real(both: Small) -> Small:
    """Return a facility with a dataset of class sensitive, and two more people of compliance."""
    publish(both.facility, dataset="real", data_class="sensitive")
    for person in (NING, OU):
        staff.add(both.facility, both.security, person.id, person.org, person.roles)
    return both


def submitted(small: Small, **changes: Any) -> str:
    asked = application(small.clock, **{"dataset": "real", **changes})
    made = permits.create(small.facility, small.lin, asked)["id"]
    permits.submit(small.facility, small.lin, made)
    return str(made)


def approved(small: Small, **changes: Any) -> str:
    made, here = submitted(small, **changes), small.facility
    permits.review(here, small.zhou, made, "hospital", positive=True)
    permits.review(here, NING, made, "ethics", positive=True, note="王 is content")
    permits.review(here, OU, made, "privacy", positive=True)
    permits.approve(here, small.wu, made, ["no free text", " "])
    assert permits.approve(here, small.xu, made)["state"] == "approved"
    return made


def granted(small: Small, **changes: Any) -> str:
    made = approved(small, **changes)
    assert permits.sign(small.facility, small.lin, made, "holder")["state"] == "approved"
    assert permits.sign(small.facility, small.zhou, made, "owner")["state"] == "active"
    return made


def begun(small: Small, permit: str) -> str:
    spec = {"permit": permit, "epsilon": "1", "training": TRAINING}
    return str(runs.submit(small.facility, small.lin, spec, *model())["id"])


def test_real_patients_data_are_granted_by_reviews_votes_and_signatures(real: Small) -> None:
    made = granted(real)
    told = permits.show(real.facility, real.zhou, made)
    assert (told["conditions"], told["controller"], told["ethics"]) == (["no free text"], "pudong-ai", "e-1")
    assert [review["kind"] for review in told["reviews"]] == ["hospital", "ethics", "privacy"]
    assert not any("王".encode() in raw for raw in real.facility.log.export())
    signed = permits.document(real.facility, real.lin, made)
    assert signed == permits.document(real.facility, real.lin, made)
    said = unseal(signed, real.facility.keystore.signing_key("receipt").public_key())
    assert said["predicate"]["conditions"] == ["no free text"]
    assert begun(real, made).startswith("r-")


def test_nothing_is_active_before_both_sides_have_signed(real: Small) -> None:
    made = approved(real)
    assert permits.in_force(real.facility, made).state is PermitState.APPROVED
    with pytest.raises(Refused):
        begun(real, made)
    with pytest.raises(IllegalTransition):
        permits.document(real.facility, real.lin, made)
    for who, party in (("rival", "holder"), ("qian", "owner"), ("lin", "owner"), ("wu", "owner"), ("sun", "holder")):
        with pytest.raises(Refused):
            permits.sign(real.facility, real.people[who], made, party)


def test_the_hospital_reviews_its_own_patients_only(real: Small) -> None:
    made = submitted(real)
    for who in ("qian", "wu", "lin"):
        with pytest.raises(Refused):
            permits.review(real.facility, real.people[who], made, "hospital", positive=True)
    with pytest.raises(Refused):
        permits.review(real.facility, real.zhou, made, "ethics", positive=True)
    with pytest.raises(Refused):
        permits.show(real.facility, real.qian, made)


def test_who_has_an_interest_is_barred_by_the_rules_themselves(real: Small) -> None:
    made = submitted(real, controller="office")
    with pytest.raises(SeparationOfDuty, match="interest"):
        permits.review(real.facility, NING, made, "ethics", positive=True)
    (denied, *_) = real.facility.log.search(Wanted(actor="ning", decision="deny"), limit=1, before=None)
    assert denied.entry.policies == ("conflict-of-interest",)
    other = submitted(real)
    assert permits.declare_conflict(real.facility, OU, other)["conflicts"] == ["ou"]
    with pytest.raises(SeparationOfDuty):
        permits.review(real.facility, OU, other, "privacy", positive=True)


def test_a_returned_application_is_amended_and_decided_anew(real: Small) -> None:
    made, here = submitted(real), real.facility
    permits.review(here, NING, made, "ethics", positive=True)
    with pytest.raises(Conflict):
        permits.amend(here, real.lin, made, {"epsilon": "2"})
    assert permits.give_back(here, real.wu, made, "say why")["reviews"] == []
    told = permits.amend(here, real.lin, made, {"epsilon": "2", "justification": "nothing smaller will do"})
    assert (told["epsilon"], told["state"]) == ("2", "returned")
    assert permits.submit(here, real.lin, made)["state"] == "submitted"
    assert "permit.amend" in real.actions()


def test_the_precheck_stops_what_is_plainly_wrong(real: Small) -> None:
    for changes, code in (
        ({"people": ["rival"]}, "people-are-colleagues"),
        ({"not_after": stamp(real.clock() + timedelta(days=800))}, "not-too-long"),
    ):
        asked = application(real.clock, dataset="real", **changes)
        made = permits.create(real.facility, real.lin, asked)["id"]
        with pytest.raises(Refused, match=code):
            permits.submit(real.facility, real.lin, made)
    found = {one["code"]: one["holds"] for one in permits.precheck(real.facility, real.lin, made)}
    assert (found["not-too-long"], found["consent-covers-purpose"]) == (False, True)


def test_a_foreign_party_gets_no_human_genetic_resources(real: Small) -> None:
    publish(real.facility, dataset="genome", genomic=True)
    for changes in ({"access_country": "US"}, {"controller": "parent", "controller_country": "CH"}):
        made = permits.create(real.facility, real.lin, application(real.clock, dataset="genome", **changes))["id"]
        with pytest.raises(Refused, match="foreign party"):
            permits.submit(real.facility, real.lin, made)
    home = permits.create(real.facility, real.lin, application(real.clock, dataset="genome"))["id"]
    assert permits.submit(real.facility, real.lin, home)["state"] == "submitted"


def test_revoking_stops_runs_wherever_they_are_and_drops_their_keys(real: Small) -> None:
    made, here = granted(real, runs=4, epsilon="4"), real.facility
    waiting, training, auditing, done = (begun(real, made) for _ in range(4))
    move(real, training, RunState.PREPARING, RunState.TRAINING)
    move(real, auditing, RunState.PREPARING, RunState.TRAINING, RunState.AUDITING)
    held(real, done)
    for run in (training, auditing, done):
        here.charges.spend(run, _entry(real))
    assert not is_stopped(here, training)
    permits.revoke(here, real.wu, made, "breach")
    states = {run: runs.get(here, run).state.value for run in (waiting, training, auditing, done)}
    assert states == {waiting: "cancelled", training: "cancelled", auditing: "refused", done: "refused"}
    assert (charged(real, waiting), charged(real, training)) == ({ChargeState.VOIDED}, {ChargeState.SPENT})
    assert is_stopped(here, training)
    for run in states:
        with pytest.raises(Shredded):
            execution.run_keys(here, runs.get(here, run))
    assert stop_runs(here, permits=(made,), code="again") == ()


def _entry(small: Small) -> Any:
    from tests.service.verbs.small_facility import entry_for

    return entry_for(small.facility)


def test_the_rules_are_asked_at_start_at_each_checkpoint_and_at_release(small: Small) -> None:
    made = active_permit(small)
    run = begun(small, made)
    row, permit = runs.get(small.facility, run), small.facility.permits.get(made)
    assert execution.check_may_go_on(small.facility, row, permit) == ("partner-trains-under-own-permit",)
    execution.checkpoint(small.facility, row, "tenth 3")
    (said, *_) = small.facility.log.search(Wanted(action="run.checkpoint"), limit=1, before=None)
    assert (said.entry.policies, said.entry.facts["word"]) == (("partner-trains-under-own-permit",), "tenth-3")
    small.clock.forward(days=31)
    with pytest.raises(Refused):
        execution.checkpoint(small.facility, row, "tenth 4")
    ended = permits.in_force(small.facility, made)
    released = execution.check_may_go_on(small.facility, row, ended, Action.RUN_RELEASE)
    assert released == ("partner-is-given-what-was-trained",)


def test_a_watch_looks_once_a_second(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(execution, "is_stopped", lambda _, run: bool(looks.append(run)) or len(looks) > 1)
    now = [0.0]
    monkeypatch.setattr(execution.time, "monotonic", lambda: now[0])
    watch = execution.Watch(small.facility, "r-1")
    assert [watch(), watch()] == [False, False]
    now[0] = 1.5
    assert (watch(), looks) == (True, ["r-1", "r-1"])


def test_a_holder_is_reminded_and_the_permit_ends_by_itself(real: Small) -> None:
    made, here = granted(real, not_after=stamp(real.clock() + timedelta(days=40))), real.facility
    run = begun(real, made)
    assert rounds.make_rounds(here)["reminded"] == 0
    for days, expected in ((11, 1), (0, 0), (23, 1), (5.5, 1)):
        real.clock.forward(days=days)
        assert rounds.make_rounds(here)["reminded"] == expected
    assert {one["days"] for one in notices.listing(here, real.lin)} == {30, 7, 1}
    assert notices.listing(here, real.rival) == []
    assert len(notices.listing(here, real.wu)) == 3
    real.clock.forward(days=1)
    assert rounds.make_rounds(here)["expired"] == 1
    assert rounds.make_rounds(here)["expired"] == 0
    assert here.permits.get(made).state is PermitState.EXPIRED
    assert runs.get(here, run).state is RunState.CANCELLED


def test_a_permit_is_renewed_by_a_new_application_and_closed_with_a_statement(real: Small) -> None:
    made, here = granted(real), real.facility
    later = stamp(real.clock() + timedelta(days=300))
    told = permits.renew(here, real.lin, made, later)
    assert (told["renews"], told["state"], told["not_after"]) == (made, "draft", later)
    assert permits.renew(here, real.lin, made, later)["id"] == told["id"]
    with pytest.raises(IllegalTransition):
        permits.renew(here, real.lin, told["id"], later)
    run = begun(real, made)
    assert permits.close(here, real.lin, made, "the model was released; no data left")["state"] == "closed"
    assert runs.get(here, run).state is RunState.CANCELLED
    with pytest.raises(Refused):
        begun(real, made)


def test_a_draft_is_kept_while_it_is_typed_and_handed_in_once(both: Small) -> None:
    here = both.facility
    made = drafts.save(here, both.lin, None, {"dataset": "net"})["id"]
    drafts.save(here, both.lin, made, {"purpose": "DUO:0000042", "epsilon": "3"})
    assert drafts.show(here, both.lin, made)["answers"]["dataset"] == "net"
    with pytest.raises(Misuse, match="recipe, legal_basis"):
        drafts.hand_in(here, both.lin, made)
    drafts.save(here, both.lin, made, application(both.clock))
    told = drafts.hand_in(here, both.lin, made)
    assert (told["state"], drafts.listing(here, both.lin)) == ("submitted", [])


def test_a_draft_is_its_authors_own(small: Small) -> None:
    made = drafts.save(small.facility, small.lin, None, {"dataset": "net"})["id"]
    for attempt in (
        lambda: drafts.show(small.facility, small.sun, made),
        lambda: drafts.save(small.facility, small.sun, made, {}),
    ):
        with pytest.raises(NotFound):
            attempt()
    drafts.throw_away(small.facility, small.sun, made)
    assert len(drafts.listing(small.facility, small.lin)) == 1
    drafts.throw_away(small.facility, small.lin, made)
    assert drafts.listing(small.facility, small.lin) == []


@pytest.mark.parametrize("answers", [{"wish": "much"}, {"justification": "x" * 5000}])
def test_a_draft_takes_only_answers_of_the_application(small: Small, answers: Any) -> None:
    with pytest.raises(Misuse):
        drafts.save(small.facility, small.lin, None, answers)
    with pytest.raises(Refused):
        drafts.save(small.facility, small.wu, None, {})


def test_old_drafts_go_and_there_are_never_too_many(small: Small) -> None:
    for _ in range(drafts.MOST):
        drafts.save(small.facility, small.lin, None, {})
    with pytest.raises(Misuse, match="already"):
        drafts.save(small.facility, small.lin, None, {})
    small.clock.forward(days=181)
    assert rounds.make_rounds(small.facility)["drafts"] == drafts.MOST


def test_rounds_go_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    import threading

    made: list[int] = []
    enough = threading.Event()

    def work() -> None:
        made.append(1)
        if len(made) == 1:
            raise ValueError("王小明")
        enough.set()

    making = rounds.Rounds(work, 0.01)
    making.start()
    assert enough.wait(timeout=10)
    making.stop()
    assert "ValueError" in caplog.text
    assert "王小明" not in caplog.text


def test_a_permit_document_is_json(real: Small) -> None:
    assert json.loads(permits.document(real.facility, real.wu, granted(real)))["payloadType"]
    assert count(real.facility, RunRow) == 0
