"""Applying: a draft, its amendment, the pre-check, handing in; going on with a permit, and closing it."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from datasets import deciding
from datasets import permits as rules
from datasets.duo import HOME
from datasets.permits import OPEN_TERMS, Permit
from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Conflict, IllegalTransition, Misuse, NotFound
from policies.people import Person
from policies.review import permit_rules
from policies.states import PermitState
from policies.thresholds import budget
from service.acts import act, seen
from service.database import reading
from service.facility import Facility
from service.models import PersonRow
from service.permits.sight import resource_of, seen_as
from service.stopping import shred_extracts, stop_runs


def create(facility: Facility, person: Person, request: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
    """Return a new draft. The same idempotency key of the same person never makes a second one.

    Args:
        request: ``dataset``, ``recipe``, ``purpose`` (DUO code), ``legal_basis``, ``ethics``, ``epsilon`` and ``delta``
            (decimal text), ``runs``, ``not_after`` (ISO 8601 with a time zone); optionally ``people``, ``controller``
            (the partner's organisation where it is not named), ``controller_country``, ``access_country``,
            ``commercial``, ``diseases``, ``undertakes``, ``justification``, ``delivery``, ``delivery_basis``.

    Raises:
        Refused, Misuse, NotFound, Conflict: naming the rule.
    """
    made = _name(person, key)
    resource = Resource(Kind.PERMIT, made, org=person.org, author=person.id, state="draft")
    with act(facility, person, Action.PERMIT_CREATE, resource, permit=made) as this:
        permit = _asked(facility, person, made, request)
        if (known := _known(facility, made)) is not None:
            course = {name: getattr(known, name) for name in (*rules.COURSE, "conditions", "not_before")}
            if replace(permit, **course) != known:
                raise Conflict("this idempotency key belongs to another application")
            return known.as_dict()
        facility.permits.put(permit, this.entry(dataset=permit.dataset, recipe=permit.recipes[0], runs=permit.runs))
    return permit.as_dict()


def amend(facility: Facility, person: Person, permit_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the application with other terms, while it is a draft or was returned.

    Raises:
        Refused, Misuse, Conflict: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_AMEND, resource_of(permit), permit=permit_id) as this:
        rules.check_holder(person, permit)
        if permit.state not in OPEN_TERMS:
            raise Conflict("the terms of a permit change only while it is a draft or returned")
        asked = _asked(facility, person, permit_id, {**_as_request(permit), **changes})
        amended = replace(
            asked, author=permit.author, people=asked.people | {permit.author}, state=permit.state, renews=permit.renews
        )
        changed = tuple(sorted(k for k, v in amended.terms().items() if permit.terms()[k] != v and k != "not_before"))
        facility.permits.put(amended, this.entry(changed=changed))
    return amended.as_dict()


def submit(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return the permit, handed in for decision, after what a machine can check.

    Raises:
        Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    about = facility.datasets.get(permit.dataset)
    with act(
        facility, person, Action.PERMIT_SUBMIT, resource_of(permit, about), permit=permit_id, foreign=permit.foreign
    ) as this:
        if permit.state in OPEN_TERMS:
            rules.check_can_submit(person, permit, about, facility.clock())
            findings = findings_of(facility, permit)
            deciding.check_findings(findings)
            permit = rules.step(permit, PermitState.SUBMITTED)
            noted = tuple(one.code for one in findings if not one.holds)
            facility.permits.put(permit, this.entry(noted=noted))
    return permit.as_dict()


def precheck(facility: Facility, person: Person, permit_id: str) -> list[dict[str, Any]]:
    """Return what a machine can say about an application: before it is handed in, and to who decides."""
    permit = facility.permits.get(permit_id)
    seen(facility, person, Action.PERMIT_SHOW, seen_as(facility, person, permit))
    return [one.as_dict() for one in findings_of(facility, permit)]


def renew(facility: Facility, person: Person, permit_id: str, not_after: str) -> dict[str, Any]:
    """Return a new draft that goes on with a permit: the same terms, another end. It is decided like any other.

    Raises:
        Refused, Misuse, IllegalTransition: naming the rule.
    """
    old = facility.permits.get(permit_id)
    made = _name(person, f"renew {permit_id} {not_after}")
    with act(facility, person, Action.PERMIT_RENEW, resource_of(old), permit=permit_id) as this:
        rules.check_holder(person, old)
        if old.state not in (PermitState.ACTIVE, PermitState.EXPIRED):
            raise IllegalTransition(f"a {old.state.value} permit is not renewed")
        if (known := _known(facility, made)) is not None:
            return known.as_dict()
        asked = _asked(facility, person, made, {**_as_request(old), "not_after": not_after})
        permit = replace(asked, renews=permit_id, people=asked.people | old.people)
        facility.permits.put(permit, this.entry(renewal=made))
    return permit.as_dict()


def close(facility: Facility, person: Person, permit_id: str, said: str) -> dict[str, Any]:
    """Return the permit, closed with the holder's statement of what became of data and results.

    Raises:
        Refused, Misuse, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_CLOSE, resource_of(permit), permit=permit_id) as this:
        rules.check_holder(person, permit)
        closed = deciding.close(permit, said)
        statement_digest = hashlib.sha256(closed.statement.encode()).hexdigest()
        facility.permits.put(closed, this.entry(statement=statement_digest))
    stop_runs(facility, permits=(permit_id,), code="permit-closed")
    shred_extracts(facility, permits=(permit_id,))
    return closed.as_dict()


