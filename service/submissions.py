"""Submissions: records handed in, processed, reviewed, and published as a dataset's next version."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.manifest import from_dict
from datasets.vault import Blob
from deid.mapping import parse_mapping
from deid.policy import load_profile
from deid.transform.declassify import Admission
from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import BadInput, Conflict, IllegalTransition, Misuse, NotFound
from policies.people import Person
from policies.states import SubmissionState, VersionState, check_transition
from service.acts import Act, act, seen, system_entry
from service.archive import unpack
from service.database import Work, reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, SubmissionRow, UploadRow, VersionRow

OPEN = (SubmissionState.PROFILED, SubmissionState.MAPPED, SubmissionState.PROCESSING, SubmissionState.NEEDS_REVIEW)
DATA_CLASSES = ("sensitive", "demonstration")
_NAME = re.compile(r"[a-z][a-z0-9-]{1,40}")


def create(facility: Facility, person: Person, request: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
    """Return a new submission, and register its dataset if it is the first.

    Args:
        request: ``dataset`` (lower-case name), ``mapping`` (YAML text), ``profile`` (name), ``data_class``,
            ``declared_patients`` (a public upper bound, declared by the owner), ``genetic_approval`` (the number of
            the approval or filing, where genomes are among the records).
        key: Idempotency key: the same key of the same person never makes a second submission.

    Raises:
        Refused, BadMapping, Misuse, Conflict: naming the rule.
    """
    made = _name(person, key)
    resource = Resource(Kind.SUBMISSION, made, org=person.org, author=person.id, state="received")
    with act(facility, person, Action.SUBMISSION_CREATE, resource) as this:
        dataset, data_class, declared = _terms(request)
        mapping = parse_mapping(str(request["mapping"]))
        profile = load_profile(str(request["profile"]))
        document = {
            "dataset": dataset,
            "data_class": data_class,
            "declared_patients": declared,
            "mapping": str(request["mapping"]),
            "mapping_name": mapping.name,
            "mapping_digest": mapping.sha256,
            "profile": profile.name,
            "profile_digest": profile.sha256,
        }
        if approval := str(request.get("genetic_approval") or ""):
            document["genetic_approval"] = Admission(genetic_approval=approval).genetic_approval
        with unit_of_work(facility.database, facility.clock) as work:
            old = work.session.get(SubmissionRow, made)
            if old is not None:
                return _same(old, person, document)
            _register_dataset(work, this, dataset, data_class, declared)
            row = SubmissionRow(
                id=made,
                org=person.org,
                author=person.id,
                project=dataset,
                state=SubmissionState.RECEIVED,
                created_at=stamp(facility.clock()),
                document=document,
            )
            work.session.add(row)
            work.add(this.entry(dataset=dataset, mapping=mapping.sha256, profile=profile.sha256))
            return shape(row)


def upload(facility: Facility, person: Person, submission: str, archive: bytes, sha256: str) -> dict[str, Any]:
    """Return the submission, its records encrypted in the vault. The archive is unpacked within limits first.

    Raises:
        Refused, BadArchive, BadInput, Conflict, IllegalTransition: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SUBMISSION_UPLOAD, resource_of(row)) as this:
        if row.state is not SubmissionState.RECEIVED:
            raise IllegalTransition(f"a {row.state.value} submission takes no more files")
        if hashlib.sha256(archive).hexdigest() != sha256.lower():
            raise BadInput("the upload does not have the announced SHA-256: send it again")
        files = unpack(archive)
        if (held := _upload_row(facility, submission)) is not None:
            if facility.vault.get(Blob(**held.document)) != archive:
                raise Conflict("this submission holds another archive: reject it and begin a new one")
            return shape(row)
        blob = facility.vault.put(archive, f"submission/{submission}/archive", this.entry(stage="keys"))
        with unit_of_work(facility.database, facility.clock) as work:
            work.session.add(
                UploadRow(
                    id=f"{submission}.archive",
                    submission=submission,
                    object=blob.sha256,
                    bytes=blob.size,
                    created_at=stamp(facility.clock()),
                    expires_at=None,
                    document=asdict(blob),
                )
            )
            work.add(this.entry(files=len(files), bytes=blob.size, sha256=sha256.lower()))
    return shape(row)


