"""Proofs about the access log, checked with public values only: no database, no clock, no key but the log's public one.

Sources: RFC 6962 section 2.1 (tree, inclusion, consistency); C2SP signed-note, tlog-checkpoint and tlog-proof@v1.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.errors import Tampered

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
MAX_NOTE_BYTES = 1 << 20
_ED25519 = b"\x01"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+]+")

# (level, number) -> hash of the complete subtree over entries [number << level, (number + 1) << level)
Subtree: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry, 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: as many hashes as ``size`` has one bits, larger subtrees first."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size, self.hashes = size, list(hashes)

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append a leaf hash; return the subtrees it completes as (level, number, hash), level 1 first."""
        return self.add_subtree(0, leaf)

    def add_subtree(self, level: int, root: bytes) -> list[tuple[int, int, bytes]]:
        """Append a complete subtree of ``1 << level`` entries; return it (unless it is a leaf) and what it completes.

        Raises:
            Tampered: the tree does not end where such a subtree begins.
        """
        if self.size & ((1 << level) - 1):
            raise Tampered("the tree does not end where this subtree begins")
        number, done = self.size >> level, [(level, self.size >> level, root)] if level else []
        self.size += 1 << level
        while number & 1:
            root, number, level = node_hash(self.hashes.pop(), root), number >> 1, level + 1
            done.append((level, number, root))
        self.hashes.append(root)
        return done

    def root(self) -> bytes:
        """Return the root of the tree as it stands, 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def root_hash(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, 32 bytes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def root_at(size: int, subtree: Subtree) -> bytes:
    """Return the root of the first ``size`` entries."""
    return _range(0, size, subtree) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of entry ``index`` in the tree of ``size`` entries, sibling first (RFC 6962 2.1.1)."""
    if not 0 <= index < size:
        raise Tampered("the entry is not in a log of that size")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(begin, middle, subtree))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of ``old`` entries begins the tree of ``new`` (RFC 6962 2.1.2)."""
    if not 0 <= old <= new:
        raise Tampered("a log does not shrink")
    if old in {0, new}:
        return []
    begin, end, path, whole = 0, new, [], True
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(begin, middle, subtree))
            begin, whole = middle, False
    if not whole:
        path.append(_range(begin, end, subtree))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Refuse a proof that does not lead from the leaf hash to the root.

    Raises:
        Tampered: it does not.

    Source: RFC 9162 section 2.1.3.2, the same tree.
    """
    if not 0 <= index < size:
        raise Tampered("the entry is not in a log of that size")
    number, last, found = index, size - 1, leaf
    for sibling in path:
        if not last:
            raise Tampered("the inclusion proof is too long")
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    if last or found != root:
        raise Tampered("the entry is not where the log's root says")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Refuse a proof that does not show the new tree to begin with the old one.

    Raises:
        Tampered: it does not: entries were changed, lost or slipped in.

    Source: RFC 9162 section 2.1.4.2, the same tree.
    """
    if not 0 <= old <= new:
        raise Tampered("the log is shorter than it was")
    if old in {0, new}:
        if path or old_root != (new_root if old else EMPTY_ROOT):
            raise Tampered("the log is not the one it was")
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise Tampered("the consistency proof is too short")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            raise Tampered("the consistency proof is too long")
        if number & 1 or number == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        number, last = number >> 1, last >> 1
    if last or before != old_root or after != new_root:
        raise Tampered("the log is not a continuation of what it was")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's statement about itself: its name, its number of entries, its root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def vkey(origin: str, key: Ed25519PublicKey) -> str:
    """Return the public key in the form that verifiers are given: ``name+key id+key``."""
    raw = key.public_bytes_raw()
    return f"{origin}+{_key_id(origin, raw).hex()}+{base64.b64encode(_ED25519 + raw).decode()}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """Return the checkpoint as a signed note; the key's name is the origin."""
    body = checkpoint.body()
    mark = _key_id(checkpoint.origin, key.public_key().public_bytes_raw()) + key.sign(body.encode())
    return f"{body}\n\u2014 {checkpoint.origin} {base64.b64encode(mark).decode()}\n".encode()


