"""The catalogue as each person may see it, and the budget of a dataset's patients.

Exact counts are for officers of the owning organisation and for reviewers; everybody may see them for data of class
``demonstration``, which is synthetic or public and marked so.
"""

from typing import Any

import sqlalchemy as sa

from datasets import catalogue as exact
from datasets.ledger import cap, epsilon_at, runs_left
from datasets.recipes import Recipe
from policies.access import Action, Kind, Resource
from policies.errors import NotFound
from policies.people import Person, Role
from policies.states import VersionState
from policies.thresholds import budget as budget_rules
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.models import ChargeRow, DatasetRow, PatientRow, PermitRow, RunRow, VersionRow
from service.sight import resource_in, resources_in, sees_exact

COUNTS = ("patients", "rows", "rows_before", "rows_after", "patients_added", "patients_removed")


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the datasets that the person may know of."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(DatasetRow).order_by(DatasetRow.id)).all()
        seen = resources_in(session, rows)
        return [
            _shape(row, _versions(session, row.id, person))
            for row, resource in zip(rows, seen, strict=True)
            if facility.may(person, Action.DATASET_LIST, resource)
        ]


def show(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    """Return a dataset with its versions and the recipes that fit it.

    Raises:
        NotFound, Refused: naming the rule.
    """
    row = _row(facility, person, dataset)
    with reading(facility.database) as session:
        return {**_shape(row, _versions(session, dataset, person)), **row.document}


def version(facility: Facility, person: Person, dataset: str, number: int) -> dict[str, Any]:
    """Return what a version holds; without counts where the person may not see exact ones.

    Raises:
        NotFound, Refused: naming the rule.
    """
    row = _row(facility, person, dataset)
    found = exact.summary(facility.manifest_of(dataset, number)).as_dict()
    known: dict[str, Any] = found if sees_exact(row, person) else _without_counts(found)
    return known


def diff(facility: Facility, person: Person, dataset: str, old: int, new: int) -> dict[str, Any]:
    """Return what changed between two versions.

    Raises:
        NotFound, Refused: naming the rule.
    """
    row = _row(facility, person, dataset)
    before, after = (facility.manifest_of(dataset, number) for number in (old, new))
    found = exact.diff(before, after, facility.store.read).as_dict()
    if sees_exact(row, person):
        found["statistics"] = exact.statistics_changed(before, after, facility.store.scan)
    known: dict[str, Any] = found if sees_exact(row, person) else _without_counts(found)
    return known


def recipes(facility: Facility, _person: Person) -> list[dict[str, Any]]:
    """Return the recipes that ship with the program. They are public."""
    return [_recipe(found) for found in facility.recipes()]


def recipe(facility: Facility, _person: Person, name: str) -> dict[str, Any]:
    """Return one recipe.

    Raises:
        NotFound: there is none of that name.
    """
    return _recipe(facility.recipe(name))


def budget(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    """Return what a dataset's patients have been charged; to a partner, what his own permits have used.

    Raises:
        NotFound, Refused: naming the rule.
    """
    with reading(facility.database) as session:
        row = session.get(DatasetRow, dataset)
    if row is None:
        raise NotFound("there is no such dataset")
    org = person.org if Role.PARTNER in person.roles else row.org
    seen(facility, person, Action.BUDGET_SHOW, Resource(Kind.BUDGET, dataset, org=org))
    return _own_use(facility, person, dataset) if Role.PARTNER in person.roles else _ledger(facility, row)


def _recipe(found: Recipe) -> dict[str, Any]:
    return {
        "name": found.name,
        "record": found.record,
        "records_per_patient": found.records_per_patient,
        "features": list(found.names),
        "label": found.label.kind,
        "classes": list(found.classes),
        "digest": found.digest,
    }


def _ledger(facility: Facility, row: DatasetRow) -> dict[str, Any]:
    rules = budget_rules()
    with reading(facility.database) as session:
        tokens = session.scalars(sa.select(PatientRow.token).where(PatientRow.project == row.id)).all()
        charges = session.scalars(
            sa.select(ChargeRow)
            .join(RunRow, RunRow.id == ChargeRow.run)
            .where(RunRow.document["dataset"].as_string() == row.id)
        ).all()
    spent = facility.charges.spent(tokens)
    worst = max(spent.values(), key=lambda amount: amount.rho, default=None)
    return {
        "dataset": row.id,
        "unit": "patient",
        "lifetime": {"epsilon": rules.epsilon, "delta": rules.delta, "owner": rules.owner},
        "admission_order": rules.admission_order,
        "rho_cap": str(cap(rules).rho),
        "rho_most_charged": str(worst.rho) if worst else "0",
        "epsilon_most_charged": round(epsilon_at(worst.rho, rules.delta, rules.admission_order), 4)
        if worst and worst.rho
        else 0.0,
        "charges": [
            {"id": one.id, "run": one.run, "state": one.state.value, "events": one.events, "at": one.at}
            for one in charges
        ],
        "like_last_left": _like_last(facility, charges, worst),
    }


def _like_last(facility: Facility, charges: Any, worst: Any) -> int | None:
    """Return how many more charges like the newest the most charged patient can bear."""
    if not charges or worst is None:
        return None
    newest = max(charges, key=lambda one: (one.at, one.id))
    amounts = {one.id: one.amount for one in facility.charges.of_run(newest.run)}
    return runs_left(worst, max(amounts.values(), key=lambda amount: amount.rho), budget_rules())


def _own_use(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    from service.runs import usage

    query = sa.select(PermitRow.id).where(PermitRow.org == person.org, PermitRow.dataset == dataset)
    with reading(facility.database) as session:
        ids = session.scalars(query).all()
    permits = {one: facility.permits.get(one) for one in ids}
    return {
        "dataset": dataset,
        "permits": [
            {
                "permit": one,
                "epsilon": str(permits[one].epsilon),
                "epsilon_used": str((used := usage(facility, one)).epsilon),
                "runs": permits[one].runs,
                "runs_used": used.runs,
            }
            for one in ids
        ],
    }


def _row(facility: Facility, person: Person, dataset: str) -> DatasetRow:
    with reading(facility.database) as session:
        row = session.get(DatasetRow, dataset)
        if row is None:
            raise NotFound("there is no such dataset")
        resource = resource_in(session, row)
    seen(facility, person, Action.DATASET_SHOW, resource)
    return row


def _versions(session: Any, dataset: str, person: Person) -> list[dict[str, Any]]:
    rows = session.scalars(sa.select(VersionRow).where(VersionRow.dataset == dataset).order_by(VersionRow.number))
    shown = [row for row in rows if row.state is not VersionState.DRAFT or Role.PARTNER not in person.roles]
    return [
        {"number": row.number, "state": row.state.value, "created": row.created_at, "digest": row.digest}
        for row in shown
    ]


def _shape(row: DatasetRow, versions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": row.id, "owner": row.org, "data_class": row.data_class, "versions": versions}


def _without_counts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_counts(one) for key, one in value.items() if key not in COUNTS}
    return [_without_counts(one) for one in value] if isinstance(value, list) else value
