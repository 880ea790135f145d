"""Re-identification risk over the quasi-identifiers of patients: k, l, t and prosecutor risk, and how it is lowered.

A suppressed patient has no quasi-identifiers left and is not in any class. Generalisation is searched over a small
lattice (age step, place, race); the least general node wins whose classes leave few enough patients to suppress.

Source: k-anonymity (Sweeney 2002), l-diversity (distinct; Machanavajjhala 2007), t-closeness (total variation over an
unordered attribute; Li 2007), prosecutor risk (El Emam 2013); GB/T 42460-2023 annex D.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import polars as pl

from deid.policy import Place, Profile
from deid.transform.generalise import age_band, region
from policies.errors import RiskTooHigh

QUASI = ("sex", "age_band", "race", "region")
STEPS = (1, 5, 10, 20)
PLACES: tuple[Place | None, ...] = ("district", "city", "province", None)


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of a table. All figures are over the patients that are not suppressed.

    Attributes:
        patients, suppressed: Counts.
        k: Size of the smallest class; 0 where there is none.
        l_diversity: Smallest number of sensitive values in a class.
        t_closeness: Largest distance, in [0, 1], of a class's sensitive values from everybody's.
        highest, mean: Prosecutor risk: 1 / k, and classes / patients.
        unique: Patients alone in their class.
    """

    patients: int
    suppressed: int
    k: int
    l_diversity: int
    t_closeness: float
    highest: float
    mean: float
    unique: int

    def as_dict(self) -> dict[str, Any]:
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Lowered:
    """People after generalisation and suppression, the risk before and after, and the node that was chosen."""

    people: pl.DataFrame
    before: Risk
    after: Risk
    age_step: int | None
    place: Place | None
    race: bool


def measure(people: pl.DataFrame, quasi: tuple[str, ...] = QUASI) -> Risk:
    """Return the risk of people with the columns ``quasi``, ``sensitive`` and, optionally, Boolean ``suppressed``."""
    shown = people.filter(~pl.col("suppressed")) if "suppressed" in people.columns else people
    if not shown.height:
        return Risk(0, people.height, 0, 0, 0.0, 0.0, 0.0, 0)
    classes = _classes(shown, quasi)
    k = int(classes["n"].min())  # type: ignore[arg-type]  # there is at least one class
    return Risk(
        patients=shown.height,
        suppressed=people.height - shown.height,
        k=k,
        l_diversity=int(classes["l"].min()),  # type: ignore[arg-type]
        t_closeness=float(classes["t"].max()),  # type: ignore[arg-type]
        highest=1 / k,
        mean=classes.height / shown.height,
        unique=classes.filter(pl.col("n") == 1).height,
    )


def lower(people: pl.DataFrame, profile: Profile) -> Lowered:
    """Return people within the profile's limits.

    Args:
        people: ``patient``, ``sex``, ``age`` and ``age_width`` (years), ``race``, ``address``, ``sensitive``.

    Raises:
        RiskTooHigh: no node of the lattice leaves few enough patients to suppress.
    """
    finest = next(_nodes(profile))
    before = measure(_generalise(people, *finest, profile))
    for node in _nodes(profile):
        candidate = _suppress(_generalise(people, *node, profile), profile)
        after = measure(candidate)
        share = after.suppressed / people.height if people.height else 0.0
        if share <= profile.max_suppressed and after.mean <= profile.mean_risk:
            return Lowered(_blank(candidate), before, after, *node)
    raise RiskTooHigh(
        f"profile {profile.name}: no generalisation keeps the risk within its limits for this many patients"
    )


def _nodes(profile: Profile) -> Iterator[tuple[int | None, Place | None, bool]]:
    """Yield the lattice from the profile's own level upwards, by the sum of levels."""
    steps = [profile.age_step, *(step for step in STEPS if step > profile.age_step), None]
    places = PLACES[PLACES.index(profile.place) :]
    grid = product(range(len(steps)), range(len(places)), (0, 1))
    for age, place, race in sorted(grid, key=lambda node: (sum(node), node)):
        yield steps[age], places[place], race == 0


def _generalise(
    people: pl.DataFrame, age_step: int | None, place: Place | None, race: bool, profile: Profile
) -> pl.DataFrame:
    def band(age: int | None, width: int) -> str | None:
        return None if age_step is None else age_band(age, max(age_step, width), profile.age_top)

    def area(address: str | None) -> str | None:
        return None if place is None or address is None else region(address, place)

    return people.with_columns(
        pl.Series("age_band", [band(*row) for row in people.select("age", "age_width").iter_rows()], pl.String),
        pl.Series("region", [area(address) for address in people["address"]], pl.String),
        (pl.col("race") if race else pl.lit(None, pl.String)).alias("race"),
        pl.lit(value=False).alias("suppressed"),
    )


def _suppress(people: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Mark patients of classes beyond the limits, again and again, as t depends on who is left."""
    while True:
        shown = people.filter(~pl.col("suppressed"))
        classes = _classes(shown, QUASI)
        wrong = pl.col("n") < profile.k
        if profile.l_diversity is not None:
            wrong |= pl.col("l") < profile.l_diversity
        if profile.t_closeness is not None:
            wrong |= pl.col("t") > profile.t_closeness + 1e-12
        bad = classes.filter(wrong).select(*QUASI, pl.lit(value=True).alias("_bad"))
        if not bad.height:
            return people
        marked = people.join(bad, on=list(QUASI), how="left", nulls_equal=True, maintain_order="left")
        flag = pl.col("suppressed") | pl.col("_bad").fill_null(value=False)
        people = marked.with_columns(flag.alias("suppressed")).drop("_bad")


def _blank(people: pl.DataFrame) -> pl.DataFrame:
    return people.with_columns(
        pl.when(~pl.col("suppressed")).then(pl.col(name)).alias(name) for name in (*QUASI, "age")
    )


def _classes(shown: pl.DataFrame, quasi: tuple[str, ...]) -> pl.DataFrame:
    """Return each class with its size ``n``, its number of sensitive values ``l`` and its distance ``t``."""
    key = list(quasi)
    sizes = shown.group_by(key).agg(pl.len().alias("n"), pl.col("sensitive").n_unique().alias("l"))
    overall = shown.group_by("sensitive").agg((pl.len() / shown.height).alias("q"))
    cells = shown.group_by([*key, "sensitive"]).agg(pl.len().alias("m"))
    joined = cells.join(overall, on="sensitive", nulls_equal=True).join(sizes, on=key, nulls_equal=True)
    seen = (pl.col("m") / pl.col("n") - pl.col("q")).abs().sum()
    distance = joined.group_by(key).agg(((seen + 1 - pl.col("q").sum()) / 2).alias("t"))
    return sizes.join(distance, on=key, nulls_equal=True)
