"""Patients' rights, exercised through their hospital: withdrawal, objection, access, correction (PIPL articles 44-50).

The hospital names a patient by his identity, or by the withdrawal token it holds; here he is a keyed hash. What the
hospital said to find him is not kept.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from datasets.permits import Permit
from deid.identity import Claim
from deid.transform.pseudonym import tokens
from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import IllegalTransition, Misuse, NotFound
from policies.people import Person
from policies.review import retention
from policies.states import RightsState, RunState, VersionState
from service.acts import act, seen
from service.database import Work, reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, MergedTokenRow, PatientRow, PermitRow, RunRow, VersionRow
from service.models_governance import ObjectionRow, RightsRow, TombstoneRow

KINDS = ("withdrawal", "objection", "access", "correction")
IDENTITY = ("id_card", "mrn", "name", "phone", "birth_date")


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient of a hospital, found.

    Attributes:
        tokens: Facility index tokens he is known by, merged ones included.
        places: Dataset -> his pseudonyms in it; of the hospital's own datasets only.
    """

    tokens: frozenset[str] = field(repr=False)
    places: Mapping[str, tuple[str, ...]] = field(repr=False)


def file(
    facility: Facility, person: Person, kind: str, who: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a patient's request, received: it is decided by ``fulfil`` or ``refuse`` within the days of the rules.

    Args:
        who: ``{"token": withdrawal token}``, or ``hospital`` and some of ``id_card``, ``mrn``, or ``name`` with
            ``phone`` and ``birth_date``, or ``dataset`` and ``pseudonym``.
        said: ``purpose`` (a DUO code, of an objection), ``note`` (of a correction, without the patient's name).

    Raises:
        Refused, Misuse, NotFound: naming the rule.
    """
    made = f"q-{secrets.token_hex(6)}"
    resource = Resource(Kind.RIGHTS, made, org=person.org, author=person.id, state="received")
    with act(facility, person, Action.RIGHTS_FILE, resource) as this:
        if kind not in KINDS:
            raise Misuse(f"a request is one of {', '.join(KINDS)}")
        subject = subject_of(facility, person.org, who)
        now = facility.clock()
        row = RightsRow(
            id=made,
            org=person.org,
            author=person.id,
            kind=kind,
            state=RightsState.RECEIVED,
            created_at=stamp(now),
            due_at=stamp(now + timedelta(days=retention().request_days)),
            document={
                "marks": sorted(mark(facility, token) for token in subject.tokens),
                "datasets": sorted(subject.places),
                "purpose": str(said.get("purpose", ""))[:16],
                "note": str(said.get("note", ""))[:500],
            },
        )
        with unit_of_work(facility.database, facility.clock) as work:
            work.session.add(row)
            work.add(this.entry(request=kind, datasets=len(subject.places)))
    return shape(row)


def subject_of(facility: Facility, org: str, who: Mapping[str, Any]) -> Subject:
    """Return the patient of a hospital that is meant.

    Raises:
        Misuse: too little is said to find anybody.
        NotFound: the hospital has no such patient here.
    """
    with reading(facility.database) as session:
        own = session.scalars(sa.select(DatasetRow.id).where(DatasetRow.org == org)).all()
        rows = (
            session.execute(
                sa.select(PatientRow.project, PatientRow.pseudonym, PatientRow.token).where(PatientRow.project.in_(own))
            ).all()
            if "token" in who
            else None
        )
        if rows is not None:
            wanted = {
                t for _, _, t in rows if hmac.compare_digest(withdrawal_token(facility, org, t), str(who["token"]))
            }
        elif "pseudonym" in who:
            query = sa.select(PatientRow.token).where(
                PatientRow.project == str(who.get("dataset")),
                PatientRow.project.in_(own),
                PatientRow.pseudonym == str(who["pseudonym"]),
            )
            wanted = set(session.scalars(query))
        else:
            wanted = set(_tokens_of(facility, own, who))
        known = {*wanted}
        merged = session.execute(sa.select(MergedTokenRow.gone, MergedTokenRow.kept)).all()
        for gone, kept in merged:
            if {gone, kept} & known:
                known |= {gone, kept}
        found = session.execute(
            sa.select(PatientRow.project, PatientRow.pseudonym, PatientRow.token).where(
                PatientRow.project.in_(own), PatientRow.token.in_(known)
            )
        ).all()
    if not found:
        raise NotFound("your hospital has no such patient here")
    places: dict[str, tuple[str, ...]] = {}
    for project, pseudonym, _ in sorted(found):
        places[project] = (*places.get(project, ()), pseudonym)
    return Subject(frozenset(known), places)


def withdrawal_token(facility: Facility, org: str, token: str) -> str:
    """Return what a hospital may give a patient so that he can withdraw without saying who he is."""
    key = facility.keystore.secret("withdrawal", org)
    return hmac.digest(key, token.encode(), "sha256").hex()[:32]


def handles(facility: Facility, person: Person, dataset: str) -> list[dict[str, str]]:
    """Return pseudonym and withdrawal token of every patient of a dataset, to its own hospital's officer."""
    with reading(facility.database) as session:
        row = session.get(DatasetRow, dataset)
        if row is None:
            raise NotFound("there is no such dataset")
        seen(facility, person, Action.RIGHTS_DECIDE, Resource(Kind.RIGHTS, f"handles/{dataset}", org=row.org))
        found = session.execute(
            sa.select(PatientRow.pseudonym, PatientRow.token).where(PatientRow.project == dataset)
        ).all()
    return [{"pseudonym": p, "token": withdrawal_token(facility, row.org, t)} for p, t in sorted(found)]


def mark(facility: Facility, token: str) -> str:
    """Return the keyed hash by which tombstones, objections and requests speak of a patient."""
    return hmac.digest(facility.keystore.secret("tombstone", "facility"), token.encode(), "sha256").hex()


def withdrawn(facility: Facility, found: Iterable[str], org: str) -> frozenset[str]:
    """Return which of these tokens' patients have withdrawn from a hospital's data."""
    marks = {mark(facility, token): token for token in found}
    with reading(facility.database) as session:
        gone = session.scalars(sa.select(TombstoneRow.mark).where(TombstoneRow.org == org)).all()
    return frozenset(marks[one] for one in gone if one in marks)


def objecting(facility: Facility, found: Iterable[str], purpose: str) -> frozenset[str]:
    """Return which of these tokens' patients object to a purpose, or to research as such."""
    marks = {mark(facility, token): token for token in found}
    with reading(facility.database) as session:
        query = sa.select(ObjectionRow.mark).where(ObjectionRow.purpose.in_((purpose, "")))
        against = session.scalars(query).all()
    return frozenset(marks[one] for one in against if one in marks)


def object_to(work: Work, facility: Facility, row: RightsRow) -> None:
    """Write a patient's objection down; from now on his data train nothing for that purpose."""
    for one in row.document["marks"]:
        if work.session.get(ObjectionRow, (one, row.document["purpose"])) is None:
            work.session.add(
                ObjectionRow(mark=one, purpose=row.document["purpose"], request=row.id, at=stamp(facility.clock()))
            )


def refuse(facility: Facility, person: Person, request: str, reason: str) -> dict[str, Any]:
    """Return a request, refused with a reason that the patient is told (PIPL article 50).

    Raises:
        Refused, Misuse, IllegalTransition: naming the rule.
    """
    row = row_of(facility, request)
    with act(facility, person, Action.RIGHTS_DECIDE, resource_of(row)) as this:
        check_open(row)
        if not reason.strip():
            raise Misuse("a refusal names its reason")
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(RightsRow, request)
            live.state = RightsState.REFUSED
            live.document = {**live.document, "reason": reason.strip()[:500]}
            work.add(this.entry(request=live.kind))
            return shape(live)


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the requests that the person may see, the most urgent first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(RightsRow).order_by(RightsRow.due_at, RightsRow.id)).all()
    return [shape(row) for row in rows if facility.may(person, Action.RIGHTS_SHOW, resource_of(row))]


def show(facility: Facility, person: Person, request: str) -> dict[str, Any]:
    """Return a request with what came of it."""
    row = row_of(facility, request)
    seen(facility, person, Action.RIGHTS_SHOW, resource_of(row))
    return {**shape(row), "outcome": row.document.get("outcome", {})}


def affected(facility: Facility, places: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return every run that saw, or may have seen, a version of these datasets: what it is and what is due.

    A released model is not unlearned: who holds it is told, and the bound that its certificate states is what is said
    about how much it depends on one patient.
    """
    with reading(facility.database) as session:
        rows = session.scalars(
            sa.select(RunRow).where(RunRow.document["dataset"].as_string().in_(list(places))).order_by(RunRow.id)
        ).all()
        purposes = {
            permit.id: Permit.from_dict(permit.document).purpose for permit in session.scalars(sa.select(PermitRow))
        }
    return [
        {
            "run": row.id,
            "permit": row.permit,
            "holder": row.org,
            "purpose": purposes.get(row.permit, ""),
            "dataset": row.document["dataset"],
            "version": row.document["version"],
            "state": row.state.value,
            "epsilon": row.document["epsilon"],
            "due": _due(row),
        }
        for row in rows
    ]


def _due(row: RunRow) -> str:
    if row.state is RunState.RELEASED:
        return "tell-holder-and-assess"
    if row.state in (RunState.CANCELLED, RunState.REFUSED, RunState.FAILED):
        return "nothing"
    return "stop"


def mark_versions_withdrawn(work: Work, dataset: str, below: int) -> int:
    """Withdraw every version before one; return how many."""
    rows = work.session.scalars(
        sa.select(VersionRow).where(
            VersionRow.dataset == dataset, VersionRow.number < below, VersionRow.state == VersionState.PUBLISHED
        )
    ).all()
    for row in rows:
        row.state = VersionState.WITHDRAWN
    return len(rows)


def row_of(facility: Facility, request: str) -> RightsRow:
    """Return a request's row.

    Raises:
        NotFound: there is none of that id.
    """
    with reading(facility.database) as session:
        row = session.get(RightsRow, request)
    if row is None:
        raise NotFound("there is no such request")
    return row


def check_open(row: RightsRow) -> None:
    """Refuse a request that was decided.

    Raises:
        IllegalTransition: it was.
    """
    if row.state is not RightsState.RECEIVED:
        raise IllegalTransition(f"a {row.state.value} request is decided")


def resource_of(row: RightsRow) -> Resource:
    """Return the request as the access rules see it."""
    return Resource(Kind.RIGHTS, row.id, org=row.org, author=row.author, state=row.state.value)


def shape(row: RightsRow) -> dict[str, Any]:
    """Return what is shown of a request in lists."""
    shown = {key: row.document[key] for key in ("datasets", "purpose", "note", "reason") if row.document.get(key)}
    return {
        "id": row.id,
        "kind": row.kind,
        "org": row.org,
        "author": row.author,
        "state": row.state.value,
        "created": row.created_at,
        "due": row.due_at,
        **shown,
    }


def _tokens_of(facility: Facility, datasets: Iterable[str], who: Mapping[str, Any]) -> set[str]:
    """Return the index tokens that an identity gives, by each key that a patient may be linked by."""
    said = {name: str(who[name]) for name in IDENTITY if who.get(name)}
    claim = Claim(str(who.get("hospital", "")), tuple((f"person.{name}", text) for name, text in said.items()))
    keys = claim.keys()
    if not keys:
        raise Misuse("say a valid id_card; or hospital and mrn; or name, phone and birth_date; or a withdrawal token")
    index = {facility.keystore.project(dataset).index for dataset in datasets}
    return {tokens(key)("\x1f".join((kind, *parts))) for key in index for kind, parts in keys.items()}
