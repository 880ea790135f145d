"""Rows of strings becoming the table of a reader."""

from collections.abc import Mapping, Sequence

import polars as pl

PLACE: dict[str, type[pl.DataType]] = {"_file": pl.UInt32, "_position": pl.UInt32}
Row = dict[str, str]


def frame(columns: Sequence[str], rows: Sequence[tuple[int, int, Mapping[str, str]]]) -> pl.DataFrame:
    """Return a table of String columns and the place of each row; an empty text is null.

    Args:
        columns: Always there, and first.
        rows: (file from 0, position from 1, values). Names outside ``columns`` follow in alphabetical order.

    >>> frame(["name"], [(0, 1, {"name": "", "sex": "F"})]).row(0)
    (None, 'F', 0, 1)
    """
    extra = sorted({name for _, _, values in rows for name in values}.difference(columns))
    data = {name: [values.get(name) or None for _, _, values in rows] for name in (*columns, *extra)}
    place = {"_file": [file for file, _, _ in rows], "_position": [position for _, position, _ in rows]}
    return pl.DataFrame(data | place, schema={name: PLACE.get(name, pl.String) for name in data | place})
