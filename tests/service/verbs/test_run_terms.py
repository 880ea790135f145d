"""Runs people can live with: what one costs beforehand, a rehearsal for free, a fair queue, coarse progress."""

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from policies.errors import Conflict, GraphRefused, Misuse, Refused
from policies.states import RunState
from service import execution, progress, queue, rehearsal, releases, runs
from service.database import reading, unit_of_work
from service.models import ChargeRow, ReleaseRow, RunRow
from service.queue import Waiting, order
from tests.service.verbs.small_facility import Small, active_permit, count, entry_for, model
from training_sandbox.jail.probe import Probe, probe
from training_sandbox.jail.tiers import Tier

TRAINING = {"steps": 8, "sampling_rate": 0.5}
LOGISTIC = {"algorithm": {"name": "logistic-regression", "settings": {"steps": 6}}}


def spec(permit: str, **changes: Any) -> dict[str, Any]:
    return {"permit": permit, "epsilon": "1", "training": TRAINING, **changes}


def width(small: Small) -> int:
    return len(small.facility.recipe("demo-diabetes").names)


def algorithm(small: Small, permit: str, who: str = "lin", key: str | None = None, **changes: Any) -> dict[str, Any]:
    return runs.submit(small.facility, small.people[who], spec(permit, **{**LOGISTIC, **changes}), b"", b"", key)


def test_an_estimate_tells_cost_and_epsilon_and_reserves_nothing(small: Small) -> None:
    permit = active_permit(small)
    found = rehearsal.estimate(small.facility, small.lin, spec(permit))
    assert 0.9 < found["epsilon"]["pld"] <= 1
    assert found["epsilon"]["prv"] >= found["epsilon"]["pld"]
    assert found["epsilon_evaluation"]["pld"] > 0
    assert all(0 < share < 1 for share in found["share_of_lifetime_budget"])
    assert found["permit"] == {"epsilon_left": "3", "runs_left": 1}
    assert found["plan"]["steps"] == 8
    assert (count(small.facility, ChargeRow), count(small.facility, RunRow)) == (0, 0)
    with pytest.raises(Refused):
        rehearsal.estimate(small.facility, small.rival, spec(permit))


def test_an_estimate_is_what_the_run_then_costs(small: Small) -> None:
    permit = active_permit(small)
    found = rehearsal.estimate(small.facility, small.lin, spec(permit, **LOGISTIC))
    made = algorithm(small, permit)
    assert made["plan"] == found["plan"]
    assert made["plan"]["steps"] == 6
    assert (made["plan"]["sampling_rate"], made["plan"]["records_per_patient"]) == (1.0, 1)


def test_an_algorithm_needs_no_model_and_takes_none(small: Small) -> None:
    permit = active_permit(small, runs=3)
    made = algorithm(small, permit, key="k")
    assert made["algorithm"]["name"] == "logistic-regression"
    assert algorithm(small, permit, key="k") == made
    with pytest.raises(Conflict):
        algorithm(small, permit, key="k", algorithm={"name": "linear-regression"})
    with pytest.raises(Misuse, match="brings its own"):
        runs.submit(small.facility, small.lin, spec(permit, **LOGISTIC), *model(width(small)))
    with pytest.raises(Misuse, match="needs graph"):
        runs.submit(small.facility, small.lin, spec(permit), b"", b"")


def test_an_evaluation_charges_the_held_out_patients_alone(small: Small) -> None:
    given = spec(active_permit(small), algorithm={"name": "evaluation-only"})
    made = runs.submit(small.facility, small.lin, given, *model(width(small)))
    assert [charge.id for charge in small.facility.charges.of_run(made["id"])] == [f"{made['id']}.evaluate"]
    assert runs.show(small.facility, small.lin, made["id"])["progress"]["steps_of"] == 0
    found = rehearsal.estimate(small.facility, small.lin, {**given, "permit": active_permit(small)})
    assert found["epsilon"] is None
    assert len(found["share_of_lifetime_budget"]) == 1


