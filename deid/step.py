"""Steps: one pass over a table of strings each, with the counts that prove nothing was lost.

Cleaning turns strings into canonical strings, so what a step changed is found by comparing its input with its output,
not by believing the step.
"""

from dataclasses import dataclass
from typing import Protocol

import polars as pl

from policies.errors import MedtrainError

REJECT_SCHEMA = {"_row": pl.UInt32, "reason": pl.String}


class RowsLost(MedtrainError):
    """A step lost or doubled rows. This is a defect of the program; nothing is published."""

    code = "rows-lost"


@dataclass(frozen=True, slots=True)
class StepReport:
    """Counts only: safe to show, log and export.

    Attributes:
        step, source: What ran, on which source of the mapping.
        counted: Rows that went in, counted before the step ran.
        accepted, repaired, quarantined: What became of them.
        cells: Cells whose text changed.
        reasons: (reason, rows) of the quarantined, sorted.
    """

    step: str
    source: str
    counted: int
    accepted: int
    repaired: int
    quarantined: int
    cells: int
    reasons: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.accepted + self.repaired + self.quarantined != self.counted:
            raise RowsLost(f"step {self.step} on {self.source}: accepted + repaired + quarantined is not the input")
        if sum(rows for _, rows in self.reasons) != self.quarantined:
            raise RowsLost(f"step {self.step} on {self.source}: the reasons do not add up to the quarantined rows")


class Step(Protocol):
    """One pass over a table with a unique ``_row``. Pure: same table and settings, same result."""

    @property
    def name(self) -> str: ...

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the table with repaired cells, all rows still there, and the rows to quarantine (``REJECT_SCHEMA``).

        A row may be named more than once; its first reason counts.
        """
        ...


def no_rejects() -> pl.DataFrame:
    """Return an empty table of rejects."""
    return pl.DataFrame(schema=REJECT_SCHEMA)


def rejects(rows: pl.DataFrame, reason: str | None = None) -> pl.DataFrame:
    """Return rejects for the ``_row`` of ``rows``; the reason is a constant or the column ``reason``."""
    why = pl.col("reason") if reason is None else pl.lit(reason).alias("reason")
    return rows.select(pl.col("_row"), why).cast(REJECT_SCHEMA)  # type: ignore[arg-type]  # a plain dict is a schema


def take(step: Step, source: str, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, StepReport]:
    """Return (kept rows, quarantined rows as ``REJECT_SCHEMA``, report) of one step.

    Raises:
        RowsLost: the step did not account for each row exactly once.
    """
    after, refused = step.apply(table)
    refused = refused.unique("_row", keep="first", maintain_order=True).sort("_row")
    if not after["_row"].equals(table["_row"]):
        raise RowsLost(f"step {step.name} on {source}: the rows that came out are not those that went in")
    kept = after.join(refused, on="_row", how="anti", maintain_order="left")
    before = table.join(refused, on="_row", how="anti", maintain_order="left")
    shared = [name for name in table.columns if name in after.columns and not name.startswith("_")]
    changed = pl.DataFrame({name: before[name].ne_missing(kept[name]) for name in shared})
    repaired = int(changed.select(pl.any_horizontal(pl.all()).sum()).item()) if shared else 0
    cells = int(changed.select(pl.sum_horizontal(pl.all().sum())).item()) if shared else 0
    reasons = refused.group_by("reason").len().sort("reason").rows()
    report = StepReport(
        step.name, source, table.height, kept.height - repaired, repaired, refused.height, cells, tuple(reasons)
    )
    return kept, refused, report
