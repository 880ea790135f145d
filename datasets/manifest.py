"""The signed statement of what a version consists of (``medtrain.manifest/2``).

A manifest names every encrypted part, chains to the one before by digest and is signed. It holds no key. Three things
stop rollback: the number in the name and in the signed text, the chain, and the digest that the catalogue and the
access log keep apart from the store (``Anchor``).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from datasets.versions import DataClass
from policies.envelope import seal, statement, unseal
from policies.errors import BadInput, Tampered

SCHEMA = "medtrain.manifest/2"
PREDICATE_TYPE = "urn:medtrain:manifest:2"
FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Part:
    """One encrypted object: the rows of one table whose patients fall into one bucket.

    Attributes:
        table, bucket: Which rows.
        sha256: Name of the object.
        rows, patients: Counts.
        born: The version that wrote it; later versions share it. Part of its AAD.
        content: Keyed hash of the plaintext rows.
    """

    table: str
    bucket: int
    sha256: str
    rows: int
    patients: int
    born: int
    content: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What a version was made from: digests only, so that the same inputs can be recognised.

    Attributes:
        mapping, profile, report: SHA-256 of the mapping, the de-identification profile and the quality report.
        submissions: Ids of the accepted submissions, in order.
    """

    mapping: str
    profile: str
    report: str
    submissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version consists of.

    Attributes:
        dataset, version: Its name.
        previous: Digest of the manifest before; 64 zeros for the first.
        data_class: ``demonstration`` or ``sensitive``.
        created: ISO 8601 in UTC.
        buckets: Into how many buckets patients fall.
        patients: Distinct patients of all tables.
        columns: Table -> pairs of column name and type, in order.
        parts: By table and bucket.
        sources: What it was made from.
        content: Digest over the parts' plaintext hashes: equal for equal rows.
    """

    dataset: str
    version: int
    previous: str
    data_class: DataClass
    created: str
    buckets: int
    patients: int
    columns: dict[str, tuple[tuple[str, str], ...]]
    parts: tuple[Part, ...]
    sources: Sources
    content: str

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only, valid against ``manifest.schema.json``."""
        return {
            "schema": SCHEMA,
            **asdict(self),
            "data_class": self.data_class.value,
            "columns": {table: [list(pair) for pair in self.columns[table]] for table in sorted(self.columns)},
            "parts": [asdict(part) for part in self.parts],
            "sources": {**asdict(self.sources), "submissions": list(self.sources.submissions)},
        }

    def rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        return sum(part.rows for part in self.parts if part.table == table)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the catalogue remembers about a version, apart from the store: its number and its envelope's digest."""

    version: int
    digest: str


def name(dataset: str, version: int) -> str:
    """Return the name under which a manifest is stored.

    >>> name("demo", 3)
    'manifests/demo/00000003.json'
    """
    return f"manifests/{dataset}/{version:08d}.json"


def digest(envelope: bytes) -> str:
    """Return the SHA-256 of a signed manifest, hexadecimal."""
    return hashlib.sha256(envelope).hexdigest()


def sign(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """Return the manifest in a DSSE envelope. The same manifest and key give the same bytes.

    Raises:
        BadInput: it does not follow ``manifest.schema.json``.
    """
    body = manifest.as_dict()
    if not _validator().is_valid(body):
        raise BadInput("the manifest does not follow its schema")
    return _sealed(manifest, body, key)


def digest_of(manifest: Manifest, key: Ed25519PrivateKey) -> str:
    """Return the digest of the envelope of a manifest that was read or signed before: it is valid, and not asked."""
    return digest(_sealed(manifest, manifest.as_dict(), key))


def read(envelope: bytes, key: Ed25519PublicKey, *, dataset: str, version: int) -> Manifest:
    """Return the manifest of an envelope, which must be of that dataset and version.

    Raises:
        Tampered: it is not signed by ``key``, not valid, or of another dataset or version (a file put elsewhere).
    """
    payload = unseal(envelope, key)
    if payload.get("predicateType") != PREDICATE_TYPE:
        raise Tampered("the signed statement is not a manifest")
    body = payload["predicate"]
    if not _validator().is_valid(body):
        raise Tampered("the signed manifest does not follow its schema")
    if (body["dataset"], body["version"]) != (dataset, version):
        raise Tampered("this manifest is of another dataset or version")
    return from_dict(body)


def check_anchor(envelope: bytes, anchor: Anchor) -> None:
    """Refuse a manifest that is not the one the catalogue remembers.

    Raises:
        Tampered: the store was rolled back, or its manifest replaced.
    """
    if digest(envelope) != anchor.digest:
        raise Tampered(f"version {anchor.version} is not the one that was published")


def from_dict(body: dict[str, Any]) -> Manifest:
    """Return the manifest that ``as_dict`` wrote."""
    rest = {key: value for key, value in body.items() if key != "schema"}
    return Manifest(
        **rest
        | {
            "data_class": DataClass(body["data_class"]),
            "columns": {table: tuple((n, t) for n, t in pairs) for table, pairs in body["columns"].items()},
            "parts": tuple(Part(**part) for part in body["parts"]),
            "sources": Sources(**body["sources"] | {"submissions": tuple(body["sources"]["submissions"])}),
        }
    )


def _sealed(manifest: Manifest, body: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    subjects = {f"{part.table}/{part.bucket}": part.sha256 for part in manifest.parts}
    return seal(statement(subjects, PREDICATE_TYPE, body), key)


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads(Path(__file__).with_name("manifest.schema.json").read_text("utf-8"))
    )
