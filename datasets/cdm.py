"""OMOP CDM v5.4 as an adapter: a version's tables as the CSV files that other CDM tools load.

What the CDM has no column for goes to ``extension/`` under the row's own identifier, so that nothing is lost. Concept
identifiers that nobody mapped are 0, as the CDM asks; the type concepts say "EHR" (32817). The way in is a submission
with the mapping ``omop-cdm54``: a hospital's CDM holds real dates and identifiers, so it is de-identified like any
other source.
Source: OMOP CDM v5.4 (https://ohdsi.github.io/CommonDataModel/cdm54.html), tables, fields and their order.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

EHR = 32817
REQUIRED: dict[str, dict[str, int]] = {
    "person": dict.fromkeys(("gender_concept_id", "race_concept_id", "ethnicity_concept_id"), 0),
    "visit_occurrence": {"visit_concept_id": 0, "visit_type_concept_id": EHR},
    "condition_occurrence": {"condition_concept_id": 0, "condition_type_concept_id": EHR},
    "drug_exposure": {"drug_concept_id": 0, "drug_type_concept_id": EHR},
    "measurement": {"measurement_concept_id": 0, "measurement_type_concept_id": EHR},
    "observation": {"observation_concept_id": 0, "observation_type_concept_id": EHR},
    "note": {"note_type_concept_id": EHR, "note_class_concept_id": 0, "encoding_concept_id": 0,
             "language_concept_id": 0},
}  # fmt: skip
DATED = {
    "visit_occurrence": "visit_start_date", "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date", "measurement": "measurement_date",
    "observation": "observation_date", "note": "note_date",
}  # fmt: skip
"""The date that the CDM demands of a row. A source that has none gives none; ``files`` says of how many rows."""
ENDS = {"visit_occurrence": "visit_end_date", "drug_exposure": "drug_exposure_end_date"}


@cache
def fields() -> dict[str, list[str]]:
    """Return the fields of each of the CDM's tables that we can fill, in the CDM's order."""
    found: dict[str, list[str]] = json.loads(Path(__file__).with_name("cdm54.json").read_text("utf-8"))
    return found


def files(
    tables: list[str], rows: Callable[[str], pl.DataFrame], *, source: str, day: date
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each CSV file; one table is in memory at a time.

    Args:
        tables: Names of the version's tables.
        rows: Returns a table's rows.
        source: What ``cdm_source`` calls the dataset and its version.
        day: Of the export.
    """
    spans, undated = list[pl.DataFrame](), dict[str, int]()
    for table in sorted(tables):
        frame = identified(table, rows(table))
        if table not in fields():
            yield f"extension/{table}.csv", _csv(frame)
            continue
        if table in DATED and DATED[table] in frame.columns:
            undated[table] = frame[DATED[table]].null_count()
            spans.append(frame.select("person_id", pl.col(DATED[table]).alias("day")).drop_nulls())
        elif table in DATED:
            undated[table] = frame.height
        yield f"{table}.csv", _csv(_of_the_cdm(table, frame))
        more = [name for name in frame.columns if name not in fields()[table]]
        yield f"extension/{table}.csv", _csv(frame.select(f"{table}_id", *more))
    yield "observation_period.csv", _csv(_periods(spans))
    about = {
        "cdm_source_name": source, "cdm_source_abbreviation": source[:25], "cdm_holder": "medtrain",
        "source_release_date": day, "cdm_release_date": day, "cdm_version_concept_id": 756265, "cdm_version": "5.4",
        "vocabulary_version": "none: concepts are not mapped",
    }  # fmt: skip
    yield "cdm_source.csv", _csv(pl.DataFrame([about]))
    yield "undated.csv", _csv(pl.DataFrame({"table": list(undated), "rows": list(undated.values())}))


def identified(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows that have a person's and a row's identifier, made here where the version has none."""
    if "person_id" not in frame.columns:
        made = {one: _number(one) for one in frame["patient"].unique()}
        frame = frame.with_columns(pl.col("patient").replace_strict(made, return_dtype=pl.Int64).alias("person_id"))
    if f"{table}_id" not in frame.columns:
        frame = frame.with_row_index(f"{table}_id", offset=1)
    return frame


def _of_the_cdm(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the CDM's columns in its order; one that we lack is empty, or its concept 0."""
    wanted = []
    for name in fields()[table]:
        value = pl.col(name) if name in frame.columns else pl.lit(None, pl.String)
        if name in REQUIRED[table]:
            value = (value if name in frame.columns else pl.lit(None, pl.Int32)).fill_null(REQUIRED[table][name])
        if name == ENDS.get(table) and DATED[table] in frame.columns:  # the CDM wants an end; the start is the least
            value = pl.coalesce(*([name] if name in frame.columns else []), DATED[table])
        wanted.append(value.alias(name))
    return frame.select(wanted)


def _periods(spans: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the table ``observation_period``: from a person's first day to his last."""
    days = pl.concat(spans) if spans else pl.DataFrame(schema={"person_id": pl.Int64, "day": pl.Date})
    first, last = pl.col("day").min(), pl.col("day").max()
    found = days.group_by("person_id").agg(
        first.alias("observation_period_start_date"), last.alias("observation_period_end_date")
    )
    numbered = found.sort("person_id").with_row_index("observation_period_id", offset=1)
    return numbered.with_columns(pl.lit(EHR).alias("period_type_concept_id"))


def _csv(frame: pl.DataFrame) -> bytes:
    readable = frame.with_columns(pl.selectors.binary().bin.encode("base64"))
    return readable.write_csv().encode()


def _number(patient: str) -> int:
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") >> 1
