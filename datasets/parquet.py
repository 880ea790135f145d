"""Encrypted Parquet in memory: the one place that touches polars' Parquet modular encryption.

A footer key alone encrypts every column, the statistics and the footer; ``column_keys`` would leave other columns
plain, so they are never used. The AAD is not stored in the file: who does not know which part it is cannot open it.
Source: Apache Parquet modular encryption (AES_GCM_V1).
"""

import hashlib
import hmac
import io
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from policies.errors import Misuse, Tampered

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
            encryption=pl.ParquetEncryptionProperties(footer_key=key, aad_prefix=aad.encode(), store_aad_prefix=False),
        )
    return buffer.getvalue()


def scan(source: Path | bytes, key: bytes, aad: str) -> pl.LazyFrame:
    """Return the lazy rows of an encrypted file.

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
    try:
        rows.collect_schema()  # reads the footer, which only the right key and AAD open
    except (pl.exceptions.PolarsError, OSError):
        raise Tampered("encrypted rows do not open: another key, another part, or changed bytes") from None
    return rows


def decrypt(source: Path | bytes, key: bytes, aad: str) -> pl.DataFrame:
    """Return the rows of an encrypted file.

    Raises:
        Tampered: the key or the AAD is not the one it was written with, or a byte was changed.
    """
    try:
        return scan(source, key, aad).collect()
    except (pl.exceptions.PolarsError, OSError):
        raise Tampered("encrypted rows do not open: another key, another part, or changed bytes") from None


def content_hash(frame: pl.DataFrame, key: bytes) -> str:
    """Return the keyed SHA-256 of the rows themselves, hexadecimal.

    It depends on names, types, values and their order and on nothing else: not on chunks, compression or the
    version of a library. Keyed, because a plain hash of a small table could be guessed.

    Raises:
        Misuse: a column's type has no canonical bytes.
    """
    mac = hmac.new(key, b"medtrain.content/1", hashlib.sha256)
    mac.update(frame.height.to_bytes(8, "big"))
    for name, column in zip(frame.columns, frame, strict=True):
        for field in (name, str(column.dtype)):
            raw = field.encode()
            mac.update(len(raw).to_bytes(8, "big") + raw)
        mac.update(np.packbits(column.is_null().to_numpy()).tobytes())
        for raw in _canonical(column):
            mac.update(raw)
    return mac.hexdigest()


def _canonical(column: pl.Series) -> tuple[bytes, ...]:
    kind = column.dtype
    if kind == pl.String:
        column = column.fill_null("")
        return _lengths(column.str.len_bytes()), "".join(column).encode()
    if kind == pl.Binary:
        column = column.fill_null(b"")
        return _lengths(column.bin.size()), b"".join(column)
    if str(kind) not in TYPES:
        raise Misuse(f"a column of type {kind} cannot be stored in a version")
    if kind.is_temporal() or kind == pl.Boolean:
        column = column.to_physical().cast(pl.Int64)
    flat = column.fill_null(0).to_numpy()
    return (flat.astype(flat.dtype.newbyteorder("<")).tobytes(),)


def _lengths(lengths: pl.Series) -> bytes:
    return lengths.to_numpy().astype("<u8").tobytes()
