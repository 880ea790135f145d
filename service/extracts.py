"""Extracts that leave: what a permit says, marked for its recipient, sealed to his key, for a time, made again alike.

By default nothing leaves: training happens where the data are. An extract leaves only under a permit that says
``outside``, with its ground named and the owner's signature; or to the hospital that contributed the data.
"""

import base64
import binascii
import hashlib
from datetime import timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from datasets import sealing
from datasets.features import build
from datasets.permits import Permit
from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Misuse, NotFound, Refused
from policies.people import Person
from policies.review import retention
from policies.states import ExtractState
from service import permits
from service.acts import act, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.measuring import newest_published
from service.models import ExtractRow
from service.training import objectors, split_key

SANDBOX, OUTSIDE = "sandbox", "outside"


def prepare(
    facility: Facility, person: Person, permit_id: str, recipient: str, columns: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return an extract of the permit's recipe, ready to be fetched by its holder.

    Args:
        recipient: The holder's X25519 public key, base64.
        columns: Features to take; all of the recipe's where none is named.

    Raises:
        Refused, PermitExpired, Misuse, NotFound: naming the rule.
    """
    permit = permits.in_force(facility, permit_id)
    about = facility.datasets.get(permit.dataset)
    with act(
        facility,
        person,
        Action.EXTRACT_PREPARE,
        permits.resource_of(permit, about),
        permit=permit_id,
        not_before=stamp(permit.not_before),
        not_after=stamp(permit.not_after),
        foreign=permit.foreign,
    ) as this:
        check_may_leave(permit)
        key = _key(recipient)
        with reading(facility.database) as session:
            number = newest_published(session, permit.dataset)
        first, last = permit.versions
        if number < first or (last is not None and number > last):
            raise Refused("the permit does not cover the newest published version")
        names = facility.recipe(permit.recipes[0]).names
        if unknown := sorted(set(columns) - set(names)):
            raise Misuse(f"the recipe has no feature {unknown[0][:60]}")
        taken = tuple(name for name in names if not columns or name in columns)
        made = "e-" + hashlib.sha256("\x1f".join((permit_id, str(number), key.hex(), *taken)).encode()).hexdigest()[:12]
        document = {"recipe": permit.recipes[0], "columns": list(taken), "recipient": base64.b64encode(key).decode()}
        raw = content(facility, permit, number, made, document)
        ends = min(permit.not_after, facility.clock() + timedelta(days=retention().extract_days))
        with unit_of_work(facility.database, facility.clock) as work:
            row = work.session.get(ExtractRow, made)
            if row is None:
                row = ExtractRow(
                    id=made,
                    permit=permit_id,
                    dataset=permit.dataset,
                    version=number,
                    state=ExtractState.PREPARED,
                    created_at=work.now(),
                    expires_at=stamp(ends),
                    document={**document, "org": person.org, "sha256": sealing.digest(raw), "bytes": len(raw)},
                )
                work.session.add(row)
            work.add(this.entry(extract=made, version=number, sha256=sealing.digest(raw), columns=len(taken)))
            return shape(row)


def fetch(facility: Facility, person: Person, extract: str) -> bytes:
    """Return an extract, sealed to its recipient's key: the same rows each time, or nothing at all.

    Raises:
        Refused, NotFound, Shredded: naming the rule.
    """
    row = _row(facility, extract)
    with act(facility, person, Action.EXTRACT_FETCH, resource_of(row), permit=row.permit) as this:
        permit = permits.in_force(facility, row.permit)
        check_may_leave(permit)
        if row.expires_at is not None and row.expires_at <= stamp(facility.clock()):
            raise Refused("the extract has expired")
        raw = content(facility, permit, row.version, row.id, row.document)
        if sealing.digest(raw) != row.document["sha256"]:
            raise Refused("the data of this extract have changed since: prepare it again")
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(ExtractRow, extract)
            if live.state is ExtractState.PREPARED:
                live.state = ExtractState.DELIVERED
            work.add(this.entry(sha256=row.document["sha256"]))
        return sealing.seal(raw, base64.b64decode(row.document["recipient"]), extract)


def content(facility: Facility, permit: Permit, version: int, name: str, document: dict[str, Any]) -> bytes:
    """Return the rows of an extract, marked for its holder: the same for the same permit, version and columns."""
    recipe = facility.recipe(document["recipe"])
    manifest = facility.manifest_of(permit.dataset, version)
    made = build(recipe, lambda table: facility.store.scan(manifest, table), split_key(facility, permit.dataset))
    against = objectors(facility, permit.dataset, permit.purpose)
    frame = made.frame.filter(~pl.col("patient").is_in(list(against)))
    cover = {one: place for place, one in enumerate(sorted(frame["patient"].unique(), key=_hidden(facility, name)))}
    shown = frame.with_columns(pl.col("patient").replace_strict(cover, return_dtype=pl.UInt32))
    wanted = shown.select("patient", *document["columns"], *made.labels).sort("patient", maintain_order=True)
    return sealing.to_bytes(sealing.mark(wanted, document["columns"], mark_key(facility, permit.holder_org)))


def trace(facility: Facility, person: Person, leaked: pl.DataFrame) -> list[str]:
    """Return which organisations a leaked table was marked for, past reasonable doubt; compliance asks.

    Raises:
        Refused: somebody else asks.
    """
    seen(facility, person, Action.INCIDENT_RECORD, Resource(Kind.INCIDENT, "trace"))
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(ExtractRow)).all()
        orgs = {row.document["org"] for row in rows if "org" in row.document}
    keys = {org: mark_key(facility, org) for org in orgs}
    return sealing.recipients(
        leaked, [name for name in leaked.columns if name not in ("patient", "label", "event")], keys
    )


def check_may_leave(permit: Permit) -> None:
    """Refuse unless the permit says that data may leave, on a named ground and with the owner's signature.

    Raises:
        Refused: they go to the sandbox only.
    """
    if permit.delivery != OUTSIDE:
        raise Refused("the data of this permit go to the sandbox only")
    if "owner" not in {one.party for one in permit.signatures}:
        raise Refused("the owner of the data has not signed that they may leave")


def mark_key(facility: Facility, org: str) -> bytes:
    """Return the key of the mark that an organisation's extracts carry."""
    return facility.keystore.secret("watermark", org)


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the extracts that the person may see, newest first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(ExtractRow).order_by(ExtractRow.created_at.desc(), ExtractRow.id)).all()
    return [shape(row) for row in rows if facility.may(person, Action.EXTRACT_SHOW, resource_of(row))]


def resource_of(row: ExtractRow) -> Resource:
    """Return the extract as the access rules see it."""
    return Resource(Kind.EXTRACT, row.id, org=row.document.get("org", ""), state=row.state.value)


def shape(row: ExtractRow) -> dict[str, Any]:
    """Return what is shown of an extract."""
    return {
        "id": row.id,
        "permit": row.permit,
        "dataset": row.dataset,
        "version": row.version,
        "state": row.state.value,
        "created": row.created_at,
        "expires": row.expires_at,
        "recipe": row.document.get("recipe"),
        "columns": row.document.get("columns", []),
        "sha256": row.document.get("sha256"),
    }


def _hidden(facility: Facility, name: str) -> Any:
    key = facility.keystore.secret("extract", name)
    return lambda patient: hashlib.sha256(key + patient.encode()).digest()


def _key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Misuse("the recipient's key is 32 bytes, in base64")
    return raw


def _row(facility: Facility, extract: str) -> ExtractRow:
    with reading(facility.database) as session:
        row = session.get(ExtractRow, extract)
    if row is None:
        raise NotFound("there is no such extract")
    return row
