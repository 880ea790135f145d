"""Messages and resources written out beside the tables: the same pseudonyms, days and generalised values.

A message is written when a row of it was accepted. What a message says of its patient is what the table ``person``
says; everything is looked at a second time, leaf by leaf, before it is written.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from deid.intake import Batch
from deid.patients import Patients
from deid.readers import hl7v2 as hl7v2_reader
from deid.transform import fhir, hl7v2
from deid.transform.subject import Subject, Withheld, Wording
from deid.verify import leaves

TEXT_OF = {"hl7v2": "message", "fhir": "resource"}
HELD = {
    "patient": pl.String, "source": pl.String, "hospital": pl.String, "format": pl.String, "visit": pl.String,
    "_file": pl.UInt32, "_position": pl.UInt32, "text": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """Messages as they may be published.

    Attributes:
        messages: ``patient`` (pseudonym), ``source``, ``format``, ``text``, in order.
        withheld: Reason -> messages that are not written.
    """

    messages: pl.DataFrame = field(repr=False)
    withheld: Counter[str]

    def counts(self) -> Counter[str]:
        """Return source -> messages, and ``withheld:REASON`` -> messages."""
        made = Counter(self.messages["source"].to_list())
        return made + Counter({f"withheld:{reason}": n for reason, n in self.withheld.items()})


def held(batches: Iterable[Batch]) -> pl.DataFrame:
    """Return the messages that accepted rows come from, raw, once each: the columns of ``HELD``."""
    parts = [pl.DataFrame(schema=HELD)]
    for batch in batches:
        column = TEXT_OF.get(batch.source.format)
        if column is None or column not in batch.read.columns or "patient" not in batch.slots.columns:
            continue
        visit = pl.col("visit.id") if "visit.id" in batch.slots.columns else pl.lit(None, pl.String)
        whose = batch.slots.select("_row", "patient", visit.alias("visit"))
        raw = batch.read.select("_row", "_file", "_position", pl.col(column).alias("text"))
        constants = {"source": batch.source.name, "hospital": batch.source.hospital, "format": batch.source.format}
        rows = whose.join(raw, on="_row", maintain_order="left").drop_nulls("text")
        rows = rows.with_columns(pl.lit(value, pl.String).alias(name) for name, value in constants.items())
        parts.append(rows.select(pl.col(name).cast(kind) for name, kind in HELD.items()))
    return pl.concat(parts).unique(["source", "_file", "_position"], keep="first", maintain_order=True)


def write(
    raw: pl.DataFrame, people: pl.DataFrame, person: pl.DataFrame, patients: Patients, wording: Wording
) -> Written:
    """Return the messages of some patients, rewritten, by pseudonym and then as they came.

    Args:
        raw: As ``held`` gives them.
        people: ``patient``, ``pseudonym``, ``shift_days``.
        person: The table ``person`` of the same patients.
    """
    shown = person.select("patient", "gender_source_value", "year_of_birth")
    joined = people.join(shown, left_on="pseudonym", right_on="patient", how="left", maintain_order="left")
    subjects = {
        key: Subject(key, name, days, sex, year, patients.known[key])
        for key, name, days, sex, year in joined.select(
            "patient", "pseudonym", "shift_days", "gender_source_value", "year_of_birth"
        ).iter_rows()
    }
    names = people.select("patient", "pseudonym")
    ordered = raw.join(names, on="patient", maintain_order="left").sort("pseudonym", "source", "_file", "_position")
    rows, withheld = [], Counter[str]()
    for key, source, hospital, form, visit, text in ordered.select(
        "patient", "source", "hospital", "format", "visit", "text"
    ).iter_rows():
        try:
            made = _one(form, text, subjects[key], wording, hospital, visit or "")
        except Withheld as problem:
            withheld[problem.code] += 1
            continue
        rows.append((subjects[key].pseudonym, source, form, made))
    schema = {"patient": pl.String, "source": pl.String, "format": pl.String, "text": pl.String}
    return Written(pl.DataFrame(rows, schema=schema, orient="row"), withheld)


def looked_at(messages: pl.DataFrame) -> pl.DataFrame:
    """Return every leaf of every message as the second look wants it: ``patient``, ``message_text``."""
    found = [
        (patient, leaf)
        for patient, form, text in messages.select("patient", "format", "text").iter_rows()
        for leaf in leaves(form, text)
    ]
    return pl.DataFrame(found, schema={"patient": pl.String, "message_text": pl.String}, orient="row")


class Files:
    """The files that messages are appended to: ``SOURCE.hl7``, and ``SOURCE.json`` with one Bundle."""

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self._folder, self._meta = folder, meta
        self._bundles: set[Path] = set()

    def close(self) -> None:
        """End the Bundles."""
        for path in sorted(self._bundles):
            with path.open("a", encoding="utf-8") as out:
                out.write("\n]}\n")

    def append(self, messages: pl.DataFrame) -> None:
        """Add messages behind those that are there."""
        for (source, form), some in messages.group_by("source", "format", maintain_order=True):
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{source}.{'hl7' if form == 'hl7v2' else 'json'}"
            with path.open("a", encoding="utf-8", newline="") as out:
                if form == "hl7v2":
                    out.writelines(some["text"])
                    continue
                for text in some["text"]:
                    out.write("," if path in self._bundles else self._head())
                    out.write(f'\n{{"resource":{text}}}')
                    self._bundles.add(path)

    def _head(self) -> str:
        return f'{{"resourceType":"Bundle","type":"collection","meta":{json.dumps(self._meta)},"entry":['


def _one(form: str, text: str, subject: Subject, wording: Wording, hospital: str, visit: str) -> str:
    if form == "hl7v2":
        return hl7v2.rewritten(hl7v2_reader.parse(text), subject, wording, hospital)
    return orjson.dumps(fhir.rewritten(orjson.loads(text), subject, wording, hospital, visit)).decode()
