"""Taking along: all data of a hospital's own, sealed to its own key, before it leaves or at any other time.

What is taken are the newest published versions: patients who withdrew are in none of them. Leaving itself
(``withdrawal.leave``) destroys; it hands over nothing.
"""

import base64
import binascii
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from datasets import cdm, delta, parcel
from datasets.manifest import Manifest
from policies.access import Action, Kind, Resource
from policies.errors import Misuse
from policies.people import Person
from policies.states import VersionState
from service.acts import act
from service.database import reading, record
from service.describing import shape
from service.facility import Facility
from service.models import DatasetRow, VersionRow

FORMS = ("omop", "parquet", "delta")
KEY_BYTES = 32


def take_out(facility: Facility, person: Person, recipient: str, form: str = "omop") -> Iterator[bytes]:
    """Return the bytes of a parcel with all data of the person's own hospital, made while they are read.

    Args:
        recipient: The hospital's X25519 public key, base64.
        form: ``omop`` (CDM v5.4 as CSV), ``parquet`` (the tables as they are) or ``delta`` (each a Delta table).

    Raises:
        Refused, Misuse: naming the rule.
    """
    with act(facility, person, Action.DATASET_TAKE_OUT, Resource(Kind.DATASET, "all", org=person.org)) as this:
        if form not in FORMS:
            raise Misuse(f"data are taken out as one of {', '.join(FORMS)}")
        key = _key(recipient)
        with reading(facility.database) as session:
            found = session.execute(
                sa.select(DatasetRow, sa.func.max(VersionRow.number))
                .join(VersionRow, VersionRow.dataset == DatasetRow.id)
                .where(DatasetRow.org == person.org, VersionRow.state == VersionState.PUBLISHED)
                .group_by(DatasetRow.id)
                .order_by(DatasetRow.id)
            ).all()
        own = [(shape(row), facility.manifest_of(row.id, number)) for row, number in found]
        taken = tuple(f"{one.dataset}/{one.version}" for _, one in own)
        record(
            facility.database,
            this.entry(versions=taken, form=form, recipient=hashlib.sha256(key).hexdigest()),
        )
    return parcel.pack(_files(facility, own, form), key, info(person.org))


def info(org: str) -> str:
    """Return what a hospital's parcel is bound to."""
    return f"takeout/{org}"


def _files(facility: Facility, own: list[tuple[dict[str, Any], Manifest]], form: str) -> Iterator[tuple[str, bytes]]:
    for about, manifest in own:
        name = manifest.dataset
        said = {**about, "version": manifest.version, "created": manifest.created, "content": manifest.content}
        said["rows"] = {table: manifest.rows(table) for table in sorted(manifest.columns)}
        yield f"{name}/dataset.json", json.dumps(said, ensure_ascii=False, indent=1).encode()
        for file, raw in _WAYS[form](facility, manifest):
            yield f"{name}/{file}", raw


def _omop(facility: Facility, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    return cdm.files(
        list(manifest.columns),
        lambda table: facility.store.rows(manifest, table),
        source=f"{manifest.dataset} version {manifest.version}",
        day=facility.clock().date(),
    )


def _parquet(facility: Facility, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    for table in sorted(manifest.columns):
        out = io.BytesIO()
        facility.store.rows(manifest, table).write_parquet(out, compression="zstd")
        yield f"{table}.parquet", out.getvalue()


def _delta(facility: Facility, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    at = int(facility.clock().timestamp() * 1000)
    for table in sorted(manifest.columns):
        for file, raw in delta.files(facility.store.rows(manifest, table), at):
            yield f"{table}/{file}", raw


_WAYS = dict(zip(FORMS, (_omop, _parquet, _delta), strict=True))


def _key(recipient: str) -> bytes:
    try:
        key = base64.b64decode(recipient, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise Misuse("the recipient's key is an X25519 public key, base64")
    return key
