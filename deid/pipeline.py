"""The pipeline: raw records in, de-identified canonical tables, quarantine and report out.

The same records, mapping, profile and keys give the same tables, byte for byte. Nothing is published unless every
row is accounted for, the risk is within the profile's limits and the second look finds nothing.
"""

import base64
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from deid import messages
from deid.detect import scorecard
from deid.detect.span import LAYER_ORDER
from deid.entities import gather
from deid.genetic import GENETIC, admit
from deid.identity import KINDS, plain
from deid.images import clear_images
from deid.intake import NOTHING, Intake, clean, take_in
from deid.keys import ProjectKeys
from deid.lattice import Lowered, lower
from deid.mapping import Mapping
from deid.patients import Patients, assign, refuse_unknowable
from deid.policy import Profile
from deid.records import Records, Reject
from deid.report import Report, SourceCount, count_reasons
from deid.slots import target
from deid.stages import CATEGORIES, code_conditions, people_of, pool, quasi, rare_values, tables_of
from deid.transform.declassify import Admission
from deid.transform.dicom_options import options_of
from deid.transform.fhir import security
from deid.transform.operators import Operators
from deid.transform.pseudonym import pseudonymiser, subkey, tokens
from deid.transform.shift import offsets
from deid.transform.subject import Wording
from deid.transform.surrogate import Surrogates
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``process`` gives.

    Attributes:
        tables: The canonical tables, every one with ``patient``.
        index: Pseudonym -> facility index token. For the service only.
        quarantine: ``source``, ``file``, ``position``, ``reason`` (safe to show) and ``raw`` (to be encrypted).
        report: Counts only.
        messages: HL7 v2 messages and FHIR resources, rewritten, where they were asked for: ``patient``, ``source``,
            ``format``, ``text``.
        meta: The security labels of a Bundle of them.
    """

    tables: dict[str, pl.DataFrame] = field(repr=False)
    index: dict[str, str] = field(repr=False)
    quarantine: pl.DataFrame = field(repr=False)
    report: Report
    messages: pl.DataFrame | None = field(default=None, repr=False)
    meta: dict[str, Any] = field(default_factory=dict)


def process(
    records: Records,
    mapping: Mapping,
    profile: Profile,
    keys: ProjectKeys,
    *,
    project: str,
    layers: frozenset[str] = ALL_LAYERS,
    admission: Admission = NOTHING,
    with_messages: bool = False,
) -> Outcome:
    """Return the de-identified, standardised tables of ``records``.

    Args:
        admission: What comes in in spite of the restrictions: declassified documents, approved genetic data.
        project: Pseudonyms and date shifts of two projects have nothing in common.
        layers: Layers of the free-text detector; fewer than all only to show what each one finds.
        with_messages: Messages and resources are rewritten as well, beside the tables.

    Raises:
        BadInput: no file fits the mapping, or no row could be used.
        BadMapping: a mapped column is not there.
        RiskTooHigh: the profile's limits cannot be kept.
        LeakFound: the second look found an identifier.
        RowsLost: rows do not add up; a defect of the program.
    """
    records, held, genetic = admit(records, mapping, admission)
    intake = take_in(records, mapping)
    intake.hold(held)
    clean(intake, admission)
    patients = assign(intake)
    refuse_unknowable(intake, patients)
    name, days_of = pseudonymiser(keys.pseudonym, project, "patient"), offsets(keys.shift, project)
    clear_images(intake, name, days_of, subkey(keys.pseudonym, project, "images"), options_of(profile))
    if not any(batch.slots.height for batch in intake.batches):
        raise BadInput("no row of the input could be used: see the reasons of the quarantine, or the mapping")
    frames = gather(intake.batches)
    notes = Scrubbing(profile, layers, operators_of(profile, keys, project, patients))
    people = people_of({key for batch in intake.batches for key in batch.slots["patient"]}, keys, project, days_of)
    days = dict(people.select("patient", "shift_days").iter_rows())
    notes.apply(frames, patients, days)
    pooled = pool(frames, rare_values(frames), profile)
    code_conditions(frames, profile)
    lowered = lower(quasi(frames, people, profile), profile)
    tables = tables_of(frames, people, lowered.people, profile, keys, project)
    names = dict(people.select("patient", "pseudonym").iter_rows())
    identities = [Identity(names[key], patients.known[key]) for key in sorted(names)]
    searched = second_look(tables, identities)
    written = None
    if with_messages:
        wording = wording_of(profile, keys, project, notes, patients, admission)
        written = messages.write(messages.held(intake.batches), people, tables["person"], patients, wording)
        searched += second_look({"message": messages.looked_at(written.messages)}, identities)
    token = tokens(keys.index)
    index = {names[key]: token(key) for key in sorted(names, key=names.__getitem__)}
    report = _report(intake, mapping, profile, patients, lowered, notes, pooled, searched, tables, genetic, written)
    rewritten = None if written is None else written.messages
    return Outcome(tables, index, quarantine_of(intake.rejects), report, rewritten, security(profile))


def write(outcome: Outcome, folder: Path) -> None:
    """Write the tables as Parquet, the quarantine, and the report as JSON and HTML.

    The quarantine holds raw rows and the index links pseudonyms to the facility's patients: the index is not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in outcome.tables.items():
        table.write_parquet(folder / f"{name}.parquet", compression="zstd", statistics=False)
    outcome.quarantine.write_parquet(folder / "quarantine.parquet", statistics=False)
    if outcome.messages is not None:
        files = messages.Files(folder / "messages", outcome.meta)
        files.append(outcome.messages)
        files.close()
    report = json.dumps(outcome.report.as_dict(), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "report.json").write_text(report + "\n", "utf-8")
    (folder / "report.html").write_text(outcome.report.html(), "utf-8")


