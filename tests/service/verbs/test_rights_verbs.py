"""Patients' rights: a withdrawal that nothing undoes, objections, access, corrections, merges, a hospital's leaving."""

import base64
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from datasets import delta
from datasets.ledger import Event, charge
from datasets.parcel import unpack
from datasets.vault import Blob
from deid.identity import Claim
from deid.pipeline import Outcome
from deid.transform.pseudonym import tokens
from policies.envelope import unseal
from policies.errors import Conflict, IllegalTransition, Misuse, NotFound, Refused, Shredded
from policies.states import ChargeState, PermitState, RunState, SubmissionState, VersionState
from policies.thresholds import budget
from service import describing, jobs, notices, rights, rounds, runs, takeout, training, withdrawal
from service.database import reading, unit_of_work
from service.models import PatientRow, SubmissionRow, VersionRow
from service.models_governance import TombstoneRow
from tests.service.verbs.small_facility import Small, active_permit, clinical, count, entry_for, model, publish, zipped
from tests.service.verbs.test_run_verbs import charged, move, spec


def begun(small: Small, permit: str, *states: RunState) -> str:
    run = str(runs.submit(small.facility, small.lin, spec(permit), *model())["id"])
    move(small, run, *states)
    return run


def somebody(small: Small, dataset: str = "net", place: int = 0) -> PatientRow:
    with reading(small.facility.database) as session:
        rows = session.scalars(
            sa.select(PatientRow).where(PatientRow.project == dataset).order_by(PatientRow.pseudonym)
        )
        return rows.all()[place]


def keys_opening(small: Small, manifest: Any) -> int:
    """Return how many parts of a version any key of the running system still opens."""
    opened = 0
    for part in manifest.parts:
        try:
            small.facility.store.read(manifest.dataset, part)
        except Shredded:
            continue
        opened += 1
    return opened


def test_a_withdrawn_patient_is_gone_from_every_version_and_key(both: Small) -> None:
    here, he = both.facility, somebody(both)
    before = here.newest("net")
    permit = active_permit(both, runs=2, epsilon="2")
    waiting, training_ = begun(both, permit), begun(both, permit, RunState.PREPARING, RunState.TRAINING)
    token = rights.withdrawal_token(here, "shdc", he.token)
    assert {"pseudonym": he.pseudonym, "token": token} in rights.handles(here, both.zhou, "net")
    done = withdrawal.withdraw(here, both.zhou, {"token": token})
    assert (done["state"], done["outcome"]["versions"][0]["patients"]) == ("fulfilled", 199)
    after = here.newest("net")
    assert he.pseudonym not in set(here.store.scan(after, "person").collect()["patient"])
    assert keys_opening(both, after) == len(after.parts)
    assert keys_opening(both, before) == len(before.parts) - 1
    with reading(here.database) as session:
        states = dict(session.execute(sa.select(VersionRow.number, VersionRow.state)).all())
    assert states == {1: VersionState.WITHDRAWN, 2: VersionState.PUBLISHED}
    assert [runs.get(here, run).state for run in (waiting, training_)] == [RunState.CANCELLED, RunState.CANCELLED]
    assert charged(both, waiting) == {ChargeState.VOIDED}
    due = {one["run"]: one["due"] for one in done["outcome"]["affected"]}
    assert due == {waiting: "stop", training_: "stop"}
    assert [one["kind"] for one in notices.listing(here, both.lin)] == ["patient-withdrawn"]
    said = unseal(withdrawal.receipt(here, both.zhou, done["id"]), here.keystore.signing_key("receipt").public_key())
    assert said["predicate"]["backup_horizon_days"] == 35
    assert not any(he.pseudonym.encode() in raw or he.token.encode() in raw for raw in here.log.export())
    with pytest.raises(NotFound):
        withdrawal.withdraw(here, both.zhou, {"token": token})


def test_records_handed_in_again_bring_no_withdrawn_patient_back(small: Small) -> None:
    he, other = somebody(small), somebody(small, place=1)
    withdrawal.withdraw(small.facility, small.zhou, {"dataset": "net", "pseudonym": he.pseudonym})
    made = Outcome(
        {"person": pl.DataFrame({"patient": ["x", "y"]})}, {"x": he.token, "y": other.token}, pl.DataFrame(), None
    )  # type: ignore[arg-type]  # only its rows matter
    kept = jobs._without_withdrawn(small.facility, made, "shdc")
    assert (kept.index, kept.tables["person"]["patient"].to_list()) == ({"y": other.token}, ["y"])
    assert jobs._without_withdrawn(small.facility, made, "other-hospital") is made
    assert count(small.facility, TombstoneRow) == 1