def check_processing(facility: Facility, person: Person, submission: str) -> SubmissionRow:
    """Return the submission, allowed to be processed; the caller starts the job.

    Raises:
        Refused, Conflict, IllegalTransition: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SUBMISSION_PROCESS, resource_of(row)) as this:
        if row.state is SubmissionState.RECEIVED:
            if _upload_row(facility, submission) is None:
                raise Conflict("nothing has been uploaded yet")
            with unit_of_work(facility.database, facility.clock) as work:
                query = sa.select(SubmissionRow.id).where(
                    SubmissionRow.project == row.project, SubmissionRow.state.in_(OPEN), SubmissionRow.id != submission
                )
                if work.session.scalars(query).first() is not None:
                    raise Conflict("another submission to this dataset is under way: accept or reject it first")
                work.add(this.entry())
        return row


def accept(facility: Facility, person: Person, submission: str) -> dict[str, Any]:
    """Return the submission, its draft published as the dataset's next version.

    Raises:
        Refused, IllegalTransition, Conflict: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SUBMISSION_ACCEPT, resource_of(row)) as this:
        if row.state is SubmissionState.ACCEPTED:
            return shape(row)
        check_transition(row.state, SubmissionState.ACCEPTED)
        number = int(row.document["version"])
        with reading(facility.database) as session:
            draft = session.get_one(VersionRow, (row.project, number))
        manifest = from_dict(draft.document["manifest"])
        anchor = facility.store.commit(manifest)
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(SubmissionRow, submission, with_for_update=True)
            version = work.session.get_one(VersionRow, (row.project, number))
            if live.state is not SubmissionState.ACCEPTED:
                version.state = VersionState.PUBLISHED
                version.digest = anchor.digest
                live.state = SubmissionState.ACCEPTED
                work.add(
                    this.entry(dataset=row.project, version=number, manifest=anchor.digest, content=manifest.content)
                )
            return shape(live)


def reject(facility: Facility, person: Person, submission: str, reason: str) -> dict[str, Any]:
    """Return the submission, rejected; its draft is withdrawn and its upload shredded.

    Raises:
        Refused, IllegalTransition: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SUBMISSION_REJECT, resource_of(row)) as this:
        if row.document.get("held"):
            raise IllegalTransition("it is held for the secrecy officer, who alone decides on it")
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(SubmissionRow, submission, with_for_update=True)
            live.state = SubmissionState.REJECTED
            live.document = {**live.document, "reason": reason[:200]}
            work.add(this.entry())
            if "version" in live.document:
                work.session.get_one(
                    VersionRow, (live.project, live.document["version"])
                ).state = VersionState.WITHDRAWN
        shred_upload(facility, submission)
        return shape(live)


def shred_upload(facility: Facility, submission: str) -> bool:
    """Destroy the raw records of a submission, and say whether there were any left to destroy."""
    held = _upload_row(facility, submission)
    if held is None or held.object is None:
        return False
    entry = system_entry(facility, "submission.shred", "submission", submission)
    facility.vault.shred(Blob(**held.document), entry)
    with unit_of_work(facility.database, facility.clock) as work:
        work.session.get_one(UploadRow, held.id).object = None
        work.add(entry)
    return True


def show(facility: Facility, person: Person, submission: str) -> dict[str, Any]:
    """Return a submission."""
    row = _row(facility, submission)
    seen(facility, person, Action.SUBMISSION_SHOW, resource_of(row))
    return shape(row)


def report(facility: Facility, person: Person, submission: str) -> dict[str, Any]:
    """Return the report of a submission, and its page under ``html``: counts only.

    Raises:
        NotFound: it has not been processed.
    """
    row = _row(facility, submission)
    seen(facility, person, Action.SUBMISSION_REPORT, resource_of(row))
    if "report" not in row.document:
        raise NotFound("there is no report yet")
    return {"report": row.document["report"], "html": row.document["report_html"]}


def quarantine(facility: Facility, person: Person, submission: str) -> list[dict[str, Any]]:
    """Return the refused rows of the officer's own hospital: source, file, position and reason, not their content."""
    row = _row(facility, submission)
    seen(facility, person, Action.SUBMISSION_READ_QUARANTINE, resource_of(row))
    found: list[dict[str, Any]] = row.document.get("quarantined", [])
    return found


