"""Tables: CSV and TSV, Excel and Parquet, as the one table ``row`` of strings.

Rows are counted by a path of their own before they are parsed. A file that breaks the quoting rules is read again
line by line: what cannot be read is quarantined with its position, and the rest goes on.
"""

import csv
import io
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import BinaryIO

import openpyxl
import polars as pl
import pyarrow.parquet as pq

from deid.clean.encoding import NotText, decode, tell
from deid.mapping import Source
from deid.records import Reading, Records, Reject
from deid.step import RowsLost
from policies.errors import BadInput

CELLS = 400_000  # of one reading of ``read_pieces``
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


def read_pieces(source: Source, records: Records, most: int) -> Iterator[Reading]:
    """Yield what ``read`` gives for a csv or tsv source, in readings of at most ``most`` rows and rejects each.

    Of a wide table a reading has fewer rows, so that it holds ``CELLS`` cells at most, or a row.

    A file is read three times (encoding, quoting rules, rows) and never held whole.

    Raises:
        RowsLost: the rows of a file are not those that were counted.
    """
    delimiter = source.delimiter or ("\t" if source.format == "tsv" else ",")
    for index, name in enumerate(source.pick(records.names())):
        try:
            encoding = tell(partial(records.open, name), source.encoding)
            strict, counted = _survey(_text_lines(records.open(name), encoding), delimiter)
            lines = _text_lines(records.open(name), encoding)
            pieces = _strictly(lines, delimiter) if strict else _pieces(lines, delimiter)
            names, shaped = _shaped(pieces, delimiter)
        except (UnreadableTable, NotText) as problem:
            reject = Reject(source.name, index, 0, problem.code, records.read(name))
            yield Reading({"row": pl.DataFrame(schema=_PLACE)}, (reject,), 1)
            continue
        bounded = max(min(most, CELLS // len(names)), 1)
        yield from _readings(source, index, names, shaped, bounded, counted - 1 if strict else None)


def _readings(
    source: Source,
    index: int,
    names: list[str],
    shaped: Iterator[tuple[int, list[str | None], tuple[str, bytes] | None]],
    most: int,
    counted: int | None,
) -> Iterator[Reading]:
    total = 0
    while True:
        some = list(islice(shaped, most))
        total += len(some)
        rows = [(position, cells) for position, cells, problem in some if problem is None]
        rejects = tuple(Reject(source.name, index, position, *problem) for position, _, problem in some if problem)
        if some or not total:
            yield Reading({"row": _frame(Lines(names, rows, [], len(some)), index)}, rejects, len(some))
        if len(some) < most:
            break
    if counted is not None and counted != total:
        raise RowsLost(f"source {source.name}: what was read and refused is not what was counted")


def _text_lines(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of a file as ``text.split`` would give them, whatever its line ends; closes the file."""
    ended = True
    with io.TextIOWrapper(stream, encoding=encoding, newline=None) as text:
        for line in text:
            ended = line.endswith("\n")
            yield line.removesuffix("\n")
    if ended:
        yield ""


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
    lines = text.split("\n")
    strict, counted = _survey(iter(lines), delimiter)
    pieces = _strictly(iter(lines), delimiter) if strict else _pieces(iter(lines), delimiter)
    if not strict:
        found = list(pieces)
        pieces, counted = iter(found), len(found)
    names, shaped = _shaped(pieces, delimiter)
    rows: list[tuple[int, list[str | None]]] = []
    rejects: list[tuple[int, str, bytes]] = []
    for position, cells, problem in shaped:
        if problem is None:
            rows.append((position, cells))
        else:
            rejects.append((position, *problem))
    return Lines(names, rows, rejects, counted - 1)


Piece = tuple[list[str] | None, str]  # cells, None where the quoting rules are broken; and the raw text where known


def _strictly(lines: Iterator[str], delimiter: str) -> Iterator[Piece]:
    """Yield the records of lines that keep the quoting rules."""
    return ((row, "") for row in csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True) if row)


def _survey(lines: Iterator[str], delimiter: str) -> tuple[bool, int]:
    """Return whether all records keep the quoting rules, and how many there are by counting lines and quotes."""
    records = quotes = filled = parsed = 0

    def counted() -> Iterator[str]:
        nonlocal records, quotes, filled
        for line in lines:
            quotes += line.count('"')
            filled += bool(line)
            if quotes % 2 == 0:
                records += filled > 0
                filled = 0
            yield line

    passing = counted()
    try:
        parsed = sum(1 for _ in _strictly(passing, delimiter))
    except csv.Error:
        return False, 0
    records += filled > 0
    return parsed == records, records


def _shaped(
    pieces: Iterator[Piece], delimiter: str
) -> tuple[list[str], Iterator[tuple[int, list[str | None], tuple[str, bytes] | None]]]:
    """Return the header, and (position, cells, None) or (position, [], (reason, raw)) of every data row."""
    header, _ = next(pieces, (None, ""))
    if header is None:
        raise UnreadableTable("empty-file")
    names = _names(header)

    def rows() -> Iterator[tuple[int, list[str | None], tuple[str, bytes] | None]]:
        for position, (row, raw) in enumerate(pieces, 1):
            if row is None:
                yield position, [], ("stray-quote", raw.encode())
            elif len(row) != len(names):
                reason = "row-too-short" if len(row) < len(names) else "row-too-long"
                yield position, [], (reason, (raw or delimiter.join(row)).encode())
            else:
                yield position, [*row], None

    return names, rows()


def _pieces(lines: Iterator[str], delimiter: str) -> Iterator[Piece]:
    """Yield the records of lines that may break the quoting rules; every line is in one record.

    A line whose quotes do not close takes following lines in until they do and the record has the header's width; if
    none does, only that one line is refused.
    """
    ahead: deque[str] = deque()
    width: int | None = None
    while True:
        ahead.extend(islice(lines, CONTINUATION_LINES + 1 - len(ahead)))
        if not ahead:
            return
        if not ahead[0]:
            ahead.popleft()
            continue
        window = list(ahead)
        taken, cells = 1, None
        for more in range(1, CONTINUATION_LINES + 1):
            piece = "\n".join(window[:more])
            parsed = _one(piece, delimiter) if piece.count('"') % 2 == 0 else None
            if parsed is not None and (more == 1 or width is None or len(parsed) == width):
                taken, cells = more, parsed
                break
            if more >= len(window) or (more == 1 and '"' not in piece):
                break
        width = width or (len(cells) if cells else None)
        yield cells, "\n".join(window[:taken])
        for _ in range(taken):
            ahead.popleft()


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