def open_checkpoint(note: bytes, trusted: str) -> Checkpoint:
    """Return the checkpoint of a note that the ``trusted`` verifier key signed. Other keys' lines are ignored.

    Raises:
        Tampered: the note is malformed, is another log's, or was not signed by that key.
    """
    name, key_id, key = _trusted(trusted)
    body = _signed_text(note, name, key_id, key)
    lines = body.split("\n")
    if len(lines) < 4 or lines[0] != name or not _DECIMAL.fullmatch(lines[1]):
        raise Tampered("the note is not a checkpoint of this log")
    return Checkpoint(lines[0], int(lines[1]), _hash(lines[2]))


def receipt(index: int, path: Sequence[bytes], note: bytes) -> bytes:
    """Return a ``tlog-proof@v1`` receipt: the offline proof that an entry is in the log."""
    lines = [PROOF_HEADER, f"index {index}", *(base64.b64encode(part).decode() for part in path), "", ""]
    return "\n".join(lines).encode() + note


def verify_receipt(receipt: bytes, entry: bytes, vkey: str) -> Checkpoint:
    """Return the checkpoint under which the receipt proves that ``entry`` is in the log.

    Raises:
        Tampered: the receipt is malformed, does not fit the entry, or its checkpoint was not signed by ``vkey``.
    """
    head, _, note = receipt.partition(b"\n\n")
    lines = _text(head).split("\n")
    if lines[0] != PROOF_HEADER:
        raise Tampered("not a tlog-proof@v1 receipt")
    rest = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    word, _, number = rest[0].partition(" ") if rest else ("", "", "")
    if word != "index" or not _DECIMAL.fullmatch(number):
        raise Tampered("the receipt names no entry")
    checkpoint = open_checkpoint(note, vkey)
    check_inclusion(leaf_hash(entry), int(number), checkpoint.size, [_hash(line) for line in rest[1:]], checkpoint.root)
    return checkpoint


def _split(count: int) -> int:
    """Return the largest power of two below ``count``, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(begin: int, end: int, subtree: Subtree) -> bytes:
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return subtree(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_range(begin, middle, subtree), _range(middle, end, subtree))


def _key_id(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(f"{name}\n".encode() + _ED25519 + raw).digest()[:4]


def _trusted(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    name, key_id, raw = (*text.split("+", 2), "", "")[:3]
    key = _base64(raw)
    if not _NAME.fullmatch(name) or len(key) != 1 + HASH_BYTES or key[:1] != _ED25519:
        raise Tampered("the verifier key is malformed")
    if key_id != _key_id(name, key[1:]).hex():
        raise Tampered("the verifier key's id does not fit the key")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def _signed_text(note: bytes, name: str, key_id: bytes, key: Ed25519PublicKey) -> str:
    text = _text(note)
    body, gap, signatures = text.rpartition("\n\n")
    if not gap or not signatures.endswith("\n") or len(note) > MAX_NOTE_BYTES:
        raise Tampered("the note is malformed")
    verified = False
    for line in signatures[:-1].split("\n"):
        dash, who, mark = (*line.split(" "), "", "", "")[:3]
        if dash != "\u2014" or not mark or line.count(" ") != 2:
            raise Tampered("the note has a malformed signature line")
        raw = _base64(mark)
        if who == name and raw[:4] == key_id:
            try:
                key.verify(raw[4:], f"{body}\n".encode())
            except InvalidSignature:
                raise Tampered("the note's signature does not fit its text") from None
            verified = True
    if not verified:
        raise Tampered("the note is not signed by the trusted key")
    return f"{body}\n"


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Tampered("not a text") from None
    if any(character < " " and character != "\n" for character in text):
        raise Tampered("a control character stands in the text")
    return text


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Tampered("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Tampered("not canonical base64")
    return raw


def _hash(text: str) -> bytes:
    raw = _base64(text)
    if len(raw) != HASH_BYTES:
        raise Tampered("not a SHA-256 hash")
    return raw
