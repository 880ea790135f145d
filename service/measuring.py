"""Charged releases about a version: its statistics and previews, made once; a partner's feasibility counts.

A release and its charge are one transaction: the patients are charged when the figures come to be, and whoever asks
the same again gets the same figures for nothing.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets import ledger, statistics, synthesis
from datasets.discrete import discrete_gaussian
from datasets.features import build
from datasets.ledger import Event, epsilon_at
from datasets.manifest import Manifest
from policies.access import Action
from policies.canonical import digest
from policies.errors import BadInput, BudgetExhausted, NotFound, Refused
from policies.people import Person
from policies.review import permit_rules
from policies.states import VersionState
from policies.thresholds import budget
from service.acts import Act, act, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, PatientRow, VersionRow
from service.models_governance import MeasurementRow
from service.repositories.place import take_turns
from service.sight import resource_of_dataset
from service.training import split_key

STATISTICS, PREVIEW, COUNT = "statistics", "preview", "count"
TURNS = 0x6D656173  # any fixed number: measurements take turns, so that one question is charged once
ROWS = 2000
"""A preview has at most so many rows."""

Compute = Callable[[Manifest], Mapping[str, Any]]


def statistics_of(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    """Return the released statistics of the newest published version.

    Raises:
        NotFound: the owner has not released them yet.
    """
    return _released(facility, person, dataset, STATISTICS, "")


def preview_of(facility: Facility, person: Person, dataset: str, recipe: str) -> dict[str, Any]:
    """Return the released synthetic preview of the newest published version, for one recipe.

    Raises:
        NotFound: the owner has not released it yet.
    """
    return _released(facility, person, dataset, PREVIEW, recipe)


def release_statistics(facility: Facility, person: Person, dataset: str) -> dict[str, Any]:
    """Return the statistics of the newest published version, measured and charged now if they never were.

    Raises:
        Refused, BudgetExhausted, NotFound: naming the rule.
    """

    def compute(manifest: Manifest) -> Mapping[str, Any]:
        exact = statistics.figures(manifest.columns, lambda table: facility.store.scan(manifest, table))
        return {
            "figures": exact.released(statistics.SIGMA, secrets.randbelow),
            "sigma": statistics.SIGMA * exact.change,
        }

    with act(facility, person, Action.DATASET_MEASURE, resource_of_dataset(facility, dataset)) as this:
        return _measure(this, dataset, STATISTICS, "", [statistics.event()], compute)


def release_preview(facility: Facility, person: Person, dataset: str, recipe: str) -> dict[str, Any]:
    """Return a synthetic preview for a recipe, made and charged now if it never was.

    Raises:
        Refused, BudgetExhausted, NotFound, BadMapping: naming the rule.
    """
    noise, wanted = synthesis.Noise(), facility.recipe(recipe)
    if any(wanted.tokens):
        raise BadInput("there is no preview of a recipe with sequences or texts")

    def compute(manifest: Manifest) -> Mapping[str, Any]:
        made = build(wanted, lambda table: facility.store.scan(manifest, table), split_key(facility, dataset))
        rows = synthesis.one_row_each(made.frame, secrets.randbits(64))
        binary = frozenset(
            name for one in wanted.features for name in one.columns if name != one.name or one.kind == "exists"
        )
        columns = synthesis.columns_of(rows, made.names, synthesis.label_columns(wanted.label), binary)
        model = synthesis.fit(rows, columns, noise, secrets.randbelow)
        drawn = model.draw(min(model.rows, ROWS), secrets.randbits(63))
        return {"csv": drawn.write_csv(float_precision=4), "rows": drawn.height, "classes": list(made.classes)}

    with act(facility, person, Action.DATASET_MEASURE, resource_of_dataset(facility, dataset)) as this:
        return _measure(this, dataset, PREVIEW, recipe, noise.events(), compute)


def count(facility: Facility, person: Person, dataset: str, cohort: Any) -> dict[str, Any]:
    """Return how many patients are in a cohort, with noise, charged; a partner may ask so often and no oftener.

    Raises:
        Refused, BudgetExhausted, BadInput, NotFound: naming the rule.
    """
    rules, asked = permit_rules(), statistics.Cohort.of(cohort)

    def compute(manifest: Manifest) -> Mapping[str, Any]:
        exact = asked.count(manifest.columns, lambda table: facility.store.scan(manifest, table))
        found = exact + discrete_gaussian(rules.feasibility_sigma, secrets.randbelow)
        return {"patients": max(0, found), "sigma": rules.feasibility_sigma, "cohort": asked.as_list()}

    event = Event("gaussian", 1.0, rules.feasibility_sigma, 1)
    with act(facility, person, Action.DATASET_COUNT, resource_of_dataset(facility, dataset)) as this:
        return _measure(this, dataset, COUNT, digest(asked.as_list()), [event], compute)


def newest_published(session: Session, dataset: str) -> int:
    """Return the number of the newest published version.

    Raises:
        NotFound: there is none.
    """
    query = sa.select(sa.func.max(VersionRow.number)).where(
        VersionRow.dataset == dataset, VersionRow.state == VersionState.PUBLISHED
    )
    number = session.scalar(query)
    if number is None:
        raise NotFound("no version of this dataset is published")
    return int(number)


def _measure(
    this: Act, dataset: str, kind: str, question: str, events: Sequence[Event], compute: Compute
) -> dict[str, Any]:
    """Return a release, computed and charged within one transaction, or as it was made before."""
    facility, asked = this.facility, digest([kind, question])
    with reading(facility.database) as session:
        number = newest_published(session, dataset)
        if (known := _find(session, dataset, number, kind, asked)) is not None:
            return shape(known)
        if kind == COUNT:
            _check_allowance(session, dataset, this.person.org)
        patients = session.scalars(sa.select(PatientRow.token).where(PatientRow.project == dataset))
        tokens = frozenset(patients)
    name, rules = f"m-{secrets.token_hex(6)}", budget()
    charge = ledger.charge(f"{name}.release", name, list(events), tokens, rules)
    with unit_of_work(facility.database, facility.clock) as work:
        take_turns(work.session, TURNS)
        if (known := _find(work.session, dataset, number, kind, asked)) is not None:
            return shape(known)
        entry = this.entry(measurement=name, version=number, question=asked, rho=str(charge.amount.rho))
        facility.charges_in(work).reserve([charge], entry)
        facility.charges_in(work).spend(name, entry)
        found = dict(compute(facility.manifest_of(dataset, number)))
        epsilon = epsilon_at(charge.amount.rho, rules.delta, rules.admission_order)
        row = MeasurementRow(
            id=name,
            dataset=dataset,
            version=number,
            kind=kind,
            question=asked,
            org=this.person.org,
            at=work.now(),
            document={**found, "about": question, "epsilon": round(epsilon, 4), "delta": rules.delta,
                      "rho": str(charge.amount.rho), "events": [event.as_dict() for event in events]},
        )  # fmt: skip
        work.session.add(row)
        work.add(entry)
        return shape(row)


def shape(row: MeasurementRow) -> dict[str, Any]:
    """Return a release as anybody sees it who may see the dataset."""
    return {
        "id": row.id,
        "dataset": row.dataset,
        "version": row.version,
        "kind": row.kind,
        "at": row.at,
        **row.document,
    }


def _released(facility: Facility, person: Person, dataset: str, kind: str, question: str) -> dict[str, Any]:
    seen(facility, person, Action.DATASET_SHOW, resource_of_dataset(facility, dataset))
    with reading(facility.database) as session:
        found = _find(session, dataset, newest_published(session, dataset), kind, digest([kind, question]))
    if found is None:
        raise NotFound("the owner has not released this about the newest version")
    return shape(found)


def _find(session: Session, dataset: str, version: int, kind: str, asked: str) -> MeasurementRow | None:
    return session.scalars(
        sa.select(MeasurementRow).where(
            MeasurementRow.dataset == dataset,
            MeasurementRow.version == version,
            MeasurementRow.kind == kind,
            MeasurementRow.question == asked,
        )
    ).first()


def _check_allowance(session: Session, dataset: str, org: str) -> None:
    """Refuse a partner's count beyond his allowance, which no new version refills."""
    asked = session.scalar(
        sa.select(sa.func.count()).where(
            MeasurementRow.dataset == dataset, MeasurementRow.org == org, MeasurementRow.kind == COUNT
        )
    )
    if (asked or 0) >= permit_rules().feasibility_counts:
        raise BudgetExhausted("your organisation has asked all the counts it may ask of this dataset")
    if session.get(DatasetRow, dataset) is None:
        raise Refused("there is no such dataset")
