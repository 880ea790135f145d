"""Screening: what the policy restricts is found before any of a submission is processed.

Only the sources whose texts are documents are read, and nothing of them is kept but where a document stands and the
hash that stands for it. A document that its originator has declassified, and genetic data under an approval, pass.

Source: ``deid.transform.declassify`` and ``deid.genetic``, which say what is restricted and why.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from deid.genetic import admit
from deid.intake import NOTHING, take_in
from deid.mapping import Mapping, Source
from deid.records import Records
from deid.slots import target
from deid.transform.declassify import Admission, fingerprint, restricted

TEXT = "note.text"


@dataclass(frozen=True, slots=True)
class Held:
    """A document or file that is not let in.

    Attributes:
        file, position: Where it stands in its source, as in the quarantine.
        reason: ``classified``, ``military-unit``, ``restricted-term`` or ``genetic-resources``.
        fingerprint: What stands for the document in a declassification; empty for a file of a genome.
    """

    source: str
    file: int
    position: int
    reason: str
    fingerprint: str = field(default="", repr=False)


def screen(records: Records, mapping: Mapping, admission: Admission = NOTHING) -> tuple[Held, ...]:
    """Return what is not let in, in the order of sources, files and positions; the same records give the same answer.

    Raises:
        BadMapping: a mapped column is not in the files.
    """
    records, genomes, _ = admit(records, mapping, admission)
    found = [Held(one.source, one.file, one.position, one.reason) for one in genomes]
    names = records.names()
    wanted = tuple(source for source in mapping.sources if _has_documents(source) and source.pick(names))
    if wanted:
        found += _documents(records, replace(mapping, sources=wanted), admission)
    return tuple(sorted(found, key=lambda one: (one.source, one.file, one.position, one.fingerprint)))


def _has_documents(source: Source) -> bool:
    return any(column.to == TEXT for table in source.tables for column in table.columns)


def _documents(records: Records, mapping: Mapping, admission: Admission) -> Iterator[Held]:
    for batch in take_in(records, mapping).batches:
        for column in (name for name in batch.slots.columns if target(name) == TEXT):
            rows = batch.slots.select(column, "_file", "_position").drop_nulls(column)
            for text, file, position in rows.iter_rows():
                reason = restricted(text)
                if reason is not None and (mark := fingerprint(text)) not in admission.declassified:
                    yield Held(batch.source.name, file, position, reason, mark)
