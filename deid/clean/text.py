"""Characters and coded values: full-width forms, and the words of a source for what the tables need."""

from dataclasses import dataclass

import polars as pl

from deid.slots import FREE, target
from deid.step import no_rejects, rejects

AS_WRITTEN = FREE | {"person.name", "person.contact_name", "person.staff", "person.address", "person.employer"}


@dataclass(frozen=True, slots=True)
class FoldWidth:
    """Rewrite coded and numeric cells in NFKC. Names, addresses and free text stay as they are written."""

    name: str = "full-width"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        columns = [name for name in table.columns if not name.startswith("_") and target(name) not in AS_WRITTEN]
        folded = [pl.col(name).str.normalize("NFKC").str.strip_chars() for name in columns]
        return table.with_columns(folded), no_rejects()


@dataclass(frozen=True, slots=True)
class MapValues:
    """Rewrite the values of closed vocabularies: coding, not repair.

    Attributes:
        columns: (slot, (source value, target value) pairs, what to do with others).
    """

    columns: tuple[tuple[str, tuple[tuple[str, str], ...], str], ...]
    name: str = "values"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        refused = no_rejects()
        for column, pairs, otherwise in self.columns:
            known = dict(pairs)
            listed = pl.col(column).is_in([*known, *known.values()])
            if otherwise == "quarantine":
                strange = table.filter(pl.col(column).is_not_null() & ~listed)
                refused = refused.vstack(rejects(strange, "unlisted-value"))
            default = None if otherwise == "null" else pl.col(column)
            mapped = pl.col(column).replace_strict(known, default=default, return_dtype=pl.String)
            table = table.with_columns(pl.when(listed | pl.lit(otherwise != "null")).then(mapped).alias(column))
        return table.with_columns(pl.lit(value=False).alias("_repair")), refused


@dataclass(frozen=True, slots=True)
class RefuseLineBreaks:
    """Quarantine rows with a line break in a coded cell: ``line-break-in-cell``.

    Two stray quotes in two rows make one well-formed cell that swallows the rows between them.
    """

    name: str = "line-breaks"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        columns = [name for name in table.columns if not name.startswith("_") and target(name) not in FREE]
        if not columns:
            return table, no_rejects()
        broken = pl.any_horizontal(pl.col(name).str.contains(r"[\r\n]") for name in columns)
        return table, rejects(table.filter(broken), "line-break-in-cell")
