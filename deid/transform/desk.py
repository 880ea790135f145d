"""The re-identification desk: values encrypted so that only two officers together can read them.

The desk's key is never held: it is the exclusive or of two shares, each of which alone says nothing about it. A sealed
value says which project it is of; whoever opens one needs both shares, and leaves a log entry (the service's part).

Source: AES-SIV (RFC 5297): deterministic, so that one value is one text within a project, and authenticated.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from policies.errors import Misuse, SeparationOfDuty, Tampered

SHARE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Share:
    """One officer's half of the key. No repr shows it."""

    officer: str
    half: bytes = field(repr=False)


def split(key: bytes, officers: tuple[str, str]) -> tuple[Share, Share]:
    """Return two shares of a fresh key of 64 bytes; the second half is drawn here.

    Raises:
        SeparationOfDuty: both shares would be one person's.
    """
    if officers[0] == officers[1]:
        raise SeparationOfDuty("the two shares of the desk's key belong to two people")
    if len(key) != SHARE_BYTES:
        raise Misuse(f"the desk's key has {SHARE_BYTES} bytes")
    blind = secrets.token_bytes(SHARE_BYTES)
    return Share(officers[0], blind), Share(officers[1], _mix(key, blind))


def seal(value: str, key: bytes, project: str) -> str:
    """Return the text that stands for a value."""
    sealed = AESSIV(key).encrypt(value.encode(), [b"medtrain-desk", project.encode()])
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def unseal(sealed: str, first: Share, second: Share, project: str) -> str:
    """Return the value behind a sealed text.

    Raises:
        SeparationOfDuty: both shares are one person's.
        Tampered: the text is not what was sealed, or the shares are not of one key or project.
    """
    if first.officer == second.officer:
        raise SeparationOfDuty("re-identification needs two officers")
    try:
        raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        return AESSIV(_mix(first.half, second.half)).decrypt(raw, [b"medtrain-desk", project.encode()]).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise Tampered("the sealed value does not fit the two shares and the project") from None


def _mix(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
