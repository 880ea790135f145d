"""Re-identification risk over the quasi-identifiers of patients: k, l, t and the three attackers.

A suppressed patient has no quasi-identifiers left and is not in any class. Everything is one grouping of the patients
into cells (class and sensitive value), and arithmetic over the cells.

Source: k-anonymity (Sweeney 2002), l-diversity (distinct; Machanavajjhala 2007), t-closeness (total variation over an
unordered attribute; Li 2007); prosecutor, journalist and marketer risk (El Emam 2013, chapter 16; Dankar and El Emam
2010 for the marketer); GB/T 42460-2023 annex D.
"""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

QUASI = ("sex", "age_band", "race", "region")
EXACT = 1e-12  # a distance is over its limit by more than rounding


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of a table. All figures are over the patients that are not suppressed.

    Attributes:
        patients, suppressed: Counts.
        k: Size of the smallest class; 0 where there is none.
        l_diversity: Smallest number of sensitive values in a class.
        t_closeness: Largest distance, in [0, 1], of a class's sensitive values from everybody's.
        highest, mean: Prosecutor risk (the attacker knows that his target is in the table): 1 / k, classes / patients.
        journalist: Highest risk where the target is anybody of the population: 1 / the smallest population class.
        marketer: Expected share of patients re-identified by matching the whole table with the population's.
        unique: Patients alone in their class.
    """

    patients: int
    suppressed: int
    k: int
    l_diversity: int
    t_closeness: float
    highest: float
    mean: float
    journalist: float
    marketer: float
    unique: int

    def as_dict(self) -> dict[str, Any]:
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


def measure(people: pl.DataFrame, quasi: tuple[str, ...] = QUASI, population: pl.DataFrame | None = None) -> Risk:
    """Return the risk of people with the columns ``quasi``, ``sensitive`` and, optionally, Boolean ``suppressed``.

    Args:
        population: ``quasi`` and ``patients``: how many of the population are in each class. Without it the table is
            taken for the whole population, which is the highest the two risks can be.
    """
    shown = people.filter(~pl.col("suppressed")) if "suppressed" in people.columns else people
    if not shown.height:
        return Risk(0, people.height, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    found = classes(cells(shown, quasi), quasi)
    k = int(found["n"].min())  # type: ignore[arg-type]  # there is at least one class
    known = found.with_columns(pl.col("n").alias("N"))
    if population is not None:
        counts = population.group_by(quasi).agg(pl.col("patients").sum().alias("_all"))
        joined = found.join(counts, on=list(quasi), how="left", nulls_equal=True)
        known = joined.with_columns(
            pl.max_horizontal("_all", "n").alias("N")
        )  # who is in the table is in the population
    return Risk(
        patients=shown.height,
        suppressed=people.height - shown.height,
        k=k,
        l_diversity=int(found["l"].min()),  # type: ignore[arg-type]
        t_closeness=float(found["t"].max()),  # type: ignore[arg-type]
        highest=1 / k,
        mean=found.height / shown.height,
        journalist=1 / int(known["N"].min()),  # type: ignore[arg-type]
        marketer=float((known["n"] / known["N"]).sum()) / shown.height,
        unique=found.filter(pl.col("n") == 1).height,
    )


def cells(people: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Return how many patients (``m``) have each combination of ``by`` and ``sensitive``."""
    return people.group_by(*by, "sensitive").agg(pl.len().alias("m"))


def classes(counted: pl.DataFrame, quasi: tuple[str, ...] = QUASI) -> pl.DataFrame:
    """Return each class with its size ``n``, its number of sensitive values ``l`` and its distance ``t``.

    Args:
        counted: As ``cells`` gives them, or finer: a class and a sensitive value may come more than once.
    """
    key = list(quasi)
    merged = counted.group_by(*key, "sensitive").agg(pl.col("m").sum())
    sizes = merged.group_by(key).agg(pl.col("m").sum().alias("n"), pl.len().alias("l"))
    total = int(merged["m"].sum())
    overall = merged.group_by("sensitive").agg((pl.col("m").sum() / total).alias("q"))
    joined = merged.join(overall, on="sensitive", nulls_equal=True).join(sizes, on=key, nulls_equal=True)
    seen = (pl.col("m") / pl.col("n") - pl.col("q")).abs().sum()
    distance = joined.group_by(key).agg(((seen + 1 - pl.col("q").sum()) / 2).alias("t"))
    return sizes.join(distance, on=key, nulls_equal=True)
