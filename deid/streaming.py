"""The pipeline for sources of any size: the same output as ``deid.pipeline.process``, with bounded memory.

1. ``survey``: every source once, in pieces; narrow columns tell columns, date orders and who is who.
2. Pieces again: cleaned, and spilled by their patient's pseudonym into ranges, in its order; hashes of the rows tell
   which are doubles.
3. Each range alone: patients, images, free text, codes; spilled again, with what the risk and the rare values need.
4. Risk over one row for each patient; each range once more: canonical tables, the second look, Parquet parts.

As tables are ordered by pseudonym, the parts one behind the other are the table that ``process`` gives. Memory is that
of one piece or one range, and of what is known of each patient (identifiers, quasi-identifiers), not of his rows.
"""

import json
import shutil
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from deid import messages
from deid.clean.dates import CleanDates
from deid.clean.duplicates import DropDuplicates
from deid.entities import gather
from deid.genetic import GENETIC, admit
from deid.images import ClearHeaders
from deid.intake import NOTHING, Batch, steps
from deid.keys import ProjectKeys
from deid.lattice import Lowered, lower
from deid.mapping import Mapping
from deid.patients import AssignPatients, RefuseUnknowable, unreadable
from deid.pieces import pieces
from deid.pipeline import ALL_LAYERS, QUARANTINE, Scrubbing, operators_of, quarantine_of, risk_section, wording_of
from deid.policy import Profile
from deid.records import Records, Reject
from deid.report import Report, SourceCount
from deid.spill import Spill
from deid.stages import code_conditions, people_of, pool, quasi, rare_values, tables_of
from deid.step import RowsLost, Step, StepReport, rejects
from deid.survey import Part, Survey, claimed, said_by, survey
from deid.transform.declassify import Admission
from deid.transform.dicom_options import options_of
from deid.transform.fhir import security
from deid.transform.pseudonym import pseudonymiser, pseudonyms, subkey, tokens
from deid.transform.shift import offsets
from deid.verify import Hit, Identity, SecondLook, stop
from policies.errors import BadInput

ROWS = 50_000  # of a piece
RANGE_BYTES = 48 << 20  # of input for each range of pseudonyms
RANGES = 240
HASHES = 16
SEEDS = (1, 2)  # two hashes of 64 bits: rows that differ do not meet in both
CLEANING, SCRUBBING = 0, 1
SLOTS, FRAMES, HASHED, REFUSED, MESSAGES = 0, 1, 2, 3, 4  # first number of the keys of the spill
_RAW = "raw:"


@dataclass(frozen=True, slots=True)
class KnownDuplicates:
    """Quarantine the rows that ``DropDuplicates`` would, told beforehand by the hashes of all rows."""

    answers: pl.DataFrame = field(repr=False)  # _row, reason
    name: str = "duplicates"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        return table, rejects(self.answers.filter(pl.col("_row").is_in(table["_row"].implode())))


@dataclass(frozen=True, slots=True)
class Streamed:
    """What ``stream`` leaves beside the files: the index of pseudonyms (for the service only) and the report."""

    index: dict[str, str] = field(repr=False)
    report: Report


