"""Free text: found with the patient's own identifiers at hand, and rewritten; other texts scanned by distinct value."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from deid.detect import Detector, Known
from deid.detect.rewrite import rewrite
from deid.transform.operators import Operators

_NUMERIC = r"^[\s\d.,<>=≤≥+\-*/%:^()\[\]]*$"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """New texts, and counts by label of what was found in them."""

    texts: list[str | None] = field(repr=False)
    found: dict[str, int]


def rewrite_notes(
    texts: list[str],
    patients: list[str],
    known: Mapping[str, Known],
    shift_days: Mapping[str, int | None],
    finder: Detector,
    operators: Operators | None = None,
) -> Rewritten:
    """Return the notes without identifiers; dates move by their patient's offset, or go where that is None.

    Args:
        operators: What the profile asks for beyond tags; a note that it withholds is None.
    """
    spans = finder.find_all(texts, [known.get(patient, ()) for patient in patients])
    counts = Counter(span.label for found in spans for span in found)
    new = [
        operators.rewrite(text, found, patient, shift_days[patient])
        if operators is not None
        else rewrite(text, found, shift_days=shift_days[patient])
        for text, found, patient in zip(texts, spans, patients, strict=True)
    ]
    return Rewritten([*new], dict(sorted(counts.items())))


def scrub(values: pl.Series, finder: Detector) -> tuple[pl.Series, dict[str, int]]:
    """Return a column of short texts with those emptied that hold an identifier, and counts of cells by label."""
    words = values.drop_nulls()
    distinct = words.filter(~words.str.contains(_NUMERIC)).unique().sort()
    labels = {
        text: found[0].label for text, found in zip(distinct, finder.find_all(distinct.to_list()), strict=True) if found
    }
    if not labels:
        return values, {}
    counts = Counter(labels[value] for value in words if value in labels)
    clean = [None if value in labels else value for value in values]
    return pl.Series(values.name, clean, pl.String), dict(sorted(counts.items()))
