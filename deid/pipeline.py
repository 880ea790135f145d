"""The pipeline: raw records in, de-identified canonical tables, quarantine and report out.

The same records, mapping, profile and keys give the same tables, byte for byte. Nothing is published unless every
row is accounted for, the risk is within the profile's limits and the second look finds nothing.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from deid.detect import scorecard
from deid.detect.span import LAYER_ORDER
from deid.entities import gather
from deid.identity import KINDS
from deid.images import clear_images
from deid.intake import Intake, clean, take_in
from deid.keys import ProjectKeys
from deid.mapping import Mapping
from deid.patients import Patients, assign, refuse_unknowable
from deid.policy import Profile
from deid.records import Records, Reject
from deid.report import Report, SourceCount, count_reasons
from deid.risk import Lowered, lower
from deid.slots import target
from deid.standardise import codes, omop
from deid.standardise.omop import People
from deid.transform.generalise import age_width, age_years, pool_rare, sex
from deid.transform.pseudonym import pseudonymiser, tokens
from deid.transform.shift import offsets
from deid.verify import Identity, second_look
from policies.errors import BadInput

ALL_LAYERS = frozenset(LAYER_ORDER)
QUARANTINE = {
    "source": pl.String,
    "file": pl.UInt32,
    "position": pl.UInt32,
    "reason": pl.String,
    "raw": pl.Binary,
}
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``process`` gives.

    Attributes:
        tables: The canonical tables, every one with ``patient``.
        index: Pseudonym -> facility index token. For the service only.
        quarantine: ``source``, ``file``, ``position``, ``reason`` (safe to show) and ``raw`` (to be encrypted).
        report: Counts only.
    """

    tables: dict[str, pl.DataFrame] = field(repr=False)
    index: dict[str, str] = field(repr=False)
    quarantine: pl.DataFrame = field(repr=False)
    report: Report


def process(
    records: Records,
    mapping: Mapping,
    profile: Profile,
    keys: ProjectKeys,
    *,
    project: str,
    layers: frozenset[str] = ALL_LAYERS,
) -> Outcome:
    """Return the de-identified, standardised tables of ``records``.

    Args:
        project: Pseudonyms and date shifts of two projects have nothing in common.
        layers: Layers of the free-text detector; fewer than all only to show what each one finds.

    Raises:
        BadInput: no file fits the mapping, or no row could be used.
        BadMapping: a mapped column is not there.
        RiskTooHigh: the profile's limits cannot be kept.
        LeakFound: the second look found an identifier.
        RowsLost: rows do not add up; a defect of the program.
    """
    intake = take_in(records, mapping)
    clean(intake)
    patients = assign(intake)
    refuse_unknowable(intake, patients)
    name, days_of = pseudonymiser(keys.pseudonym, project, "patient"), offsets(keys.shift, project)
    clear_images(intake, name, days_of, pseudonymiser(keys.pseudonym, project, "uid-key", size=32)("images"))
    if not any(batch.slots.height for batch in intake.batches):
        raise BadInput("no row of the input could be used: see the reasons of the quarantine, or the mapping")
    frames = gather(intake.batches)
    notes = _Scrubbing(profile, layers)
    people = _people(intake, name, days_of)
    days = dict(people.select("patient", "shift_days").iter_rows())
    notes.apply(frames, patients, days)
    pooled = _pool(frames, profile)
    _code_conditions(frames, profile)
    lowered = lower(_quasi(frames, people, profile), profile)
    tables = _tables(frames, people, lowered, profile, keys, project)
    names = dict(people.select("patient", "pseudonym").iter_rows())
    identities = [Identity(names[key], patients.known[key]) for key in sorted(names)]
    searched = second_look(tables, identities)
    token = tokens(keys.index)
    index = {names[key]: token(key) for key in sorted(names, key=names.__getitem__)}
    report = _report(intake, mapping, profile, patients, lowered, notes, pooled, searched, tables)
    return Outcome(tables, index, _quarantine(intake.rejects), report)


