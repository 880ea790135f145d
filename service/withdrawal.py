"""Carrying patients' requests out: the new version without a patient, his keys destroyed, what saw him listed.

Withdrawal, correction, merging two records of one patient and a hospital's leaving flow the same way: runs stop, a new
version takes the old ones' place, the keys of what is no longer live are destroyed with the dataset's key, and the
risk of the new version is measured again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import sqlalchemy as sa

from datasets.manifest import Manifest
from deid.risk import Risk, measure
from policies.access import Action, Kind, Resource
from policies.envelope import seal, statement
from policies.errors import Conflict, Misuse, NotFound
from policies.people import Person
from policies.review import retention
from policies.states import PermitState, RightsState, VersionState
from service import rights
from service.acts import Act, act, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, MergedTokenRow, PatientRow, PermitRow, SubmissionRow, VersionRow
from service.models_governance import RightsRow, TombstoneRow
from service.notices import tell
from service.sight import resource_of_dataset
from service.stopping import shred_extracts, stop_runs
from service.submissions import OPEN, shred_upload

RECEIPT_TYPE = "urn:medtrain:withdrawal:1"
QUASI = ("gender_concept_id", "age_band", "race_concept_id", "region")
SMALLEST_CLASS = 5
"""Under this k a new version is published all the same, for it holds fewer patients' data; the report says so."""


