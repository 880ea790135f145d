"""Intake: the files of every source read, lifted to slots and cleaned, each row accounted for."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

import polars as pl

from deid.clean.dates import CleanDates
from deid.clean.duplicates import DropDuplicates
from deid.clean.numbers import CleanNumbers
from deid.clean.plausible import CheckTimes
from deid.clean.text import FoldWidth, MapValues, RefuseLineBreaks
from deid.mapping import Mapping, Source, Table
from deid.profile import Kind, profile_columns
from deid.records import Reading, Records, Reject
from deid.slots import DATES, kept, lift, slot, unmapped
from deid.standardise.units import StandardiseUnits
from deid.step import RowsLost, Step, StepReport, take
from deid.transform.declassify import Admission, RefuseClassified
from policies.errors import BadInput

NOTHING = Admission()
READERS = {
    "csv": "deid.readers.table",
    "tsv": "deid.readers.table",
    "xlsx": "deid.readers.table",
    "parquet": "deid.readers.table",
    "notes": "deid.readers.notes",
    "hl7v2": "deid.readers.hl7v2",
    "fhir": "deid.readers.fhir",
    "dicom": "deid.readers.dicom",
}


@dataclass(frozen=True, slots=True)
class ColumnFate:
    """What a column seems to hold and what happened to it. Safe to show: only mapped names are kept."""

    source: str
    table: str
    name: str
    kind: Kind
    fate: str
    cells: int


@dataclass(slots=True)
class Batch:
    """One table of one source on its way through the steps. ``read`` is what the reader gave, by ``_row``."""

    source: Source
    table: Table
    read: pl.DataFrame = field(repr=False)
    slots: pl.DataFrame = field(repr=False)
    lifted: pl.DataFrame = field(repr=False)
    repaired: set[int] = field(default_factory=set)
    quarantined: int = 0
    reports: list[StepReport] = field(default_factory=list)

    def run(self, step: Step) -> tuple[Reject, ...]:
        """Take one step and return the rows it refused."""
        taken = take(step, self.source.name, self.slots)
        self.slots = taken.kept
        self.repaired |= set(taken.repaired)
        self.quarantined += taken.refused.height
        self.reports.append(taken.report)
        return self._rejects(taken.refused)

    def tally(self) -> tuple[int, int, int, int]:
        """Return (rows read, accepted, repaired, quarantined).

        Raises:
            RowsLost: they do not add up.
        """
        repaired = len(self.repaired & set(self.slots["_row"]))
        accepted = self.slots.height - repaired
        if accepted + repaired + self.quarantined != self.read.height:
            raise RowsLost(f"source {self.source.name}: accepted + repaired + quarantined is not the input")
        return self.read.height, accepted, repaired, self.quarantined

    def _rejects(self, refused: pl.DataFrame) -> tuple[Reject, ...]:
        found = refused.join(self.read, on="_row", how="left", maintain_order="left")
        return tuple(
            Reject(self.source.name, row["_file"], row["_position"], row["reason"], _raw(row))
            for row in found.iter_rows(named=True)
        )


@dataclass(slots=True)
class Intake:
    """All batches, what was refused on the way, and what is to be reported."""

    batches: list[Batch] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    columns: list[ColumnFate] = field(default_factory=list)
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    unread: list[bytes] = field(default_factory=list, repr=False)
    strangers: int = 0

    def hold(self, held: list[Reject]) -> None:
        """Count files that were held back before any reader saw them."""
        self.rejects += held
        for reject in held:
            counted, refused = self.units.get(reject.source, (0, 0))
            self.units[reject.source] = counted + 1, refused + 1


def take_in(records: Records, mapping: Mapping) -> Intake:
    """Return every source of the mapping, read and lifted but not yet cleaned.

    Raises:
        BadInput: no file belongs to any source.
        BadMapping: a mapped column is not in the files.
        RowsLost: a reader's count and its rows do not agree.
    """
    names = records.names()
    picked = {source.name: source.pick(names) for source in mapping.sources}
    if not any(picked.values()):
        raise BadInput("no file of the input belongs to a source of the mapping")
    intake = Intake(strangers=len(set(names) - {name for files in picked.values() for name in files}))
    for source in mapping.sources:
        if not picked[source.name]:
            intake.units[source.name] = (0, 0)
            continue
        reading = reader(source)(source, records)
        check_count(source, reading)
        intake.rejects += reading.rejects
        intake.unread += [reject.raw for reject in reading.rejects]
        intake.units[source.name] = (reading.counted, len(reading.rejects))
        for name in sorted(reading.tables):
            _add(intake, source, source.table(name), reading.tables[name])
    return intake


def clean(intake: Intake, admission: Admission = NOTHING) -> None:
    """Run the cleaning steps over every batch."""
    for batch in intake.batches:
        for step in steps(batch.table, admission):
            intake.rejects += batch.run(step)


def steps(table: Table, admission: Admission = NOTHING) -> tuple[Step, ...]:
    """Return the cleaning steps that a table needs, in their order."""
    columns = kept(table)
    names = [slot(column) for column in columns]
    mapped = tuple((slot(c), c.values, c.otherwise) for c in columns if c.values)
    dated = tuple((slot(c), c.order) for c in columns if c.to in DATES)
    numeric = tuple(slot(c) for c in columns if c.kind == "number" or c.to == "drug.quantity")
    units = [
        StandardiseUnits(f"#{c.group}" if c.group else "", c.item, c.unit)
        for c in columns
        if c.to == "measurement.value"
    ]
    key = tuple(slot(c) for name in table.key for c in columns if c.name == name)
    wanted: tuple[tuple[bool, Step], ...] = (
        ("note.text" in names, RefuseClassified(("note.text",), admission)),
        (True, RefuseLineBreaks()),
        (True, FoldWidth()),
        (bool(mapped), MapValues(mapped)),
        (bool(dated), CleanDates(dated)),
        (bool(numeric), CleanNumbers(numeric)),
        (bool(dated), CheckTimes()),
        *((True, step) for step in units),
        (any(c.entity != "person" for c in columns), DropDuplicates(key)),  # messages repeat who the patient is
    )
    return tuple(step for needed, step in wanted if needed)


def reader(source: Source) -> Callable[[Source, Records], Reading]:
    """Return the reader of a source's format."""
    read: Callable[[Source, Records], Reading] = import_module(READERS[source.format]).read
    return read


