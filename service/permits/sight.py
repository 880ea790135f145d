"""A permit as it is seen, in force, and as the access rules see it."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from datasets import deciding
from datasets import permits as rules
from datasets.permits import Permit
from datasets.versions import Dataset
from policies.access import Action, Kind, Resource
from policies.canonical import digest
from policies.envelope import seal, statement
from policies.errors import IllegalTransition
from policies.people import Person, Role
from policies.review import Way, permit_rules
from policies.states import PermitState
from service.acts import seen, system_entry
from service.database import reading
from service.facility import Facility
from service.models import PermitRow

PREDICATE_TYPE = "urn:medtrain:permit:1"


def show(facility: Facility, person: Person, permit_id: str) -> dict[str, Any]:
    """Return a permit."""
    permit = facility.permits.get(permit_id)
    seen(facility, person, Action.PERMIT_SHOW, seen_as(facility, person, permit))
    return permit.as_dict()


def document(facility: Facility, person: Person, permit_id: str) -> bytes:
    """Return the granted permit as a signed statement (DSSE); the same permit gives the same bytes.

    Raises:
        IllegalTransition: it is not granted.
    """
    permit = facility.permits.get(permit_id)
    seen(facility, person, Action.PERMIT_SHOW, seen_as(facility, person, permit))
    if permit.state not in (PermitState.ACTIVE, PermitState.EXPIRED, PermitState.CLOSED):
        raise IllegalTransition(f"a {permit.state.value} permit is no signed document")
    terms = permit.as_dict()
    said = {key: terms[key] for key in terms if key not in ("reminded", "statement", "state")}
    subjects = {f"permit/{permit.id}": digest(permit.terms())}
    return seal(statement(subjects, PREDICATE_TYPE, said), facility.keystore.signing_key("receipt"))


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the permits that the person may see, newest first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(PermitRow).order_by(PermitRow.not_before.desc())).all()
    found = [Permit.from_dict(row.document) for row in rows]
    owners = {one.id: one.owner_org for one in facility.datasets.all()}
    shown = [
        permit
        for permit in found
        if facility.may(person, Action.PERMIT_SHOW, _seen_as(person, permit, owners.get(permit.dataset, "")))
    ]
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
    return activated(facility, permit)


def activated(facility: Facility, permit: Permit) -> Permit:
    """Return the permit, active if it is approved, signed and its time has come; else as it is."""
    if permit.state is not PermitState.APPROVED or not deciding.is_signed(permit, way_of(facility, permit)):
        return permit
    rules.check_can_activate(permit, facility.clock())
    active = rules.step(permit, PermitState.ACTIVE)
    entry = system_entry(facility, "permit.activate", "permit", permit.id, permit=permit.id)
    facility.permits.put(active, entry)
    return active


def resource_of(permit: Permit, about: Dataset | None = None) -> Resource:
    """Return the permit as the access rules see it, with what the dataset it is about says."""
    return Resource(
        Kind.PERMIT,
        permit.id,
        org=permit.holder_org,
        author=permit.author,
        state=permit.state.value,
        level=about.level if about else 0,
        genomic=about.genomic if about else False,
    )


def seen_as(facility: Facility, person: Person, permit: Permit) -> Resource:
    """Return the permit as whoever looks at it is related to it: officers of the dataset's owner may see it too."""
    return _seen_as(person, permit, facility.datasets.get(permit.dataset).owner_org)


def way_of(facility: Facility, permit: Permit) -> Way:
    """Return how an application is decided, by the class of its data."""
    return permit_rules().of(facility.datasets.get(permit.dataset).data_class)


def _seen_as(person: Person, permit: Permit, owner: str) -> Resource:
    found = resource_of(permit)
    return replace(found, org=owner) if Role.DATA_OFFICER in person.roles else found
