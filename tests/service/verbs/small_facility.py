"""A real facility on a temporary home: its people, a dataset that is published by hand, and a model to train on it."""

import hashlib
import io
import shutil
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import save

from datasets.manifest import Sources
from datasets.versions import DataClass
from policies.entry import Entry, stamp
from policies.people import Person, Role
from policies.states import VersionState
from service import permits, staff
from service.acts import system_entry
from service.database import reading, unit_of_work
from service.facility import Facility, open_facility
from service.identity import FIRST
from service.log.log import Wanted
from service.models import DatasetRow, PatientRow, VersionRow
from service.settings import read
from training_sandbox.graph.format import Graph, Node, Ref, Tensor

BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
CAST = {
    "zhou": ("shdc", Role.DATA_OFFICER),
    "qian": ("other-hospital", Role.DATA_OFFICER),
    "lin": ("pudong-ai", Role.PARTNER),
    "sun": ("pudong-ai", Role.PARTNER),
    "rival": ("rival-ai", Role.PARTNER),
    "wu": ("office", Role.COMPLIANCE),
    "xu": ("office", Role.COMPLIANCE),
    "audit": ("office", Role.AUDITOR),
    "system": ("facility", Role.SYSTEM_ADMIN),
}
MAPPING = """
schema: medtrain.mapping/1
name: small
sources:
  - name: people
    hospital: a
    files: ["people.csv"]
    format: csv
    tables:
      row:
        columns:
          ID: person.mrn
"""


@dataclass
class Hands:
    """A clock that moves when told to."""

    at: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Small:
    """An open facility with its people, by short name, and their bearer tokens."""

    facility: Facility = field(repr=False)
    clock: Hands = field(repr=False)
    people: dict[str, Person] = field(repr=False)
    tokens: dict[str, str] = field(repr=False)

    def __getattr__(self, name: str) -> Person:
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def denials(self, who: str) -> list[tuple[str, Any]]:
        """Return (action, code) of everything that was refused to a person, oldest first."""
        found = self.facility.log.search(Wanted(actor=self.people[who].id, decision="deny"), limit=100, before=None)
        return [(one.entry.action, one.entry.facts["code"]) for one in reversed(found)]

    def actions(self) -> list[str]:
        found = self.facility.log.search(Wanted(), limit=1000, before=None)
        return [one.entry.action for one in reversed(found)]


PEOPLE = {"security": FIRST} | {name: Person(name, org, frozenset({role})) for name, (org, role) in CAST.items()}


def open_new(home: Path, url: str) -> Small:
    """Return a new facility with its cast and a published dataset; the caller closes it."""
    clock = Hands()
    facility = open_facility(read(home=home, database=url, log_interval=1.0), clock)
    tokens = {"security": (home / "security-admin.token").read_text().strip()}
    for name, (org, role) in CAST.items():
        tokens[name] = staff.add(facility, FIRST, name, org, frozenset({role}))["token"]
    publish(facility)
    return Small(facility, clock, dict(PEOPLE), tokens)


def open_copy(template: Path, home: Path, tokens: dict[str, str]) -> Small:
    """Return a copy of a facility on SQLite that ``open_new`` made and somebody closed: faster than a new one."""
    shutil.copytree(template, home)
    clock = Hands()
    facility = open_facility(read(home=home, database="", log_interval=1.0), clock)
    return Small(facility, clock, dict(PEOPLE), tokens)


def entry_for(facility: Facility, **facts: Any) -> Entry:
    return system_entry(facility, "test.prepare", "dataset", "net", **facts)


def people(names: list[str]) -> dict[str, pl.DataFrame]:
    """Return the table of patients without any records."""
    return {"person": pl.DataFrame({"patient": names, "year": [1950 + n % 40 for n in range(len(names))]})}


