"""Permits: a partner applies, two people of compliance decide, the permit becomes active and ends by itself."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from datasets import permits as rules
from datasets.permits import Permit
from policies.access import Action, Kind, Resource
from policies.entry import commitment
from policies.errors import Conflict, Misuse, NotFound
from policies.people import Person
from policies.states import PermitState
from service.acts import act, seen, system_entry
from service.database import reading
from service.facility import Facility
from service.models import PermitRow


def create(facility: Facility, person: Person, request: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
    """Return a new draft. The same idempotency key of the same person never makes a second one.

    Args:
        request: ``dataset``, ``recipe``, ``purpose`` (DUO code), ``legal_basis``, ``ethics``, ``epsilon`` and ``delta``
            (decimal text), ``runs``, ``not_after`` (ISO 8601 with a time zone).

    Raises:
        Refused, Misuse, NotFound, Conflict: naming the rule.
    """
    made = _name(person, key)
    resource = Resource(Kind.PERMIT, made, org=person.org, author=person.id, state="draft")
    with act(facility, person, Action.PERMIT_CREATE, resource, permit=made) as this:
        facility.datasets.get(str(request["dataset"]))
        facility.recipe(str(request["recipe"]))
        permit = Permit(
            id=made,
            holder_org=person.org,
            people=frozenset({person.id, *request.get("people", ())}),
            purpose=str(request["purpose"]),
            legal_basis=str(request["legal_basis"])[:500],
            dataset=str(request["dataset"]),
            versions=(1, None),
            recipes=(str(request["recipe"]),),
            epsilon=decimal(request["epsilon"], "epsilon"),
            delta=decimal(request["delta"], "delta"),
            runs=int(request["runs"]),
            not_before=facility.clock(),
            not_after=_moment(request["not_after"]),
            conditions=(f"ethics approval {str(request['ethics'])[:100]}",),
            author=person.id,
        )
        if (known := _known(facility, made)) is not None:
            asked = replace(permit, not_before=known.not_before, approvals=known.approvals, state=known.state)
            if asked != known:
                raise Conflict("this idempotency key belongs to another application")
            return known.as_dict()
        facility.permits.put(permit, this.entry(dataset=permit.dataset, recipe=permit.recipes[0], runs=permit.runs))
    return permit.as_dict()


def submit(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return the permit, handed in for decision.

    Raises:
        Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_SUBMIT, resource_of(permit), permit=permit_id) as this:
        if permit.state is PermitState.DRAFT:
            rules.check_can_submit(person, permit, facility.datasets.get(permit.dataset), facility.clock())
            permit = rules.step(permit, PermitState.SUBMITTED)
            facility.permits.put(permit, this.entry())
    return permit.as_dict()


def approve(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return the permit with this person's approval; the last one needed makes it active.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_APPROVE, resource_of(permit), permit=permit_id) as this:
        permit = rules.approve(person, permit, facility.clock())
        facility.permits.put(permit, this.entry(approvals=len(permit.approvals)))
        return _activate(facility, permit).as_dict()


def reject(facility: Facility, person: Person, permit_id: str, reason: str) -> dict[str, Any]:
    """Return the permit, rejected."""
    return _step(facility, person, permit_id, Action.PERMIT_REJECT, PermitState.REJECTED, reason)


def revoke(facility: Facility, person: Person, permit_id: str, reason: str) -> dict[str, Any]:
    """Return the permit, taken back. No run starts under it any more, and none that waits gets its keys."""
    return _step(facility, person, permit_id, Action.PERMIT_REVOKE, PermitState.REVOKED, reason)


def show(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return a permit with what its runs have used."""
    permit = facility.permits.get(permit_id)
    seen(facility, person, Action.PERMIT_SHOW, resource_of(permit))
    return permit.as_dict()


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the permits that the person may see, newest first."""
    with reading(facility.database) as session:
        ids = session.scalars(sa.select(PermitRow.id).order_by(PermitRow.not_before.desc())).all()
    found = [facility.permits.get(one) for one in ids]
    shown = [p for p in found if facility.may(person, Action.PERMIT_SHOW, resource_of(p))]
    return [{**p.as_dict(), "holder": p.holder_org, "recipe": p.recipes[0]} for p in shown]


def in_force(facility: Facility, permit_id: str) -> Permit:
    """Return the permit; one whose last moment has passed is marked as expired first, an approved one as active.

    Raises:
        NotFound: there is none of that id.
    """
    permit = facility.permits.get(permit_id)
    if permit.state in (PermitState.ACTIVE, PermitState.APPROVED) and facility.clock() >= permit.not_after:
        permit = rules.step(permit, PermitState.EXPIRED)
        facility.permits.put(permit, system_entry(facility, "permit.expire", "permit", permit_id, permit=permit_id))
    return _activate(facility, permit)


def resource_of(permit: Permit) -> Resource:
    """Return the permit as the access rules see it."""
    return Resource(Kind.PERMIT, permit.id, org=permit.holder_org, author=permit.author, state=permit.state.value)


def _activate(facility: Facility, permit: Permit) -> Permit:
    if permit.state is not PermitState.APPROVED:
        return permit
    now = facility.clock()
    rules.check_can_activate(permit, now)
    active = rules.step(permit, PermitState.ACTIVE)
    entry = system_entry(facility, "permit.activate", "permit", permit.id, permit=permit.id)
    facility.permits.put(active, entry)
    return active


def _step(
    facility: Facility, person: Person, permit_id: str, action: Action, state: PermitState, reason: str
) -> dict[str, Any]:
    """Take a step that ends a permit. The reason may say anything, so the log holds a commitment to it only."""
    permit = facility.permits.get(permit_id)
    with act(facility, person, action, resource_of(permit), permit=permit_id) as this:
        if permit.state is not state:
            permit = rules.step(permit, state)
            salt = facility.keystore.secret("reason", permit_id)
            facility.permits.put(permit, this.entry(reason=commitment(reason, salt)))
    return permit.as_dict()


def _known(facility: Facility, permit_id: str) -> Permit | None:
    try:
        return facility.permits.get(permit_id)
    except NotFound:
        return None


def _name(person: Person, key: str | None) -> str:
    if key is None:
        return f"p-{secrets.token_hex(6)}"
    return "p-" + hashlib.sha256(f"{person.id}\x1f{key}".encode()).hexdigest()[:12]


def decimal(text: Any, what: str) -> Decimal:
    """Return a decimal number.

    Raises:
        Misuse: it is none, or not finite.
    """
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        raise Misuse(f"{what} is a decimal number") from None
    if not found.is_finite():
        raise Misuse(f"{what} is a finite decimal number")
    return found


def _moment(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise Misuse("not_after is a moment in ISO 8601, such as 2027-06-30T00:00:00+08:00") from None
    if found.tzinfo is None:
        raise Misuse("not_after needs a time zone, such as +08:00")
    return found
