"""Tables: CSV and TSV, Excel and Parquet, as the one table ``row`` of strings.

Rows are counted by a path of their own before they are parsed. A file that breaks the quoting rules is read again
line by line: what cannot be read is quarantined with its position, and the rest goes on.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import openpyxl
import polars as pl
import pyarrow.parquet as pq

from deid.clean.encoding import NotText, decode
from deid.mapping import Source
from deid.records import Reading, Records, Reject
from policies.errors import BadInput

CONTINUATION_LINES = 200  # a quoted cell may not run over more lines than this
UNPACKED_BYTES = 1 << 30


class UnreadableTable(BadInput):
    """A file as a whole is not a table. ``code`` is the reason for the quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a file is not a usable table: {reason}")
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


@dataclass(frozen=True, slots=True)
class Lines:
    """The records of one file.

    Attributes:
        header: Column names.
        rows: (position from 1, cells).
        rejects: (position, reason, raw).
        counted: Data rows, counted independently of parsing.
    """

    header: list[str]
    rows: list[tuple[int, list[str | None]]]
    rejects: list[tuple[int, str, bytes]]
    counted: int


def read(source: Source, records: Records) -> Reading:
    """Return the table ``row`` of all files of one csv, tsv, xlsx or parquet source.

    Rejected rows: ``row-too-short``, ``row-too-long``, ``stray-quote``. Rejected files: ``not-text``, ``empty-file``,
    ``duplicate-column``, ``not-a-workbook``, ``not-parquet``.
    """
    frames: list[pl.DataFrame] = []
    rejects: list[Reject] = []
    counted = 0
    for index, name in enumerate(source.pick(records.names())):
        raw = records.read(name)
        try:
            lines = _lines(source, raw)
        except (UnreadableTable, NotText) as problem:
            rejects.append(Reject(source.name, index, 0, problem.code, raw))
            counted += 1
            continue
        counted += lines.counted
        rejects += [Reject(source.name, index, *reject) for reject in lines.rejects]
        frames.append(_frame(lines, index))
    table = pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=_PLACE)
    return Reading({"row": table}, tuple(rejects), counted)


_PLACE = {"_file": pl.UInt32, "_position": pl.UInt32}


def _lines(source: Source, raw: bytes) -> Lines:
    if source.format == "xlsx":
        return _workbook(raw)
    if source.format == "parquet":
        return _parquet(raw)
    text = decode(raw, source.encoding).text.replace("\r\n", "\n").replace("\r", "\n")
    return _delimited(text, source.delimiter or ("\t" if source.format == "tsv" else ","))


def _frame(lines: Lines, index: int) -> pl.DataFrame:
    columns = list(zip(*(cells for _, cells in lines.rows), strict=True)) or [()] * len(lines.header)
    data = {name: pl.Series(name, cells, pl.String) for name, cells in zip(lines.header, columns, strict=True)}
    place = {"_file": [index] * len(lines.rows), "_position": [position for position, _ in lines.rows]}
    return pl.DataFrame({**data, **place}, schema_overrides=_PLACE)


def _delimited(text: str, delimiter: str) -> Lines:
    counted = _count(text)
    try:
        parsed = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if row]
        pieces: Iterator[tuple[list[str] | None, str]] = ((row, "") for row in parsed)
        strict = len(parsed) == counted
    except csv.Error:
        strict = False
    if not strict:
        found = list(_pieces(text, delimiter))
        counted = len(found)
        pieces = iter(found)
    header, _ = next(pieces, (None, ""))
    if header is None:
        raise UnreadableTable("empty-file")
    names = _names(header)
    rows: list[tuple[int, list[str | None]]] = []
    rejects: list[tuple[int, str, bytes]] = []
    for position, (row, raw) in enumerate(pieces, 1):
        if row is None:
            rejects.append((position, "stray-quote", raw.encode()))
        elif len(row) != len(names):
            reason = "row-too-short" if len(row) < len(names) else "row-too-long"
            rejects.append((position, reason, (raw or delimiter.join(row)).encode()))
        else:
            rows.append((position, list(row)))
    return Lines(names, rows, rejects, counted - 1)


def _count(text: str) -> int:
    """Return the number of non-blank records: line ends outside quotes, where the quotes so far are even."""
    records = quotes = filled = 0
    for line in text.split("\n"):
        quotes += line.count('"')
        filled += bool(line)
        if quotes % 2 == 0:
            records += filled > 0
            filled = 0
    return records + (filled > 0)


def _pieces(text: str, delimiter: str) -> Iterator[tuple[list[str] | None, str]]:
    """Yield (cells, raw) of each record, cells None where it breaks the quoting rules; every line is in one record.

    A line whose quotes do not close takes following lines in until they do and the record has the header's width; if
    none does, only that one line is refused.
    """
    lines = text.split("\n")
    width: int | None = None
    start = 0
    while start < len(lines):
        if not lines[start]:
            start += 1
            continue
        taken, cells = 1, None
        for more in range(1, CONTINUATION_LINES + 1):
            piece = "\n".join(lines[start : start + more])
            parsed = _one(piece, delimiter) if piece.count('"') % 2 == 0 else None
            if parsed is not None and (more == 1 or width is None or len(parsed) == width):
                taken, cells = more, parsed
                break
            if start + more >= len(lines) or (more == 1 and '"' not in piece):
                break
        width = width or (len(cells) if cells else None)
        yield cells, "\n".join(lines[start : start + taken])
        start += taken


def _one(piece: str, delimiter: str) -> list[str] | None:
    try:
        rows = list(csv.reader([line + "\n" for line in piece.split("\n")], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _names(header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        raise UnreadableTable("duplicate-column")
    return names


def _workbook(raw: bytes) -> Lines:
    """Read the first sheet. Its rows are counted as they come out of the workbook library, before they are shaped."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > UNPACKED_BYTES:
                raise UnreadableTable("too-large-unpacked")
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        cells = [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        book.close()
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError):
        raise UnreadableTable("not-a-workbook") from None
    filled = [(number, row) for number, row in enumerate(cells) if any(row)]
    if not filled:
        raise UnreadableTable("empty-file")
    names = _names([cell or "" for cell in filled[0][1] if cell])
    rows: list[tuple[int, list[str | None]]] = []
    rejects: list[tuple[int, str, bytes]] = []
    for number, row in filled[1:]:
        if any(row[len(names) :]):
            rejects.append((number, "row-too-long", "\t".join(cell or "" for cell in row).encode()))
        else:
            rows.append((number, (row + [None] * len(names))[: len(names)]))
    return Lines(names, rows, rejects, len(filled) - 1)


def _text(cell: object) -> str | None:
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return None if cell is None else str(cell)


def _parquet(raw: bytes) -> Lines:
    """Read every column as text; the rows are counted from the file's footer."""
    try:
        counted = pq.ParquetFile(io.BytesIO(raw)).metadata.num_rows
        table = pl.read_parquet(io.BytesIO(raw))
        table = table.select(pl.all().cast(pl.String))
    except (pl.exceptions.PolarsError, OSError, ValueError):
        raise UnreadableTable("not-parquet") from None
    rows = [(position, list(row)) for position, row in enumerate(table.iter_rows(), 1)]
    return Lines(_names(table.columns), rows, [], counted)
