"""Delta tables as an adapter: a table written as one, and the newest state of one read.

A Delta table is plaintext Parquet and a log of JSON actions. It is only ever a form in which data come in or go out;
versions are never kept so. What needs more than reader version 1 (deletion vectors, column mapping, ...) is refused
rather than read wrongly. The protocol is small, and the library for it is not (129 MB).
Source: Delta transaction log protocol (https://github.com/delta-io/delta/blob/master/PROTOCOL.md), versions 1 and 2.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import polars as pl

from policies.errors import BadInput

LOG = "_delta_log"
NAMES: dict[Any, str] = {
    pl.String: "string", pl.Binary: "binary", pl.Boolean: "boolean", pl.Date: "date", pl.Float32: "float",
    pl.Float64: "double", pl.Int8: "byte", pl.Int16: "short", pl.Int32: "integer", pl.Int64: "long",
    pl.Datetime: "timestamp",
}  # fmt: skip
WIDER: dict[Any, Any] = {pl.UInt8: pl.Int16, pl.UInt16: pl.Int32, pl.UInt32: pl.Int64, pl.UInt64: pl.Int64}
"""Delta has no unsigned numbers: each goes into the next wider signed one."""
READABLE = 1


def files(frame: pl.DataFrame, milliseconds: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a Delta table of one version: the data, then the log that names them.

    Args:
        frame: The rows; moments are taken to be in UTC.
        milliseconds: The moment of the commit, since 1970.

    Raises:
        BadInput: a column has no type in Delta, or a number does not fit.
    """
    try:
        shaped = frame.select(pl.col(name).cast(WIDER.get(kind, kind)) for name, kind in frame.schema.items())
        shaped = shaped.with_columns(pl.selectors.datetime(time_zone=None).dt.replace_time_zone("UTC"))
        fields = [_field(name, NAMES[kind.base_type()]) for name, kind in shaped.schema.items()]
    except (KeyError, pl.exceptions.InvalidOperationError):
        raise BadInput("a column cannot be written to a Delta table") from None
    out = io.BytesIO()
    shaped.write_parquet(out, compression="zstd")
    raw = out.getvalue()
    digest = hashlib.sha256(raw).hexdigest()
    name = f"part-00000-{digest[:32]}-c000.zstd.parquet"
    schema = json.dumps({"type": "struct", "fields": fields}, ensure_ascii=False)
    table = {
        "id": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}", "schemaString": schema,
        "format": {"provider": "parquet", "options": {}}, "partitionColumns": [], "configuration": {},
        "createdTime": milliseconds,
    }  # fmt: skip
    add = {
        "path": name, "partitionValues": {}, "size": len(raw), "modificationTime": milliseconds, "dataChange": True,
        "stats": json.dumps({"numRecords": frame.height}),
    }  # fmt: skip
    actions = ({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": table}, {"add": add})
    yield name, raw
    yield f"{LOG}/{0:020d}.json", "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in actions).encode()


def is_table(folder: Path) -> bool:
    """Return whether a folder is a Delta table."""
    return (folder / LOG).is_dir()


def read(folder: Path) -> pl.DataFrame:
    """Return the rows of the newest version of a Delta table; what was removed from it is not read.

    Raises:
        BadInput: it is none, a part of its log or data is missing, or it needs a newer reader.
    """
    table, live = _state(folder)
    try:
        fields = {one["name"]: one["type"] for one in json.loads(table["schemaString"])["fields"]}
        frames = [_part(folder, live[path], fields) for path in sorted(live)]
    except (KeyError, TypeError, ValueError, OSError, pl.exceptions.PolarsError):
        raise BadInput("the Delta table's files are not those that its log names") from None
    empty = pl.DataFrame(schema={name: _type(kind) for name, kind in fields.items()})
    return pl.concat([empty, *frames])


def _part(folder: Path, add: dict[str, Any], fields: dict[str, Any]) -> pl.DataFrame:
    path = PurePosixPath(unquote(add["path"]))
    if path.is_absolute() or ".." in path.parts or "://" in add["path"]:
        raise ValueError("a file outside of the table")
    rows = pl.read_parquet(folder / path, hive_partitioning=False)
    said = add.get("partitionValues") or {}
    columns = []
    for name, kind in fields.items():
        if name in said:
            value = pl.Series(name, [said[name] or None], pl.String)  # an empty text is none, says the protocol
            columns.append(_parsed(value, kind).new_from_index(0, rows.height))
        elif name in rows.columns:
            columns.append(rows[name].cast(_type(kind)))
        else:  # the column came later
            columns.append(pl.Series(name, [None], _type(kind)).new_from_index(0, rows.height))
    return pl.DataFrame(columns)


def _parsed(value: pl.Series, kind: str) -> pl.Series:
    if kind == "boolean":
        return value == "true"
    if kind == "date":
        return value.str.to_date()
    if kind == "timestamp":
        return value.str.to_datetime(time_unit="us", time_zone="UTC")
    return value.cast(_type(kind))


def _state(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the table's metadata and its live files, by replaying the log from its newest checkpoint."""
    log, table, live = folder / LOG, dict[str, Any](), dict[str, dict[str, Any]]()
    commits = sorted(int(path.stem) for path in log.glob("*.json") if path.stem.isdecimal())
    checkpoints = sorted(int(path.name.split(".")[0]) for path in log.glob("[0-9]*.checkpoint.parquet"))
    begin = checkpoints[-1] + 1 if checkpoints else 0
    later = [number for number in commits if number >= begin]
    if later != list(range(begin, begin + len(later))) or not (later or checkpoints):
        raise BadInput("the Delta table's log is not whole")
    try:
        saved = pl.read_parquet(log / f"{begin - 1:020d}.checkpoint.parquet").to_dicts() if checkpoints else []
        said = [
            json.loads(line)
            for number in later
            for line in (log / f"{number:020d}.json").read_text("utf-8").splitlines()
            if line.strip()
        ]
    except (ValueError, OSError, pl.exceptions.PolarsError):
        raise BadInput("the Delta table's log cannot be read") from None
    for action in (*saved, *said):
        if (protocol := action.get("protocol")) is not None:
            _check_readable(protocol)
        if (about := action.get("metaData")) is not None:
            table = about
        if (add := action.get("add")) is not None:
            live[add["path"]] = {**add, "partitionValues": _pairs(add.get("partitionValues"))}
        if (remove := action.get("remove")) is not None:
            live.pop(remove["path"], None)
    if not table:
        raise BadInput("the Delta table's log does not say what the table is")
    return table, live


def _check_readable(protocol: dict[str, Any]) -> None:
    if int(protocol["minReaderVersion"]) > READABLE:
        raise BadInput("the Delta table needs a newer reader: write it without deletion vectors and column mapping")


def _pairs(found: Any) -> dict[str, Any]:
    """Return partition values: in a commit an object, in a checkpoint a list of keys and values."""
    if isinstance(found, list):
        return {one["key"]: one["value"] for one in found}
    return dict(found or {})


def _type(kind: Any) -> pl.DataType:
    if kind == "timestamp":
        return pl.Datetime("us", "UTC")
    made = next((type_ for type_, name in NAMES.items() if name == kind), None)
    if made is None:
        raise BadInput("the Delta table has a column of a type that is not read")
    return made()  # type: ignore[no-any-return]  # every type of the table is one


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}
