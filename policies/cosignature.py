"""A witness's word that it saw a log's checkpoint, and that it continues the one it saw before.

A line of a signed note beside the log's own, with the time. Source: C2SP tlog-cosignature (``cosignature/v1``).
"""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.errors import Tampered
from policies.proof import HASH_BYTES, Checkpoint

KIND = b"\x04"  # Ed25519, cosignature/v1
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


def witness_vkey(name: str, key: Ed25519PublicKey) -> str:
    """Return a witness's public key in the form that verifiers are given: ``name+key id+key``."""
    raw = key.public_bytes_raw()
    return f"{name}+{_key_id(name, raw).hex()}+{base64.b64encode(KIND + raw).decode()}"


def cosign(body: str, name: str, key: Ed25519PrivateKey, seconds: int) -> bytes:
    """Return the witness's line for a checkpoint's signed text, at ``seconds`` since 1970."""
    mark = _key_id(name, key.public_key().public_bytes_raw()) + seconds.to_bytes(_TIME_BYTES, "big")
    mark += key.sign(_message(body, seconds))
    return f"\u2014 {name} {base64.b64encode(mark).decode()}\n".encode()


def cosigned_at(line: bytes, checkpoint: Checkpoint, trusted: str) -> int:
    """Return when the witness of the ``trusted`` key cosigned the checkpoint, in seconds since 1970.

    Raises:
        Tampered: the key or the line is malformed, or it is not that witness's word on that checkpoint.
    """
    try:
        name, key_id, text = trusted.split("+", 2)
        key = base64.b64decode(text, validate=True)
        dash, who, mark = line.decode().removesuffix("\n").split(" ")
        raw = base64.b64decode(mark, validate=True)
    except ValueError:
        raise Tampered("the cosignature or its key is malformed") from None
    if len(key) != 1 + HASH_BYTES or key[:1] != KIND or key_id != _key_id(name, key[1:]).hex():
        raise Tampered("the witness's key is malformed")
    if (dash, who, raw[:4].hex(), len(raw)) != ("\u2014", name, key_id, 4 + _TIME_BYTES + _SIGNATURE_BYTES):
        raise Tampered("the cosignature is not of this witness")
    seconds = int.from_bytes(raw[4 : 4 + _TIME_BYTES], "big")
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4 + _TIME_BYTES :], _message(checkpoint.body(), seconds))
    except InvalidSignature:
        raise Tampered("the cosignature does not fit the checkpoint") from None
    return seconds


def _key_id(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(f"{name}\n".encode() + KIND + raw).digest()[:4]


def _message(body: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()
