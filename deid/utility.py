"""Utility: what is left to learn from the quasi-identifiers, before and after the risk was lowered. Counts only."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class Utility:
    """One attribute.

    Attributes:
        shown_before, shown_after: Patients with a value.
        values_before, values_after: Distinct values.
        bits_before, bits_after: Entropy of the values of those who have one.
        lost: Share of the attribute's information that is gone, in [0, 1]: 1 - (bits x patients) after / before.
    """

    attribute: str
    shown_before: int
    shown_after: int
    values_before: int
    values_after: int
    bits_before: float
    bits_after: float
    lost: float

    def as_dict(self) -> dict[str, Any]:
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


def utility(before: pl.DataFrame, after: pl.DataFrame, attributes: tuple[str, ...]) -> tuple[Utility, ...]:
    """Return for each attribute what is left of it."""
    return tuple(_one(name, before[name].drop_nulls(), after[name].drop_nulls()) for name in attributes)


def entropy(values: pl.Series) -> float:
    """Return the entropy of a column in bits.

    >>> entropy(pl.Series(["a", "b", "a", "b"]))
    1.0
    """
    counts = values.value_counts()["count"].to_list()
    whole = len(values)
    return -sum(n / whole * math.log2(n / whole) for n in counts) if whole else 0.0


def _one(name: str, before: pl.Series, after: pl.Series) -> Utility:
    a, b = entropy(before), entropy(after)
    held = a * len(before)
    return Utility(
        name, len(before), len(after), before.n_unique(), after.n_unique(), a, b,
        max(1 - b * len(after) / held, 0.0) if held else float(len(before) > len(after)),
    )  # fmt: skip