def uploaded(facility: Facility, submission: str) -> bool:
    """Return whether the submission's records have come."""
    held = _upload_row(facility, submission)
    return held is not None and held.object is not None


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the submissions that the person may see, newest first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(SubmissionRow).order_by(SubmissionRow.created_at.desc())).all()
    return [shape(row) for row in rows if facility.may(person, Action.SUBMISSION_SHOW, resource_of(row))]


def shape(row: SubmissionRow) -> dict[str, Any]:
    """Return what an officer sees of a submission in lists."""
    known = ("dataset", "data_class", "mapping_name", "profile", "version", "reason", "code")
    return {
        "id": row.id,
        "state": row.state.value,
        "org": row.org,
        "author": row.author,
        "created": row.created_at,
        **{key: row.document[key] for key in known if key in row.document},
    }


def resource_of(row: SubmissionRow) -> Resource:
    """Return the submission as the access rules see it."""
    return Resource(Kind.SUBMISSION, row.id, org=row.org, author=row.author, state=row.state.value)


def _terms(request: Mapping[str, Any]) -> tuple[str, str, int]:
    dataset, data_class = str(request["dataset"]), str(request["data_class"])
    declared = int(request.get("declared_patients") or 0)
    if not _NAME.fullmatch(dataset):
        raise Misuse("a dataset's name is 2 to 41 lower-case letters, digits and hyphens, a letter first")
    if data_class not in DATA_CLASSES:
        raise Misuse(f"the data class is one of {', '.join(DATA_CLASSES)}")
    if declared < 1:
        raise Misuse("declare a public upper bound of the number of patients (declared_patients)")
    return dataset, data_class, declared


def _register_dataset(work: Work, this: Act, dataset: str, data_class: str, declared: int) -> None:
    known = work.session.get(DatasetRow, dataset)
    if known is None:
        work.session.add(
            DatasetRow(
                id=dataset,
                org=this.person.org,
                title=dataset,
                data_class=data_class,
                created_at=stamp(this.facility.clock()),
                document={"declared_patients": declared, "purposes": ["DUO:0000042"]},
            )
        )
        work.session.flush()
    elif (known.org, known.data_class) != (this.person.org, data_class):
        raise Conflict("the dataset belongs to another organisation, or is of another data class")
    elif declared > known.document["declared_patients"]:
        known.document = {**known.document, "declared_patients": declared}


def _same(row: SubmissionRow, person: Person, document: dict[str, Any]) -> dict[str, Any]:
    if row.author != person.id or any(row.document.get(key) != document[key] for key in document):
        raise Conflict("that id is taken by another submission")
    return shape(row)


def _name(person: Person, key: str | None) -> str:
    if key is None:
        return f"s-{secrets.token_hex(6)}"
    return "s-" + hashlib.sha256(f"{person.id}\x1f{key}".encode()).hexdigest()[:12]


def _row(facility: Facility, submission: str) -> SubmissionRow:
    with reading(facility.database) as session:
        return row_in(session, submission)


def row_in(session: Session, submission: str) -> SubmissionRow:
    """Return the submission's row.

    Raises:
        NotFound: there is none of that id.
    """
    row = session.get(SubmissionRow, submission)
    if row is None:
        raise NotFound("there is no such submission")
    return row


def _upload_row(facility: Facility, submission: str) -> UploadRow | None:
    with reading(facility.database) as session:
        return session.get(UploadRow, f"{submission}.archive")
