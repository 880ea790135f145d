"""Patients: from the identity slots of all batches to one patient for each row, and what is known of each patient."""

from collections import defaultdict
from dataclasses import dataclass, field

import polars as pl

from deid.clean.dates import infer_order
from deid.identity import KINDS, Claim, Linkage, digits, known, link, plain
from deid.intake import Batch, Intake
from deid.slots import target
from deid.step import no_rejects, rejects


@dataclass(frozen=True, slots=True)
class Patients:
    """Everybody who has a row.

    Attributes:
        known: Patient's key -> his identifiers (value, label).
        structured: Patients about whom there is a row that is not a note.
        linkage: Counts and the answer for each claim.
    """

    known: dict[str, tuple[tuple[str, str], ...]] = field(repr=False)
    structured: frozenset[str] = field(repr=False)
    linkage: Linkage


@dataclass(frozen=True, slots=True)
class AssignPatients:
    """Add the column ``patient``; rows without one are quarantined: ``no-patient``, ``ambiguous-patient``."""

    answers: pl.DataFrame = field(repr=False)  # _row, patient, reason
    name: str = "patients"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        found = table.join(self.answers, on="_row", how="left", maintain_order="left")
        without = rejects(found.filter(pl.col("patient").is_null()))
        return found.drop("reason"), without


@dataclass(frozen=True, slots=True)
class RefuseUnknowable:
    """Quarantine free text about patients whose identifiers are not all known: ``identity-incomplete``.

    A row about the patient could not be read, so what it says of him could not be looked for in his notes.
    """

    patients: frozenset[str] = field(repr=False)
    name: str = "known-identity"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        unknowable = table.filter(pl.col("patient").is_in(list(self.patients)))
        return table, rejects(unknowable, "identity-incomplete") if unknowable.height else no_rejects()


def assign(intake: Intake) -> Patients:
    """Link all claims, give every row its patient, and quarantine what cannot be given one.

    Claims are taken from all rows that were read, also those that cleaning refused: what they say of a patient is
    looked for in his notes.
    """
    claims: dict[Claim, int] = {}
    answers = [(batch, _claims(batch, claims)) for batch in intake.batches]
    listed = list(claims)
    linkage = link(listed)
    said: dict[str, list[Claim]] = defaultdict(list)
    structured: set[str] = set()
    for claim, patient in zip(listed, linkage.patient, strict=True):
        if patient is not None:
            said[patient].append(claim)
    for batch, numbers in answers:
        whose = [linkage.patient[at] for at in numbers["claim"]]
        why = [linkage.reasons[at] for at in numbers["claim"]]
        answer = numbers.select("_row").with_columns(
            pl.Series("patient", whose, pl.String), pl.Series("reason", why, pl.String)
        )
        intake.rejects += batch.run(AssignPatients(answer))
        if batch.source.format != "notes":
            structured |= {name for name in whose if name is not None}
    return Patients({name: known(said[name]) for name in said}, frozenset(structured), linkage)


def refuse_unknowable(intake: Intake, patients: Patients) -> None:
    """Quarantine notes of patients about whom a row could not be read, or who have no row but notes."""
    unread = unreadable(patients, frozenset(token for raw in intake.unread for token in tokens(raw)))
    tables = any(batch.source.format != "notes" for batch in intake.batches)
    for batch in intake.batches:
        if "note.text" in batch.slots.columns:
            lonely = frozenset(batch.slots["patient"]) - patients.structured if tables else frozenset()
            intake.rejects += batch.run(RefuseUnknowable(unread | lonely))


def unreadable(patients: Patients, refused: frozenset[str]) -> frozenset[str]:
    """Return the patients one of whose linking identifiers stands in a piece that could not be read."""
    linking = {"MRN", "ID_CARD", "PHONE"}
    return frozenset(
        patient
        for patient, values in patients.known.items()
        if refused and any(kind in linking and plain(value) in refused for value, kind in values)
    )


def _claims(batch: Batch, claims: dict[Claim, int]) -> pl.DataFrame:
    """Return (_row, claim) of every row that was read; new claims are added."""
    lifted = batch.lifted
    columns = [name for name in lifted.columns if target(name) in KINDS or target(name) == "visit.id"]
    births = [name for name in columns if target(name) == "person.birth_date"]
    order = infer_order(lifted[births[0]].drop_nulls().unique()) if births else "YMD"
    distinct = lifted.select(columns).unique(maintain_order=True) if columns else pl.DataFrame({"_": [0]})
    numbers = []
    for row in distinct.iter_rows(named=True):
        fields = tuple((target(name), value) for name, value in row.items() if value is not None and name != "_")
        claim = Claim(batch.source.hospital, fields, order)
        numbers.append(claims.setdefault(claim, len(claims)))
    answer = distinct.with_columns(pl.Series("claim", numbers, pl.UInt32))
    if not columns:
        return lifted.select("_row", pl.lit(numbers[0], pl.UInt32).alias("claim"))
    rows = lifted.select("_row", *columns)
    return rows.join(answer, on=columns, how="left", nulls_equal=True, maintain_order="left").select("_row", "claim")


def tokens(raw: bytes) -> set[str]:
    """Return what could be identifiers in a refused piece: its words with digits, folded."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("gb18030", "replace")
    words = {plain(word) for word in text.replace('"', ",").replace("\t", ",").replace("|", ",").split(",")}
    return {word for word in words if len(digits(word)) >= 5}
