"""Where data came from and where they went: submissions, versions, runs, releases; as PROV-JSON and OpenLineage.

Source: W3C PROV-JSON (member submission 2013), OpenLineage 1.x object model (openlineage.io/docs/spec).
"""

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from policies.access import Action
from policies.people import Person
from policies.states import RunState
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.models import ReleaseRow, RunRow, VersionRow
from service.sight import resource_of_dataset

NAMESPACE = "medtrain"
PRODUCER = "https://medtrain.local/medtrain"
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
SCHEMA_FACET = "https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json"
VERSION_FACET = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"
_SPACE = uuid.UUID("6d656474-7261-496e-8000-000000000000")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to data.

    Attributes:
        id, kind: Of what was done: ``publish``, ``train`` or ``release``.
        at: When it ended.
        used, made: Names of what went in and came out.
        by: Which organisation's doing it was.
    """

    id: str
    kind: str
    at: str
    used: tuple[str, ...]
    made: tuple[str, ...]
    by: str


def steps(facility: Facility, dataset: str) -> tuple[Step, ...]:
    """Return everything that happened to a dataset, oldest first."""
    owner = facility.datasets.get(dataset).owner_org
    with reading(facility.database) as session:
        versions = session.scalars(
            sa.select(VersionRow).where(VersionRow.dataset == dataset, VersionRow.digest.isnot(None))
        ).all()
        runs = session.scalars(sa.select(RunRow).where(RunRow.document["dataset"].as_string() == dataset)).all()
        released = {row.run: row for row in session.scalars(sa.select(ReleaseRow))}
    found = []
    for version in versions:
        manifest = facility.manifest_of(dataset, version.number)
        used = [f"submission/{one}" for one in manifest.sources.submissions]
        if version.number > 1:
            used.append(f"dataset/{dataset}/{version.number - 1}")
        made = f"dataset/{dataset}/{version.number}"
        found.append(
            Step(f"publish-{dataset}-{version.number}", "publish", version.created_at, tuple(used), (made,), owner)
        )
    for run in runs:
        source, model = f"dataset/{dataset}/{run.document['version']}", f"model/{run.id}"
        left = (model,) if run.id in released else ()
        found.append(Step(run.id, "train", run.created_at, (source, f"permit/{run.permit}"), left, run.org))
        if run.state is RunState.RELEASED:
            found.append(
                Step(
                    f"release-{run.id}",
                    "release",
                    released[run.id].created_at,
                    (model,),
                    (f"release/{run.id}",),
                    run.org,
                )
            )
    return tuple(sorted(found, key=lambda step: (step.at, step.id)))


def prov(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    """Return a dataset's lineage as PROV-JSON."""
    seen(facility, person, Action.DATASET_LINEAGE, resource_of_dataset(facility, dataset))
    found = steps(facility, dataset)
    names = sorted({name for step in found for name in (*step.used, *step.made)})
    return {
        "prefix": {"mt": f"urn:{NAMESPACE}:", "prov": "http://www.w3.org/ns/prov#"},
        "entity": {f"mt:{name}": {"prov:type": f"mt:{name.split('/')[0]}"} for name in names},
        "activity": {f"mt:{s.id}": {"prov:type": f"mt:{s.kind}", "prov:endTime": s.at} for s in found},
        "agent": {f"mt:org/{org}": {"prov:type": "prov:Organization"} for org in sorted({s.by for s in found})},
        "used": {
            f"_:u{n}": {"prov:activity": f"mt:{s.id}", "prov:entity": f"mt:{name}"}
            for n, (s, name) in enumerate((s, name) for s in found for name in s.used)
        },
        "wasGeneratedBy": {
            f"_:g{n}": {"prov:entity": f"mt:{name}", "prov:activity": f"mt:{s.id}"}
            for n, (s, name) in enumerate((s, name) for s in found for name in s.made)
        },
        "wasAssociatedWith": {
            f"_:a{n}": {"prov:activity": f"mt:{s.id}", "prov:agent": f"mt:org/{s.by}"} for n, s in enumerate(found)
        },
    }


def openlineage(facility: Facility, person: Person, dataset: str) -> list[dict[str, Any]]:
    """Return a dataset's lineage as OpenLineage run events, one COMPLETE for each step."""
    seen(facility, person, Action.DATASET_LINEAGE, resource_of_dataset(facility, dataset))
    return [
        {
            "eventType": "COMPLETE",
            "eventTime": step.at,
            "producer": PRODUCER,
            "schemaURL": RUN_EVENT,
            "run": {"runId": str(uuid.uuid5(_SPACE, step.id))},
            "job": {"namespace": NAMESPACE, "name": step.kind},
            "inputs": [_named(facility, dataset, name) for name in step.used],
            "outputs": [_named(facility, dataset, name) for name in step.made],
        }
        for step in steps(facility, dataset)
    ]


def _named(facility: Facility, dataset: str, name: str) -> dict[str, Any]:
    kind, *rest = name.split("/")
    facets: dict[str, Any] = {}
    if kind == "dataset":
        manifest = facility.manifest_of(dataset, int(rest[1]))
        fields = [{"name": f"{t}.{c}", "type": k} for t in sorted(manifest.columns) for c, k in manifest.columns[t]]
        facets = {
            "schema": {"_producer": PRODUCER, "_schemaURL": SCHEMA_FACET, "fields": fields},
            "version": {"_producer": PRODUCER, "_schemaURL": VERSION_FACET, "datasetVersion": manifest.content},
        }
    return {"namespace": NAMESPACE, "name": name, "facets": facets}
