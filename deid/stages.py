"""The stages of the pipeline between cleaned rows and canonical tables, each over all patients or over some of them."""

from collections.abc import Callable, Iterable
from datetime import date

import polars as pl

from deid.keys import ProjectKeys
from deid.policy import Profile
from deid.standardise import codes, omop
from deid.standardise.omop import People
from deid.transform.generalise import age_width, age_years, holders, pooled, sex
from deid.transform.pseudonym import pseudonyms

CATEGORIES = {
    "visit": ("type", "department", "admission_source", "discharge_to"),
    "condition": ("name", "type"),
    "measurement": ("code", "name", "value_source", "unit_source", "range", "unit"),
    "observation": ("code", "name", "value", "unit"),
    "drug": ("code", "name", "unit", "route"),
    "note": ("title",),
    "image": ("modality", "body_part"),
}
EVENTS = (("visit", "start"), ("measurement", "date"), ("condition", "date"), ("observation", "date"), ("note", "date"))
POOLED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "visit": tuple((name, ()) for name in CATEGORIES["visit"]),
    "observation": (("value", ("item", "code", "name")),),
}


def people_of(present: Iterable[str], keys: ProjectKeys, project: str, days: Callable[[str], int]) -> pl.DataFrame:
    """Return ``patient`` (key), ``pseudonym`` and ``shift_days`` of everybody in ``present``, by key."""
    known = pl.Series("patient", sorted(present), pl.String)
    return pl.DataFrame(
        {
            "patient": known,
            "pseudonym": pseudonyms(known, keys.pseudonym, project, "patient"),
            "shift_days": pl.Series([days(key) for key in known], dtype=pl.Int64),
        }
    )


def rare_values(frames: dict[str, pl.DataFrame]) -> dict[tuple[str, str], pl.DataFrame]:
    """Return for each pooled column how many patients hold each value. Patients of two calls must be different."""
    return {
        (entity, column): holders(_texts(frames[entity], entity), column, by)
        for entity, columns in POOLED.items()
        for column, by in columns
    }


def pool(frames: dict[str, pl.DataFrame], held: dict[tuple[str, str], pl.DataFrame], profile: Profile) -> int:
    """Replace values that too few patients hold, in place, and return how many cells."""
    cells = 0
    for entity, columns in POOLED.items():
        for column, by in columns:
            frame = frames[entity]
            made, n = pooled(_texts(frame, entity), column, by, held[entity, column], profile.rare_below)
            frames[entity] = (
                pl.concat([made, frame.filter(pl.col("number").is_not_null())]) if entity == "observation" else made
            )
            cells += n
    return cells


def _texts(frame: pl.DataFrame, entity: str) -> pl.DataFrame:
    return frame.filter(pl.col("number").is_null()) if entity == "observation" else frame


def code_conditions(frames: dict[str, pl.DataFrame], profile: Profile) -> None:
    """Bring diagnosis codes to their written form, or to their category where the profile says so, in place."""
    condition = frames["condition"]
    made = {
        key: codes.normalise(*key) for key in condition.select("code", "system").unique().drop_nulls("code").iter_rows()
    }
    code = [made.get(key) for key in condition.select("code", "system").iter_rows()]
    if profile.conditions == "category":
        code = [value and codes.category(value) for value in code]
        condition = condition.with_columns(pl.lit(None, pl.String).alias("name"))
    frames["condition"] = condition.with_columns(pl.Series("code", code, pl.String)).filter(
        pl.col("code").is_not_null() | pl.col("name").is_not_null()
    )


def quasi(frames: dict[str, pl.DataFrame], people: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Return one row for each patient: ``sex``, ``age`` at the first event, ``race``, ``address``, ``sensitive``.

    ``reference`` is the published day of that event. Ages are pooled by the oldest age a patient is seen at.
    """
    said = frames["person"].sort("order", maintain_order=True, nulls_last=True)
    firsts = [pl.col(name).drop_nulls().first() for name in ("birth_date", "sex", "age", "race", "address")]
    one = people.join(said.group_by("patient").agg(firsts), on="patient", how="left", maintain_order="left")
    days = pl.concat([frames[entity].select("patient", pl.col(n).alias("day")) for entity, n in EVENTS]).drop_nulls()
    seen = days.group_by("patient").agg(pl.col("day").min().alias("first"), pl.col("day").max().alias("last"))
    first_code = pl.col("code").drop_nulls().first().str.split(".").list.first().alias("sensitive")
    sick = frames["condition"].group_by("patient", maintain_order=True).agg(first_code)
    one = one.join(seen, on="patient", how="left", maintain_order="left")
    one = one.join(sick, on="patient", how="left", maintain_order="left")
    told = one.select("birth_date", "age", "first", "last").iter_rows()
    ages = [_age(born, age, first, last, profile.age_top) for born, age, first, last in told]
    return one.with_columns(
        pl.Series("age", [age for age, _ in ages], pl.Int64),
        pl.Series("age_width", [width for _, width in ages], pl.Int64),
        pl.Series("sex", [sex(word) for word in one["sex"]], pl.String),
        omop.coarsen(pl.col("first"), profile.dates).alias("reference"),
    )


def _age(born: str | None, age: str | None, first: str | None, last: str | None, top: int) -> tuple[int | None, int]:
    """Return the age in years and how many years wide what the source says is."""
    if born is None or first is None or last is None:
        return age_years(age), age_width(age)
    oldest = _years(born, last)
    return (oldest if oldest > top else _years(born, first)), 1


def _years(born: str, day: str) -> int:
    a, b = date.fromisoformat(born), date.fromisoformat(day)
    return max(b.year - a.year - ((b.month, b.day) < (a.month, a.day)), 0)


def tables_of(
    frames: dict[str, pl.DataFrame],
    people: pl.DataFrame,
    shown: pl.DataFrame,
    profile: Profile,
    keys: ProjectKeys,
    project: str,
) -> dict[str, pl.DataFrame]:
    """Return the canonical tables. ``shown`` are the people with what may be shown of them."""
    known = People(people, profile.dates, lambda visits: pseudonyms(visits, keys.pseudonym, project, "visit"))
    tables = {"person": omop.person(shown)}
    visits = omop.visit_occurrence(frames["visit"], known)
    tables["visit_occurrence"] = visits
    for entity, table in omop.TABLE_OF.items():
        tables[table] = omop.clinical(entity, frames[entity], known, visits)
    return tables
