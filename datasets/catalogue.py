"""The catalogue as officers see it: what there is, what a version holds, what changed between two.

Figures here are exact, so they are for the owning organisation; partners get charged releases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.buckets import PATIENT
from datasets.manifest import Manifest, Part
from policies.errors import Misuse


@dataclass(frozen=True, slots=True)
class TableSummary:
    """Counts of one table.

    Attributes:
        name: The table.
        columns: Name and type of each column.
        rows: How many.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a version holds: counts only."""

    dataset: str
    version: int
    data_class: str
    created: str
    patients: int
    tables: tuple[TableSummary, ...]
    submissions: tuple[str, ...]
    content: str
    mapping: str = ""
    profile: str = ""
    report: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "data_class": self.data_class,
            "created": self.created,
            "patients": self.patients,
            "tables": [
                {"name": table.name, "rows": table.rows, "columns": [list(pair) for pair in table.columns]}
                for table in self.tables
            ],
            "submissions": list(self.submissions),
            "content": self.content,
            "mapping": self.mapping,
            "profile": self.profile,
            "report": self.report,
        }


@dataclass(frozen=True, slots=True)
class TableChange:
    """What became of one table.

    Attributes:
        name: The table.
        added, removed, retyped: Names of columns.
        rows_before, rows_after: Counts; 0 where the table is not there.
    """

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]
    rows_before: int
    rows_after: int


@dataclass(frozen=True, slots=True)
class Change:
    """What changed between two versions: counts only.

    Attributes:
        tables: Those that changed at all, by name.
        patients_added, patients_removed: Distinct patients that only one of the versions has.
        parts_shared, parts_written: Encrypted objects the newer has from the older, and its own.
    """

    before: int
    after: int
    tables: tuple[TableChange, ...]
    patients_added: int
    patients_removed: int
    parts_shared: int
    parts_written: int

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        names = ("name", "added", "removed", "retyped", "rows_before", "rows_after")
        tables = [{name: getattr(table, name) for name in names} for table in self.tables]
        for table in tables:
            table |= {name: list(table[name]) for name in ("added", "removed", "retyped")}
        return {
            "before": self.before,
            "after": self.after,
            "tables": tables,
            "patients_added": self.patients_added,
            "patients_removed": self.patients_removed,
            "parts_shared": self.parts_shared,
            "parts_written": self.parts_written,
        }


def summary(manifest: Manifest) -> Summary:
    """Return what a version holds."""
    tables = tuple(TableSummary(name, manifest.columns[name], manifest.rows(name)) for name in sorted(manifest.columns))
    return Summary(
        dataset=manifest.dataset,
        version=manifest.version,
        data_class=manifest.data_class.value,
        created=manifest.created,
        patients=manifest.patients,
        tables=tables,
        submissions=manifest.sources.submissions,
        content=manifest.content,
        mapping=manifest.sources.mapping,
        profile=manifest.sources.profile,
        report=manifest.sources.report,
    )


def statistics_changed(
    before: Manifest, after: Manifest, scan: Callable[[Manifest, str], pl.LazyFrame]
) -> list[dict[str, Any]]:
    """Return the columns whose filled cells or different values changed in number, exactly: for officers and reviewers.

    Args:
        before, after: Two versions of one dataset.
        scan: ``Store.scan``.
    """
    found = []
    for table in sorted(before.columns.keys() & after.columns.keys()):
        common = [name for name, _ in before.columns[table] if name in dict(after.columns[table]) and name != PATIENT]
        old, new = (_column_counts(scan(one, table), common) for one in (before, after))
        found += [
            {"table": table, "column": name, "before": old[name], "after": new[name]}
            for name in common
            if old[name] != new[name]
        ]
    return found


def _column_counts(rows: pl.LazyFrame, names: list[str]) -> dict[str, dict[str, int]]:
    asked = [pl.col(name).count().alias(f"{name}|filled") for name in names]
    asked += [pl.col(name).n_unique().alias(f"{name}|distinct") for name in names]
    counts = rows.select(asked).collect().row(0, named=True) if names else {}
    return {name: {"filled": counts[f"{name}|filled"], "distinct": counts[f"{name}|distinct"]} for name in names}


def diff(before: Manifest, after: Manifest, read: Callable[[str, Part], pl.DataFrame]) -> Change:
    """Return what changed from one version to another of the same dataset.

    Args:
        before, after: The two manifests, in any order of number.
        read: ``Store.read``; only buckets in which the two differ are read.

    Raises:
        Misuse: they are of two datasets.
        Shredded: a bucket of one of them was withdrawn.
    """
    if before.dataset != after.dataset:
        raise Misuse("only versions of one dataset can be compared")
    old, new = _patients(before, after, read), _patients(after, before, read)
    shared = {part.sha256 for part in before.parts} & {part.sha256 for part in after.parts}
    changed = (_table(name, before, after) for name in sorted(before.columns.keys() | after.columns.keys()))
    return Change(
        before=before.version,
        after=after.version,
        tables=tuple(one for one in changed if one is not None),
        patients_added=len(new - old),
        patients_removed=len(old - new),
        parts_shared=len(shared),
        parts_written=len(after.parts) - len(shared),
    )


def _table(name: str, before: Manifest, after: Manifest) -> TableChange | None:
    old, new = dict(before.columns.get(name, ())), dict(after.columns.get(name, ()))
    change = TableChange(
        name,
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple(sorted(column for column in old.keys() & new.keys() if old[column] != new[column])),
        before.rows(name),
        after.rows(name),
    )
    parts = ({(p.table, p.bucket, p.content) for p in one.parts if p.table == name} for one in (before, after))
    same = old == new and next(parts) == next(parts)
    return None if same else change


def _patients(one: Manifest, other: Manifest, read: Callable[[str, Part], pl.DataFrame]) -> set[str]:
    """Return the patients of the buckets in which the two differ: the others have the same patients in both."""
    there = {part.sha256 for part in other.parts}
    here = {part.sha256 for part in one.parts}
    touched = {part.bucket for part in one.parts if part.sha256 not in there}
    touched |= {part.bucket for part in other.parts if part.sha256 not in here}
    if one.buckets != other.buckets:
        touched = set(range(one.buckets))
    return {name for part in one.parts if part.bucket in touched for name in read(one.dataset, part)[PATIENT]}
