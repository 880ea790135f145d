"""Declassification (脱密): a submission with restricted documents is held in isolation for the secrecy officer.

Nothing of it is processed: it is rejected before its first step, its archive stays encrypted in the vault, and whoever
handed it in can neither process nor destroy it. It comes back only when every held document has its originator's
declassification reference, and data of a genome the number of an approval or filing.

Held documents are known by number; what stands for their text is a keyed mark. References are in the log as salted
commitments: that of a declassified document may itself say too much.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from datasets.vault import Blob
from deid.genetic import GENETIC
from deid.mapping import parse_mapping
from deid.records import MemoryRecords
from deid.screening import Held, screen
from deid.transform.declassify import Admission
from policies.access import Action
from policies.entry import commitment
from policies.errors import Conflict, Misuse, NotFound, Restricted
from policies.genetic import GeneticResources
from policies.people import Person, Role
from policies.states import SubmissionState
from service.acts import act, seen, system_entry
from service.archive import unpack
from service.database import Work, reading, unit_of_work
from service.facility import Facility
from service.identity import FIRST
from service.models import PersonRow, SubmissionRow, UploadRow
from service.notices import tell
from service.submissions import resource_of, row_in, shred_upload

HELD, READMITTED = "submission-held", "submission-readmitted"
ALL = "all"
"""In place of a document's number: the reference is for every document that has none of its own."""


def held_back(facility: Facility, submission: str) -> list[dict[str, Any]]:
    """Return what of an uploaded submission is not let in, by number from 1; nothing where all of it is."""
    with reading(facility.database) as session:
        row = row_in(session, submission)
    known = row.document.get("declassified", {})
    return [
        {
            "number": number,
            "source": one.source,
            "file": one.file,
            "position": one.position,
            "reason": one.reason,
            "mark": mark,
        }
        for number, (mark, one) in enumerate(_marked(facility, row), 1)
        if mark not in known
    ]


def hold(facility: Facility, work: Work, submission: str, documents: list[dict[str, Any]]) -> str:
    """Reject a submission for what is held of it, and tell the secrecy officers and the hospital. Return its state."""
    row = row_in(work.session, submission)
    reasons = Counter(str(one["reason"]) for one in documents)
    code = GeneticResources.code if set(reasons) == {GENETIC} else Restricted.code
    row.state = SubmissionState.REJECTED
    row.document = {**row.document, "code": code, "reason": "held for the secrecy officer", "held": documents}
    for org in sorted({*_officers(work), row.org}):
        tell(work, org, HELD, submission, turn=_turn(row), documents=len(documents))
    facts: dict[str, Any] = {name.replace("-", "_"): count for name, count in reasons.items()}
    work.add(system_entry(facility, "submission.rejected", "submission", submission, code=code, **facts))
    return row.state.value


