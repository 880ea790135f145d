"""Statistics of a version as one charged release: how many patients, of which sex and age, with which records.

Every figure counts patients, so one patient changes each by at most one; the vocabularies are public and do not depend
on the records. All figures are one vector whose change by one patient is bounded, with exact discrete Gaussian noise.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.discrete import Below, noisy
from datasets.ledger import Event
from policies.errors import BadInput, NotFound

Scan = Callable[[str], pl.LazyFrame]

SEXES = {"male": 8507, "female": 8532}
BANDS = (*(f"{low}-{low + 9}" for low in range(0, 90, 10)), "90+")
# The chapters of ICD-10 (WHO), as first and last category.
CHAPTERS = {
    "I": ("A00", "B99"), "II": ("C00", "D48"), "III": ("D50", "D89"), "IV": ("E00", "E90"), "V": ("F00", "F99"),
    "VI": ("G00", "G99"), "VII": ("H00", "H59"), "VIII": ("H60", "H95"), "IX": ("I00", "I99"), "X": ("J00", "J99"),
    "XI": ("K00", "K93"), "XII": ("L00", "L99"), "XIII": ("M00", "M99"), "XIV": ("N00", "N99"), "XV": ("O00", "O99"),
    "XVI": ("P00", "P96"), "XVII": ("Q00", "Q99"), "XVIII": ("R00", "R99"), "XIX": ("S00", "T98"),
    "XX": ("V01", "Y98"), "XXI": ("Z00", "Z99"), "XXII": ("U00", "U99"),
}  # fmt: skip
CHAPTERS_EACH = 4
"""A patient counts in at most so many chapters, the first of his in the book: an order that is public."""
SIGMA = 20.0
"""Noise divided by what one patient can change."""
CASE_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of patients by question and answer, exact."""

    counts: Mapping[str, Mapping[str, int]]

    @property
    def change(self) -> float:
        """How much one patient can move the vector of all counts (L2): one cell of each question he answers."""
        return math.sqrt(sum(_MOST.get(question, 1) for question in self.counts))

    def released(self, sigma: float, below: Below) -> dict[str, dict[str, int]]:
        """Return the counts with noise; ``sigma`` is the noise over what one patient can change. None is below 0."""
        cells = [(question, answer) for question in self.counts for answer in self.counts[question]]
        values = noisy([self.counts[q][a] for q, a in cells], sigma * self.change, below)
        told: dict[str, dict[str, int]] = {question: {} for question in self.counts}
        for (question, answer), value in zip(cells, values, strict=True):
            told[question][answer] = max(value, 0)
        return told


_MOST = {"chapter": CHAPTERS_EACH}


def event(sigma: float = SIGMA) -> Event:
    """Return the mechanism that one release is charged as."""
    return Event("gaussian", 1.0, sigma, 1)


def figures(columns: Mapping[str, tuple[tuple[str, str], ...]], scan: Scan) -> Figures:
    """Return the exact counts of a version.

    Args:
        columns: Table -> (name, type) of its columns, as in the manifest.
        scan: Table -> its lazy rows.
    """
    counts: dict[str, dict[str, int]] = {"patients": {"all": _patients(scan("person"))}}
    for table in sorted(columns):
        if table != "person":
            counts[f"with {table}"] = {"yes": _patients(scan(table))}
    person = {name for name, _ in columns.get("person", ())}
    if "gender_concept_id" in person:
        sex = scan("person").group_by("gender_concept_id").agg(pl.col("patient").n_unique()).collect()
        found = dict(sex.iter_rows())
        counts["sex"] = {name: int(found.get(code, 0)) for name, code in SEXES.items()}
    if "age_band" in person:
        counts["age"] = _ages(scan("person").select("patient", "age_band").unique("patient").collect())
    if "condition_source_value" in {name for name, _ in columns.get("condition_occurrence", ())}:
        counts["chapter"] = _chapters(scan("condition_occurrence"))
    return Figures(counts)


