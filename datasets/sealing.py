"""Extracts that leave: encrypted to the recipient's own key, and marked so that a copy tells who had it.

Encryption is HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM). The mark follows the idea of Agrawal & Kiernan,
"Watermarking Relational Databases" (VLDB 2002), with the value as its own key: the numbers are written on a grid, a
keyed hash picks some pairs of neighbouring points of each column and one point of each pair, and every value of a
picked pair is written as that point. Nobody without the key can tell a picked pair, and leaving out columns or rows or
changing their order does not take the mark away. A value moves by at most one step. Rounding to fewer places does.
"""

import hashlib
import hmac
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from policies.errors import Misuse, Tampered

GRID = 1000
"""Values are written in steps of 1 / GRID; the mark lies in the last of them."""
ONE_IN = 2
"""One pair in so many carries a part of the mark."""
SURE = 1e-6
"""A copy is said to be a recipient's when chance would explain it less often than this."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How well a copy fits a recipient's mark.

    Attributes:
        pairs: Picked pairs of which a value was found.
        fits: Those of which most values are the recipient's point.
        chance: Bound on the probability of so good a fit without the mark (Hoeffding, over the pairs).
    """

    pairs: int
    fits: int
    chance: float

    @property
    def proven(self) -> bool:
        """Whether it is past reasonable doubt."""
        return self.chance < SURE


def seal(raw: bytes, recipient: bytes, info: str) -> bytes:
    """Return ``raw`` encrypted to a recipient's X25519 public key (32 bytes).

    Raises:
        Misuse: it is no such key.
    """
    try:
        key = X25519PublicKey.from_public_bytes(recipient)
        return _suite().encrypt(raw, key, info.encode())
    except ValueError:
        raise Misuse("the recipient's key is not an X25519 public key of 32 bytes") from None


def open_sealed(sealed: bytes, key: X25519PrivateKey, info: str) -> bytes:
    """Return what was sealed: what a recipient does.

    Raises:
        Tampered: it was changed, or sealed to somebody else or for another extract.
    """
    try:
        return _suite().decrypt(sealed, key, info.encode())
    except (InvalidTag, ValueError):
        raise Tampered("the extract does not open: changed bytes, or another key or extract") from None


def mark(frame: pl.DataFrame, columns: Sequence[str], key: bytes) -> pl.DataFrame:
    """Return the frame with a recipient's mark in its numbers; the same key gives the same bytes.

    Args:
        frame: Numbers in [-1, 1].
        columns: Those that may carry the mark; whole numbers (0 and 1) are left alone.
        key: 32 bytes, the recipient's own; never shown.
    """
    marked = []
    for name in _usable(frame, columns):
        steps = _steps(frame[name])
        points = {low: _point(key, name, low) for low in np.unique(steps - steps % 2).tolist()}
        moved = [step if (point := points[step - step % 2]) is None else point for step in steps.tolist()]
        marked.append(pl.Series(name, np.asarray(moved) / GRID, dtype=pl.Float32))
    return frame.with_columns(marked)


def suspect(frame: pl.DataFrame, columns: Sequence[str], key: bytes) -> Suspicion:
    """Return how well a copy, or what is left of one, fits a recipient's mark."""
    pairs = fits = 0
    for name in _usable(frame, [name for name in columns if name in frame.columns]):
        votes: dict[int, int] = {}
        for step in _steps(frame[name]).tolist():
            low = step - step % 2
            if (point := _point(key, name, low)) is not None:
                votes[low] = votes.get(low, 0) + (1 if step == point else -1)
        pairs += len(votes)
        fits += sum(vote > 0 for vote in votes.values())
    excess = max(0.0, fits - pairs / 2)
    return Suspicion(pairs, fits, math.exp(-2 * excess**2 / pairs) if pairs else 1.0)


def recipients(frame: pl.DataFrame, columns: Sequence[str], keys: Mapping[str, bytes]) -> list[str]:
    """Return whose copy it is, past reasonable doubt, the likeliest first."""
    found = {who: suspect(frame, columns, key) for who, key in keys.items()}
    return sorted((who for who in found if found[who].proven), key=lambda who: found[who].chance)


def to_bytes(frame: pl.DataFrame) -> bytes:
    """Return a frame as CSV: the same frame gives the same bytes on every machine."""
    out = io.BytesIO()
    frame.write_csv(out, float_precision=3)
    return out.getvalue()


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _usable(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns that hold numbers between their bounds; a column of zeros and ones has no room for a mark."""
    return [name for name in columns if frame[name].dtype.is_float() and not frame[name].is_in([-1.0, 0.0, 1.0]).all()]


def _steps(column: pl.Series) -> np.ndarray:
    steps: np.ndarray = np.rint(column.to_numpy().astype(float) * GRID).astype(np.int64)
    return steps


@lru_cache(maxsize=1 << 16)
def _point(key: bytes, name: str, low: int) -> int | None:
    """Return the point of a pair that says the mark; None where the pair is not picked.

    The points -1, 0 and 1 stand for bounds and missing values and are never moved, nor is anything moved there.
    """
    seed = hmac.digest(key, f"{name}|{low}".encode(), "sha256")
    if seed[0] % ONE_IN or {low, low + 1} & {-GRID, 0, GRID}:
        return None
    return low + (seed[1] & 1)


def digest(raw: bytes) -> str:
    """Return the SHA-256 by which an extract is known again."""
    return hashlib.sha256(raw).hexdigest()
