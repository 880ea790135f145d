import hmac
import struct
from datetime import date, datetime

import polars as pl
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dataset_factories import KEY
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import parquet
from policies.errors import Misuse, Tampered

FRAME = pl.DataFrame(
    {
        "patient": ["a", "b", None],
        "raw": [b"x", None, b""],
        "day": [date(2026, 1, 1), None, date(1900, 1, 1)],
        "at": [datetime(2026, 1, 1, 1), None, None],  # noqa: DTZ001  # published dates are shifted and have no zone
        "yes": [True, False, None],
        "number": [1.5, None, float("nan")],
        "count": [1, None, -7],
    }
)


def test_rows_come_back_as_they_were() -> None:
    assert parquet.decrypt(parquet.encrypt(FRAME, KEY, "a/1"), KEY, "a/1").equals(FRAME)


@pytest.mark.parametrize(("key", "aad"), [(bytes(32), "a/1"), (KEY, "a/2"), (KEY, "")])
def test_another_key_or_another_place_does_not_open(key: bytes, aad: str) -> None:
    raw = parquet.encrypt(FRAME, KEY, "a/1")
    for read in (parquet.scan, parquet.decrypt):
        with pytest.raises(Tampered):
            read(raw, key, aad)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_is_noticed_or_changes_nothing(data: st.DataObject) -> None:
    raw = bytearray(parquet.encrypt(FRAME, KEY, "a/1"))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert parquet.decrypt(bytes(raw), KEY, "a/1").equals(FRAME)
    except Tampered:
        return


def test_neither_values_nor_column_names_are_in_the_bytes() -> None:
    frame = pl.DataFrame({"patient_mark": ["OPAQUE-VALUE-MARK"] * 9})
    raw = parquet.encrypt(frame, KEY, "a/1")
    assert b"OPAQUE" not in raw
    assert b"patient_mark" not in raw


def test_the_content_hash_ignores_how_rows_are_stored() -> None:
    chunked = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert parquet.content_hash(chunked, KEY) == parquet.content_hash(FRAME, KEY)


@pytest.mark.parametrize(
    "changed",
    [
        FRAME[::-1],
        FRAME[:2],
        FRAME.rename({"raw": "row"}),
        FRAME.with_columns(pl.col("count").cast(pl.Int32)),
        FRAME.with_columns(pl.col("raw").fill_null(b"")),
        FRAME.with_columns(pl.col("count").fill_null(0)),
        FRAME.with_columns(patient=pl.Series(["", "ab", None])),
    ],
)
def test_the_content_hash_sees_every_change(changed: pl.DataFrame) -> None:
    assert parquet.content_hash(changed, KEY) != parquet.content_hash(FRAME, KEY)


def test_the_content_hash_needs_its_key_to_be_guessed() -> None:
    assert parquet.content_hash(FRAME, KEY) != parquet.content_hash(FRAME, bytes(32))


def test_the_content_hash_is_a_fixed_number_for_fixed_rows() -> None:
    frame = pl.DataFrame({"patient": ["a", None], "x": [1.0, 2.0]})
    number = (2).to_bytes(8, "big")
    patient = _text("patient") + _text("String") + b"\x40" + struct.pack("<QQ", 1, 0) + b"a"
    x = _text("x") + _text("Float64") + b"\x00" + struct.pack("<dd", 1.0, 2.0)
    inner, outer = (hmac.digest(KEY, b"medtrain.content/2|" + name, "sha256") for name in (b"rows", b"outer"))
    tag = AESGCM(inner).encrypt(bytes(12), b"", number + patient + x)
    assert parquet.content_hash(frame, KEY) == hmac.digest(outer, tag, "sha256").hex()


def test_a_type_without_canonical_bytes_is_refused() -> None:
    with pytest.raises(Misuse):
        parquet.content_hash(pl.DataFrame({"a": [[1]]}), KEY)


def _text(text: str) -> bytes:
    return len(text).to_bytes(8, "big") + text.encode()