def test_a_search_charges_all_of_its_trials_at_once(small: Small) -> None:
    trials = [{"learning_rate": rate} for rate in (0.01, 0.1, 1.0)]
    one = rehearsal.estimate(small.facility, small.lin, spec(active_permit(small)))
    found = rehearsal.estimate(small.facility, small.lin, spec(active_permit(small), search=trials))
    assert found["plan"]["steps"] == 3 * 8
    assert found["plan"]["noise_multiplier"] > one["plan"]["noise_multiplier"]
    assert found["epsilon"]["pld"] <= 1
    assert found["epsilon_evaluation"]["pld"] > one["epsilon_evaluation"]["pld"]


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": {"name": "forest"}},
        {"algorithm": {"name": "k-means", "code": "x"}},
        {"algorithm": "k-means"},
        {"algorithm": {"name": "k-means", "settings": [1]}},
        {"algorithm": {"name": "evaluation-only", "settings": {"steps": 1}}},
        {"search": {"learning_rate": 1}},
        {"search": [{"learning_rate": 1}]},
        {"search": [{"learning_rate": 1}, {"rate": 1}]},
        {"search": [{}] * 33},
        {"search": [{}, {}], "algorithm": {"name": "k-means"}},
        {"examination": {"shadows": 1}},
        {"examination": {"shadows": 4, "all": 1}},
        {"examination": [4]},
    ],
)
def test_terms_that_are_not_understood_are_refused(small: Small, changes: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        rehearsal.estimate(small.facility, small.lin, spec(active_permit(small), **changes))


def test_a_rehearsal_trains_on_nobody_and_charges_nothing(small: Small) -> None:
    if probe().tier is Tier.T0:
        pytest.skip("this machine has no jail")
    permit = active_permit(small)
    found = rehearsal.rehearse(small.facility, small.lin, spec(permit), *model(width(small)))
    assert (found["outcome"], found["steps"], found["charged"]) == ("ok", 5, False)
    assert count(small.facility, ChargeRow) == 0
    with pytest.raises(GraphRefused):
        rehearsal.rehearse(small.facility, small.lin, spec(permit), *model(width(small), outputs=3))


def test_a_rehearsal_needs_the_jail_that_the_run_needs(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "proved", lambda: Probe(Tier.T0, ()))
    with pytest.raises(Refused, match="isolation"):
        rehearsal.rehearse(small.facility, small.lin, spec(active_permit(small)), *model(width(small)))


def test_an_organisation_with_nothing_under_way_is_next() -> None:
    flood = [Waiting(f"a{n:02}", "a", f"{n:02}") for n in range(100)]
    found = order([*flood, Waiting("b1", "b", "99"), Waiting("c1", "c", "98")], ["a", "a"], [])
    assert found[:3] == ["c1", "b1", "a00"]
    assert len(found) == 102


def test_of_two_the_one_with_fewer_runs_lately_is_next() -> None:
    both = [Waiting("a1", "a", "1"), Waiting("b1", "b", "2")]
    assert order(both, [], ["a", "a", "b"]) == ["b1", "a1"]
    assert order(both, [], []) == ["a1", "b1"]


def test_the_queue_starts_no_more_than_there_is_room_for(small: Small) -> None:
    permit = active_permit(small, runs=3)
    made = [algorithm(small, permit, epsilon="0.5")["id"] for _ in range(3)]
    assert len(queue.next_runs(small.facility, frozenset(), 2)) == 2
    assert queue.next_runs(small.facility, frozenset(made[:1]), 1) == []
    with unit_of_work(small.facility.database, small.clock) as work:
        work.session.get_one(RunRow, made[0]).state = RunState.PREPARING
        work.add(entry_for(small.facility))
    left = queue.next_runs(small.facility, frozenset(), 2)
    assert len(left) == 1
    assert left[0] != made[0]


def test_a_partner_sees_tenths_and_staff_an_estimate_too(small: Small) -> None:
    made = algorithm(small, active_permit(small))["id"]
    assert runs.show(small.facility, small.lin, made)["progress"]["tenth"] == 0
    with unit_of_work(small.facility.database, small.clock) as work:
        row = work.session.get_one(RunRow, made)
        row.state = RunState.PREPARING
        row.state = RunState.TRAINING
        work.add(entry_for(small.facility))
    progress.HEARD.hear(made, "started")
    progress.HEARD.hear(made, "tenth 5")
    progress.HEARD.hear(made, "evaluating")
    partner = runs.show(small.facility, small.lin, made)["progress"]
    staff = runs.show(small.facility, small.wu, made)["progress"]
    assert partner == {"tenth": 5, "steps_of": 6, "epsilon_of_steps": partner["epsilon_of_steps"]}
    assert 0 < partner["epsilon_of_steps"] < 1
    assert set(staff) == {*partner, "seconds_left"}
    assert staff["seconds_left"] >= 0
    progress.HEARD.forget(made)
    assert runs.show(small.facility, small.wu, made)["progress"]["seconds_left"] is None


def test_a_cancelled_run_passes_no_checkpoint_and_its_worker_is_ended(small: Small) -> None:
    made = algorithm(small, active_permit(small))["id"]
    runs.cancel(small.facility, small.lin, made)
    with pytest.raises(Refused, match="cancelled"):
        execution.checkpoint(small.facility, runs.get(small.facility, made), "tenth 2")
    assert execution.Watch(small.facility, made)()


def waiting(small: Small) -> str:
    """Return a run that waits for its release, put there by hand."""
    made = str(algorithm(small, active_permit(small))["id"])
    with unit_of_work(small.facility.database, small.clock) as work:
        row = work.session.get_one(RunRow, made)
        for state in (RunState.PREPARING, RunState.TRAINING, RunState.AUDITING, RunState.AWAITING_RELEASE):
            row.state = state
        release = ReleaseRow(run=made, digest="0" * 64, object=None, certificate=None, created_at=work.now())
        release.document = {"epsilon": {"training": {"pld": 1.0}}, "utility": {"charged": {}}, "tier": "T2"}
        work.session.add(release)
        work.add(entry_for(small.facility))
    return made


def test_compliance_audits_a_run_with_canaries(small: Small) -> None:
    made = waiting(small)
    found = releases.audit_with_canaries(small.facility, small.wu, made)
    assert found["holds"]
    with reading(small.facility.database) as session:
        assert session.scalars(sa.select(ReleaseRow)).one().document["canaries"] == found
    for who in ("lin", "rival", "zhou", "system"):
        with pytest.raises(Refused):
            releases.audit_with_canaries(small.facility, small.people[who], made)
        with pytest.raises(Refused):
            releases.attacks(small.facility, small.people[who], made)


def test_what_is_left_of_a_permit_is_a_decimal(small: Small) -> None:
    permit = active_permit(small, runs=2)
    algorithm(small, permit, epsilon="0.25")
    found = rehearsal.estimate(small.facility, small.lin, spec(permit))
    assert Decimal(found["permit"]["epsilon_left"]) == Decimal("2.75")
