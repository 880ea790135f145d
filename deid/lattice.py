"""Lowering the risk: the generalisation and suppression that lose the least information within a profile's limits.

The lattice has a level for sex, age, race and place. Each node generalises everybody; patients of classes that are
still beyond the limits are suppressed. The loss is the non-uniform entropy: a value among n equal ones that becomes a
group of N loses log2(N / n) bits, and a suppressed patient loses all he had. A node's generalisation alone is a lower
bound of what it loses, so nodes are tried in its order and the search ends when no node can be better: the result is
the best of the whole lattice, not the first that fits.

Source: full-domain generalisation (Samarati 2001; LeFevre 2005), non-uniform entropy (de Waal and Willenborg 1999;
Gionis and Tassa 2009, section 4).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import polars as pl

from deid.policy import Place, Profile
from deid.risk import EXACT, QUASI, Risk, classes, measure
from deid.transform.generalise import age_band, region
from deid.utility import Utility, utility
from policies.errors import RiskTooHigh

STEPS = (1, 5, 10, 20, 40)
PLACES: tuple[Place, ...] = ("district", "city", "province")
SAID = ("sex", "age", "age_width", "race", "address")


@dataclass(frozen=True, slots=True)
class Node:
    """One generalisation. None or False: the attribute is not shown at all."""

    sex: bool
    age_step: int | None
    race: bool
    place: Place | None


@dataclass(frozen=True, slots=True)
class Lowered:
    """People after generalisation and suppression, the node that was chosen, and what that did to risk and use.

    Attributes:
        loss: Share of the information lost, in [0, 1].
        tried: Nodes of the lattice that were looked at.
    """

    people: pl.DataFrame = field(repr=False)
    node: Node
    before: Risk
    after: Risk
    loss: float
    tried: int
    utility: tuple[Utility, ...]


def lower(people: pl.DataFrame, profile: Profile) -> Lowered:
    """Return people within the profile's limits, with as little lost as the lattice allows.

    Args:
        people: ``patient``, ``sex``, ``age`` and ``age_width`` (years), ``race``, ``address``, ``sensitive``.

    Raises:
        RiskTooHigh: no node leaves few enough patients to suppress.
    """
    lattice = _Lattice(people, profile)
    most = profile.max_suppressed * people.height
    best: tuple[float, Node, pl.DataFrame] | None = None
    tried = 0
    for bound, node in lattice.nodes():
        if best is not None and bound >= best[0] - EXACT:
            break
        tried += 1
        kept = lattice.suppress(node, profile)
        suppressed = int(kept.filter("suppressed")["m"].sum())
        if suppressed > most or _mean(kept) > profile.mean_risk + EXACT:
            continue
        bits = lattice.bits(node, kept)
        if best is None or bits < best[0] - EXACT:
            best = bits, node, kept
    if best is None:
        raise RiskTooHigh(
            f"profile {profile.name}: no generalisation keeps the risk within its limits for this many patients"
        )
    bits, node, kept = best
    finest = lattice.finest
    marks = kept.select("_cell", *QUASI, "suppressed")
    shown = lattice.people.drop("sex", "race").join(marks, on="_cell", how="left", maintain_order="left").drop("_cell")
    start = lattice.people.drop("sex", "race").join(
        lattice.generalise(finest).select("_cell", *QUASI), on="_cell", how="left", maintain_order="left"
    )
    blanked = shown.with_columns(
        pl.when(~pl.col("suppressed")).then(pl.col(name)).alias(name) for name in (*QUASI, "age")
    )
    loss = bits / lattice.everything if lattice.everything else 0.0
    return Lowered(blanked, node, measure(start), measure(shown), loss, tried, utility(start, blanked, QUASI))


class _Lattice:
    """The patients as cells, and what each level of each attribute makes of them."""

    def __init__(self, people: pl.DataFrame, profile: Profile) -> None:
        by = (*SAID, "sensitive")
        counted = people.group_by(by, maintain_order=True).agg(pl.len().alias("m")).with_row_index("_cell")
        self.people = people.join(counted.drop("m"), on=list(by), how="left", nulls_equal=True, maintain_order="left")
        self.finest = Node(sex=True, age_step=profile.age_step, race=True, place=profile.place)
        self._levels = _levels(counted, profile)
        self._cells = counted.select("_cell", "sensitive", "m")
        finest = {name: levels[0] for name, levels in self._levels.items()}
        self._original = {name: level.column for name, level in finest.items()}
        self._bits = {
            name: {level.of: _bits(self._original[name], level.column, counted["m"]) for level in levels}
            for name, levels in self._levels.items()
        }
        nothing = pl.Series([None] * counted.height, dtype=pl.String)
        self._nothing_lost = pl.Series([0.0] * counted.height, dtype=pl.Float64)
        everything = (_bits(one, nothing, counted["m"]) for one in self._original.values())
        self._all = sum(everything, self._nothing_lost)
        self.everything = float((self._all * counted["m"]).sum())

    def nodes(self) -> list[tuple[float, Node]]:
        """Return every node with what its generalisation loses, the least first; ties in the order of the levels."""
        found = []
        for levels in product(*(enumerate(levels) for levels in self._levels.values())):
            node = Node(**{name: level.of for name, (_, level) in zip(self._levels, levels, strict=True)})
            found.append((self._generalised(node), tuple(place for place, _ in levels), node))
        return [
            (bits, node) for bits, _, node in sorted(found, key=lambda one: (round(one[0], 9), sum(one[1]), one[1]))
        ]

    def generalise(self, node: Node) -> pl.DataFrame:
        """Return the cells with their quasi-identifiers as a node shows them."""
        columns = [level.column.alias(QUASI_OF[name]) for name, level in self._at(node)]
        return self._cells.with_columns(columns)

    def suppress(self, node: Node, profile: Profile) -> pl.DataFrame:
        """Return the cells of a node, ``suppressed`` where a class is beyond the limits.

        Again and again, as t depends on who is left. Where the mean is too high, the smallest classes go as well.
        """
        shown = self.generalise(node).with_columns(pl.lit(value=False).alias("suppressed"))
        fewest = profile.k
        while True:
            found = classes(shown.filter(~pl.col("suppressed")))
            wrong = pl.col("n") < fewest
            if profile.l_diversity is not None:
                wrong |= pl.col("l") < profile.l_diversity
            if profile.t_closeness is not None:
                wrong |= pl.col("t") > profile.t_closeness + EXACT
            bad = found.filter(wrong)
            if not bad.height:
                if not found.height or found.height <= (profile.mean_risk + EXACT) * int(found["n"].sum()):
                    return shown.sort("_cell")
                fewest = int(found["n"].min()) + 1  # type: ignore[arg-type]  # there is a class
                continue
            marks = bad.select(*QUASI, pl.lit(value=True).alias("_bad"))
            joined = shown.join(marks, on=list(QUASI), how="left", nulls_equal=True, maintain_order="left")
            flag = pl.col("suppressed") | pl.col("_bad").fill_null(value=False)
            shown = joined.with_columns(flag.alias("suppressed")).drop("_bad")

    def bits(self, node: Node, kept: pl.DataFrame) -> float:
        """Return what a node loses with its suppressed cells."""
        lost = sum((self._bits[name][level.of] for name, level in self._at(node)), self._nothing_lost)
        whole = kept.select(pl.when(kept["suppressed"]).then(self._all).otherwise(lost) * pl.col("m")).to_series()
        return float(whole.sum())

    def _generalised(self, node: Node) -> float:
        return float(sum((self._bits[name][level.of] * self._cells["m"]).sum() for name, level in self._at(node)))

    def _at(self, node: Node) -> Iterator[tuple[str, "_Level"]]:
        for name, levels in self._levels.items():
            yield name, next(level for level in levels if level.of == getattr(node, name))


@dataclass(frozen=True, slots=True)
class _Level:
    """What one level of one attribute makes of each cell."""

    of: Any
    column: pl.Series = field(repr=False)


QUASI_OF = {"sex": "sex", "age_step": "age_band", "race": "race", "place": "region"}


def _levels(counted: pl.DataFrame, profile: Profile) -> dict[str, list[_Level]]:
    nothing = pl.Series([None] * counted.height, dtype=pl.String)
    steps = [profile.age_step, *(step for step in STEPS if step > profile.age_step)]
    distinct_ages = counted.select("age", "age_width").unique().sort("age", "age_width")
    rows = distinct_ages.rows()
    made = distinct_ages.with_columns(
        pl.Series(str(step), [age_band(age, max(step, width or 1), profile.age_top) for age, width in rows], pl.String)
        for step in steps
    )
    joined = counted.select("age", "age_width").join(
        made, on=["age", "age_width"], how="left", nulls_equal=True, maintain_order="left"
    )
    bands = [joined[str(step)] for step in steps]
    places = PLACES[PLACES.index(profile.place) :]
    addresses = counted["address"].drop_nulls().unique().sort()
    named = pl.DataFrame(
        {"address": addresses}
        | {place: pl.Series([region(one, place) for one in addresses], dtype=pl.String) for place in places}
    )
    placed = counted.select("address").join(named, on="address", how="left", maintain_order="left")
    regions = [placed[place] for place in places]
    return {
        "sex": [_Level(True, counted["sex"]), _Level(False, nothing)],
        "age_step": [*map(_Level, steps, bands), _Level(None, nothing)],
        "race": [_Level(True, counted["race"]), _Level(False, nothing)],
        "place": [*map(_Level, places, regions), _Level(None, nothing)],
    }


def _bits(original: pl.Series, shown: pl.Series, counts: pl.Series) -> pl.Series:
    """Return for each cell how many bits of one attribute are lost: log2(patients shown alike / patients alike)."""
    table = pl.DataFrame({"was": original, "is": shown, "m": counts})
    alike = pl.col("m").sum()
    gone = pl.col("is").is_null() & pl.col("was").is_not_null()
    whole = pl.when(gone).then(alike).otherwise(alike.over("is"))
    lost = (
        pl.when(pl.col("was").is_null() & pl.col("is").is_null())
        .then(0.0)
        .otherwise((whole / alike.over("was")).log(2))
    )
    return table.select(lost.cast(pl.Float64).alias("bits")).to_series()


def _mean(kept: pl.DataFrame) -> float:
    shown = kept.filter(~pl.col("suppressed"))
    return shown.select(QUASI).n_unique() / int(shown["m"].sum()) if shown.height else 0.0
