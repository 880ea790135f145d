"""Encrypted Parquet in memory: the one place that touches polars' Parquet modular encryption.

A footer key alone encrypts every column, the statistics and the footer; ``column_keys`` would leave other columns
plain, so they are never used. The AAD is not stored in the file: who does not know which part it is cannot open it.
Source: Apache Parquet modular encryption (AES_GCM_V1).
"""

import hashlib
import hmac
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from policies.errors import Misuse, Tampered

NONCE_BYTES = 12
LEVEL = 1
"""Of zstd: on rows like these as small as the level that polars takes by itself (3), and a quarter faster."""
LONG = 16
OLDEST = pl.CompatLevel.oldest()  # offsets and one run of text, not views
TYPES: dict[str, pl.DataType] = {
    str(kind): kind
    for kind in (
        *(pl.String(), pl.Binary(), pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.Float32(), pl.Float64()),
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
    )
}
"""The types of columns that a version may have, by the name that its manifest shows."""


def encrypt(frame: pl.DataFrame, key: bytes, aad: str) -> bytes:
    """Return ``frame`` as encrypted Parquet bytes. The plaintext is only ever in memory.

    Args:
        frame: Any rows.
        key: 32 bytes, used for this file only.
        aad: What the file is, such as ``"run/r-1/train"``; the reader must name the same.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # polars calls its encryption unstable; the version is pinned
        frame.write_parquet(
            buffer,
            compression="zstd",
            compression_level=LEVEL,
            statistics=False,  # patients fall into buckets by a hash: least and greatest rule out nothing
            encryption=pl.ParquetEncryptionProperties(footer_key=key, aad_prefix=aad.encode(), store_aad_prefix=False),
        )
    return buffer.getvalue()


def scan(source: Path | bytes, key: bytes, aad: str, *, opened: bool = True) -> pl.LazyFrame:
    """Return the lazy rows of an encrypted file.

    Args:
        opened: Whether its footer is read now, so that a wrong key is found now; else ``unopened`` says it later.

    Raises:
        Tampered: the key or the AAD is not the one it was written with.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # polars calls its encryption unstable; the version is pinned
        rows = pl.scan_parquet(
            io.BytesIO(source) if isinstance(source, bytes) else source,
            glob=False,
            decryption=pl.ParquetDecryptionProperties(footer_key=key, aad_prefix=aad.encode()),
        )
    if opened:
        with unopened():
            rows.collect_schema()  # reads the footer, which only the right key and AAD open
    return rows


@contextmanager
def unopened() -> Iterator[None]:
    """Say of what goes wrong inside that encrypted rows do not open.

    Raises:
        Tampered: something did.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError):
        raise Tampered("encrypted rows do not open: another key, another part, or changed bytes") from None


def decrypt(source: Path | bytes, key: bytes, aad: str) -> pl.DataFrame:
    """Return the rows of an encrypted file.

    Raises:
        Tampered: the key or the AAD is not the one it was written with, or a byte was changed.
    """
    with unopened():
        return scan(source, key, aad, opened=False).collect()


def content_hash(frame: pl.DataFrame, key: bytes) -> str:
    """Return the keyed hash of the rows themselves, hexadecimal, 64 characters: the first half of ``hashed``."""
    return hashed(frame, key)[0]


def hashed(frame: pl.DataFrame, key: bytes) -> tuple[str, pl.DataFrame]:
    """Return the keyed hash of the rows themselves, hexadecimal, 64 characters; and the same rows, laid out by it.

    It depends on names, types, values and their order and on nothing else: not on chunks, compression or the
    version of a library. Keyed, because a plain hash of a small table could be guessed. The rows go through GHASH (as
    additional data of AES-256-GCM), whose result goes through HMAC-SHA-256 before anybody sees it: hash, then PRF
    (Wegman & Carter 1981). That is ten times as fast as hashing the rows by SHA-256, and the same to who lacks the key.

    To be hashed, long texts are copied one after the other. The rows that are returned use that copy: encoding texts
    that lie where the processor just read them takes a quarter less time.

    Raises:
        Misuse: a column's type has no canonical bytes.
    """
    rows = Cipher(algorithms.AES256(_derived(key, b"rows")), modes.GCM(bytes(NONCE_BYTES))).encryptor()
    absorb = rows.authenticate_additional_data
    absorb(frame.height.to_bytes(8, "big"))
    laid = []
    for name, column in zip(frame.columns, frame, strict=True):
        for field in (name, str(column.dtype)):
            raw = field.encode()
            absorb(len(raw).to_bytes(8, "big") + raw)
        none = bytes(-(-frame.height // 8))
        if nulls := none if not column.null_count() else np.packbits(column.is_null().to_numpy()).tobytes():
            absorb(nulls)
        parts, copy = _canonical(column)
        laid.append(copy)
        for part in parts:
            if len(part):  # an empty part would end the additional data
                absorb(part.data)
    rows.finalize()
    return hmac.new(_derived(key, b"outer"), rows.tag, hashlib.sha256).hexdigest(), pl.DataFrame(laid)


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"medtrain.content/2|" + purpose, hashlib.sha256).digest()


def _canonical(column: pl.Series) -> tuple[tuple[npt.NDArray[np.uint8], ...], pl.Series]:
    """Return the buffers whose bytes are the values: lengths, then texts, or little-endian numbers; and the column."""
    kind = column.dtype
    if kind in (pl.String, pl.Binary):
        known = column.fill_null("" if kind == pl.String else b"") if column.null_count() else column
        texts = known.rechunk().to_arrow(compat_level=OLDEST)
        _, offsets, values = texts.buffers()
        ends = np.frombuffer(offsets, "<i8", count=len(texts) + 1, offset=8 * texts.offset)
        whole = np.frombuffer(values if values is not None else b"", np.uint8)[ends[0] : ends[-1]]
        if known is column and len(whole) > LONG * len(texts):
            column = pl.Series(column.name, texts, dtype=kind)
        return (np.diff(ends).view(np.uint8), whole), column
    if str(kind) not in TYPES:
        raise Misuse(f"a column of type {kind} cannot be stored in a version")
    numbers = column
    if kind.is_temporal() or kind == pl.Boolean:
        numbers = column.to_physical().cast(pl.Int64)
    if numbers.null_count():
        numbers = numbers.fill_null(0)
    flat = np.ascontiguousarray(numbers.to_numpy())
    return (flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8),), column