def band(text: str | None) -> str | None:
    """Return the public band that an age or a published age band begins in.

    >>> band("45-49"), band("90+"), band("7")
    ('40-49', '90+', '0-9')
    """
    digits = "".join(c for c in (text or "").split("-")[0] if c.isdecimal())
    if not digits:
        return None
    age = int(digits)
    return BANDS[min(age // 10, len(BANDS) - 1)]


def chapter(code: str | None) -> str | None:
    """Return the ICD-10 chapter of a code.

    >>> chapter("E11.900"), chapter("x")
    ('IV', None)
    """
    category = (code or "").strip().upper()[:3]
    if not re.fullmatch(r"[A-Z]\d[0-9A-Z]", category):
        return None
    return next((name for name, (first, last) in CHAPTERS.items() if first <= category <= last), None)


@dataclass(frozen=True, slots=True)
class Cohort:
    """A question a partner may ask before he applies: patients who have a row of each kind.

    Attributes:
        conditions: (table, column, prefixes): a row of the table whose column begins with one of them.
    """

    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, raw: Any) -> "Cohort":
        """Return the cohort that JSON names: a list of ``{"table", "column", "prefix": [...]}``.

        Raises:
            BadInput: it is not one, or has too many conditions.
        """
        if not isinstance(raw, list) or len(raw) > CASE_LIMIT:
            raise BadInput(f"a cohort is a list of at most {CASE_LIMIT} conditions")
        try:
            found = tuple(
                (str(one["table"]), str(one["column"]), tuple(sorted({str(prefix) for prefix in one["prefix"]})))
                for one in raw
            )
        except (KeyError, TypeError):
            raise BadInput("a condition of a cohort has a table, a column and prefixes") from None
        if any(not prefixes or len(prefixes) > CASE_LIMIT for _, _, prefixes in found):
            raise BadInput(f"a condition has from 1 to {CASE_LIMIT} prefixes")
        return cls(tuple(sorted(found)))

    def as_list(self) -> list[dict[str, Any]]:
        """Return JSON types only."""
        return [{"table": t, "column": c, "prefix": list(p)} for t, c, p in self.conditions]

    def count(self, columns: Mapping[str, tuple[tuple[str, str], ...]], scan: Scan) -> int:
        """Return how many patients are in it, exactly.

        Raises:
            NotFound: the version has no such table or column.
        """
        found = scan("person").select("patient").unique()
        for table, column, prefixes in self.conditions:
            if column not in {name for name, _ in columns.get(table, ())}:
                raise NotFound("the version has no such table or column")
            text = pl.col(column).cast(pl.String)
            hit = pl.any_horizontal([text.str.starts_with(prefix) for prefix in prefixes])
            found = found.join(scan(table).filter(hit).select("patient").unique(), on="patient", how="semi")
        return int(found.select(pl.len()).collect().item())


def _patients(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.col("patient").n_unique()).collect().item())


def _ages(people: pl.DataFrame) -> dict[str, int]:
    bands = [band(text) for text in people["age_band"]]
    return {name: bands.count(name) for name in BANDS}


def _chapters(rows: pl.LazyFrame) -> dict[str, int]:
    """Count patients by chapter, each in the first ``CHAPTERS_EACH`` of his."""
    pairs = rows.select("patient", pl.col("condition_source_value").str.slice(0, 3)).unique().collect()
    order = {name: place for place, name in enumerate(CHAPTERS)}
    his: dict[str, set[str]] = {}
    for patient, code in pairs.iter_rows():
        if (name := chapter(code)) is not None:
            his.setdefault(patient, set()).add(name)
    counts = dict.fromkeys(CHAPTERS, 0)
    for names in his.values():
        for name in sorted(names, key=order.__getitem__)[:CHAPTERS_EACH]:
            counts[name] += 1
    return counts
