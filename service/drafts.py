"""Drafts: what a partner has typed into an application so far, kept while he types."""

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Misuse, NotFound, Refused
from policies.people import Person
from service import permits
from service.facility import Facility
from service.models_governance import DraftRow

FIELDS = frozenset(
    {
        "dataset", "recipe", "purpose", "legal_basis", "ethics", "epsilon", "delta", "runs", "not_after", "people",
        "controller", "controller_country", "access_country", "commercial", "diseases", "undertakes", "justification",
        "delivery", "delivery_basis",
    }
)  # fmt: skip
MOST = 20
LONGEST = 4000


def save(facility: Facility, person: Person, draft: str | None, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft with these answers laid over what was there; nothing of it is checked before it is handed in.

    Raises:
        Refused: the person may not apply, or the draft is another's.
        Misuse: an answer has no such name, or is too long.
    """
    check_applicant(facility, person)
    if unknown := sorted(set(answers) - FIELDS):
        raise Misuse(f"an application has no answer named {', '.join(unknown)[:100]}")
    if any(len(str(value)) > LONGEST for value in answers.values()):
        raise Misuse(f"an answer has at most {LONGEST} characters")
    with Session(facility.database, expire_on_commit=False) as session, session.begin():
        row = session.get(DraftRow, draft) if draft else None
        if draft and (row is None or row.person != person.id):
            raise NotFound("there is no such draft")
        if row is None:
            mine = session.scalar(sa.select(sa.func.count()).where(DraftRow.person == person.id))
            if (mine or 0) >= MOST:
                raise Misuse(f"there are {MOST} drafts already: hand one in or throw one away")
            row = DraftRow(id=f"d-{secrets.token_hex(6)}", person=person.id, answers={})
            session.add(row)
        row.answers = {**(row.answers or {}), **answers}
        row.saved_at = stamp(facility.clock())
        return _shape(row)


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the person's own drafts, the newest first."""
    with Session(facility.database) as session:
        query = sa.select(DraftRow).where(DraftRow.person == person.id).order_by(DraftRow.saved_at.desc())
        return [_shape(row) for row in session.scalars(query)]


def show(facility: Facility, person: Person, draft: str) -> dict[str, Any]:
    """Return one of the person's own drafts.

    Raises:
        NotFound: there is none, or it is another's.
    """
    with Session(facility.database) as session:
        row = session.get(DraftRow, draft)
        if row is None or row.person != person.id:
            raise NotFound("there is no such draft")
        return _shape(row)


def throw_away(facility: Facility, person: Person, draft: str) -> None:
    """Delete one of the person's own drafts; nothing happens where there is none."""
    with Session(facility.database) as session, session.begin():
        session.execute(sa.delete(DraftRow).where(DraftRow.id == draft, DraftRow.person == person.id))


def hand_in(facility: Facility, person: Person, draft: str) -> dict[str, Any]:
    """Return the application that a draft became, handed in. A second time it is the same application.

    Raises:
        Refused, Misuse, NotFound: naming the rule; the draft is still there.
    """
    answers = show(facility, person, draft)["answers"]
    needed = ("dataset", "recipe", "purpose", "legal_basis", "ethics", "epsilon", "not_after")
    if missing := [name for name in needed if not answers.get(name)]:
        raise Misuse(f"the application lacks: {', '.join(missing)}")
    made = permits.create(facility, person, {"delta": "0.00001", "runs": 1, **answers}, key=f"draft {draft}")
    told = permits.submit(facility, person, made["id"])
    throw_away(facility, person, draft)
    return told


def check_applicant(facility: Facility, person: Person) -> None:
    """Refuse who may not apply.

    Raises:
        Refused: partners apply.
    """
    if not facility.may(person, Action.PERMIT_CREATE, Resource(Kind.PERMIT, "new", org=person.org, author=person.id)):
        raise Refused("only partners apply for permits")


def _shape(row: DraftRow) -> dict[str, Any]:
    return {"id": row.id, "saved": row.saved_at, "answers": row.answers}
