"""Slots: the columns of a source's table, renamed to where the mapping sends them.

A slot is named ``entity.field`` or ``entity.field#group``. Columns nobody mapped do not come through.
"""

import polars as pl

from deid.mapping import DROP, Column, Source, Table
from policies.errors import BadMapping

PLACES = ("_row", "_file", "_position")
FREE = frozenset({"note.text", "image.bytes"})
DATES = frozenset(
    {
        "person.birth_date",
        "visit.start",
        "visit.end",
        "condition.date",
        "measurement.date",
        "drug.start",
        "drug.end",
        "observation.date",
        "note.date",
        "image.date",
    }
)


def slot(column: Column) -> str:
    """Return the slot of a mapped column."""
    return f"{column.to}#{column.group}" if column.group else column.to


def target(name: str) -> str:
    """Return ``entity.field`` of a slot.

    >>> target("person.phone#work")
    'person.phone'
    """
    return name.partition("#")[0]


def kept(table: Table) -> tuple[Column, ...]:
    """Return the columns that are not dropped."""
    return tuple(column for column in table.columns if column.to != DROP)


def lift(source: Source, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the slots of a reader's table, with ``_row`` (from 0), ``_file`` and ``_position``.

    Cells are trimmed; empty ones and the source's words for "missing" become null.

    Raises:
        BadMapping: the table has rows but lacks a mapped column.
    """
    absent = sorted({column.name for column in table.columns} - set(frame.columns))
    if absent and frame.height:
        listed = ", ".join(absent)
        raise BadMapping(f"source {source.name}, table {table.name}: the files have no column {listed}")
    present = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    missing = [word for word in source.missing if word]
    slots = [_cells(column, missing).alias(slot(column)) for column in kept(table)]
    return present.with_row_index("_row").select(*PLACES, *slots)


def unmapped(table: Table, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the names of the columns that the mapping does not speak of."""
    named = {column.name for column in table.columns}
    return tuple(name for name in frame.columns if name not in named and not name.startswith("_"))


def _cells(column: Column, missing: list[str]) -> pl.Expr:
    cells = pl.col(column.name)
    if column.pattern is not None:
        cells = cells.str.extract(column.pattern)
    if column.to in FREE:
        return cells
    cells = cells.str.strip_chars()
    return pl.when((cells != "") & ~cells.is_in(missing)).then(cells)
