"""Pseudonyms and index tokens: keyed, domain separated, one for each patient and project.

A pseudonym is the first 96 bits of a CBC-MAC under AES-256, one value in one row or in a whole column: the same value
under the same key and domain always gives the same pseudonym, so joins hold, and whoever lacks the key can neither
compute nor test one. It is a pseudorandom function of the value: the value is padded without ambiguity (0x80, then
zeros) to b blocks, and every b has a key of its own, so each key only ever sees messages of one length, for which
CBC-MAC is a PRF as long as AES is (Bellare, Kilian and Rogaway 2000, theorem 3.1: the distinguishing advantage is below
2 b² q² / 2¹²⁸ for q values). A column is cut into lanes that go through AES together, which is what makes it fast.

Without a key there is no pseudonym: an unkeyed hash of a resident number is undone by trying all of them.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, sha256

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from policies.errors import Misuse

PSEUDONYM_BYTES = 12
TOKEN_BYTES = 16
KEY_BYTES = 32
BLOCK = 16
LANES = 1 << 15  # values that go through AES together: their blocks stay in the processor's cache
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2").view(np.uint16)

Bytes = npt.NDArray[np.uint8]


def pseudonymiser(key: bytes, *domain: str) -> Callable[[str], str]:
    """Return a function from a value to 24 hexadecimal characters. Other keys or domains give unrelated results.

    Raises:
        Misuse: there is no key of 32 bytes; a hash without one is no pseudonym.

    >>> a, b = pseudonymiser(b"k" * 32, "p", "person"), pseudonymiser(b"k" * 32, "p", "visit")
    >>> a("x") == a("x"), a("x") == b("x"), len(a("x"))
    (True, False, 24)
    """
    ciphers = _ciphers(key, domain)

    def pseudonym(value: str) -> str:
        padded = value.encode() + b"\x80"
        padded += bytes(-len(padded) % BLOCK)
        aes, state = ciphers(len(padded) // BLOCK), bytes(BLOCK)
        for at in range(0, len(padded), BLOCK):
            mixed = int.from_bytes(state) ^ int.from_bytes(padded[at : at + BLOCK])
            state = aes.update(mixed.to_bytes(BLOCK))
        return state[:PSEUDONYM_BYTES].hex()

    return pseudonym


def pseudonyms(values: pl.Series, key: bytes, *domain: str) -> pl.Series:
    """Return a whole column of pseudonyms: for every value what ``pseudonymiser`` gives, null for null.

    Raises:
        Misuse: there is no key of 32 bytes.
    """
    ciphers = _ciphers(key, domain)
    made = np.empty((len(values), PSEUDONYM_BYTES), np.uint16)
    sizes = values.str.len_bytes().fill_null(0).to_numpy().astype(np.uint32)
    lengths = np.unique(sizes)
    order = None if len(lengths) == 1 else np.argsort(sizes, kind="stable")
    data = _buffer(values if order is None else values.gather(order))
    start = at = 0
    for length, count in zip(lengths.tolist(), np.unique_counts(sizes).counts.tolist(), strict=True):
        lane = data[at : at + length * count].reshape(count, length)
        for first in range(0, count, LANES):
            rows = lane[first : first + LANES]
            where = slice(start + first, start + first + len(rows))
            made[where if order is None else order[where]] = _HEX[_mac(rows, ciphers)]
        start, at = start + count, at + length * count
    column = _strings(made).rename(values.name)
    return column if values.null_count() == 0 else pl.select(pl.when(values.is_not_null()).then(column)).to_series()


def tokens(key: bytes) -> Callable[[str], str]:
    """Return the function from a patient's key to the facility's index token: the same in every project.

    BLAKE2 takes 16 bytes of domain, so the domain is hashed first.
    """
    _check(key)
    base = blake2b(key=key, digest_size=TOKEN_BYTES, person=sha256(b"index").digest()[:16])

    def token(value: str) -> str:
        state = base.copy()
        state.update(value.encode())
        return state.hexdigest()

    return token


def subkey(key: bytes, *domain: str) -> bytes:
    """Return 32 bytes for one use, unrelated to those of any other use of the key.

    >>> subkey(b"k" * 32, "p", "images") == subkey(b"k" * 32, "q", "images")
    False
    """
    _check(key)
    return blake2b("\x1f".join(domain).encode(), key=key, digest_size=KEY_BYTES, person=b"medtrain-subkey").digest()


def number(pseudonym: str) -> int:
    """Return a positive 63-bit integer for tables that want one.

    >>> number("ff" * 12) < 2**63
    True
    """
    return int.from_bytes(blake2b(pseudonym.encode(), digest_size=8).digest(), "big") >> 1


def _ciphers(key: bytes, domain: tuple[str, ...]) -> Callable[[int], CipherContext]:
    """Return from a number of blocks to AES under that number's own key."""
    own = subkey(key, *domain)

    @lru_cache(maxsize=64)
    def cipher(blocks: int) -> CipherContext:
        of_length = blake2b(blocks.to_bytes(8), key=own, digest_size=KEY_BYTES, person=b"medtrain-blocks").digest()
        # ECB is only the way to reach AES itself, many blocks in one call; the chaining is done in ``_mac``
        return Cipher(algorithms.AES(of_length), modes.ECB()).encryptor()  # noqa: S305

    return cipher


def _check(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise Misuse(f"a pseudonym needs a secret key of {KEY_BYTES} bytes: a hash without a key can be undone")


def _mac(rows: Bytes, ciphers: Callable[[int], CipherContext]) -> Bytes:
    """Return the first 12 bytes of the CBC-MAC of values of one length, ``(n, length) uint8``."""
    count, length = rows.shape
    blocks = length // BLOCK + 1
    padded = np.zeros((count, blocks * BLOCK), np.uint8)
    padded[:, :length] = rows
    padded[:, length] = 0x80
    words = padded.view(np.uint64).reshape(count, blocks, 2)
    aes, state = ciphers(blocks), np.zeros((count, 2), np.uint64)
    for block in range(blocks):
        state = np.frombuffer(aes.update((state ^ words[:, block]).tobytes()), np.uint64).reshape(count, 2)
    return state.view(np.uint8)[:, :PSEUDONYM_BYTES]


def _buffer(values: pl.Series) -> Bytes:
    """Return the UTF-8 bytes of all values, one behind the other; null has none."""
    array = values.fill_null("").to_arrow()
    array = array.cast(pa.large_string()).combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = array if pa.types.is_large_string(array.type) else array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    if data is None or not len(array):
        return np.empty(0, np.uint8)
    return np.frombuffer(data, np.uint8)[int(ends[0]) : int(ends[-1])]


def _strings(made: npt.NDArray[np.uint16]) -> pl.Series:
    """Return rows of characters, two to a number, as a column of texts of one length."""
    count, wide = made.shape
    offsets = np.arange(count + 1, dtype=np.int64) * (2 * wide)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(made)]
    return pl.Series("", pa.Array.from_buffers(pa.large_string(), count, buffers), dtype=pl.String)
