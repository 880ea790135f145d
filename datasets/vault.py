"""The vault: uploads and quarantine, encrypted, readable by label only, shreddable one by one.

A blob is a chain of chunks in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015), under AES-256-GCM or,
where the scope's key is of suite ``gm``, SM4-GCM: the nonce counts the chunks and marks the last, so that none can be
dropped, doubled, moved or cut off. Each blob has its own key, which is wrapped for its label.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datasets.keys import KEY_BYTES, Keystore, Random, WrappedKeys, data_key, wrap
from datasets.objects import Objects
from datasets.suites import SUITES, SuiteName
from policies.entry import Entry
from policies.errors import Tampered

CHUNK_BYTES = 1 << 20
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Blob:
    """Where a blob is.

    Attributes:
        sha256: Name of the encrypted object.
        label: What it is, such as ``"submission/s-7/upload"``; it is bound to the bytes.
        size: Bytes of the content.
        suite: Whose cipher it is under.
    """

    sha256: str
    label: str
    size: int
    suite: SuiteName = "intl"


class Vault:
    """Encrypted blobs under one scope of the keystore, such as ``"uploads"``."""

    def __init__(
        self, objects: Objects, keystore: Keystore, keys: WrappedKeys, *, scope: str, random: Random = os.urandom
    ) -> None:
        self._objects, self._keystore, self._keys, self._scope, self._random = objects, keystore, keys, scope, random

    def put(self, raw: bytes, label: str, entry: Entry) -> Blob:
        """Return where ``raw`` now is. The key row is committed with ``entry`` before the blob can be found."""
        key = self._random(KEY_BYTES)
        scope_key = self._keystore.scope_key(self._scope)
        staged = self._objects.stage(seal_chunks(_split(raw), key, label, scope_key.suite))
        row = wrap(scope_key, key, staged.name, entry.at, self._random)
        self._keys.put((row,), entry)
        self._objects.settle(staged)
        return Blob(staged.name, label, len(raw), scope_key.suite)

    def get(self, blob: Blob) -> bytes:
        """Return the content. The caller logs the read.

        Raises:
            Shredded: its key was destroyed.
            Tampered: the bytes or the label do not fit.
        """
        key = data_key(self._keystore, self._keys, blob.sha256, self._scope)
        return b"".join(open_chunks(self._objects.get(blob.sha256), key, blob.label, blob.suite))

    def shred(self, blob: Blob, entry: Entry) -> None:
        """Destroy a blob: its key first, with ``entry``, then its bytes."""
        self._keys.delete((blob.sha256,), entry)
        self._objects.delete(blob.sha256)


def seal_chunks(chunks: Iterable[bytes], key: bytes, label: str, suite: SuiteName = "intl") -> Iterator[bytes]:
    """Yield the encrypted chunks. Every chunk but the last must have ``CHUNK_BYTES``; the key serves once."""
    seal, aad = SUITES[suite].seal, label.encode()
    waiting, number = None, 0
    for chunk in chunks:
        if waiting is not None:
            yield seal(key, _nonce(number, last=False), waiting, aad)
            number += 1
        waiting = chunk
    yield seal(key, _nonce(number, last=True), waiting or b"", aad)


def open_chunks(raw: bytes | memoryview, key: bytes, label: str, suite: SuiteName = "intl") -> Iterator[bytes]:
    """Yield the content chunk by chunk.

    Raises:
        Tampered: a chunk was changed, moved, dropped or added, or the label is another.
    """
    unseal, aad, step = SUITES[suite].open, label.encode(), CHUNK_BYTES + TAG_BYTES
    pieces = range(0, max(len(raw), 1), step)
    for number, start in enumerate(pieces):
        try:
            yield unseal(key, _nonce(number, last=number == len(pieces) - 1), bytes(raw[start : start + step]), aad)
        except Tampered:
            raise Tampered("an encrypted blob does not open: changed bytes or another label") from None


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _split(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), CHUNK_BYTES):
        yield raw[start : start + CHUNK_BYTES]