def write(outcome: Outcome, folder: Path) -> None:
    """Write the tables as Parquet, the quarantine, and the report as JSON and HTML.

    The quarantine holds raw rows and the index links pseudonyms to the facility's patients: the index is not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in outcome.tables.items():
        table.write_parquet(folder / f"{name}.parquet", compression="zstd", statistics=False)
    outcome.quarantine.write_parquet(folder / "quarantine.parquet", statistics=False)
    report = json.dumps(outcome.report.as_dict(), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "report.json").write_text(report + "\n", "utf-8")
    (folder / "report.html").write_text(outcome.report.html(), "utf-8")


class _Scrubbing:
    """Free text and category cells, cleared of identifiers; keeps the counts for the report."""

    def __init__(self, profile: Profile, layers: frozenset[str]) -> None:
        self._profile, self._layers = profile, layers
        self.found: dict[str, int] = {}
        card = scorecard.shipped()
        self.free_text: dict[str, Any] = {
            "leak_upper": card.leak_upper,
            "limit": profile.text_leak,
            "withheld": "dropped-by-profile" if profile.text == "drop" else card.verdict(profile.text_leak),
        }
        self.scrubbed: Counter[str] = Counter()

    def apply(self, frames: dict[str, pl.DataFrame], patients: Patients, days: dict[str, int]) -> None:
        from deid.detect.detector import detector
        from deid.transform.freetext import rewrite_notes, scrub

        finder = detector(self._layers)
        note = frames["note"]
        if self.free_text["withheld"]:
            frames["note"] = note.clear()
        elif note.height:
            moves = {key: days[key] if self._profile.dates == "shift" else None for key in days}
            made = rewrite_notes(note["text"].to_list(), note["patient"].to_list(), patients.known, moves, finder)
            frames["note"] = note.with_columns(pl.Series("text", made.texts, pl.String))
            self.found = made.found
        for entity, columns in CATEGORIES.items():
            for column in columns:
                cells, counts = scrub(frames[entity][column], finder)
                frames[entity] = frames[entity].with_columns(cells)
                self.scrubbed.update(counts)
        image = frames["image"]
        frames["image"] = image.with_columns(pl.Series("bytes", map(base64.b64decode, image["bytes"]), pl.Binary))


def _people(intake: Intake, name: Callable[[str], str], days: Callable[[str], int]) -> pl.DataFrame:
    """Return ``patient`` (key), ``pseudonym`` and ``shift_days`` of everybody with an accepted row."""
    present = sorted({key for batch in intake.batches for key in batch.slots["patient"].unique()})
    schema = {"patient": pl.String, "pseudonym": pl.String, "shift_days": pl.Int64}
    return pl.DataFrame([(key, name(key), days(key)) for key in present], schema=schema, orient="row")


def _pool(frames: dict[str, pl.DataFrame], profile: Profile) -> int:
    cells = 0
    for entity, columns in POOLED.items():
        for column, by in columns:
            frame = frames[entity]
            if entity == "observation":
                text = frame["number"].is_null()
                pooled, n = pool_rare(frame.filter(text), column, by, profile.rare_below)
                frames[entity] = pl.concat([pooled, frame.filter(~text)])
            else:
                frames[entity], n = pool_rare(frame, column, by, profile.rare_below)
            cells += n
    return cells


def _code_conditions(frames: dict[str, pl.DataFrame], profile: Profile) -> None:
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


def _quasi(frames: dict[str, pl.DataFrame], people: pl.DataFrame, profile: Profile) -> pl.DataFrame:
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


def _tables(
    frames: dict[str, pl.DataFrame],
    people: pl.DataFrame,
    lowered: Lowered,
    profile: Profile,
    keys: ProjectKeys,
    project: str,
) -> dict[str, pl.DataFrame]:
    known = People(people, profile.dates, pseudonymiser(keys.pseudonym, project, "visit"))
    tables = {"person": omop.person(lowered.people)}
    visits = omop.visit_occurrence(frames["visit"], known)
    tables["visit_occurrence"] = visits
    for entity, table in omop.TABLE_OF.items():
        tables[table] = omop.clinical(entity, frames[entity], known, visits)
    return tables


def _quarantine(rejects: list[Reject]) -> pl.DataFrame:
    rows = sorted((r.source, r.file, r.position, r.reason, r.raw) for r in rejects)
    return pl.DataFrame(rows, schema=QUARANTINE, orient="row")


def _report(
    intake: Intake,
    mapping: Mapping,
    profile: Profile,
    patients: Patients,
    lowered: Lowered,
    notes: _Scrubbing,
    pooled: int,
    searched: int,
    tables: dict[str, pl.DataFrame],
) -> Report:
    structured: Counter[str] = Counter()
    for batch in intake.batches:
        for name in batch.lifted.columns:
            if target(name) in KINDS:
                structured[target(name)] += batch.lifted[name].count()
    units = tables["measurement"].drop_nulls("unit_code").group_by("unit_code").len().sort("unit_code")
    return Report(
        mapping=mapping.name,
        mapping_sha256=mapping.sha256,
        profile=profile.name,
        profile_sha256=profile.sha256,
        units=intake.units,
        sources=[SourceCount(batch.source.name, batch.table.name, *batch.tally()) for batch in intake.batches],
        steps=[asdict(report) for batch in intake.batches for report in batch.reports],
        reasons=count_reasons(reject.reason for reject in intake.rejects),
        strangers=intake.strangers,
        columns=[asdict(column) for column in intake.columns],
        identifiers=notes.found,
        free_text=notes.free_text,
        structured=structured,
        scrubbed=notes.scrubbed,
        pooled=pooled,
        unit_spellings=dict(units.iter_rows()),
        linkage=patients.linkage.counts,
        risk={
            "quasi_identifiers": ["sex", "age", "race", "region"],
            "limits": {"k": profile.k, "mean": profile.mean_risk, "l": profile.l_diversity, "t": profile.t_closeness},
            "age_step": lowered.age_step,
            "place": lowered.place,
            "race_kept": lowered.race,
            "before": lowered.before.as_dict(),
            "after": lowered.after.as_dict(),
        },
        searched=searched,
        tables={name: table.height for name, table in tables.items()},
    )
