"""Duplicates: the same row twice, and rows that contradict each other under one key."""

from dataclasses import dataclass

import polars as pl

from deid.step import rejects


@dataclass(frozen=True, slots=True)
class DropDuplicates:
    """Quarantine repeated rows (``duplicate-row``) and all rows that disagree under one key (``conflicting-key``).

    Attributes:
        key: Slots that identify a row; none: only equal rows are looked for.
    """

    key: tuple[str, ...] = ()
    name: str = "duplicates"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        cells = [name for name in table.columns if not name.startswith("_")]
        refused = rejects(table.filter(~pl.struct(cells).is_first_distinct()), "duplicate-row")
        if self.key:
            rest = table.join(refused, on="_row", how="anti", maintain_order="left")
            whole = pl.all_horizontal(pl.col(self.key).is_not_null())
            refused = refused.vstack(
                rejects(rest.filter(whole & pl.struct(self.key).is_duplicated()), "conflicting-key")
            )
        return table, refused
