"""Staff of every organisation: who may sign in, and the emergency stop that takes two of them to lift."""

import secrets
from typing import Any

import sqlalchemy as sa

from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import IllegalTransition, SeparationOfDuty
from policies.people import Person, Role
from service import identity
from service.acts import act, frozen_row, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import ApprovalRow, FreezeRow

THAW = "thaw"
NEEDED = 2


def add(facility: Facility, person: Person, new: str, org: str, roles: frozenset[Role]) -> dict[str, Any]:
    """Return the new person with their first token.

    Raises:
        Refused, Misuse, Conflict: naming the rule.
    """
    added = Person(new, org, roles)
    with act(facility, person, Action.PERSON_ADD, Resource(Kind.PERSON, new, org=org)) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            identity.add_person(work, added, this.entry(org=org, roles=tuple(sorted(roles))))
            issued = identity.issue_token(work, new, this.entry(stage="token"))
    return {**_shape(added), "token": issued.secret, "expires": issued.expires_at}


def issue(facility: Facility, person: Person, whose: str) -> dict[str, Any]:
    """Return a new token of a person.

    Raises:
        Refused, NotFound: naming the rule.
    """
    with (
        act(facility, person, Action.TOKEN_ISSUE, Resource(Kind.PERSON, whose)) as this,
        unit_of_work(facility.database, facility.clock) as work,
    ):
        issued = identity.issue_token(work, whose, this.entry())
    return {"id": whose, "token": issued.secret, "expires": issued.expires_at}


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return everybody who may sign in."""
    seen(facility, person, Action.PERSON_LIST, Resource(Kind.PERSON, "all"))
    with reading(facility.database) as session:
        return [_shape(one) for one in identity.people(session)]


def standing(facility: Facility) -> dict[str, Any] | None:
    """Return the emergency stop in force: who, when, why, and who wants it lifted; nothing while all goes on."""
    with reading(facility.database) as session:
        stop = frozen_row(session)
        if stop is None:
            return None
        query = sa.select(ApprovalRow.person).where(ApprovalRow.kind == THAW, ApprovalRow.object == stop.id)
        lifting = sorted(session.scalars(query))
        return {"by": stop.by, "at": stop.at, "reason": stop.document["reason"], "lifting": lifting}


def freeze(facility: Facility, person: Person, reason: str) -> dict[str, Any]:
    """Return the state of the facility, stopped: nothing is read, trained or released."""
    with act(facility, person, Action.FACILITY_FREEZE, _facility()) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            if frozen_row(work.session) is None:
                made = FreezeRow(
                    id=f"z-{secrets.token_hex(6)}",
                    by=person.id,
                    at=stamp(facility.clock()),
                    thawed_at=None,
                    document={"reason": reason[:200]},
                )
                work.session.add(made)
            work.add(this.entry())
    return {"frozen": True}


def thaw(facility: Facility, person: Person) -> dict[str, Any]:
    """Return the state of the facility; the second person's word lifts the stop.

    Raises:
        Refused, SeparationOfDuty, IllegalTransition: naming the rule.
    """
    with act(facility, person, Action.FACILITY_THAW, _facility()) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            stop = frozen_row(work.session)
            if stop is None:
                raise IllegalTransition("the facility is not frozen")
            query = sa.select(ApprovalRow.person).where(ApprovalRow.kind == THAW, ApprovalRow.object == stop.id)
            already = set(work.session.scalars(query))
            if person.id in already:
                raise SeparationOfDuty("the same person does not lift the stop twice; another must")
            moment = stamp(facility.clock())
            work.session.add(ApprovalRow(kind=THAW, object=stop.id, person=person.id, verdict="approve", at=moment))
            if len(already) + 1 >= NEEDED:
                stop.thawed_at = moment
            work.add(this.entry(approvals=len(already) + 1))
            return {"frozen": stop.thawed_at is None, "approvals": len(already) + 1, "needed": NEEDED}


def _facility() -> Resource:
    return Resource(Kind.FACILITY, "facility")


def _shape(person: Person) -> dict[str, Any]:
    return {"id": person.id, "org": person.org, "roles": sorted(person.roles)}
