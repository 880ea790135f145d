"""Deciding on permits: reviews, votes, return, conflict of interest, signatures; revoking what was granted."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from datasets import deciding as rules
from datasets import permits as terms
from datasets.permits import Permit
from policies.access import Action, Resource
from policies.entry import commitment
from policies.people import Person
from policies.states import PermitState
from service.acts import Act, act
from service.facility import Facility
from service.permits.sight import activated, resource_of, way_of
from service.stopping import shred_extracts, stop_runs

OWNER_REVIEW = "hospital"


def review(
    facility: Facility, person: Person, permit_id: str, kind: str, *, positive: bool, note: str = ""
) -> dict[str, Any]:
    """Return the application with a review: the hospital's by its officer, ethics and privacy by compliance.

    Raises:
        Refused, SeparationOfDuty, Misuse, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    owner = facility.datasets.get(permit.dataset).owner_org
    action = Action.PERMIT_REVIEW_OWNER if kind == OWNER_REVIEW else Action.PERMIT_REVIEW
    resource = resource_of(permit)
    if kind == OWNER_REVIEW:
        resource = replace(resource, org=owner)
    with _deciding(facility, person, action, permit, resource) as this:
        way = way_of(facility, permit)
        permit = rules.review(person, permit, kind, positive=positive, way=way, now=facility.clock())
        facility.permits.put(permit, this.entry(review=kind, positive=positive, **_note(facility, permit_id, note)))
    return permit.as_dict()


def approve(facility: Facility, person: Person, permit_id: str, conditions: Iterable[str] = ()) -> dict[str, Any]:
    """Return the permit with this person's vote for it; after the last one, and the signatures, it is active.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    added = tuple(one.strip()[:300] for one in conditions if one.strip())
    with _deciding(facility, person, Action.PERMIT_APPROVE, permit) as this:
        permit = rules.approve(person, permit, way_of(facility, permit), facility.clock(), *added)
        facility.permits.put(permit, this.entry(approvals=len(permit.approvals), conditions=len(added)))
        return activated(facility, permit).as_dict()


def reject(facility: Facility, person: Person, permit_id: str, reason: str) -> dict[str, Any]:
    """Return the permit with this person's vote against it; enough of them reject it."""
    permit = facility.permits.get(permit_id)
    with _deciding(facility, person, Action.PERMIT_REJECT, permit) as this:
        if permit.state is not PermitState.REJECTED:
            permit = rules.reject(person, permit, way_of(facility, permit), facility.clock())
            facility.permits.put(
                permit, this.entry(rejections=len(permit.rejections), **_note(facility, permit_id, reason))
            )
    return permit.as_dict()


def give_back(facility: Facility, person: Person, permit_id: str, reason: str) -> dict[str, Any]:
    """Return the application, returned for amendment: what was decided so far counts no more."""
    permit = facility.permits.get(permit_id)
    with _deciding(facility, person, Action.PERMIT_RETURN, permit) as this:
        permit = terms.step(permit, PermitState.RETURNED)
        facility.permits.put(permit, this.entry(**_note(facility, permit_id, reason)))
    return permit.as_dict()


def declare_conflict(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return the application; from now on this person has no say in it."""
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_REVIEW, resource_of(permit), permit=permit_id) as this:
        permit = rules.declare_conflict(person, permit)
        facility.permits.put(permit, this.entry(conflict=person.id))
    return permit.as_dict()


def sign(facility: Facility, person: Person, permit_id: str, party: str) -> dict[str, Any]:
    """Return the approved permit with a party's signature; with the last one it becomes active.

    Raises:
        Refused, Misuse, IllegalTransition, PermitExpired: naming the rule.
    """
    permit = facility.permits.get(permit_id)
    resource = resource_of(permit)
    action = Action.PERMIT_SIGN
    if party == "owner":
        resource = replace(resource, org=facility.datasets.get(permit.dataset).owner_org)
        action = Action.PERMIT_SIGN_OWNER
    with act(facility, person, action, resource, permit=permit_id) as this:
        if party == "holder":
            terms.check_holder(person, permit)
        signed = rules.sign(person, permit, party, way_of(facility, permit), facility.clock())
        if signed != permit:
            facility.permits.put(signed, this.entry(party=party, terms=signed.signatures[-1].terms))
        return activated(facility, signed).as_dict()


def revoke(facility: Facility, person: Person, permit_id: str, reason: str) -> dict[str, Any]:
    """Return the permit, taken back: its runs are stopped where they are, and their keys destroyed."""
    permit = facility.permits.get(permit_id)
    with act(facility, person, Action.PERMIT_REVOKE, resource_of(permit), permit=permit_id) as this:
        if permit.state is not PermitState.REVOKED:
            permit = terms.step(permit, PermitState.REVOKED)
            facility.permits.put(permit, this.entry(**_note(facility, permit_id, reason)))
    stop_runs(facility, permits=(permit_id,), code="permit-revoked")
    shred_extracts(facility, permits=(permit_id,))
    return permit.as_dict()


def _deciding(
    facility: Facility, person: Person, action: Action, permit: Permit, resource: Resource | None = None
) -> AbstractContextManager[Act]:
    """Begin an act that decides; whoever has an interest in the application is refused by the rules."""
    return act(
        facility,
        person,
        action,
        resource or resource_of(permit),
        permit=permit.id,
        conflicted=rules.conflicted(person, permit),
    )


def _note(facility: Facility, permit_id: str, note: str) -> dict[str, str]:
    """A reason may say anything, so the log holds a commitment to it only."""
    return {"reason": commitment(note, facility.keystore.secret("reason", permit_id))} if note else {}