class Scrubbing:
    """Free text and category cells, cleared of identifiers; keeps the counts for the report."""

    def __init__(self, profile: Profile, layers: frozenset[str], operators: Operators | None = None) -> None:
        self._profile, self.layers, self._operators = profile, layers, operators
        self.found: Counter[str] = Counter()
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

        finder = detector(self.layers)
        note = frames["note"]
        if self.free_text["withheld"]:
            frames["note"] = note.clear()
        elif note.height:
            moves = {key: days[key] if self._profile.dates == "shift" else None for key in days}
            made = rewrite_notes(
                note["text"].to_list(), note["patient"].to_list(), patients.known, moves, finder, self._operators
            )
            texts = note.with_columns(pl.Series("text", made.texts, pl.String))
            frames["note"] = texts.drop_nulls("text")
            if withheld := texts.height - frames["note"].height:
                self.scrubbed["withheld-notes"] += withheld
            self.found.update(made.found)
        for entity, columns in CATEGORIES.items():
            for column in columns:
                cells, counts = scrub(frames[entity][column], finder)
                frames[entity] = frames[entity].with_columns(cells)
                self.scrubbed.update(counts)
        image = frames["image"]
        frames["image"] = image.with_columns(pl.Series("bytes", map(base64.b64decode, image["bytes"]), pl.Binary))


def operators_of(profile: Profile, keys: ProjectKeys, project: str, patients: Patients) -> Operators | None:
    """Return what a profile asks for beyond tags in free text, None where it asks for nothing.

    Raises:
        Misuse: the profile encrypts, and there is no key of the re-identification desk.
    """
    if not profile.operators:
        return None
    taken = frozenset(plain(value) for values in patients.known.values() for value, _ in values)
    surrogates = Surrogates(subkey(keys.pseudonym, project, "surrogates"), taken)
    return Operators(profile, project, surrogates, keys.pseudonym, keys.desk)


def wording_of(
    profile: Profile, keys: ProjectKeys, project: str, notes: Scrubbing, patients: Patients, admission: Admission
) -> Wording:
    """Return how values are said in messages: as ``notes`` says them in the tables."""
    from deid.detect.detector import detector

    operators = operators_of(profile, keys, project, patients)
    withheld = bool(notes.free_text["withheld"])
    return Wording(profile, project, keys.pseudonym, detector(notes.layers), withheld, operators, admission)


def quarantine_of(rejects: list[Reject]) -> pl.DataFrame:
    rows = sorted((r.source, r.file, r.position, r.reason, r.raw) for r in rejects)
    return pl.DataFrame(rows, schema=QUARANTINE, orient="row")


def _report(
    intake: Intake,
    mapping: Mapping,
    profile: Profile,
    patients: Patients,
    lowered: Lowered,
    notes: Scrubbing,
    pooled: int,
    searched: int,
    tables: dict[str, pl.DataFrame],
    genetic: int,
    written: messages.Written | None,
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
        classes=(GENETIC,) if genetic else (),
        columns=[asdict(column) for column in intake.columns],
        identifiers=notes.found,
        free_text=notes.free_text,
        structured=structured,
        scrubbed=notes.scrubbed,
        pooled=pooled,
        unit_spellings=dict(units.iter_rows()),
        linkage=patients.linkage.counts,
        risk=risk_section(profile, lowered),
        searched=searched,
        tables={name: table.height for name, table in tables.items()},
        messages={} if written is None else written.counts(),
    )


def risk_section(profile: Profile, lowered: Lowered) -> dict[str, Any]:
    """Return what the report says about risk and utility."""
    return {
        "quasi_identifiers": ["sex", "age", "race", "region"],
        "limits": {"k": profile.k, "mean": profile.mean_risk, "l": profile.l_diversity, "t": profile.t_closeness},
        "sex_kept": lowered.node.sex,
        "age_step": lowered.node.age_step,
        "race_kept": lowered.node.race,
        "place": lowered.node.place,
        "nodes_tried": lowered.tried,
        "information_lost": round(lowered.loss, 6),
        "before": lowered.before.as_dict(),
        "after": lowered.after.as_dict(),
        "utility": [one.as_dict() for one in lowered.utility],
    }