def test_a_patient_is_found_by_what_the_hospital_knows_of_him(small: Small) -> None:
    he = somebody(small)
    claim = Claim("a", (("person.mrn", "M-7"),))
    (key,) = ("\x1f".join((kind, *parts)) for kind, parts in claim.keys().items())
    token = tokens(small.facility.keystore.project("net").index)(key)
    with unit_of_work(small.facility.database, small.clock) as work:
        work.session.get_one(PatientRow, ("net", he.pseudonym)).token = token
        work.add(entry_for(small.facility))
    found = rights.subject_of(small.facility, "shdc", {"hospital": "a", "mrn": "M-7"})
    assert found.places == {"net": (he.pseudonym,)}
    for who, error in (
        ({"hospital": "b", "mrn": "M-7"}, NotFound),
        ({"name": "王小明"}, Misuse),
        ({"dataset": "net", "pseudonym": "nobody"}, NotFound),
        ({"token": "0" * 32}, NotFound),
    ):
        with pytest.raises(error):
            rights.subject_of(small.facility, "shdc", who)


@pytest.mark.parametrize("who", ["qian", "lin", "wu", "audit", "system", "security"])
def test_only_the_patients_own_hospital_speaks_for_him(small: Small, who: str) -> None:
    he, person = somebody(small), small.people[who]
    with pytest.raises((Refused, NotFound)):
        rights.file(small.facility, person, "withdrawal", {"dataset": "net", "pseudonym": he.pseudonym}, {})
    made = rights.file(small.facility, small.zhou, "access", {"dataset": "net", "pseudonym": he.pseudonym}, {})
    with pytest.raises(Refused):
        withdrawal.fulfil(small.facility, person, made["id"])
    assert bool(rights.listing(small.facility, person)) is (who in ("wu", "audit"))


def test_a_request_is_decided_once_and_a_refusal_has_a_reason(small: Small) -> None:
    he, here = somebody(small), small.facility
    made = rights.file(here, small.zhou, "access", {"dataset": "net", "pseudonym": he.pseudonym}, {})["id"]
    with pytest.raises(Misuse):
        rights.refuse(here, small.zhou, made, " ")
    assert rights.refuse(here, small.zhou, made, "asked before")["reason"] == "asked before"
    for attempt in (
        lambda: withdrawal.fulfil(here, small.zhou, made),
        lambda: rights.refuse(here, small.zhou, made, "x"),
    ):
        with pytest.raises(IllegalTransition):
            attempt()
    with pytest.raises(Misuse):
        rights.file(here, small.zhou, "wish", {"dataset": "net", "pseudonym": he.pseudonym}, {})
    with pytest.raises(NotFound):
        rights.show(here, small.zhou, "q-none")
    with pytest.raises(NotFound):
        withdrawal.receipt(here, small.zhou, made)
    assert rights.show(here, small.wu, made)["outcome"] == {}


def test_an_objection_keeps_a_patient_out_of_runs_for_that_purpose(small: Small) -> None:
    publish(small.facility, dataset="clinic", tables=clinical)
    he, here = somebody(small, "clinic"), small.facility
    permit = active_permit(small, dataset="clinic", runs=2, epsilon="2")
    first = begun(small, permit)
    asked = {"purpose": "DUO:0000042"}
    made = rights.file(here, small.zhou, "objection", {"dataset": "clinic", "pseudonym": he.pseudonym}, asked)
    told = withdrawal.fulfil(here, small.zhou, made["id"])
    assert told["outcome"]["stopped"] == [first]
    assert training.objectors(here, "clinic", "DUO:0000042") == {he.pseudonym}
    assert training.objectors(here, "clinic", "DUO:0000006") == frozenset()
    second = begun(small, permit)
    seen = frozenset().union(*(one.tokens for one in here.charges.of_run(second)))
    assert he.token not in seen
    assert len(seen) == 199
    row = runs.get(here, second)
    graph, init = (here.vault.get(Blob(**row.document[name])) for name in ("graph_blob", "init_blob"))
    folder = training.job_folder(here, row, graph, init, bytes(32), bytes(range(32)))
    assert folder.patients == len(here.charges.of_run(second)[1].tokens)


def test_a_patient_is_told_what_is_held_and_what_was_done(small: Small) -> None:
    publish(small.facility, dataset="clinic", tables=clinical)
    he, here = somebody(small, "clinic"), small.facility
    worn = charge("c-1", "r-1", [Event("gaussian", 1.0, 10.0, 1)], frozenset({he.token}), budget())
    here.charges.reserve([worn], entry_for(here))
    made = rights.file(here, small.zhou, "access", {"dataset": "clinic", "pseudonym": he.pseudonym}, {})
    told = withdrawal.fulfil(here, small.zhou, made["id"])["outcome"]
    assert told["held"][0]["rows"]["person"] == 1
    assert told["charged_rho"] == str(worn.amount.rho)


