"""Keys: the tree from the root to the data, and the protocols behind which its parts are kept.

root key -> key-encrypting key of a scope and generation -> one random data key for each object -> the data

A scope is a dataset or a vault. Its key-encrypting keys live in the keystore only and never in a database; wrapped
data keys live in a database table and never in a manifest. So destroying a generation, after the live data keys have
been wrapped under the next, makes every old backup of the table worthless: that is what shredding rests on.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from datasets.suites import SUITES, SuiteName
from policies.entry import Entry
from policies.errors import Shredded, Tampered

KEY_BYTES = 32
NONCE_BYTES = 12

Purpose: TypeAlias = Literal["manifest", "certificate", "checkpoint", "receipt", "witness"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Random: TypeAlias = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ScopeKey:
    """A key-encrypting key. No repr shows it.

    Attributes:
        scope: What it wraps keys for: a dataset's id, or a vault's label.
        generation: From 1; each rotation adds one.
        key: 32 bytes.
        suite: The ciphers that it wraps with.
    """

    scope: str
    generation: int
    key: bytes = field(repr=False)
    suite: SuiteName = "intl"


@dataclass(frozen=True, slots=True)
class ProjectSecrets:
    """The three keys that de-identification needs. No repr shows them.

    Attributes:
        index: Facility-wide, the same for every project, never rotated.
        pseudonym, shift: The project's own.
    """

    index: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)
    shift: bytes = field(repr=False)


class Keystore(Protocol):
    """Holds the keys that nothing else may hold. Keys are made when first asked for."""

    def scope_key(self, scope: str, generation: int | None = None) -> ScopeKey: ...
    def rotate(self, scope: str) -> ScopeKey: ...
    def destroy(self, scope: str, generation: int) -> None: ...
    def signing_key(self, purpose: Purpose) -> Ed25519PrivateKey: ...
    def project(self, project: str) -> ProjectSecrets: ...
    def secret(self, purpose: str, scope: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The data key of one object, encrypted: a row of a database table.

    Attributes:
        object: The object's name (SHA-256, hexadecimal).
        scope, generation: The key-encrypting key that opens it.
        wrapped: Nonce, then ciphertext and tag of the suite that this generation has.
        at: When the row was written, ISO 8601 in UTC, as in its log entry.
    """

    object: str
    scope: str
    generation: int
    wrapped: bytes = field(repr=False)
    at: str


class WrappedKeys(Protocol):
    """Where wrapped data keys live. Every write takes the log entry it belongs to, and is one transaction."""

    def get(self, object_: str) -> WrappedKey | None: ...
    def of(self, scope: str) -> tuple[WrappedKey, ...]: ...
    def put(self, keys: Iterable[WrappedKey], entry: Entry) -> None: ...
    def delete(self, objects: Iterable[str], entry: Entry) -> None: ...


class MemoryWrappedKeys:
    """Wrapped keys in memory, for tests; the same contract tests run on this and on the database's."""

    def __init__(self) -> None:
        self._rows: dict[str, WrappedKey] = {}
        self.entries: list[Entry] = []

    def get(self, object_: str) -> WrappedKey | None:
        """Return the row of an object, or nothing where its key was destroyed or never existed."""
        return self._rows.get(object_)

    def of(self, scope: str) -> tuple[WrappedKey, ...]:
        """Return all rows of a scope, by object name."""
        return tuple(self._rows[name] for name in sorted(self._rows) if self._rows[name].scope == scope)

    def put(self, keys: Iterable[WrappedKey], entry: Entry) -> None:
        """Write rows, replacing those of the same objects (rewrapped under a new generation)."""
        self._rows |= {key.object: key for key in keys}
        self.entries.append(entry)

    def delete(self, objects: Iterable[str], entry: Entry) -> None:
        """Remove rows: the objects can no longer be read."""
        for name in objects:
            self._rows.pop(name, None)
        self.entries.append(entry)


def wrap(key: ScopeKey, data_key: bytes, object_: str, at: str, random: Random = os.urandom) -> WrappedKey:
    """Return the table row of an object's data key, encrypted and bound to scope, generation and object.

    Args:
        key: The newest key of the scope.
        data_key: 32 bytes.
        object_: The object's name. It is the hash of ciphertext that is itself bound to what it is (its AAD).
        at: The moment of the log entry it is committed with.
        random: Source of the nonce.
    """
    nonce = random(NONCE_BYTES)
    sealed = nonce + SUITES[key.suite].seal(key.key, nonce, data_key, _bound(key, object_))
    return WrappedKey(object_, key.scope, key.generation, sealed, at)


def unwrap(key: ScopeKey, row: WrappedKey) -> bytes:
    """Return the data key in a row.

    Raises:
        Tampered: the row was changed, or moved to another object, scope or generation.
    """
    if (row.scope, row.generation) != (key.scope, key.generation):
        raise Tampered("a wrapped key does not fit the object it is stored for")
    nonce, sealed = row.wrapped[:NONCE_BYTES], row.wrapped[NONCE_BYTES:]
    try:
        return SUITES[key.suite].open(key.key, nonce, sealed, _bound(key, row.object))
    except Tampered:
        raise Tampered("a wrapped key does not fit the object it is stored for") from None


def data_key(keystore: Keystore, keys: WrappedKeys, object_: str, scope: str) -> bytes:
    """Return the data key of an object.

    Raises:
        Shredded: there is no key for it any more.
        Tampered: its row was changed, or is of another object or scope.
    """
    row = keys.get(object_)
    if row is None:
        raise Shredded("the data asked for were withdrawn and their key destroyed")
    if (row.object, row.scope) != (object_, scope):
        raise Tampered("a wrapped key does not fit the object it is stored for")
    return unwrap(keystore.scope_key(scope, row.generation), row)


def rotate(keystore: Keystore, keys: WrappedKeys, scope: str, entry: Entry, random: Random = os.urandom) -> ScopeKey:
    """Return a scope's new key, under which all live data keys now are; every older generation is destroyed.

    After it, no copy of the table made before opens anything. The caller keeps writers of this scope out meanwhile.
    A crash at any point is mended by rotating again.
    """
    new = keystore.rotate(scope)
    rows = keys.of(scope)
    olds = {number: keystore.scope_key(scope, number) for number in {row.generation for row in rows}}
    keys.put([wrap(new, unwrap(olds[row.generation], row), row.object, row.at, random) for row in rows], entry)
    for number in range(1, new.generation):
        keystore.destroy(scope, number)
    return new


def _bound(key: ScopeKey, object_: str) -> bytes:
    suite = "" if key.suite == "intl" else f"|{key.suite}"
    return f"medtrain.key/1|{key.scope}|{key.generation}|{object_}{suite}".encode()
