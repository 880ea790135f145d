"""Pseudonyms and index tokens: keyed, domain separated, one for each patient and project."""

from collections.abc import Callable
from hashlib import blake2b, sha256

PSEUDONYM_BYTES = 12
TOKEN_BYTES = 16


def pseudonymiser(key: bytes, *domain: str, size: int = PSEUDONYM_BYTES) -> Callable[[str], str]:
    """Return a function from a value to ``2 × size`` hexadecimal characters.

    Other keys or domains give unrelated results. BLAKE2 takes 16 bytes of domain, so the domain is hashed first.

    >>> a, b = pseudonymiser(b"k" * 32, "p", "person"), pseudonymiser(b"k" * 32, "p", "visit")
    >>> a("x") == a("x"), a("x") == b("x"), len(a("x"))
    (True, False, 24)
    """
    person = sha256("\x1f".join(domain).encode()).digest()[:16]
    base = blake2b(key=key, digest_size=size, person=person)

    def pseudonym(value: str) -> str:
        state = base.copy()
        state.update(value.encode())
        return state.hexdigest()

    return pseudonym


def tokens(key: bytes) -> Callable[[str], str]:
    """Return the function from a patient's key to the facility's index token: the same in every project."""
    return pseudonymiser(key, "index", size=TOKEN_BYTES)


def number(pseudonym: str) -> int:
    """Return a positive 63-bit integer for tables that want one.

    >>> number("ff" * 12) < 2**63
    True
    """
    return int.from_bytes(blake2b(pseudonym.encode(), digest_size=8).digest(), "big") >> 1