def admission(facility: Facility, submission: str) -> Admission:
    """Return what a submission may bring in in spite of the restrictions, as its document says."""
    with reading(facility.database) as session:
        row = row_in(session, submission)
    known = row.document.get("declassified", {})
    if not known:
        return Admission(genetic_approval=row.document.get("genetic_approval", ""))
    references = {one.fingerprint: known[mark] for mark, one in _marked(facility, row) if mark in known}
    return Admission(references, row.document.get("genetic_approval", ""))


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the submissions that are held, newest first: to secrecy officers; to anybody else none."""
    with reading(facility.database) as session:
        rows = session.scalars(
            sa.select(SubmissionRow)
            .where(SubmissionRow.state == SubmissionState.REJECTED, SubmissionRow.document["held"].as_string() != "")
            .order_by(SubmissionRow.created_at.desc())
        ).all()
    return [shape(row) for row in rows if facility.may(person, Action.SECRECY_SHOW, resource_of(row))]


def show(facility: Facility, person: Person, submission: str) -> dict[str, Any]:
    """Return a held submission and where its held documents stand; not what they say.

    Raises:
        Refused, NotFound: naming the rule.
    """
    row = _row(facility, submission)
    seen(facility, person, Action.SECRECY_SHOW, resource_of(row))
    return {**shape(row), "documents": [_shown(one) for one in _held(row)]}


def readmit(
    facility: Facility, person: Person, submission: str, references: Mapping[str, str], approval: str = ""
) -> dict[str, Any]:
    """Return the submission, received again: its hospital may have it processed.

    Args:
        references: Number of a held document, or ``all`` -> the originator's declassification reference.
        approval: Number of the approval or filing, where genomes are among what is held.

    Raises:
        Restricted, GeneticResources: a document has no reference, or a genome no approval.
        Refused, Misuse, NotFound, Conflict: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SECRECY_READMIT, resource_of(row)) as this:
        documents = [one for one in _held(row) if one["reason"] != GENETIC]
        if unknown := set(references) - {str(one["number"]) for one in documents} - {ALL}:
            raise Misuse(f"{len(unknown)} of the references are for documents that are not held")
        given = {one["mark"]: references.get(str(one["number"])) or references.get(ALL, "") for one in documents}
        if missing := sum(not number for number in given.values()):
            raise Restricted(f"{missing} held documents have no declassification reference of their originator")
        if len(documents) < len(_held(row)) and not approval:
            raise GeneticResources("human genetic resources are taken in only under an approval or filing number")
        Admission(given, approval)  # each is of the form that the policy asks for
        salt = facility.keystore.secret("reason", submission)
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(SubmissionRow, submission, with_for_update=True)
            if not live.document.get("held"):
                raise Conflict("somebody else has decided on this submission meanwhile")
            if work.session.get_one(UploadRow, f"{submission}.archive").object is None:
                raise Conflict("the archive has been destroyed: nothing is left to readmit")
            kept = {name: said for name, said in live.document.items() if name not in ("code", "reason", "held")}
            live.state = SubmissionState.RECEIVED
            live.document = {
                **kept,
                "declassified": {**kept.get("declassified", {}), **given},
                "genetic_approval": approval or kept.get("genetic_approval", ""),
                "turn": _turn(live) + 1,
            }
            tell(work, live.org, READMITTED, submission, turn=_turn(live))
            numbers = tuple(sorted({commitment(number, salt) for number in (*given.values(), approval) if number}))
            work.add(this.entry(documents=len(_held(row)), references=numbers))
            return shape(live)


def destroy(facility: Facility, person: Person, submission: str) -> dict[str, Any]:
    """Return the submission, its isolated archive destroyed: it never comes back.

    Raises:
        Refused, NotFound: naming the rule.
    """
    row = _row(facility, submission)
    with act(facility, person, Action.SECRECY_DESTROY, resource_of(row)) as this:
        documents = len(_held(row))
        shred_upload(facility, submission)
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(SubmissionRow, submission, with_for_update=True)
            live.document = {name: said for name, said in live.document.items() if name != "held"}
            work.add(this.entry(documents=documents))
            return shape(live)


def shape(row: SubmissionRow) -> dict[str, Any]:
    """Return what a secrecy officer sees of a submission in lists."""
    held = row.document.get("held", [])
    return {
        "id": row.id,
        "state": row.state.value,
        "org": row.org,
        "dataset": row.project,
        "created": row.created_at,
        "held": dict(sorted(Counter(str(one["reason"]) for one in held).items())),
    }


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("number", "source", "file", "position", "reason")}


def _marked(facility: Facility, row: SubmissionRow) -> list[tuple[str, Held]]:
    """Return everything restricted in a submission's archive with the mark that stands for it."""
    with reading(facility.database) as session:
        upload = session.get_one(UploadRow, f"{row.id}.archive")
    records = MemoryRecords(unpack(facility.vault.get(Blob(**upload.document))))
    approved = Admission(genetic_approval=row.document.get("genetic_approval", ""))
    salt = facility.keystore.secret("declassification", row.id)
    found = screen(records, parse_mapping(row.document["mapping"]), approved)
    return [(commitment(one.fingerprint or f"{one.source}/{one.file}", salt), one) for one in found]


def _turn(row: SubmissionRow) -> int:
    return int(row.document.get("turn", 0))


def _held(row: SubmissionRow) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = row.document.get("held", [])
    if not found:
        raise NotFound("nothing of this submission is held")
    return found


def _row(facility: Facility, submission: str) -> SubmissionRow:
    with reading(facility.database) as session:
        return row_in(session, submission)


def _officers(work: Work) -> set[str]:
    """Return the organisations of the secrecy officers; before there is one, the facility's own."""
    active = work.session.scalars(sa.select(PersonRow).where(PersonRow.active)).all()
    return {one.org for one in active if Role.SECRECY_OFFICER.value in one.roles} or {FIRST.org}
