"""Canonical JSON (RFC 8785) and a strict reader: one byte string for one value, and no other way round.

Everything that is hashed or signed goes through here.
"""

import hashlib
import json
import math
from typing import Any

import rfc8785

from policies.errors import Tampered


def canonical(value: Any) -> bytes:
    r"""Return the RFC 8785 bytes of ``value`` (JSON types only, integers within ±2^53).

    >>> canonical({"b": 1, "a": "é"})
    b'{"a":"\xc3\xa9","b":1}'
    """
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical bytes, 64 hexadecimal characters.

    >>> digest({})[:8]
    '44136fa3'
    """
    return hashlib.sha256(canonical(value)).hexdigest()


def strict_json(raw: bytes) -> Any:
    """Return the value of UTF-8 JSON text; refuse duplicate keys, NaN and Infinity, deep nesting and broken text.

    Raises:
        Tampered: the text is not strict JSON.

    >>> strict_json(b'{"a":1,"a":2}')
    Traceback (most recent call last):
    policies.errors.Tampered: not strict JSON: duplicate key
    """
    try:
        return json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (RecursionError, ValueError) as problem:  # broken text, or a number of thousands of digits
        raise Tampered(f"not strict JSON: {type(problem).__name__}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Tampered("not strict JSON: duplicate key")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Tampered("not strict JSON: a number too large")
    return number


def _refuse(word: str) -> Any:
    raise Tampered(f"not strict JSON: {word}")
