"""Sources read piece by piece: rows of a table file, or some files at a time; the same pieces every time."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from deid.intake import reader
from deid.mapping import Source
from deid.readers import table
from deid.records import Reading, Records, SomeRecords

FILES = 64  # of messages, bundles, notes, images: read together


def pieces(source: Source, records: Records, rows: int) -> Iterator[Reading]:
    """Yield the readings of one source, of at most ``rows`` rows (csv, tsv) or ``FILES`` files (the others).

    A workbook, a Parquet file or a file of messages is read whole.
    """
    if source.format in {"csv", "tsv"}:
        yield from table.read_pieces(source, records, rows)
        return
    names = source.pick(records.names())
    for first in range(0, len(names), FILES):
        reading = reader(source)(source, SomeRecords(records, names[first : first + FILES]))
        moved = pl.col("_file") + pl.lit(first, pl.UInt32)
        tables = {name: frame.with_columns(moved) for name, frame in reading.tables.items()}
        rejects = tuple(replace(reject, file=reject.file + first) for reject in reading.rejects)
        yield Reading(tables, rejects, reading.counted)