def test_a_correction_is_a_submission_made_after_the_request(small: Small) -> None:
    he, here = somebody(small), small.facility
    made = rights.file(here, small.zhou, "correction", {"dataset": "net", "pseudonym": he.pseudonym}, {"note": "sex"})
    with pytest.raises(Misuse):
        withdrawal.fulfil(here, small.zhou, made["id"], {"submission": "s-none"})

    def handed_in(name: str, at: str, state: SubmissionState) -> None:
        with unit_of_work(here.database, small.clock) as work:
            row = SubmissionRow(id=name, org="shdc", author="zhou", project="net", state=state, created_at=at)
            row.document = {"version": 2}
            work.session.add(row)
            work.add(entry_for(here))

    handed_in("s-old", "2020-01-01T00:00:00.000000Z", SubmissionState.ACCEPTED)
    handed_in("s-new", "2026-04-01T00:00:00.000000Z", SubmissionState.ACCEPTED)
    with pytest.raises(Conflict):
        withdrawal.fulfil(here, small.zhou, made["id"], {"submission": "s-old"})
    told = withdrawal.fulfil(here, small.zhou, made["id"], {"submission": "s-new"})
    assert (told["note"], told["outcome"]["version"]) == ("sex", 2)


def test_no_withdrawal_passes_a_submission_under_way(small: Small) -> None:
    he, here = somebody(small), small.facility
    with unit_of_work(here.database, small.clock) as work:
        row = SubmissionRow(
            id="s-1", org="shdc", author="zhou", project="net", state=SubmissionState.PROCESSING, created_at=work.now()
        )
        row.document = {}
        work.session.add(row)
        work.add(entry_for(here))
    with pytest.raises(Conflict, match="under way"):
        withdrawal.withdraw(here, small.zhou, {"dataset": "net", "pseudonym": he.pseudonym})


def test_two_records_of_one_patient_become_one_and_his_charges_are_summed(both: Small) -> None:
    publish(both.facility, dataset="clinic", tables=clinical)
    here, kept, gone = both.facility, somebody(both, "clinic", 0), somebody(both, "clinic", 1)
    for name, he in (("c-1", kept), ("c-2", gone)):
        worn = charge(name, name, [Event("gaussian", 1.0, 10.0, 1)], frozenset({he.token}), budget())
        here.charges.reserve([worn], entry_for(here))
    told = withdrawal.merge(here, both.zhou, "clinic", kept.pseudonym, gone.pseudonym)
    assert (told["version"], told["patients"]) == (2, 199)
    rows = here.store.scan(here.newest("clinic"), "measurement").filter(pl.col("patient") == kept.pseudonym).collect()
    assert rows.height == 2
    spent = here.charges.spent([kept.token])[kept.token].rho
    assert spent == 2 * worn.amount.rho
    for pair, error in (((kept, kept), Misuse), ((kept, gone), NotFound)):
        with pytest.raises(error):
            withdrawal.merge(here, both.zhou, "clinic", pair[0].pseudonym, pair[1].pseudonym)


def test_the_risk_of_a_new_version_is_measured_again(small: Small) -> None:
    publish(small.facility, dataset="clinic", tables=clinical)
    he = somebody(small, "clinic")
    done = withdrawal.withdraw(small.facility, small.zhou, {"dataset": "clinic", "pseudonym": he.pseudonym})
    (version,) = done["outcome"]["versions"]
    assert 5 <= version["risk"]["k"] <= 50
    assert version["k_enough"] is True


def test_versions_end_when_their_data_were_kept_long_enough(both: Small) -> None:
    here = both.facility
    describing.describe(here, both.zhou, "net", {"retention_days": 10})
    permit = active_permit(both, runs=2, epsilon="2")
    old, he = begun(both, permit), somebody(both)
    both.clock.forward(days=6)
    first = here.newest("net")
    publish(here, patients=210, sources=("s-2",))
    new = begun(both, permit)
    both.clock.forward(days=3)
    assert rounds.make_rounds(here)["versions"] == 0
    both.clock.forward(days=1)
    assert (rounds.make_rounds(here)["versions"], rounds.make_rounds(here)["versions"]) == (1, 0)
    assert [runs.get(here, run).state for run in (old, new)] == [RunState.CANCELLED, RunState.QUEUED]
    assert keys_opening(both, first) == len([part for part in first.parts if part in here.newest("net").parts])
    withdrawal.withdraw(here, both.zhou, {"dataset": "net", "pseudonym": he.pseudonym})  # the same data: no new period
    last = here.newest("net")
    assert keys_opening(both, last) == len(last.parts)
    both.clock.forward(days=6)
    assert rounds.make_rounds(here)["versions"] == 1
    assert keys_opening(both, last) == 0
    assert count(here, PatientRow) == 0
    assert [one["kind"] for one in notices.listing(here, both.zhou)].count("retention-ended") == 2
    assert "dataset.retention-end" in both.actions()


