"""Openness: the public register of uses, a hospital's own view of how its data were used, and whose turn it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from datasets.permits import Permit
from policies.access import Action, Kind, Resource
from policies.people import Person
from policies.states import PermitState, RunState
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.models import ChargeRow, DatasetRow, PermitRow, ReleaseRow, RunRow, VersionRow
from service.models_governance import MeasurementRow, RightsRow

IN_USE = (PermitState.ACTIVE, PermitState.EXPIRED, PermitState.REVOKED, PermitState.CLOSED)


def register(facility: Facility) -> list[dict[str, Any]]:
    """Return the public data-use register: every permit ever in force, for what, on which data, and what came of it."""
    with reading(facility.database) as session:
        found = session.execute(
            sa.select(PermitRow, DatasetRow)
            .join(DatasetRow, DatasetRow.id == PermitRow.dataset)
            .where(PermitRow.state.in_(IN_USE))
            .order_by(PermitRow.not_before.desc(), PermitRow.id)
        ).all()
        runs = Counter(session.scalars(sa.select(RunRow.permit)).all())
        models = session.execute(
            sa.select(RunRow.permit, ReleaseRow.digest)
            .join(ReleaseRow, ReleaseRow.run == RunRow.id)
            .where(RunRow.state == RunState.RELEASED)
        ).all()
    released: dict[str, list[str]] = {}
    for permit, digest in models:
        released.setdefault(permit, []).append(digest)
    return [_entry(Permit.from_dict(row.document), about, runs, released) for row, about in found]


def own_use(facility: Facility, person: Person) -> dict[str, Any]:
    """Return a hospital's own view: how its patients' data were used, by whom, for what, and what was spent.

    Raises:
        Refused: somebody else asks.
    """
    seen(facility, person, Action.DATASET_USE, Resource(Kind.DATASET, "own", org=person.org))
    with reading(facility.database) as session:
        own = session.scalars(sa.select(DatasetRow).where(DatasetRow.org == person.org).order_by(DatasetRow.id)).all()
        names = [row.id for row in own]
        runs = session.scalars(sa.select(RunRow).where(RunRow.document["dataset"].as_string().in_(names))).all()
        permits = session.scalars(sa.select(PermitRow).where(PermitRow.dataset.in_(names))).all()
        charges = session.scalars(sa.select(ChargeRow)).all()
        measured = session.scalars(sa.select(MeasurementRow).where(MeasurementRow.dataset.in_(names))).all()
        asked = session.scalars(sa.select(RightsRow).where(RightsRow.org == person.org)).all()
        versions = session.scalars(sa.select(VersionRow).where(VersionRow.dataset.in_(names))).all()
    spent = _spent(charges)
    granted = {row.id: Permit.from_dict(row.document) for row in permits}
    return {
        "org": person.org,
        "datasets": [
            {
                "dataset": row.id,
                "versions": sum(one.dataset == row.id for one in versions),
                "permits": _by_purpose(granted, row.id),
                "runs": [_run(run, granted, spent) for run in runs if run.document["dataset"] == row.id],
                "measurements": [
                    {"kind": one.kind, "org": one.org, "version": one.version, "at": one.at,
                     "rho": str(spent.get(one.id, Decimal(0)))}
                    for one in measured if one.dataset == row.id
                ],
            }
            for row in own
        ],
        "requests": dict(Counter(f"{row.kind} {row.state.value}" for row in asked)),
    }  # fmt: skip


def _entry(
    permit: Permit, about: DatasetRow, runs: Mapping[str, int], released: Mapping[str, list[str]]
) -> dict[str, Any]:
    said = permit.as_dict()
    names = (
        "purpose",
        "dataset",
        "controller",
        "legal_basis",
        "ethics",
        "not_before",
        "not_after",
        "statement",
        "delivery",
    )
    return {
        "permit": permit.id,
        "holder": permit.holder_org,
        **{name: said[name] for name in names},
        "recipe": permit.recipes[0],
        "title": about.title,
        "owner": about.org,
        "data_class": about.data_class,
        "state": permit.state.value,
        "epsilon": said["epsilon"],
        "runs": runs.get(permit.id, 0),
        "released": len(released.get(permit.id, ())),
        "models": sorted(released.get(permit.id, ())),
    }


def _spent(charges: Sequence[ChargeRow]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for one in charges:
        if one.state.value != "voided":
            total[one.run] = total.get(one.run, Decimal(0)) + Decimal(one.rho).scaleb(-12)
    return total


def _by_purpose(granted: Mapping[str, Permit], dataset: str) -> list[dict[str, Any]]:
    mine = [permit for permit in granted.values() if permit.dataset == dataset and permit.state in IN_USE]
    counted = Counter((permit.holder_org, permit.purpose, permit.state.value) for permit in mine)
    return [{"holder": h, "purpose": p, "state": s, "permits": n} for (h, p, s), n in sorted(counted.items())]


def _run(run: RunRow, granted: Mapping[str, Permit], spent: Mapping[str, Decimal]) -> dict[str, Any]:
    permit = granted.get(run.permit)
    return {
        "run": run.id,
        "holder": run.org,
        "purpose": permit.purpose if permit else "",
        "version": run.document["version"],
        "state": run.state.value,
        "at": run.created_at,
        "epsilon": run.document["epsilon"],
        "rho": str(spent.get(run.id, Decimal(0))),
    }
