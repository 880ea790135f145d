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
        """Return the table with changed cells, all rows still there, and the rows to quarantine (``REJECT_SCHEMA``).

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


@dataclass(frozen=True, slots=True)
class Taken:
    """What one step made of a table: kept rows, refused ones (``REJECT_SCHEMA``), and which of the kept it repaired."""

    kept: pl.DataFrame
    refused: pl.DataFrame
    repaired: pl.Series
    report: StepReport


def take(step: Step, source: str, table: pl.DataFrame) -> Taken:
    """Return what ``step`` made of ``table``, with rows and cells counted outside the step.

    A row counts as repaired if one of its cells changed; a step that also brings good cells to another form says in a
    Boolean column ``_repair`` which changes were repairs.

    Raises:
        RowsLost: the step did not account for each row exactly once.
    """
    after, refused = step.apply(table)
    refused = refused.unique("_row", keep="first", maintain_order=True).sort("_row")
    if not after["_row"].equals(table["_row"]) or not refused["_row"].is_in(table["_row"].implode()).all():
        raise RowsLost(f"step {step.name} on {source}: the rows that came out are not those that went in")
    after = after.join(refused.select("_row"), on="_row", how="anti", maintain_order="left")
    before = table.join(refused.select("_row"), on="_row", how="anti", maintain_order="left")
    shared = [name for name in table.columns if name in after.columns and not name.startswith("_")]
    changed = pl.DataFrame({name: before[name].ne_missing(after[name]) for name in shared})
    cells = int(sum(changed[name].sum() for name in shared))
    touched = changed.select(pl.any_horizontal(pl.all())).to_series() if shared else pl.Series([False] * after.height)
    if "_repair" in after.columns:
        touched &= after["_repair"]
        after = after.drop("_repair")
    repaired = after["_row"].filter(touched)
    reasons = tuple(refused.group_by("reason").len().sort("reason").rows())
    kept = after.height - repaired.len()
    report = StepReport(step.name, source, table.height, kept, repaired.len(), refused.height, cells, reasons)
    return Taken(after, refused, repaired, report)
