"""DSSE envelopes over in-toto statements, signed with Ed25519.

The signature covers the payload's bytes, which are verified before they are parsed.
Source: DSSE protocol v1 (pre-authentication encoding), in-toto Statement v1.
"""

import base64
import binascii
import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.canonical import canonical, strict_json
from policies.errors import Tampered

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


def statement(subjects: dict[str, str], predicate_type: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """Return an in-toto statement about files, given as name -> SHA-256 in hexadecimal."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the raw public key, in hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def seal(payload: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return the canonical JSON of a DSSE envelope around ``payload``."""
    body = canonical(payload)
    signature = key.sign(_pre_authentication(PAYLOAD_TYPE, body))
    return canonical(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(body).decode(),
            "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
        }
    )


def unseal(envelope: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    """Return the payload of an envelope that ``key`` signed.

    Raises:
        Tampered: the envelope is malformed, not canonical, or not signed by ``key``.
    """
    outer = strict_json(envelope)
    try:
        if outer["payloadType"] != PAYLOAD_TYPE or canonical(outer) != envelope:
            raise Tampered("the envelope is not in canonical form")
        body = base64.b64decode(outer["payload"], validate=True)
        signed = [s for s in outer["signatures"] if s["keyid"] == key_id(key)]
        if not signed:
            raise Tampered("the envelope is not signed by the trusted key")
        key.verify(base64.b64decode(signed[0]["sig"], validate=True), _pre_authentication(PAYLOAD_TYPE, body))
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError):
        raise Tampered("the envelope is malformed") from None
    except InvalidSignature:
        raise Tampered("the signature does not fit the content") from None
    payload = strict_json(body)
    if not isinstance(payload, dict):
        raise Tampered("the envelope is malformed")
    return payload


def _pre_authentication(kind: str, body: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)