def check_count(source: Source, reading: Reading) -> None:
    """Every counted unit is in a table or among the rejects, and nothing else is."""
    places = {place for frame in reading.tables.values() for place in frame.select("_file", "_position").iter_rows()}
    refused = Counter((reject.file, reject.position) for reject in reading.rejects)
    if len(places | set(refused)) != reading.counted:
        raise RowsLost(f"source {source.name}: what was read and refused is not what was counted")


def _add(intake: Intake, source: Source, table: Table, frame: pl.DataFrame) -> None:
    fates = {c.name: "dropped" if c.to == "drop" else "mapped" for c in table.columns}
    profiled = profile_columns(frame.select(pl.exclude("_file", "_position")))
    withheld = unmapped(table, frame)
    for number, column in enumerate(profiled, 1):
        known = column.name not in withheld
        shown = column.name if known else f"column {number}"
        fate = fates[column.name] if known else "not mapped: withheld"
        intake.columns.append(ColumnFate(source.name, table.name, shown, column.kind, fate, column.cells))
    lifted = lift(source, table, frame)
    intake.batches.append(Batch(source, table, frame.with_row_index("_row"), lifted, lifted))


def _raw(row: dict[str, object]) -> bytes:
    cells = {name: value for name, value in row.items() if not name.startswith("_") and name != "reason"}
    return json.dumps(cells, ensure_ascii=False).encode()