def findings_of(facility: Facility, permit: Permit) -> tuple[deciding.Finding, ...]:
    """Return the results of the pre-check."""
    with reading(facility.database) as session:
        colleagues = session.scalars(sa.select(PersonRow.id).where(PersonRow.org == permit.holder_org))
        known = frozenset(colleagues)
    earlier = [one for one in facility.permits.of(permit.holder_org) if one.id != permit.id]
    return deciding.precheck(
        permit,
        facility.datasets.get(permit.dataset),
        permit_rules(),
        colleagues=known,
        earlier=earlier,
        lifetime=budget().epsilon,
    )


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


def _asked(facility: Facility, person: Person, made: str, request: Mapping[str, Any]) -> Permit:
    facility.datasets.get(str(request["dataset"]))
    facility.recipe(str(request["recipe"]))
    return Permit(
        id=made,
        holder_org=person.org,
        people=frozenset({person.id, *map(str, request.get("people") or ())}),
        purpose=str(request["purpose"]),
        legal_basis=str(request["legal_basis"])[:500],
        ethics=str(request["ethics"])[:100],
        controller=str(request.get("controller") or person.org)[:100],
        controller_country=str(request.get("controller_country") or HOME),
        access_country=str(request.get("access_country") or HOME),
        commercial=bool(request.get("commercial", False)),
        diseases=frozenset(map(str, request.get("diseases") or ())),
        undertakes=frozenset(map(str, request.get("undertakes") or ())),
        justification=str(request.get("justification") or "")[:2000],
        delivery=str(request.get("delivery") or "sandbox"),
        delivery_basis=str(request.get("delivery_basis") or "")[:500],
        dataset=str(request["dataset"]),
        versions=(1, None),
        recipes=(str(request["recipe"]),),
        epsilon=decimal(request["epsilon"], "epsilon"),
        delta=decimal(request["delta"], "delta"),
        runs=int(request["runs"]),
        not_before=facility.clock(),
        not_after=_moment(request["not_after"]),
        author=person.id,
    )


def _as_request(permit: Permit) -> dict[str, Any]:
    said = permit.as_dict()
    names = (
        "dataset", "purpose", "legal_basis", "ethics", "controller", "controller_country", "access_country",
        "commercial", "diseases", "undertakes", "justification", "delivery", "delivery_basis", "epsilon", "delta",
        "runs", "people",
    )  # fmt: skip
    return {**{name: said[name] for name in names}, "recipe": permit.recipes[0], "not_after": stamp(permit.not_after)}


def _known(facility: Facility, permit_id: str) -> Permit | None:
    try:
        return facility.permits.get(permit_id)
    except NotFound:
        return None


def _name(person: Person, key: str | None) -> str:
    if key is None:
        return f"p-{secrets.token_hex(6)}"
    return "p-" + hashlib.sha256(f"{person.id}\x1f{key}".encode()).hexdigest()[:12]


def _moment(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise Misuse("not_after is a moment in ISO 8601, such as 2027-06-30T00:00:00+08:00") from None
    if found.tzinfo is None:
        raise Misuse("not_after needs a time zone, such as +08:00")
    return found
