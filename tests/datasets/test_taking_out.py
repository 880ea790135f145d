"""Files that leave together: the parcel that carries them, and the tables as OMOP CDM."""

import base64
import io
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from datasets import cdm
from datasets.parcel import LENGTH_BYTES, MAGIC, pack, unpack
from datasets.vault import CHUNK_BYTES
from policies.errors import BadInput, Misuse, Tampered

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
DAYS = [date(2021, 3, 4), None, date(2021, 3, 9)]


def packed(folder: Path, *files: tuple[str, bytes]) -> Path:
    path = folder / "parcel"
    path.write_bytes(b"".join(pack(files, KEY.public_key().public_bytes_raw(), "takeout/h")))
    return path


def tables() -> dict[str, pl.DataFrame]:
    names = ["p-a", "p-b", "p-a"]
    return {
        "person": pl.DataFrame(
            {"patient": ["p-a", "p-b"], "gender_concept_id": [8507, None], "age_band": ["40-49", "-"]}
        ),
        "visit_occurrence": pl.DataFrame(
            {
                "patient": names,
                "visit_occurrence_id": [7, 8, 9],
                "visit_start_date": DAYS,
                "visit_end_date": [None] * 3,
            },
            schema_overrides={"visit_end_date": pl.Date},
        ),
        "condition_occurrence": pl.DataFrame({"patient": names, "condition_source_value": ["I10", "E11", "咳嗽,久"]}),
        "image_occurrence": pl.DataFrame({"patient": ["p-b"], "dicom": [b"\x00DICM"]}),
    }


def exported() -> dict[str, pl.DataFrame]:
    made = cdm.files(list(tables()), tables().__getitem__, source="net version 1", day=date(2026, 1, 2))
    return {name: pl.read_csv(io.BytesIO(raw)) for name, raw in made}


def test_a_parcel_gives_its_files_back_to_its_recipient(tmp_path: Path) -> None:
    files = (("net/a.csv", "病人\n".encode()), ("net/deep/b", bytes(CHUNK_BYTES + 7)), ("c", b""))
    path = packed(tmp_path, *files)
    assert b"\xe7\x97\x85" not in path.read_bytes()
    assert unpack(path, tmp_path / "out", KEY, "takeout/h") == [name for name, _ in files]
    assert all((tmp_path / "out" / name).read_bytes() == raw for name, raw in files)
    with pytest.raises(Misuse):
        unpack(path, tmp_path / "out", KEY, "takeout/h")


@pytest.mark.parametrize("ill", ["cut", "changed", "another's", "another key", "header", "long"])
def test_a_parcel_that_is_not_whole_or_of_another_does_not_open(tmp_path: Path, ill: str) -> None:
    path = packed(tmp_path, ("a", bytes(2 * CHUNK_BYTES)))
    raw, begin = path.read_bytes(), len(MAGIC) + LENGTH_BYTES
    sealed = begin + int.from_bytes(raw[len(MAGIC) : begin], "big")
    path.write_bytes(
        {
            "cut": raw[: sealed + CHUNK_BYTES + 16],
            "changed": raw[:-1] + bytes([raw[-1] ^ 1]),
            "header": raw[:begin] + bytes([raw[begin] ^ 1]) + raw[begin + 1 :],
            "long": raw + b"x",
        }.get(ill, raw)
    )
    key = X25519PrivateKey.generate() if ill == "another key" else KEY
    with pytest.raises(Tampered):
        unpack(path, tmp_path / "out", key, "takeout/other" if ill == "another's" else "takeout/h")
    assert not (tmp_path / "out").exists()


def test_what_is_no_parcel_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a plain file")
    with pytest.raises(BadInput):
        unpack(tmp_path / "x", tmp_path / "out", KEY, "takeout/h")


def test_a_sealed_archive_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.parcel._archive", lambda _files: iter([b"no archive at all" * 40]))
    with pytest.raises(Tampered):
        unpack(packed(tmp_path, ("a", b"")), tmp_path / "out", KEY, "takeout/h")


def test_the_tables_have_the_fields_of_the_cdm_in_its_order() -> None:
    made = exported()
    for table, names in cdm.fields().items():
        if table in tables():
            assert made[f"{table}.csv"].columns == names
    assert made["person.csv"]["gender_concept_id"].to_list() == [8507, 0]
    assert made["condition_occurrence.csv"]["condition_type_concept_id"].unique().to_list() == [cdm.EHR]
    assert made["condition_occurrence.csv"]["condition_source_value"].to_list() == ["I10", "E11", "咳嗽,久"]


def test_a_row_is_of_the_same_person_in_every_table() -> None:
    made = exported()
    first, second = made["person.csv"]["person_id"].to_list()
    assert made["visit_occurrence.csv"]["person_id"].to_list() == [first, second, first]
    assert made["condition_occurrence.csv"]["person_id"].to_list() == [first, second, first]


def test_what_the_cdm_has_no_field_for_goes_beside_it() -> None:
    made = exported()
    beside = made["extension/person.csv"]
    assert dict(zip(beside["person_id"], beside["age_band"], strict=True)) == dict(
        zip(made["person.csv"]["person_id"], ["40-49", "-"], strict=True)
    )
    assert base64.b64decode(made["extension/image_occurrence.csv"]["dicom"][0]) == b"\x00DICM"


def test_dates_that_the_cdm_demands_are_filled_or_counted_and_never_invented() -> None:
    made = exported()
    assert made["visit_occurrence.csv"]["visit_end_date"].to_list() == ["2021-03-04", None, "2021-03-09"]
    lacking = made["undated.csv"]
    assert dict(zip(lacking["table"], lacking["rows"], strict=True)) == {
        "visit_occurrence": 1,
        "condition_occurrence": 3,
    }
    assert made["observation_period.csv"].rows() == [
        (1, made["person.csv"]["person_id"][0], "2021-03-04", "2021-03-09", cdm.EHR)
    ]
    assert made["cdm_source.csv"]["cdm_version"].to_list() == [5.4]


def test_tables_without_days_have_no_periods() -> None:
    made = dict(cdm.files(["person"], tables().__getitem__, source="net", day=date(2026, 1, 2)))
    assert made["observation_period.csv"].count(b"\n") == 1
