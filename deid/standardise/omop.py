"""The canonical tables: a subset of OMOP CDM v5.4 as typed polars frames, columns and rows in a fixed order.

Every table carries ``patient`` (the pseudonym). Integer identifiers are derived from pseudonyms, so they do not depend
on which other patients are there. Beside each ``*_source_value`` stands the triple ``code``, ``code_system``,
``code_version``. Columns outside the CDM: ``patient``, that triple, ``age_band``, ``region``, ``visit_order``
(1, 2, ... within a patient, also where a source has no dates), ``department`` and ``hospital`` (the mapping's word).

Source: OMOP CDM v5.4 (https://ohdsi.github.io/CommonDataModel/cdm54.html), field names and concept identifiers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from deid.transform.generalise import SEXES
from deid.transform.pseudonym import number

_TRIPLE = {"code": pl.String, "code_system": pl.String, "code_version": pl.String}

SCHEMAS: dict[str, dict[str, type[pl.DataType]]] = {
    "person": {
        "patient": pl.String,
        "person_id": pl.Int64,
        "gender_concept_id": pl.Int32,
        "year_of_birth": pl.Int32,
        "race_concept_id": pl.Int32,
        "ethnicity_concept_id": pl.Int32,
        "gender_source_value": pl.String,
        "race_source_value": pl.String,
        "age_band": pl.String,
        "region": pl.String,
    },
    "visit_occurrence": {
        "patient": pl.String,
        "visit_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_concept_id": pl.Int32,
        "visit_start_date": pl.Date,
        "visit_end_date": pl.Date,
        "visit_order": pl.Int32,
        "visit_source_value": pl.String,
        "admitted_from_source_value": pl.String,
        "discharged_to_source_value": pl.String,
        "department": pl.String,
        "hospital": pl.String,
    },
    "condition_occurrence": {
        "patient": pl.String,
        "condition_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "condition_concept_id": pl.Int32,
        "condition_start_date": pl.Date,
        "condition_status_source_value": pl.String,
        "condition_source_value": pl.String,
        "condition_source_name": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "measurement": {
        "patient": pl.String,
        "measurement_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "measurement_concept_id": pl.Int32,
        "measurement_date": pl.Date,
        "operator_concept_id": pl.Int32,
        "value_as_number": pl.Float64,
        "unit_code": pl.String,
        "range_source_value": pl.String,
        "measurement_source_value": pl.String,
        "value_source_value": pl.String,
        "unit_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "observation": {
        "patient": pl.String,
        "observation_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "observation_concept_id": pl.Int32,
        "observation_date": pl.Date,
        "value_as_number": pl.Float64,
        "value_as_string": pl.String,
        "observation_source_value": pl.String,
        "unit_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "drug_exposure": {
        "patient": pl.String,
        "drug_exposure_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "drug_concept_id": pl.Int32,
        "drug_exposure_start_date": pl.Date,
        "drug_exposure_end_date": pl.Date,
        "quantity": pl.Float64,
        "dose_unit_source_value": pl.String,
        "route_source_value": pl.String,
        "drug_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "note": {
        "patient": pl.String,
        "note_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "note_date": pl.Date,
        "note_title": pl.String,
        "note_text": pl.String,
        "hospital": pl.String,
    },
    "image_occurrence": {
        "patient": pl.String,
        "image_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "image_occurrence_date": pl.Date,
        "modality_source_value": pl.String,
        "anatomic_site_source_value": pl.String,
        "dicom": pl.Binary,
        "hospital": pl.String,
    },
}

OPERATORS = {"<": 4171756, "<=": 4171754, "=": 4172703, ">=": 4171755, ">": 4172704}
VISITS = {"inpatient": 9201, "imp": 9201, "i": 9201, "住院": 9201, "outpatient": 9202, "amb": 9202, "o": 9202}
VISITS |= {"门诊": 9202, "emergency": 9203, "emer": 9203, "e": 9203, "急诊": 9203, "vr": 5083}


@dataclass(frozen=True, slots=True)
class People:
    """What the tables need to know about each patient.

    Attributes:
        frame: ``patient`` (the linkage's key), ``pseudonym``, ``shift_days`` (Int64).
        dates: How dates are coarsened, as in the profile.
        visit: From visits' own keys to their pseudonyms, a column at a time.
    """

    frame: pl.DataFrame = field(repr=False)
    dates: str
    visit: Callable[[pl.Series], pl.Series]


def person(people: pl.DataFrame) -> pl.DataFrame:
    """Return the table ``person`` from patients with their generalised quasi-identifiers.

    Args:
        people: ``pseudonym``, ``sex``, ``age_band``, ``race``, ``region``, ``reference`` (the published day to which
            the age belongs). The year of birth is computed from the band, so it tells no more than the band.
    """
    low = pl.col("age_band").str.extract(r"^(\d+)").cast(pl.Int32)
    return _finish(
        "person",
        people.select(
            pl.col("pseudonym").alias("patient"),
            pl.col("pseudonym").map_elements(number, return_dtype=pl.Int64).alias("person_id"),
            pl.col("sex").replace_strict(SEXES, default=0, return_dtype=pl.Int32).alias("gender_concept_id"),
            (pl.col("reference").dt.year() - low).alias("year_of_birth"),
            pl.lit(0, pl.Int32).alias("race_concept_id"),
            pl.lit(0, pl.Int32).alias("ethnicity_concept_id"),
            pl.col("sex").alias("gender_source_value"),
            pl.col("race").alias("race_source_value"),
            pl.col("age_band"),
            pl.col("region"),
        ),
    )


def visit_occurrence(visits: pl.DataFrame, people: People) -> pl.DataFrame:
    """Return the table of visits; rows about one visit from several sources become one, the first value winning."""
    fields = ("start", "end", "type", "department", "admission_source", "discharge_to", "order")
    firsts = [pl.col(name).drop_nulls().first() for name in fields]
    one = visits.group_by("patient", "hospital", "visit_id", maintain_order=True).agg(firsts)
    one = _published(one, people, ("start", "end"))
    ordered = one.sort("patient", "start", "order", "hospital", "_visit", nulls_last=True)
    counted = ordered.with_columns(pl.int_range(1, pl.len() + 1).over("patient").cast(pl.Int32).alias("visit_order"))
    kind = pl.col("type").str.to_lowercase().replace_strict(VISITS, default=0, return_dtype=pl.Int32)
    return _finish(
        "visit_occurrence",
        counted.select(
            "patient",
            pl.col("_visit").alias("visit_occurrence_id"),
            "person_id",
            kind.fill_null(0).alias("visit_concept_id"),
            pl.col("start").alias("visit_start_date"),
            pl.col("end").alias("visit_end_date"),
            "visit_order",
            pl.col("type").alias("visit_source_value"),
            pl.col("admission_source").alias("admitted_from_source_value"),
            pl.col("discharge_to").alias("discharged_to_source_value"),
            "department",
            "hospital",
        ),
    )


def clinical(entity: str, frame: pl.DataFrame, people: People, visits: pl.DataFrame) -> pl.DataFrame:
    """Return one clinical table; a visit that is not in ``visits`` is left empty."""
    dates = tuple(name for name in ("date", "start", "end") if name in frame.columns)
    there = visits.select(pl.col("visit_occurrence_id").alias("_there")).unique()
    rows = _published(frame, people, dates).join(
        there, left_on="_visit", right_on="_there", how="left", maintain_order="left", coalesce=False
    )
    rows = rows.with_columns(pl.col("_there").alias("visit_occurrence_id"))
    table = TABLE_OF[entity]
    shaped = rows.select(
        "patient", "person_id", "visit_occurrence_id", "hospital", *(e.alias(n) for n, e in _SHAPES[entity].items())
    )
    return _finish(table, shaped)


def _value(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


_CODED = {"code": pl.col("code"), "code_system": pl.col("system"), "code_version": pl.col("version")}
_CODED = {name: pl.when(pl.col("code").is_not_null()).then(expr) for name, expr in _CODED.items()}
TABLE_OF = {
    "condition": "condition_occurrence",
    "measurement": "measurement",
    "observation": "observation",
    "drug": "drug_exposure",
    "note": "note",
    "image": "image_occurrence",
}
_SHAPES: dict[str, dict[str, pl.Expr]] = {
    "condition": {
        "condition_concept_id": pl.lit(0, pl.Int32),
        "condition_start_date": pl.col("date"),
        "condition_status_source_value": pl.coalesce("type", "status"),
        "condition_source_value": pl.coalesce("code", "name"),
        "condition_source_name": pl.col("name"),
        **_CODED,
    },
    "measurement": {
        "measurement_concept_id": pl.lit(0, pl.Int32),
        "measurement_date": pl.col("date"),
        "operator_concept_id": pl.col("operator").replace_strict(OPERATORS, default=None, return_dtype=pl.Int32),
        "value_as_number": pl.when(pl.col("operator").is_not_null()).then(_value("value")),
        "unit_code": pl.when(pl.col("loinc").is_not_null()).then(pl.col("unit")),
        "range_source_value": pl.col("range"),
        "measurement_source_value": pl.coalesce("code", "item", "name"),
        "value_source_value": pl.col("value_source"),
        "unit_source_value": pl.col("unit_source"),
        "code": pl.coalesce("loinc", "code"),
        "code_system": pl.when(pl.col("loinc").is_not_null()).then(pl.lit("LOINC")).otherwise(pl.col("system")),
        "code_version": pl.when(pl.col("loinc").is_null()).then(pl.col("version")),
    },
    "observation": {
        "observation_concept_id": pl.lit(0, pl.Int32),
        "observation_date": pl.col("date"),
        "value_as_number": _value("number"),
        "value_as_string": pl.when(pl.col("number").is_null()).then(pl.col("value")),
        "observation_source_value": pl.coalesce("item", "code", "name"),
        "unit_source_value": pl.col("unit"),
        **_CODED,
    },
    "drug": {
        "drug_concept_id": pl.lit(0, pl.Int32),
        "drug_exposure_start_date": pl.col("start"),
        "drug_exposure_end_date": pl.col("end"),
        "quantity": _value("quantity"),
        "dose_unit_source_value": pl.col("unit"),
        "route_source_value": pl.col("route"),
        "drug_source_value": pl.coalesce("name", "code"),
        **_CODED,
    },
    "note": {"note_date": pl.col("date"), "note_title": pl.col("title"), "note_text": pl.col("text")},
    "image": {
        "image_occurrence_date": pl.col("date"),
        "modality_source_value": pl.col("modality"),
        "anatomic_site_source_value": pl.col("body_part"),
        "dicom": pl.col("bytes"),
    },
}


def _published(frame: pl.DataFrame, people: People, dates: tuple[str, ...]) -> pl.DataFrame:
    """Replace keys by pseudonyms and move or cut the dates; ``_visit`` is the visit's number or null."""
    rows = frame.join(people.frame, on="patient", how="inner", maintain_order="left")
    keyed = pl.concat_str("hospital", "patient", "visit_id", separator="\x1f")
    named = rows.select(keyed.alias("key")).to_series()
    distinct = named.drop_nulls().unique()
    made = dict(zip(distinct, map(number, people.visit(distinct)), strict=True))
    return rows.with_columns(
        pl.Series("_visit", [made.get(key) for key in named], pl.Int64),
        pl.col("pseudonym").alias("patient"),
        pl.col("pseudonym")
        .replace_strict({name: number(name) for name in people.frame["pseudonym"]}, return_dtype=pl.Int64)
        .alias("person_id"),
        *(coarsen(pl.col(name), people.dates).alias(name) for name in dates),
    )


def coarsen(iso: pl.Expr, dates: str) -> pl.Expr:
    """Return the published day of an ISO day, next to a column ``shift_days``: moved, and cut to month or year."""
    day = iso.str.to_date("%Y-%m-%d")
    if dates == "year":
        return day.dt.truncate("1y")
    moved = day + pl.duration(days=pl.col("shift_days"))
    return moved.dt.truncate("1mo") if dates == "month" else moved


def _finish(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in their fixed order and with identifiers, columns in the order of ``SCHEMAS``."""
    schema = SCHEMAS[table]
    identifier = f"{table}_id"
    by = [name for name in schema if name in rows.columns and schema[name] != pl.Binary]
    ordered = rows.sort(by, nulls_last=False, maintain_order=True)
    if identifier not in rows.columns:
        place = ordered.select(pl.int_range(pl.len()).over("patient")).to_series()
        made = [number(f"{table}\x1f{patient}\x1f{at}") for patient, at in zip(ordered["patient"], place, strict=True)]
        ordered = ordered.with_columns(pl.Series(identifier, made, pl.Int64))
    return ordered.select(pl.col(name).cast(kind) for name, kind in schema.items())