def stream(
    records: Records,
    mapping: Mapping,
    profile: Profile,
    keys: ProjectKeys,
    *,
    project: str,
    out: Path,
    size: int,
    layers: frozenset[str] = ALL_LAYERS,
    rows: int = ROWS,
    admission: Admission = NOTHING,
    with_messages: bool = False,
) -> Streamed:
    """De-identify ``records`` into Parquet parts below ``out``, with quarantine and report as ``write`` leaves them.

    Args:
        size: Bytes of the input, which decide how many ranges there are.
        rows: Of one piece.
        with_messages: Messages and resources are rewritten as well, into ``messages``.

    Raises:
        MedtrainError: as ``process``; nothing but an empty folder is left then.
    """
    records, held, genetic = admit(records, mapping, admission)
    with Spill(out) as spill:
        run = _Run(mapping, profile, keys, project, spill, rows, min(max(size // RANGE_BYTES + 1, 1), RANGES))
        run.admission, run.genetic, run.with_messages = admission, genetic, with_messages
        run.found = survey(records, mapping, rows, admission)
        run.refuse(run.found.rejects)
        run.hold(held)
        run.clean(records)
        run.scrub(layers)
        lowered = run.lower()
        searched = run.publish(lowered)
        report = run.report(lowered, searched)
        for name in (*run.tables, "messages"):  # of an earlier run into the same folder
            shutil.rmtree(out / name, ignore_errors=True)
        for folder in run.made():
            folder.rename(out / folder.name)
        run.quarantine().write_parquet(out / "quarantine.parquet", statistics=False)
    text = json.dumps(report.as_dict(), ensure_ascii=False, indent=1, sort_keys=True)
    (out / "report.json").write_text(text + "\n", "utf-8")
    (out / "report.html").write_text(report.html(), "utf-8")
    return Streamed(run.index(), report)


@dataclass(slots=True)
class _Run:
    mapping: Mapping
    profile: Profile
    keys: ProjectKeys
    project: str
    spill: Spill
    rows: int
    ranges: int
    found: Survey = field(default_factory=Survey)
    notes: Scrubbing = field(init=False)
    reports: dict[tuple[int, int, int], StepReport] = field(default_factory=dict)
    shapes: dict[int, pl.Schema] = field(default_factory=dict)
    counts: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    people: list[pl.DataFrame] = field(default_factory=list, repr=False)
    quasi: list[pl.DataFrame] = field(default_factory=list, repr=False)
    held: dict[tuple[str, str], list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list), repr=False)
    schemas: dict[str, pl.Schema] = field(default_factory=dict)
    tables: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    pooled: int = 0
    admission: Admission = NOTHING
    genetic: int = 0
    with_messages: bool = False
    told: Counter[str] = field(default_factory=Counter)

    def hold(self, held: list[Reject]) -> None:
        """Count files that were held back before any reader saw them."""
        self.refuse(held)
        for reject in held:
            counted, refused = self.found.units.get(reject.source, (0, 0))
            self.found.units[reject.source] = counted + 1, refused + 1

    def refuse(self, refused: list[Reject]) -> None:
        if refused:
            self.reasons.update(reject.reason for reject in refused)
            self.spill.append((REFUSED,), quarantine_of(refused))

    def clean(self, records: Records) -> None:
        """Clean every piece and spill its rows by patient; find doubles."""
        offset: Counter[int] = Counter()
        for source in self.mapping.sources:
            if not source.pick(records.names()):
                continue
            for reading in pieces(source, records, self.rows):
                for name in sorted(reading.tables):
                    part = self.found.parts[source.name, name]
                    self._clean(part, reading.tables[name], offset[part.number])
                    offset[part.number] += reading.tables[name].height

    def _clean(self, part: Part, frame: pl.DataFrame, first: int) -> None:
        rows = (pl.col("_row") + first).cast(pl.UInt32)
        lifted = part.lifted(frame).with_columns(rows)
        absent = [pl.lit(None, pl.String).alias(name) for name in part.columns if name not in frame.columns]
        columns = ("_file", "_position", *part.columns)
        read = frame.with_columns(absent).select(columns).with_row_index("_row").with_columns(rows)
        batch = Batch(part.source, part.table, read, lifted, lifted)
        key: tuple[str, ...] | None = None
        for step in steps(part.table, self.admission):
            if isinstance(step, DropDuplicates):
                key = step.key
                continue
            settled = step
            if isinstance(step, CleanDates):
                told = tuple((slot, part.orders.get(slot, order)) for slot, order in step.columns)
                settled = CleanDates(told)
            self.refuse([*batch.run(settled)])
        self.counts[part.number]["rows"] += frame.height
        self._settle(part, batch, CLEANING)
        slots = batch.slots
        if key is not None:
            self._hash(part, slots, key)
        slots = self._assigned(part, slots, lifted)
        raw = batch.read.select("_row", *(pl.col(name).alias(_RAW + name) for name in part.columns))
        repaired = pl.Series(sorted(batch.repaired), dtype=pl.UInt32)
        whole = slots.with_columns(slots["_row"].is_in(repaired.implode()).alias("_repaired"))
        whole = whole.join(raw, on="_row", how="left", maintain_order="left")
        self.shapes[part.number] = whole.drop("_range").schema
        for (where,), some in whole.group_by("_range", maintain_order=True):
            self.spill.append((SLOTS, part.number, int(where)), some.drop("_range"))

    def _assigned(self, part: Part, slots: pl.DataFrame, lifted: pl.DataFrame) -> pl.DataFrame:
        """Add ``_patient``, ``_reason`` and ``_range``."""
        names = claimed(lifted)
        answers = self.found.answers[part.number]
        distinct = lifted.select(names).unique(maintain_order=True)
        whose = [answers[said_by(names, row)] for row in distinct.iter_rows()]
        known = distinct.with_columns(
            pl.Series("_patient", [patient for patient, _ in whose], pl.String),
            pl.Series("_reason", [reason for _, reason in whose], pl.String),
        )
        if names:
            narrow = lifted.select("_row", *names)
            rows = narrow.join(known, on=names, how="left", nulls_equal=True, maintain_order="left")
        else:
            patient, reason = answers.get((), (None, "no-patient"))
            rows = lifted.select("_row", pl.lit(patient, pl.String).alias("_patient"), pl.lit(reason).alias("_reason"))
        found = slots.join(rows.select("_row", "_patient", "_reason"), on="_row", how="left", maintain_order="left")
        name = pseudonyms(found["_patient"], self.keys.pseudonym, self.project, "patient")
        high = name.str.slice(0, 4).str.to_integer(base=16, dtype=pl.Int64) * self.ranges // 65536
        nobody = pl.col("_row").cast(pl.Int64) % self.ranges
        return found.with_columns(pl.coalesce(high.alias("_range"), nobody).alias("_range"))

    def _hash(self, part: Part, slots: pl.DataFrame, key: tuple[str, ...]) -> None:
        cells = [name for name in slots.columns if not name.startswith("_")]
        whole = pl.all_horizontal(pl.col(key).is_not_null()) if key else pl.lit(value=False)
        keyed = pl.struct(key or cells)
        hashed = slots.select(
            "_row",
            *(pl.struct(cells).hash(seed).alias(f"all{seed}") for seed in SEEDS),
            *(pl.when(whole).then(keyed.hash(seed)).alias(f"key{seed}") for seed in SEEDS),
        ).with_columns((pl.coalesce("key1", "all1") % HASHES).alias("_at"))
        for (at,), some in hashed.group_by("_at", maintain_order=True):
            self.spill.append((HASHED, part.number, int(at)), some.drop("_at"))

    def _duplicates(self, part: Part) -> pl.DataFrame:
        refused = []
        for at in range(HASHES):
            hashed = self.spill.take((HASHED, part.number, at))
            if hashed is None:
                continue
            self.spill.drop((HASHED, part.number, at))
            again = ~pl.struct("all1", "all2").is_first_distinct()
            refused.append(rejects(hashed.filter(again), "duplicate-row"))
            left = hashed.filter(~again).filter(pl.col("key1").is_not_null())
            refused.append(rejects(left.filter(pl.struct("key1", "key2").is_duplicated()), "conflicting-key"))
        return pl.concat([rejects(pl.DataFrame(schema={"_row": pl.UInt32}), ""), *refused])

    def _settle(self, part: Part, batch: Batch, phase: int) -> None:
        """Add what a batch's steps count to the whole."""
        self.counts[part.number]["quarantined"] += batch.quarantined
        for at, report in enumerate(batch.reports):
            key = (part.number, phase, at)
            self.reports[key] = _sum(self.reports[key], report) if key in self.reports else report

    def scrub(self, layers: frozenset[str]) -> None:
        """Take every range through patients, images, free text and codes."""
        patients = self.found.patients
        assert patients is not None
        name = pseudonymiser(self.keys.pseudonym, self.project, "patient")
        days_of = offsets(self.keys.shift, self.project)
        images = ClearHeaders(
            name, days_of, subkey(self.keys.pseudonym, self.project, "images"), options_of(self.profile)
        )
        unread = unreadable(patients, self.found.unread)
        tabled = any(part.source.format != "notes" for part in self.found.parts.values())
        doubles = {part.number: self._duplicates(part) for part in self.found.parts.values()}
        self.notes = Scrubbing(self.profile, layers, operators_of(self.profile, self.keys, self.project, patients))
        for where in range(self.ranges):
            batches = []
            for part in self.found.parts.values():
                batch = self._batch(part, where)
                wanted: list[Step] = []
                if any(isinstance(step, DropDuplicates) for step in steps(part.table)):
                    wanted.append(KnownDuplicates(doubles[part.number]))
                names = {"_patient": "patient", "_reason": "reason"}
                answer = batch.slots.select("_row", *names).rename(names)
                repaired = batch.slots.filter("_repaired")["_row"]
                batch.slots = batch.slots.drop("_patient", "_reason", "_repaired")
                wanted.append(AssignPatients(answer))
                refused = [reject for step in wanted for reject in batch.run(step)]
                if "note.text" in batch.slots.columns:
                    lonely = frozenset(batch.slots["patient"]) - patients.structured if tabled else frozenset()
                    refused += batch.run(RefuseUnknowable(unread | lonely))
                if "image.bytes" in batch.slots.columns:
                    refused += batch.run(images)
                self.refuse(refused)
                batch.repaired |= set(repaired)
                count = self.counts[part.number]
                self._settle(part, batch, SCRUBBING)
                again = len(batch.repaired & set(batch.slots["_row"]))
                count.update(repaired=again, accepted=batch.slots.height - again)
                batches.append(batch)
            self._gathered(where, batches)
        if not self.people:
            raise BadInput("no row of the input could be used: see the reasons of the quarantine, or the mapping")

    def _batch(self, part: Part, where: int) -> Batch:
        spilled = self.spill.take((SLOTS, part.number, where))
        self.spill.drop((SLOTS, part.number, where))
        if spilled is None:
            spilled = pl.DataFrame(schema=self.shapes[part.number])
        raw = [pl.col(_RAW + name).alias(name) for name in part.columns]
        read = spilled.select("_row", "_file", "_position", *raw)
        slots = spilled.drop(_RAW + name for name in part.columns)
        return Batch(part.source, part.table, read, slots, slots)

    def _gathered(self, where: int, batches: list[Batch]) -> None:
        assert self.found.patients is not None
        if self.with_messages:
            self.spill.append((MESSAGES, where), messages.held(batches))
        frames = gather(batches)
        present = {key for batch in batches for key in batch.slots["patient"]}
        people = people_of(present, self.keys, self.project, offsets(self.keys.shift, self.project))
        days = dict(people.select("patient", "shift_days").iter_rows())
        self.notes.apply(frames, self.found.patients, days)
        for key, held in rare_values(frames).items():
            self.held[key].append(held)
        code_conditions(frames, self.profile)
        if people.height:
            self.people.append(people.with_columns(pl.lit(where).alias("_range")))
            self.quasi.append(quasi(frames, people, self.profile))
        for number, (entity, frame) in enumerate(sorted(frames.items())):
            self.schemas[entity] = frame.schema
            self.spill.append((FRAMES, number, where), frame)

    def lower(self) -> Lowered:
        """Choose generalisation and suppression over everybody."""
        return lower(pl.concat(self.quasi).sort("patient"), self.profile)

    def publish(self, lowered: Lowered) -> int:
        """Write the tables of every range aside, look at them, and return how many cells were searched.

        Raises:
            LeakFound: something was found in one of them.
        """
        assert self.found.patients is not None
        people = pl.concat(self.people)
        held = {key: _added(frames) for key, frames in self.held.items()}
        names = people.sort("patient").select("patient", "pseudonym").iter_rows()
        look = SecondLook([Identity(name, self.found.patients.known[key]) for key, name in names])
        hits: list[Hit] = []
        searched = 0
        files = messages.Files(self.spill.folder("messages"), security(self.profile)) if self.with_messages else None
        for where in range(self.ranges):
            frames = {}
            for number, entity in enumerate(sorted(self.schemas)):
                spilled = self.spill.take((FRAMES, number, where))
                self.spill.drop((FRAMES, number, where))
                frames[entity] = pl.DataFrame(schema=self.schemas[entity]) if spilled is None else spilled
            self.pooled += pool(frames, held, self.profile)
            mine = people.filter(pl.col("_range") == where).drop("_range")
            shown = lowered.people.filter(pl.col("patient").is_in(mine["patient"].implode()))
            tables = tables_of(frames, mine, shown, self.profile, self.keys, self.project)
            found, cells = look.hits(tables)
            hits += found
            stop(hits)
            searched += cells
            if files is not None:
                searched += self._messages(where, mine, tables["person"], look, files)
            for name, table in tables.items():
                folder = self.spill.folder(name)
                if table.height or not where:
                    table.write_parquet(folder / f"{where:05d}.parquet", compression="zstd", statistics=False)
                self.tables[name] += table.height
            counted = tables["measurement"].drop_nulls("unit_code").group_by("unit_code").len()
            self.units.update(dict(counted.iter_rows()))
        if files is not None:
            files.close()
        return searched

    def _messages(
        self, where: int, people: pl.DataFrame, person: pl.DataFrame, look: SecondLook, files: messages.Files
    ) -> int:
        """Write the messages of a range, and return how many leaves were searched.

        Raises:
            LeakFound: something was found in one of them.
        """
        assert self.found.patients is not None
        raw = self.spill.take((MESSAGES, where))
        if raw is None:
            return 0
        self.spill.drop((MESSAGES, where))
        wording = wording_of(self.profile, self.keys, self.project, self.notes, self.found.patients, self.admission)
        written = messages.write(raw, people, person, self.found.patients, wording)
        found, cells = look.hits({"message": messages.looked_at(written.messages)})
        stop(found)
        files.append(written.messages)
        self.told += written.counts()
        return cells

    def made(self) -> list[Path]:
        names = [*self.tables, "messages"] if self.told.total() else [*self.tables]
        return [self.spill.folder(name) for name in names]

    def quarantine(self) -> pl.DataFrame:
        spilled = self.spill.take((REFUSED,))
        return pl.DataFrame(schema=QUARANTINE) if spilled is None else spilled.sort(pl.all())

    def index(self) -> dict[str, str]:
        token = tokens(self.keys.index)
        pairs = pl.concat(self.people).sort("pseudonym").select("pseudonym", "patient").iter_rows()
        return {name: token(patient) for name, patient in pairs}

    def report(self, lowered: Lowered, searched: int) -> Report:
        assert self.found.patients is not None
        parts = [*self.found.parts.values()]
        structured: Counter[str] = Counter()
        for part in parts:
            structured.update(part.structured)
        names = ("rows", "accepted", "repaired", "quarantined")
        counted = [SourceCount(p.source.name, p.table.name, *(self.counts[p.number][n] for n in names)) for p in parts]
        if any(one.accepted + one.repaired + one.quarantined != one.rows for one in counted):
            raise RowsLost("accepted + repaired + quarantined is not the input")
        return Report(
            mapping=self.mapping.name,
            mapping_sha256=self.mapping.sha256,
            profile=self.profile.name,
            profile_sha256=self.profile.sha256,
            units=self.found.units,
            sources=counted,
            steps=[asdict(self.reports[key]) for key in sorted(self.reports)],
            reasons=dict(sorted(self.reasons.items())),
            strangers=self.found.strangers,
            classes=(GENETIC,) if self.genetic else (),
            columns=[asdict(fate) for part in parts for fate in part.fates()],
            identifiers=self.notes.found,
            free_text=self.notes.free_text,
            structured=structured,
            scrubbed=self.notes.scrubbed,
            pooled=self.pooled,
            unit_spellings=dict(sorted(self.units.items())),
            linkage=self.found.patients.linkage.counts,
            risk=risk_section(self.profile, lowered),
            searched=searched,
            tables=dict(self.tables),
            messages=self.told,
        )


def _sum(a: StepReport, b: StepReport) -> StepReport:
    reasons = Counter(dict(a.reasons)) + Counter(dict(b.reasons))
    return StepReport(
        a.step, a.source, a.counted + b.counted, a.accepted + b.accepted, a.repaired + b.repaired,
        a.quarantined + b.quarantined, a.cells + b.cells, tuple(sorted(reasons.items())),
    )  # fmt: skip


def _added(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the holders of several ranges as those of all: no patient is in two."""
    whole = pl.concat(frames)
    return whole.group_by([name for name in whole.columns if name != "_holders"]).agg(pl.col("_holders").sum())
