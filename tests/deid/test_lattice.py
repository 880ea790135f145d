"""The solver against a slow reference that looks at every node in plain Python."""

import math
from collections import Counter
from dataclasses import replace
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.lattice import PLACES, STEPS, lower
from deid.policy import load_profile
from deid.risk import QUASI, measure
from deid.transform.generalise import age_band, region
from deid.utility import utility
from policies.errors import RiskTooHigh

LOOSE = replace(load_profile("cn_enclave"), k=2, mean_risk=1.0, max_suppressed=0.4, age_step=10)
ADDRESSES = ("上海市徐汇区云锦桥路1号", "上海市黄浦区东路2号", "江苏省南京市鼓楼区路3号", None)
PERSON = st.tuples(
    st.sampled_from(["male", "female", None]),
    st.sampled_from([12, 47, 48, 93, None]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["E11", "I10", None]),
)


def frame(rows: list[tuple]) -> pl.DataFrame:
    people = [(f"p{n}", sex, age, 1, race, address, sick) for n, (sex, age, race, address, sick) in enumerate(rows)]
    schema = {"patient": pl.String, "sex": pl.String, "age": pl.Int64, "age_width": pl.Int64, "race": pl.String}
    return pl.DataFrame(people, schema=schema | {"address": pl.String, "sensitive": pl.String}, orient="row")


def shown(row: tuple, sex: bool, step: int | None, race: bool, place: str | None) -> tuple:
    where = region(row[3], place) if place and row[3] else None
    return (row[0] if sex else None, age_band(row[1], step, 89) if step else None, row[2] if race else None, where)


def bits(original: list[tuple], made: list[tuple], kept: list[bool]) -> float:
    lost = 0.0
    for at in range(4):
        was, now = Counter(row[at] for row in original), Counter(row[at] for row in made)
        for old, new, keep in zip(original, made, kept, strict=True):
            if old[at] is None and not (keep and new[at] is not None):
                continue
            alike = now[new[at]] if keep and new[at] is not None else len(original)
            lost += math.log2(alike / was[old[at]])
    return lost


def slowly(rows: list[tuple], profile: object) -> float | None:
    """The least loss over all nodes, or None where none is within the limits."""
    original = [shown(row, True, profile.age_step, True, profile.place) for row in rows]
    steps = [profile.age_step, *(s for s in STEPS if s > profile.age_step), None]
    best = None
    for sex, step, race, place in product((True, False), steps, (True, False), (*PLACES, None)):
        made = [shown(row, sex, step, race, place) for row in rows]
        kept, fewest = [True] * len(rows), profile.k
        while True:
            left = [(key, row[4]) for key, row, keep in zip(made, rows, kept, strict=True) if keep]
            sizes = Counter(key for key, _ in left)
            sick = {key: Counter(value for k, value in left if k == key) for key in sizes}
            overall = Counter(value for _, value in left)
            far = {
                key: sum(abs(sick[key][v] / n - overall[v] / len(left)) for v in overall) / 2
                for key, n in sizes.items()
            }
            bad = {
                key
                for key, n in sizes.items()
                if n < fewest
                or (profile.l_diversity is not None and len(sick[key]) < profile.l_diversity)
                or (profile.t_closeness is not None and far[key] > profile.t_closeness + 1e-12)
            }
            if bad:
                kept = [keep and key not in bad for key, keep in zip(made, kept, strict=True)]
            elif left and len(sizes) > profile.mean_risk * len(left) + 1e-9:
                fewest = min(sizes.values()) + 1
            else:
                break
        if kept.count(False) <= profile.max_suppressed * len(rows):
            lost = bits(original, made, kept)
            best = lost if best is None else min(best, lost)
    return best


@settings(max_examples=15, deadline=None)
@given(
    st.lists(PERSON, min_size=1, max_size=14),
    st.sampled_from([
        {}, {"k": 3}, {"l_diversity": 2}, {"t_closeness": 0.3}, {"mean_risk": 0.3, "max_suppressed": 0.7},
    ]),
)  # fmt: skip
def test_the_solver_loses_no_more_than_the_best_of_all_nodes(rows: list[tuple], limits: dict) -> None:
    profile = replace(LOOSE, **limits)
    expected = slowly(rows, profile)
    if expected is None:
        with pytest.raises(RiskTooHigh):
            lower(frame(rows), profile)
        return
    found = lower(frame(rows), profile)
    everything = bits(*([[shown(row, True, 10, True, "district") for row in rows]] * 2), [False] * len(rows))
    assert found.loss * everything == pytest.approx(expected, abs=1e-6)
    risk = measure(found.people)
    assert risk == found.after
    assert risk.k >= profile.k or not risk.patients
    assert risk.l_diversity >= (profile.l_diversity or 0) or not risk.patients
    assert found.people["patient"].to_list() == [f"p{n}" for n in range(len(rows))]


def test_one_odd_patient_is_suppressed_rather_than_everybody_generalised() -> None:
    rows = [("female", 47, "1", ADDRESSES[0], "E11")] * 40 + [("male", 93, "2", ADDRESSES[2], "I10")]
    found = lower(frame(rows), replace(LOOSE, k=5))
    assert (found.after.suppressed, found.node.age_step, found.node.place) == (1, 10, "district")
    assert found.people[40].select(*QUASI, "age").row(0) == (None,) * 5


def test_two_halves_that_differ_in_district_lose_the_district_alone() -> None:
    rows = [("female", 47, "1", ADDRESSES[n % 2], "E11") for n in range(8)]
    found = lower(frame(rows), replace(LOOSE, k=5))
    assert (found.node.place, found.node.age_step, found.after.suppressed) == ("city", 10, 0)
    assert {one.attribute: one.lost for one in found.utility} == {
        "sex": 0.0, "age_band": 0.0, "race": 0.0, "region": 1.0,
    }  # fmt: skip


def test_nobody_at_all_is_within_every_limit() -> None:
    assert lower(frame([]), LOOSE).after.patients == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(PERSON, min_size=1, max_size=20), st.integers(1, 5))
def test_three_attackers_are_what_counting_gives(rows: list[tuple], scale: int) -> None:
    people = (
        frame(rows).rename({"age": "age_band", "address": "region"}).with_columns(pl.col("age_band").cast(pl.String))
    )
    population = people.select(*QUASI, pl.lit(scale).alias("patients"))
    risk = measure(people, population=population)
    sizes = Counter(people.select(QUASI).rows())
    assert risk.journalist == pytest.approx(1 / (scale * min(sizes.values())))
    assert risk.marketer == pytest.approx(sum(n / (scale * n) for n in sizes.values()) / len(rows))
    alone = measure(people)
    assert (alone.journalist, alone.marketer) == (alone.highest, pytest.approx(alone.mean))


def test_utility_counts_what_is_left() -> None:
    before = pl.DataFrame({"a": ["x", "y", "x", "y"]})
    (half,) = utility(before, pl.DataFrame({"a": ["x", "y", None, None]}, schema={"a": pl.String}), ("a",))
    assert (half.lost, half.shown_after, half.bits_after) == (0.5, 2, 1.0)
    (same,) = utility(before.select(pl.lit("x").alias("a")), pl.DataFrame({"a": []}, schema={"a": pl.String}), ("a",))
    assert same.lost == 1.0
