"""Plausibility: rows that contradict themselves."""

import re
from dataclasses import dataclass

import polars as pl

from deid.step import no_rejects, rejects

OLDEST = 125  # years; the oldest verified age is 122
AGE_SLACK = 2  # years: ages are counted in more than one way
_WHOLE_AGE = re.compile(r"^\d{1,3}\s*岁?$")


@dataclass(frozen=True, slots=True)
class CheckTimes:
    """Quarantine impossible sequences of days. Runs after dates are in ISO form.

    Reasons: ``ends-before-start``, ``born-after-visit``, ``older-than-possible``, ``age-contradicts-birth``.
    """

    name: str = "plausible-times"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        def day(name: str) -> pl.Expr:
            return (
                pl.col(name).str.to_date("%Y-%m-%d", strict=False) if name in table.columns else pl.lit(None, pl.Date)
            )

        age = pl.lit(None, pl.Int32)
        if "person.age" in table.columns:
            written = pl.col("person.age")
            whole = written.str.contains(_WHOLE_AGE.pattern)
            age = pl.when(whole).then(written.str.extract(r"(\d+)").cast(pl.Int32, strict=False))
        start, end, born = day("visit.start"), day("visit.end"), day("person.birth_date")
        years = (start - born).dt.total_days() / 365.25
        rules = {
            "ends-before-start": end < start,
            "born-after-visit": start < born,
            "older-than-possible": (years > OLDEST) | (age > OLDEST),
            "age-contradicts-birth": (years - age).abs() > AGE_SLACK,
        }
        refused = no_rejects()
        for reason, wrong in rules.items():
            refused = refused.vstack(rejects(table.filter(wrong), reason))
        return table, refused