def test_nothing_ends_while_records_are_under_way(small: Small) -> None:
    describing.describe(small.facility, small.zhou, "net", {"retention_days": 1})
    small.clock.forward(days=2)
    with unit_of_work(small.facility.database, small.clock) as work:
        work.session.add(
            SubmissionRow(
                id="s-9", org="shdc", author="zhou", project="net", state=SubmissionState.MAPPED,
                created_at=work.now(), document={},
            )
        )  # fmt: skip
        work.add(entry_for(small.facility))
    assert rounds.make_rounds(small.facility)["versions"] == 0


@pytest.mark.parametrize("form", ["omop", "parquet", "delta"])
def test_a_hospital_takes_all_of_its_own_data_out(small: Small, tmp_path: Path, form: str) -> None:
    here, key = small.facility, X25519PrivateKey.generate()
    publish(here, dataset="clinic", tables=clinical)
    he = somebody(small, "clinic")
    withdrawal.withdraw(here, small.zhou, {"dataset": "clinic", "pseudonym": he.pseudonym})
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    (tmp_path / "parcel").write_bytes(b"".join(takeout.take_out(here, small.zhou, public, form)))
    names = unpack(tmp_path / "parcel", tmp_path / "out", key, takeout.info("shdc"))
    assert {name.split("/")[0] for name in names} == {"clinic", "net"}
    about = json.loads((tmp_path / "out/clinic/dataset.json").read_text("utf-8"))
    assert (about["version"], about["owner"]) == (2, "shdc")
    if form == "omop":
        people = pl.read_csv(tmp_path / "out/clinic/extension/person.csv")
    else:
        out = tmp_path / "out/clinic"
        people = pl.read_parquet(out / "person.parquet") if form == "parquet" else delta.read(out / "person")
        assert people.equals(here.store.rows(here.newest("clinic"), "person"))
    assert people.height == about["rows"]["person"]
    assert he.pseudonym not in set(people["patient"])
    assert small.actions()[-1] == "dataset.take-out"


def test_only_a_hospitals_own_officer_takes_its_data_out_and_only_to_a_key(small: Small) -> None:
    public = base64.b64encode(bytes(32)).decode()
    with pytest.raises(Refused):
        takeout.take_out(small.facility, small.lin, public)
    for recipient, form in (("%", "omop"), (base64.b64encode(b"short").decode(), "omop"), (public, "xml")):
        with pytest.raises(Misuse):
            takeout.take_out(small.facility, small.zhou, recipient, form)
    withdrawal.leave(small.facility, small.zhou, "shdc")
    other = X25519PrivateKey.generate().public_key().public_bytes_raw()
    empty = b"".join(takeout.take_out(small.facility, small.zhou, base64.b64encode(other).decode()))
    assert len(empty) < 2000  # what it had is destroyed: nothing is left to take


def test_a_hospital_leaves_with_all_of_its_data(both: Small) -> None:
    here, permit = both.facility, active_permit(both)
    run, before = begun(both, permit), here.newest("net")
    with pytest.raises(Misuse):
        withdrawal.leave(here, both.zhou, "yes")
    told = withdrawal.leave(here, both.zhou, "shdc")
    (gone,) = told["datasets"]
    assert (gone["permits"], gone["stopped"], gone["versions"]) == ([permit], [run], 1)
    assert keys_opening(both, before) == 0
    assert here.permits.get(permit).state is PermitState.REVOKED
    assert count(here, PatientRow) == 0
    with pytest.raises(Refused):
        begun(both, permit)
    assert withdrawal.leave(here, both.zhou, "shdc")["datasets"][0]["objects"] == 0
    assert withdrawal.leave(here, both.qian, "other-hospital")["datasets"] == []


def test_uploads_of_a_withdrawn_patients_dataset_are_destroyed(small: Small) -> None:
    from service import submissions
    from tests.service.verbs.small_facility import MAPPING, sha256

    here, he = small.facility, somebody(small)
    asked = {"dataset": "net", "mapping": MAPPING, "profile": "cn_enclave", "data_class": "demonstration"}
    made = submissions.create(here, small.zhou, {**asked, "declared_patients": 220})["id"]
    raw = zipped({"people.csv": b"ID\n1\n"})
    submissions.upload(here, small.zhou, made, raw, sha256(raw))
    done = withdrawal.withdraw(here, small.zhou, {"dataset": "net", "pseudonym": he.pseudonym})
    assert done["outcome"]["versions"][0]["uploads"] == 1
