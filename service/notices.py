"""Notices: what an organisation was told, such as that a permit ends soon."""

import hashlib
from typing import Any

import sqlalchemy as sa

from policies.people import Person, Role
from service.database import Work, reading
from service.facility import Facility
from service.models_governance import NoticeRow

REVIEWERS = frozenset({Role.COMPLIANCE, Role.AUDITOR})
SHOWN = 200


def tell(work: Work, org: str, kind: str, object_: str, **said: Any) -> None:
    """Add a notice to an open unit of work; the same one told again is one notice."""
    name = f"n-{hashlib.sha256(f'{org}|{kind}|{object_}|{sorted(said.items())}'.encode()).hexdigest()[:16]}"
    if work.session.get(NoticeRow, name) is None:
        work.session.add(NoticeRow(id=name, org=org, kind=kind, object=object_, at=work.now(), document=said))


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return what the person's organisation was told, the newest first; to reviewers, what everybody was."""
    query = sa.select(NoticeRow).order_by(NoticeRow.at.desc(), NoticeRow.id).limit(SHOWN)
    if not person.roles & REVIEWERS:
        query = query.where(NoticeRow.org == person.org)
    with reading(facility.database) as session:
        rows = session.scalars(query).all()
    return [
        {"id": row.id, "org": row.org, "kind": row.kind, "object": row.object, "at": row.at, **row.document}
        for row in rows
    ]