def clinical(names: list[str]) -> dict[str, pl.DataFrame]:
    """Return tables on which the recipe of the demonstration can be built: every third patient has diabetes."""
    count = range(len(names))
    ill = [name for n, name in enumerate(names) if n % 3 == 0]
    sick = pl.DataFrame(
        {"patient": [*ill, *names], "condition_source_value": ["E11.9"] * len(ill) + ["I10"] * len(names)}
    )
    rows = {
        "patient": names,
        "measurement_source_value": ["GLU"] * len(names),
        "value_as_number": [5.0 + 6.0 * (n % 3 == 0) + (n % 7) / 10 for n in count],
    }
    return {
        "person": pl.DataFrame(
            {
                "patient": names,
                "gender_concept_id": pl.Series([8507 if n % 2 else 8532 for n in count], dtype=pl.Int32),
                "age_band": ["40-49" if n % 4 < 2 else "60-69" for n in count],
            }
        ),
        "condition_occurrence": sick,
        "measurement": pl.DataFrame(rows),
    }


def publish(
    facility: Facility,
    *,
    dataset: str = "net",
    patients: int = 200,
    declared: int = 220,
    org: str = "shdc",
    **changes: Any,
) -> None:
    """Publish the next version of a dataset, of patients without any records as a rule, as ``service.jobs`` does."""
    data_class = changes.get("data_class", "demonstration")
    names = [hashlib.sha256(f"{dataset}{n}".encode()).hexdigest()[:16] for n in range(patients)]
    previous, entry = facility.newest(dataset), entry_for(facility)
    manifest = facility.store.write(
        dataset,
        changes.get("tables", people)(names),
        data_class=DataClass(data_class),
        sources=Sources("0" * 64, "0" * 64, "0" * 64, changes.get("sources", ("s-by-hand",))),
        entry=entry,
        buckets=2,
        previous=previous,
    )
    anchor = facility.store.commit(manifest)
    at = stamp(facility.clock())
    with unit_of_work(facility.database, facility.clock) as work:
        if work.session.get(DatasetRow, dataset) is None:
            document = {"declared_patients": declared, "purposes": changes.get("purposes", ["DUO:0000042"])}
            document |= {name: changes[name] for name in ("level", "genomic", "diseases") if name in changes}
            row = DatasetRow(
                id=dataset, org=org, title=dataset, data_class=data_class, created_at=at, document=document
            )
            work.session.add(row)
            work.session.flush()
        work.session.add(
            VersionRow(
                dataset=dataset,
                number=manifest.version,
                state=VersionState.PUBLISHED,
                digest=anchor.digest,
                envelope=None,
                created_at=at,
                document={},
            )
        )
        for name in names:
            work.session.merge(PatientRow(project=dataset, pseudonym=name, token=f"token-{name}"))
        work.add(entry)


def application(clock: Hands, **changes: Any) -> dict[str, Any]:
    """Return what a partner asks for."""
    asked = {
        "dataset": "net",
        "recipe": "demo-diabetes",
        "purpose": "DUO:0000042",
        "legal_basis": "contract 7",
        "ethics": "e-1",
        "epsilon": "3",
        "delta": "0.00001",
        "runs": 1,
        "not_after": stamp(clock() + timedelta(days=30)),
    }
    return {**asked, **changes}


def active_permit(small: Small, **changes: Any) -> str:
    """Return the id of a permit of partner Lin, approved by Wu and Xu."""
    made = permits.create(small.facility, small.lin, application(small.clock, **changes))["id"]
    permits.submit(small.facility, small.lin, made)
    permits.approve(small.facility, small.wu, made)
    assert permits.approve(small.facility, small.xu, made)["state"] == "active"
    return str(made)


def model(features: int = 3, outputs: int = 2) -> tuple[bytes, bytes]:
    """Return (graph, weights) of a linear model, as ``medtrain-client pack`` writes them."""
    shapes = {"head.weight": (outputs, features), "head.bias": (outputs,)}
    graph = Graph(
        inputs=(Tensor("input", "float32", (1, features)),),
        parameters=tuple(Tensor(name, "float32", shape) for name, shape in shapes.items()),
        nodes=(Node("linear.default", (Ref("input"), Ref("head.weight"), Ref("head.bias")), (), ("v0",)),),
        output="v0",
    )
    return graph.to_json(), save({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def count(facility: Facility, table: Any) -> int:
    with reading(facility.database) as session:
        return int(session.query(table).count())