def fulfil(facility: Facility, person: Person, request: str, said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the request with what was done: what a withdrawal, objection, access or correction asks for.

    Done again after a crash it goes on where it stopped.

    Raises:
        Refused, Misuse, Conflict, IllegalTransition: naming the rule.
    """
    row = rights.row_of(facility, request)
    with act(facility, person, Action.RIGHTS_DECIDE, rights.resource_of(row)) as this:
        rights.check_open(row)
        outcome = _WAYS[row.kind](this, row, said or {})
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(RightsRow, request)
            if live.kind == "objection":
                rights.object_to(work, facility, live)
            live.state = RightsState.FULFILLED
            live.document = {**live.document, "outcome": outcome}
            work.add(this.entry(request=live.kind, runs=len(outcome.get("affected", ()))))
            return {**rights.shape(live), "outcome": outcome}


def receipt(facility: Facility, person: Person, request: str) -> bytes:
    """Return the signed receipt of a fulfilled withdrawal (DSSE): what was done, and the horizon of backups.

    Raises:
        NotFound: it is no fulfilled withdrawal.
    """
    row = rights.row_of(facility, request)
    seen(facility, person, Action.RIGHTS_SHOW, rights.resource_of(row))
    if row.kind != "withdrawal" or row.state is not RightsState.FULFILLED:
        raise NotFound("there is no receipt for this request")
    outcome = row.document["outcome"]
    said = {
        "request": row.id,
        "hospital": row.org,
        "marks": row.document["marks"],
        "versions": outcome["versions"],
        "backup_horizon_days": outcome["backup_horizon_days"],
        "runs_affected": len(outcome["affected"]),
        "caveat": "models released before are not unlearned; their certificates bound what they owe to one patient",
    }
    subjects = {f"dataset/{one['dataset']}/{one['version']}": one["manifest"] for one in outcome["versions"]}
    return seal(statement(subjects, RECEIPT_TYPE, said), facility.keystore.signing_key("receipt"))


def withdraw(facility: Facility, person: Person, who: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fulfilled withdrawal of a patient, filed and carried out in one."""
    made = rights.file(facility, person, "withdrawal", who, {})
    return fulfil(facility, person, made["id"])


def merge(facility: Facility, person: Person, dataset: str, kept: str, gone: str) -> dict[str, Any]:
    """Return the new version in which two pseudonyms that are one patient (ADT A40) have become one.

    His charges are summed; he may be over the cap afterwards, and then nothing more is trained on him.

    Raises:
        Refused, Misuse, NotFound, Conflict: naming the rule.
    """
    with act(facility, person, Action.DATASET_MERGE_PATIENTS, resource_of_dataset(facility, dataset)) as this:
        if kept == gone:
            raise Misuse("a patient is not merged with himself")
        with reading(facility.database) as session:
            rows = [session.get(PatientRow, (dataset, pseudonym)) for pseudonym in (kept, gone)]
        first, second = rows
        if first is None or second is None:
            raise NotFound("the dataset has no such two patients")
        live = _newest(facility, dataset)
        stopped = stop_runs(facility, dataset=dataset, code="patients-merged")
        entry = this.entry(merged=2)
        tables = {table: _renamed(facility, live, table, gone, kept) for table in live.columns}
        manifest = facility.store.write(
            dataset, tables, data_class=live.data_class, sources=live.sources, entry=entry, buckets=live.buckets,
            previous=live,
        )  # fmt: skip
        told = _publish(this, dataset, manifest)
        with unit_of_work(facility.database, facility.clock) as work:
            if first.token != second.token and work.session.get(MergedTokenRow, second.token) is None:
                facility.charges_in(work).merge(first.token, second.token, entry)
            work.session.delete(work.session.merge(second))
            work.add(entry)
        facility.store.forget(manifest, entry)
        return {**told, "stopped": list(stopped)}


def leave(facility: Facility, person: Person, confirm: str) -> dict[str, Any]:
    """Return what was destroyed when a hospital left with all of its data.

    Every version of its datasets, its uploads and quarantines become unreadable at once; permits on them are revoked.
    What was charged stays in the ledger, and what was logged in the log. What it wants to
    take along it takes out beforehand (``takeout``): nothing is handed over here.

    Raises:
        Refused, Misuse: naming the rule.
    """
    with reading(facility.database) as session:
        own = list(
            session.scalars(sa.select(DatasetRow.id).where(DatasetRow.org == person.org).order_by(DatasetRow.id))
        )
    with act(facility, person, Action.DATASET_LEAVE, Resource(Kind.DATASET, "all", org=person.org)) as this:
        if confirm != person.org:
            raise Misuse("to leave, confirm with your organisation's name")
        return {"org": person.org, "datasets": [_leave(this, dataset) for dataset in own],
                "backup_horizon_days": retention().backup_horizon_days}  # fmt: skip


def risk_of(facility: Facility, manifest: Manifest) -> Risk:
    """Return the re-identification risk of a version, measured on what it publishes of patients."""
    people = facility.store.rows(manifest, "person")
    quasi = tuple(name for name in QUASI if name in people.columns)
    if not quasi:
        share = 1 / max(1, people.height)  # all are alike
        return Risk(people.height, 0, people.height, 1, 0.0, share, share, share, share, 0)
    suppressed = pl.all_horizontal([pl.col(name).is_null() | (pl.col(name).cast(pl.String) == "0") for name in quasi])
    return measure(people.with_columns(pl.lit("").alias("sensitive"), suppressed.alias("suppressed")), quasi)


def _withdraw(this: Act, row: RightsRow, _said: Mapping[str, Any]) -> dict[str, Any]:
    facility = this.facility
    subject = _subject(facility, row)
    _check_quiet(facility, subject.places)
    with unit_of_work(facility.database, facility.clock) as work:  # first: from now on nothing brings him back
        for one in row.document["marks"]:
            if work.session.get(TombstoneRow, (one, row.org)) is None:
                work.session.add(TombstoneRow(mark=one, org=row.org, request=row.id, at=this.entry().at))
        work.add(this.entry(stage="tombstone", marks=tuple(row.document["marks"])))  # a restored backup replays it
    affected = rights.affected(facility, subject.places)
    versions = [_without(this, dataset, names) for dataset, names in subject.places.items()]
    _tell_holders(this, affected, "patient-withdrawn", row.id)
    return {
        "versions": versions,
        "affected": affected,
        "backup_horizon_days": retention().backup_horizon_days,
    }


def _without(this: Act, dataset: str, pseudonyms: Iterable[str]) -> dict[str, Any]:
    """Publish the next version of a dataset without some patients and destroy what held them."""
    facility, names = this.facility, frozenset(pseudonyms)
    stopped = stop_runs(facility, dataset=dataset, code="patient-withdrawn")
    shredded = shred_extracts(facility, dataset=dataset)
    live, entry = _newest(facility, dataset), this.entry(dataset=dataset)
    manifest = facility.store.without(live, names, entry)
    told = _publish(this, dataset, manifest)
    facility.store.forget(manifest, entry)
    uploads = _shred_uploads(facility, dataset)
    with unit_of_work(facility.database, facility.clock) as work:
        for name in names:
            if (found := work.session.get(PatientRow, (dataset, name))) is not None:
                work.session.delete(found)
        work.add(this.entry(dataset=dataset, stage="index"))
    return {**told, "stopped": list(stopped), "extracts": list(shredded), "uploads": uploads}


def _publish(this: Act, dataset: str, manifest: Manifest) -> dict[str, Any]:
    """Commit a version and put it in the place of the older ones; return what is told of it."""
    facility = this.facility
    risk = risk_of(facility, manifest)
    anchor = facility.store.commit(manifest)
    with unit_of_work(facility.database, facility.clock) as work:
        if work.session.get(VersionRow, (dataset, manifest.version)) is None:
            work.session.add(
                VersionRow(
                    dataset=dataset,
                    number=manifest.version,
                    state=VersionState.PUBLISHED,
                    digest=anchor.digest,
                    envelope=None,
                    created_at=work.now(),
                    document={"risk": risk.as_dict(), "why": this.action.value},
                )
            )
            rights.mark_versions_withdrawn(work, dataset, manifest.version)
        work.add(this.entry(version=manifest.version, manifest=anchor.digest, content=manifest.content, k=risk.k))
    return {
        "dataset": dataset,
        "version": manifest.version,
        "manifest": anchor.digest,
        "patients": manifest.patients,
        "risk": risk.as_dict(),
        "k_enough": risk.k >= SMALLEST_CLASS or risk.k == 0,
    }


def _object(this: Act, row: RightsRow, _said: Mapping[str, Any]) -> dict[str, Any]:
    subject = _subject(this.facility, row)
    runs = rights.affected(this.facility, subject.places)
    hit = [one for one in runs if row.document["purpose"] in ("", one["purpose"])]
    stopped = [
        run
        for permit in sorted({one["permit"] for one in hit if one["due"] == "stop"})
        for run in stop_runs(this.facility, permits=(permit,), code="patient-objects")
    ]
    _tell_holders(this, hit, "patient-objects", row.id)
    return {"affected": hit, "stopped": stopped}


def _access(this: Act, row: RightsRow, _said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is held about a patient and what was done with it; rows only as counts by table."""
    facility, subject = this.facility, _subject(this.facility, row)
    held = []
    for dataset, names in subject.places.items():
        manifest = _newest(facility, dataset)
        rows = {
            table: int(
                facility.store.scan(manifest, table)
                .filter(pl.col("patient").is_in(list(names)))
                .select(pl.len())
                .collect()
                .item()
            )
            for table in sorted(manifest.columns)
        }
        held.append({"dataset": dataset, "version": manifest.version, "rows": rows})
    spent = facility.charges.spent(subject.tokens)
    return {
        "held": held,
        "affected": rights.affected(facility, subject.places),
        "charged_rho": str(sum((amount.rho for amount in spent.values()), start=next(iter(spent.values())).rho * 0)),
    }


def _correct(this: Act, row: RightsRow, said: Mapping[str, Any]) -> dict[str, Any]:
    """Note the submission that corrected a patient's records; his hospital handed it in like any other.

    Raises:
        Misuse, Conflict: there is no such accepted submission of the hospital, made after the request.
    """
    with reading(this.facility.database) as session:
        found = session.get(SubmissionRow, str(said.get("submission", "")))
    if found is None or found.org != row.org:
        raise Misuse("name the submission that corrected the records")
    if found.state.value != "accepted" or found.created_at < row.created_at:
        raise Conflict("the submission is not accepted, or older than the request")
    return {"submission": found.id, "dataset": found.project, "version": found.document["version"], "affected": []}


def _leave(this: Act, dataset: str) -> dict[str, Any]:
    facility = this.facility
    stopped = stop_runs(facility, dataset=dataset, code="dataset-left")
    shred_extracts(facility, dataset=dataset)
    revoked = _revoke_permits(this, dataset)
    with reading(facility.database) as session:
        versions = session.scalars(sa.select(VersionRow.number).where(VersionRow.dataset == dataset)).all()
    entry = this.entry(dataset=dataset, stage="forget")
    newest = facility.newest(dataset)
    destroyed = facility.store.forget(replace(newest, parts=()), entry) if newest else 0
    uploads = _shred_uploads(facility, dataset)
    with unit_of_work(facility.database, facility.clock) as work:
        for number in versions:
            row = work.session.get_one(VersionRow, (dataset, number))
            if row.state is not VersionState.WITHDRAWN:
                row.state = VersionState.WITHDRAWN
        for patient in work.session.scalars(sa.select(PatientRow).where(PatientRow.project == dataset)):
            work.session.delete(patient)
        work.add(this.entry(dataset=dataset, versions=len(versions), objects=destroyed, uploads=uploads))
    return {"dataset": dataset, "versions": len(versions), "objects": destroyed, "uploads": uploads,
            "permits": revoked, "stopped": list(stopped)}  # fmt: skip


def _revoke_permits(this: Act, dataset: str) -> list[str]:
    from datasets.permits import step

    facility, done = this.facility, []
    with reading(facility.database) as session:
        query = sa.select(PermitRow.id).where(
            PermitRow.dataset == dataset, PermitRow.state.in_((PermitState.ACTIVE, PermitState.APPROVED))
        )
        found = session.scalars(query).all()
    for name in found:
        permit = facility.permits.get(name)
        with unit_of_work(facility.database, facility.clock) as work:
            facility.permits_in(work).put(step(permit, PermitState.REVOKED), this.entry(revoked=name))
            tell(work, permit.holder_org, "dataset-left", name)
        done.append(name)
    return done


def _tell_holders(this: Act, affected: Iterable[Mapping[str, Any]], kind: str, request: str) -> None:
    holders = sorted({one["holder"] for one in affected})
    if holders:
        with unit_of_work(this.facility.database, this.facility.clock) as work:
            for holder in holders:
                runs = sorted(one["run"] for one in affected if one["holder"] == holder)
                tell(work, holder, kind, request, runs=runs)
            work.add(this.entry(stage="told", holders=len(holders)))


def _subject(facility: Facility, row: RightsRow) -> rights.Subject:
    """Return the patient of a request, by his marks; after a crash, as far as he is left."""
    marks = set(row.document["marks"])
    with reading(facility.database) as session:
        own = sa.select(DatasetRow.id).where(DatasetRow.org == row.org)
        found = session.execute(
            sa.select(PatientRow.project, PatientRow.pseudonym, PatientRow.token).where(PatientRow.project.in_(own))
        ).all()
    his = [(p, n, t) for p, n, t in found if rights.mark(facility, t) in marks]
    places: dict[str, tuple[str, ...]] = {}
    for project, pseudonym, _ in sorted(his):
        places[project] = (*places.get(project, ()), pseudonym)
    return rights.Subject(frozenset(t for _, _, t in his), places)


def _check_quiet(facility: Facility, datasets: Iterable[str]) -> None:
    """Refuse while records of one of the datasets are under way: their draft would bring him back."""
    with reading(facility.database) as session:
        query = sa.select(SubmissionRow.id).where(
            SubmissionRow.project.in_(list(datasets)), SubmissionRow.state.in_(OPEN)
        )
        if session.scalars(query).first() is not None:
            raise Conflict("a submission to this dataset is under way: accept or reject it first")


def _newest(facility: Facility, dataset: str) -> Manifest:
    found = facility.newest(dataset)
    if found is None:
        raise NotFound("the dataset has no version yet")
    return found


def _renamed(facility: Facility, live: Manifest, table: str, gone: str, kept: str) -> pl.DataFrame:
    """Return a table's rows with one pseudonym for both; of a person's two rows the kept one's stays."""
    rows = facility.store.rows(live, table)
    if table == "person":
        return rows.filter(pl.col("patient") != gone)
    return rows.with_columns(pl.col("patient").replace({gone: kept}))


def _shred_uploads(facility: Facility, dataset: str) -> int:
    """Destroy the raw records of every decided submission of a dataset; return how many."""
    with reading(facility.database) as session:
        found = session.scalars(sa.select(SubmissionRow.id).where(SubmissionRow.project == dataset)).all()
    return sum(shred_upload(facility, one) for one in found)


_WAYS = {"withdrawal": _withdraw, "objection": _object, "access": _access, "correction": _correct}
