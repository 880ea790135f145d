"""What the tests of this folder begin from; every argument can be overridden."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from datasets.keys import MemoryWrappedKeys
from datasets.keystore import FileKeystore
from datasets.manifest import Sources
from datasets.objects import LocalObjects
from datasets.permits import Permit
from datasets.store import Store
from datasets.versions import DataClass, Dataset
from policies.entry import Entry
from policies.people import Person, Role

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = bytes(range(32))
SECRET = "沪A88888-OPAQUE-MARK"


def entry(action: str = "test.act", at: str = "2026-01-01T00:00:00Z") -> Entry:
    return Entry(at, "tester", action, "dataset", "demo", "system")


def tables(patients: int = 40, first: int = 0, mark: str = SECRET) -> dict[str, pl.DataFrame]:
    names = [f"p{i}" for i in range(first, first + patients)]
    return {
        "person": pl.DataFrame({"patient": names, "age": [float(i % 90) for i in range(patients)]}),
        "note": pl.DataFrame({"patient": names * 2, "text": [mark] * patients + [None] * patients}),
    }


def sources(**changed: Any) -> Sources:
    return Sources(**{"mapping": "a" * 64, "profile": "b" * 64, "report": "c" * 64, "submissions": ("s-1",)} | changed)


class Place:
    """A store with all of its parts, on one folder."""

    def __init__(self, root: Path, keys: MemoryWrappedKeys | None = None) -> None:
        self.root = root
        self.objects = LocalObjects(root / "store")
        self.keystore = FileKeystore(root / "keystore", KEY)
        self.keys = keys or MemoryWrappedKeys()
        self.store = Store(self.objects, self.keystore, self.keys)

    def draft(self, data: dict[str, pl.DataFrame] | None = None, **changed: Any) -> Any:
        settings: dict[str, Any] = {
            "data_class": DataClass.DEMONSTRATION,
            "sources": sources(),
            "entry": entry(),
            "buckets": 4,
        }
        return self.store.write("demo", tables() if data is None else data, **settings | changed)

    def publish(self, data: dict[str, pl.DataFrame] | None = None, **changed: Any) -> Any:
        manifest = self.draft(data, **changed)
        return manifest, self.store.commit(manifest)


def person(id_: str = "gu", org: str = "aico", *roles: Role) -> Person:
    return Person(id_, org, frozenset(roles or {Role.PARTNER}))


def officer(id_: str = "li", org: str = "shdc") -> Person:
    return person(id_, org, Role.DATA_OFFICER)


def compliance(id_: str = "wang", org: str = "shdc") -> Person:
    return person(id_, org, Role.COMPLIANCE)


def dataset(**changed: Any) -> Dataset:
    settings: dict[str, Any] = {
        "id": "demo",
        "title": "Demonstration",
        "owner_org": "shdc",
        "data_class": DataClass.DEMONSTRATION,
        "purposes": frozenset({"DUO:0000006"}),
    }
    return Dataset(**settings | changed)


def permit(**changed: Any) -> Permit:
    settings: dict[str, Any] = {
        "id": "p-1",
        "holder_org": "aico",
        "people": frozenset({"gu"}),
        "purpose": "DUO:0000006",
        "legal_basis": "PIPL article 13",
        "ethics": "e-1",
        "controller": "aico",
        "dataset": "demo",
        "versions": (1, None),
        "recipes": ("demo-diabetes",),
        "epsilon": Decimal(3),
        "delta": Decimal("1e-5"),
        "runs": 2,
        "not_before": datetime(2026, 1, 1, tzinfo=UTC),
        "not_after": datetime(2026, 12, 31, tzinfo=UTC),
        "author": "gu",
    }
    return Permit(**settings | changed)
