"""Delta tables as they come in and go out: the newest state, and nothing that was removed from it."""

import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from datasets import delta
from policies.errors import BadInput

FRAME = pl.DataFrame(
    {
        "patient": ["a", "b", None],
        "day": [date(2020, 1, 2), None, date(2021, 3, 4)],
        "seen": [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), None, None],
        "value": [1.5, None, -2.0],
        "small": pl.Series([1, 255, None], dtype=pl.UInt8),
        "yes": [True, None, False],
        "raw": [b"\x00", b"", None],
    }
)


def written(folder: Path, frame: pl.DataFrame = FRAME) -> Path:
    for name, raw in delta.files(frame, 1_700_000_000_000):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def commit(folder: Path, number: int, *actions: dict[str, object]) -> None:
    text = "".join(json.dumps(one) + "\n" for one in actions)
    (folder / delta.LOG / f"{number:020d}.json").write_text(text, "utf-8")


def schema(**fields: str) -> dict[str, object]:
    said = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in fields.items()]
    return {"metaData": {"schemaString": json.dumps({"type": "struct", "fields": said}), "partitionColumns": []}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = delta.read(written(tmp_path))
    assert delta.is_table(tmp_path)
    assert found["small"].dtype == pl.Int16
    assert found["seen"][0] == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    same = ["patient", "day", "value", "yes", "raw"]
    assert found.select(same).equals(FRAME.select(same))


def test_rows_that_were_removed_are_not_read_and_columns_that_came_later_are_empty_before(tmp_path: Path) -> None:
    first = pl.DataFrame({"patient": ["gone"]})
    written(tmp_path, first)
    (path,) = tmp_path.glob("*.parquet")
    pl.DataFrame({"patient": ["old"]}).write_parquet(tmp_path / "old one.parquet")
    pl.DataFrame({"patient": ["new"], "age": [7]}).write_parquet(tmp_path / "new.parquet")
    commit(tmp_path, 1, {"add": {"path": "old%20one.parquet", "partitionValues": {}}}, {"remove": {"path": path.name}})
    commit(tmp_path, 2, schema(patient="string", age="long"), {"add": {"path": "new.parquet"}})
    assert delta.read(tmp_path).rows() == [("new", 7), ("old", None)]


def test_values_of_partitions_are_columns(tmp_path: Path) -> None:
    (tmp_path / delta.LOG).mkdir()
    kinds = {"patient": "string", "year": "integer", "day": "date", "yes": "boolean", "seen": "timestamp"}
    adds = []
    for number, said in enumerate((("2020", "2020-01-02", "true", "2020-01-02 03:04:05"), ("", "", "", ""))):
        pl.DataFrame({"patient": ["a"] * (number + 1)}).write_parquet(tmp_path / f"p{number}.parquet")
        values = dict(zip(("year", "day", "yes", "seen"), said, strict=True))
        adds.append({"add": {"path": f"p{number}.parquet", "partitionValues": values}})
    commit(tmp_path, 0, {"protocol": {"minReaderVersion": 1}}, schema(**kinds), *adds)
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert delta.read(tmp_path).rows() == [("a", 2020, date(2020, 1, 2), True, moment), *[("a", *[None] * 4)] * 2]


def test_a_log_is_read_from_its_newest_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / delta.LOG
    log.mkdir()
    pl.DataFrame({"patient": ["a"], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    rows = [
        {"protocol": {"minReaderVersion": 1}, "metaData": None, "add": None},
        {"protocol": None, "metaData": schema(patient="string", n="long")["metaData"], "add": None},
        {"protocol": None, "metaData": None,
         "add": {"path": "a.parquet", "partitionValues": [{"key": "n", "value": "3"}]}},
    ]  # fmt: skip
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(log / f"{7:020d}.checkpoint.parquet")
    assert delta.read(tmp_path).rows() == [("a", 3)]
    commit(tmp_path, 8, {"remove": {"path": "a.parquet"}})
    assert delta.read(tmp_path).height == 0


@pytest.mark.parametrize(
    "ill", ["gap", "json", "newer", "no file", "outside", "no metadata", "type", "nothing", "not a table"]
)
def test_a_table_that_cannot_be_read_rightly_is_refused(tmp_path: Path, ill: str) -> None:
    folder = written(tmp_path)
    if ill == "gap":
        commit(folder, 2, {"remove": {"path": "x"}})
    elif ill == "json":
        (folder / delta.LOG / f"{1:020d}.json").write_text("{", "utf-8")
    elif ill == "newer":
        commit(folder, 1, {"protocol": {"minReaderVersion": 3, "readerFeatures": ["deletionVectors"]}})
    elif ill == "no file":
        next(folder.glob("*.parquet")).unlink()
    elif ill == "outside":
        commit(folder, 1, {"add": {"path": "../x.parquet"}})
    elif ill == "type":
        commit(folder, 1, schema(patient="decimal(10,2)"))
    elif ill == "no metadata":
        commit(folder, 0, {"add": {"path": "x"}})
    elif ill == "nothing":
        (folder / delta.LOG / f"{0:020d}.json").unlink()
    else:
        folder = tmp_path / "elsewhere"
    with pytest.raises(BadInput):
        delta.read(folder)


@pytest.mark.parametrize("column", [pl.Series([[1]]), pl.Series([2**63], dtype=pl.UInt64)])
def test_a_column_that_delta_cannot_hold_is_refused(column: pl.Series) -> None:
    with pytest.raises(BadInput):
        list(delta.files(pl.DataFrame({"x": column}), 0))


def test_a_folder_with_a_delta_table_hands_in_its_newest_state_only(tmp_path: Path) -> None:
    from service.cli.submission import pack

    written(tmp_path / "labs", pl.DataFrame({"patient": ["now"]}))
    (tmp_path / "labs" / "removed.parquet").write_bytes(b"rows that were removed")
    (tmp_path / "pages.csv").write_text("a")
    with zipfile.ZipFile(io.BytesIO(pack(tmp_path))) as archive:
        assert archive.namelist() == ["labs.parquet", "pages.csv"]
        assert pl.read_parquet(archive.read("labs.parquet"))["patient"].to_list() == ["now"]
    with zipfile.ZipFile(io.BytesIO(pack(tmp_path / "labs"))) as archive:
        assert archive.namelist() == ["labs.parquet"]
