"""Incidents: what PIPL article 57 wants to be told of a leak, tampering or loss, and whom it concerns."""

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from policies.access import Action, Kind, Resource
from policies.entry import commitment
from policies.errors import Misuse, NotFound
from policies.people import Person
from policies.states import IncidentState
from service.acts import act, frozen_row, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, PatientRow
from service.models_governance import IncidentRow
from service.notices import tell

# PIPL article 57: categories, causes and possible harm; remedies taken and what people can do; contact.
FIELDS = ("categories", "causes", "harm", "remedies", "advice", "contact")
KINDS = ("leak", "tampering", "loss")
LONGEST = 2000


def record(
    facility: Facility, person: Person, kind: str, datasets: list[str], said: Mapping[str, str]
) -> dict[str, Any]:
    """Return a new incident about some datasets; their owners are told at once.

    Raises:
        Refused, Misuse, NotFound: naming the rule.
    """
    made = f"i-{secrets.token_hex(6)}"
    with act(facility, person, Action.INCIDENT_RECORD, Resource(Kind.INCIDENT, made, state="open")) as this:
        if kind not in KINDS:
            raise Misuse(f"an incident is one of {', '.join(KINDS)}")
        with unit_of_work(facility.database, facility.clock) as work:
            owners = {one: _owner(work.session, one) for one in datasets}
            stop = frozen_row(work.session)
            row = IncidentRow(
                id=made,
                by=person.id,
                state=IncidentState.OPEN,
                at=work.now(),
                document={
                    "kind": kind,
                    "datasets": sorted(owners),
                    "told": _told(said),
                    "frozen": stop.id if stop else None,
                    "steps": [{"state": "open", "at": work.now(), "by": person.id}],
                },
            )
            work.session.add(row)
            for owner in sorted(set(owners.values())):
                tell(work, owner, "incident", made)
            work.add(this.entry(incident=kind, datasets=tuple(sorted(owners))))
            return shape(row)


def advance(
    facility: Facility, person: Person, incident: str, state: IncidentState, said: Mapping[str, str]
) -> dict[str, Any]:
    """Return the incident one step on, with what is known by now.

    Raises:
        Refused, Misuse, IllegalTransition: naming the rule; people are not told before every field is filled.
    """
    row = row_of(facility, incident)
    with act(facility, person, Action.INCIDENT_RECORD, _resource(row)) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(IncidentRow, incident)
            told = {**live.document["told"], **_told(said)}
            if state is IncidentState.NOTIFIED and (missing := [name for name in FIELDS if not told.get(name)]):
                raise Misuse(f"before people are told, say: {', '.join(missing)} (PIPL article 57)")
            live.state = state
            step = {"state": state.value, "at": work.now(), "by": person.id}
            live.document = {**live.document, "told": told, "steps": [*live.document["steps"], step]}
            salt = facility.keystore.secret("reason", incident)
            work.add(this.entry(state=state.value, told=commitment(str(sorted(told.items())), salt)))
            return shape(live)


def show(facility: Facility, person: Person, incident: str) -> dict[str, Any]:
    """Return an incident; to an officer, where it concerns his hospital."""
    row = row_of(facility, incident)
    seen(facility, person, Action.INCIDENT_SHOW, _seen_by(facility, person, row))
    return shape(row)


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the incidents that the person may see, newest first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(IncidentRow).order_by(IncidentRow.at.desc())).all()
    return [shape(row) for row in rows if facility.may(person, Action.INCIDENT_SHOW, _seen_by(facility, person, row))]


def subjects(facility: Facility, person: Person, incident: str) -> list[dict[str, str]]:
    """Return the patients of the officer's own hospital whom an incident concerns: dataset and pseudonym.

    Raises:
        Refused: it concerns no dataset of his hospital.
    """
    row = row_of(facility, incident)
    resource = _seen_by(facility, person, row)
    with reading(facility.database) as session:
        own = sa.select(DatasetRow.id).where(DatasetRow.org == person.org, DatasetRow.id.in_(row.document["datasets"]))
        found = session.execute(
            sa.select(PatientRow.project, PatientRow.pseudonym)
            .where(PatientRow.project.in_(own))
            .order_by(PatientRow.project, PatientRow.pseudonym)
        ).all()
    seen(facility, person, Action.INCIDENT_SUBJECTS, resource, subjects=len(found))
    return [{"dataset": dataset, "pseudonym": pseudonym} for dataset, pseudonym in found]


def notification(row: Mapping[str, Any]) -> str:
    """Return what is told to people and the authority, in the order of PIPL article 57, with gaps marked."""
    told = row["told"]
    gap = "【待补充 to be filled】"
    lines = [
        f"# 个人信息安全事件通知 Incident notification {row['id']}",
        "",
        f"- 发生时间 At: {row['at']}",
        f"- 性质 Kind: {row['kind']}",
        f"- 涉及数据集 Datasets: {', '.join(row['datasets']) or gap}",
        f"- 涉及人数 Subjects: {row['subjects']}",
        f"- 涉及的个人信息种类 Categories: {told.get('categories') or gap}",
        f"- 原因 Causes: {told.get('causes') or gap}",
        f"- 可能造成的危害 Possible harm: {told.get('harm') or gap}",
        f"- 已采取的补救措施 Remedies: {told.get('remedies') or gap}",
        f"- 个人可以采取的减轻危害的措施 What you can do: {told.get('advice') or gap}",
        f"- 联系方式 Contact: {told.get('contact') or gap}",
    ]
    return "\n".join(lines) + "\n"


def document(facility: Facility, person: Person, incident: str) -> str:
    """Return the notification of an incident (Markdown), in both languages."""
    row = row_of(facility, incident)
    seen(facility, person, Action.INCIDENT_SHOW, _seen_by(facility, person, row))
    with reading(facility.database) as session:
        query = sa.select(sa.func.count()).where(PatientRow.project.in_(row.document["datasets"]))
        count = session.scalar(query) or 0
    return notification({**shape(row), "subjects": count})


def row_of(facility: Facility, incident: str) -> IncidentRow:
    """Return an incident's row.

    Raises:
        NotFound: there is none of that id.
    """
    with reading(facility.database) as session:
        row = session.get(IncidentRow, incident)
    if row is None:
        raise NotFound("there is no such incident")
    return row


def shape(row: IncidentRow) -> dict[str, Any]:
    """Return what is shown of an incident."""
    return {"id": row.id, "by": row.by, "state": row.state.value, "at": row.at, **row.document}


def _told(said: Mapping[str, str]) -> dict[str, str]:
    if unknown := sorted(set(said) - set(FIELDS)):
        raise Misuse(f"an incident has no field named {', '.join(unknown)[:100]}")
    return {name: str(text)[:LONGEST] for name, text in said.items() if text}


def _owner(session: Any, dataset: str) -> str:
    row = session.get(DatasetRow, dataset)
    if row is None:
        raise NotFound("there is no such dataset")
    return str(row.org)


def _resource(row: IncidentRow) -> Resource:
    return Resource(Kind.INCIDENT, row.id, author=row.by, state=row.state.value)


def _seen_by(facility: Facility, person: Person, row: IncidentRow) -> Resource:
    """Return the incident as the rules see it: of an officer's organisation where it concerns its data."""
    with reading(facility.database) as session:
        query = sa.select(DatasetRow.id).where(
            DatasetRow.org == person.org, DatasetRow.id.in_(row.document["datasets"])
        )
        mine = session.scalars(query.limit(1)).first() is not None
    resource = _resource(row)
    return Resource(Kind.INCIDENT, resource.id, org=person.org if mine else "", author=row.by, state=resource.state)
