"""The first pass over sources that do not fit into memory: what depends on all rows, gathered from narrow columns.

That is: which columns there are and what they seem to hold, the order of the dates of each column, and the claims of
identity, which are linked to patients at the end.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from deid.clean.dates import CleanDates, evidence, order_of
from deid.identity import KINDS, Claim, Linkage, known, link
from deid.intake import NOTHING, Batch, ColumnFate, check_count, steps
from deid.mapping import Mapping, Source, Table
from deid.patients import Patients, tokens
from deid.pieces import pieces
from deid.profile import SAMPLE, kind_of
from deid.records import Reading, Records, Reject
from deid.slots import lift, target, unmapped
from deid.transform.declassify import Admission
from policies.errors import BadInput, BadMapping

Said = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Part:
    """One table of one source.

    Attributes:
        columns: Every column of its files, in the order they come: name -> the first values, and how many are filled.
        orders: Slot -> the order of its dates.
        said: What its rows say of a person, as written, once each.
        structured: Target -> cells that identify.
    """

    number: int
    source: Source
    table: Table
    admission: Admission = NOTHING
    rows: int = 0
    columns: dict[str, tuple[list[str], int]] = field(default_factory=dict, repr=False)
    orders: dict[str, str] = field(default_factory=dict)
    births: str = "YMD"
    said: dict[Said, None] = field(default_factory=dict, repr=False)
    structured: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _dates: dict[str, tuple[bool, bool]] = field(default_factory=dict)

    def lifted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the slots of one piece; columns that only other files of the source have are empty in it."""
        absent = sorted({column.name for column in self.table.columns} - set(frame.columns))
        return lift(self.source, self.table, frame.with_columns(pl.lit(None, pl.String).alias(name) for name in absent))

    def take(self, frame: pl.DataFrame) -> None:
        """Learn from one piece."""
        for name in frame.columns:
            if not name.startswith("_"):
                filled = frame[name].drop_nulls()
                filled = filled.filter(filled != "")
                first, cells = self.columns.get(name, ([], 0))
                self.columns[name] = (first + filled.head(SAMPLE - len(first)).to_list(), cells + len(filled))
        if not frame.height:
            return
        lifted = self.lifted(frame)
        self.rows += frame.height
        self._order("", lifted, births(lifted))
        for slot, left in self._dated(frame, lifted):
            self._order(slot, left, slot)
        names = claimed(lifted)
        for name in names:
            if target(name) in KINDS:
                self.structured[target(name)] += lifted[name].count()
        for row in lifted.select(names).unique(maintain_order=True).iter_rows() if names else [()]:
            self.said.setdefault(said_by(names, row))

    def close(self) -> None:
        """Decide what could only be decided at the end."""
        absent = sorted({column.name for column in self.table.columns} - set(self.columns))
        if absent and self.rows:
            listed = ", ".join(absent)
            raise BadMapping(f"source {self.source.name}, table {self.table.name}: the files have no column {listed}")
        self.births = order_of(self._dates.pop("", (False, False))) if "" in self._dates else "YMD"
        self.orders = {slot: order_of(found) for slot, found in self._dates.items()}

    def claim(self, said: Said) -> Claim:
        return Claim(self.source.hospital, said, self.births)

    def fates(self) -> Iterator[ColumnFate]:
        """Yield what became of each column."""
        fates = {c.name: "dropped" if c.to == "drop" else "mapped" for c in self.table.columns}
        withheld = unmapped(self.table, pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String)))
        for number, (name, (first, cells)) in enumerate(self.columns.items(), 1):
            hidden = name in withheld
            fate = "not mapped: withheld" if hidden else fates[name]
            shown = f"column {number}" if hidden else name
            yield ColumnFate(self.source.name, self.table.name, shown, kind_of(name, first), fate, cells)

    def _order(self, slot: str, lifted: pl.DataFrame, column: str | None) -> None:
        if column is not None:
            day, month = evidence(lifted[column].drop_nulls().unique())
            before = self._dates.get(slot, (False, False))
            self._dates[slot] = (before[0] or day, before[1] or month)

    def _dated(self, frame: pl.DataFrame, lifted: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield date slots whose order is inferred, with the rows that the steps before leave in."""
        wanted = steps(self.table, self.admission)
        dates = next((step for step in wanted if isinstance(step, CleanDates)), None)
        automatic = [slot for slot, order in dates.columns if order == "auto"] if dates else []
        if not automatic:
            return
        batch = Batch(self.source, self.table, frame.with_row_index("_row"), lifted, lifted)
        for step in wanted[: wanted.index(dates)]:
            batch.run(step)
        yield from ((slot, batch.slots) for slot in automatic)


@dataclass(slots=True)
class Survey:
    """What the first pass found."""

    parts: dict[tuple[str, str], Part] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list, repr=False)
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    strangers: int = 0
    patients: Patients | None = None
    unread: frozenset[str] = field(default=frozenset(), repr=False)
    answers: dict[int, dict[Said, tuple[str | None, str]]] = field(default_factory=dict, repr=False)


def survey(records: Records, mapping: Mapping, rows: int, admission: Admission = NOTHING) -> Survey:
    """Return what one pass over all sources tells, ``rows`` rows at a time.

    Raises:
        BadInput: no file belongs to any source.
        BadMapping: a mapped column is not in the files.
        RowsLost: a reader's count and its rows do not agree.
    """
    names = records.names()
    picked = {source.name: source.pick(names) for source in mapping.sources}
    if not any(picked.values()):
        raise BadInput("no file of the input belongs to a source of the mapping")
    found = Survey(strangers=len(set(names) - {name for files in picked.values() for name in files}))
    refused: set[str] = set()
    for source in mapping.sources:
        counted = bad = 0
        for reading in pieces(source, records, rows) if picked[source.name] else ():
            check_count(source, reading)
            counted, bad = counted + reading.counted, bad + len(reading.rejects)
            found.rejects += reading.rejects
            refused |= {token for reject in reading.rejects for token in tokens(reject.raw)}
            _learn(found, source, reading, admission)
        found.units[source.name] = (counted, bad)
    for part in found.parts.values():
        part.close()
    found.unread = frozenset(refused)
    _link(found)
    return found


def claimed(lifted: pl.DataFrame) -> list[str]:
    """Return the slots that say who a row is about."""
    return [name for name in lifted.columns if target(name) in KINDS or target(name) == "visit.id"]


def births(lifted: pl.DataFrame) -> str | None:
    """Return the first slot of birth dates."""
    return next((name for name in claimed(lifted) if target(name) == "person.birth_date"), None)


def said_by(names: list[str], row: tuple[str | None, ...]) -> Said:
    """Return what one row says of a person."""
    return tuple((target(name), value) for name, value in zip(names, row, strict=True) if value is not None)


def _learn(found: Survey, source: Source, reading: Reading, admission: Admission) -> None:
    for name in sorted(reading.tables):
        key = (source.name, name)
        if key not in found.parts:
            found.parts[key] = Part(len(found.parts), source, source.table(name), admission)
        found.parts[key].take(reading.tables[name])


def _link(found: Survey) -> None:
    claims: dict[Claim, int] = {}
    for part in found.parts.values():
        for said in part.said:
            claims.setdefault(part.claim(said), len(claims))
    linkage: Linkage = link(list(claims))
    of: dict[str, list[Claim]] = defaultdict(list)
    for claim, patient in zip(claims, linkage.patient, strict=True):
        if patient is not None:
            of[patient].append(claim)
    structured: set[str] = set()
    for part in found.parts.values():
        numbers = {said: claims[part.claim(said)] for said in part.said}
        answers = {said: (linkage.patient[at], linkage.reasons[at]) for said, at in numbers.items()}
        found.answers[part.number] = answers
        if part.source.format != "notes":
            structured |= {patient for patient, _ in answers.values() if patient is not None}
    found.patients = Patients({name: known(said) for name, said in of.items()}, frozenset(structured), linkage)
