"""Runs: a partner's model is checked, its cost reserved, and a job started."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets import ledger
from datasets import permits as permit_rules
from datasets.ledger import Charge, Event
from datasets.permits import Permit, Request, Usage
from datasets.recipes import Recipe
from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Conflict, Misuse, NotFound, Refused
from policies.people import Person
from policies.states import RunState, VersionState
from policies.thresholds import budget, release_rules
from service import execution, permits, progress
from service.acts import act, seen
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, ReleaseRow, RunRow, VersionRow
from service.repositories.charges import LEDGER
from service.repositories.place import take_turns
from service.training import Choice, Method, objectors, parts_of, recipe_task
from training_sandbox.plan import DPPlan, Mechanism
from training_sandbox.settings import Loss, Task

DEAD = (RunState.REFUSED, RunState.CANCELLED)
TURNS = 0x72756E73  # any fixed number: runs that begin take turns, so that two never use the last of a permit


@dataclass(frozen=True, slots=True)
class Terms:
    """What a specification comes to under its permit: nothing is reserved yet.

    Attributes:
        request: What the permit is asked for.
        look: What the one evaluation, or each of a search's, charges the held-out patients.
    """

    request: Request
    recipe: Recipe
    choice: Choice
    method: Method
    plan: DPPlan
    look: Mechanism
    dataset: DatasetRow


def terms_of(facility: Facility, permit: Permit, spec: Mapping[str, Any]) -> Terms:
    """Return the terms of a run: plan and charges calibrated to the epsilon asked for.

    Raises:
        Misuse, Refused: naming what is wrong.
    """
    epsilon = permits.decimal(spec["epsilon"], "epsilon")
    choice, method = Choice.of(spec.get("training") or {}), Method.of(spec)
    number, dataset = _version(facility, permit)
    request = Request(permit.dataset, number, permit.recipes[0], epsilon, permit.delta / permit.runs)
    recipe = facility.recipe(permit.recipes[0])
    declared = int(dataset.document["declared_patients"])
    plan = method.plan(choice, float(epsilon), float(request.delta), declared, recipe)
    if plan.public_patients < release_rules().minimum_patients:
        raise Refused("the dataset is too small for a release: no run is started")
    look = replace(choice.evaluation.mechanism, steps=method.looks)
    return Terms(request, recipe, choice, method, plan, look, dataset)


def submit(
    facility: Facility, person: Person, spec: Mapping[str, Any], graph: bytes, init: bytes, key: str | None = None
) -> dict[str, Any]:
    """Return a new run, its model checked and its cost reserved. The same idempotency key never makes a second run.

    Args:
        spec: ``permit``, ``epsilon`` (decimal text), ``training`` and perhaps ``algorithm``, ``search`` and
            ``examination`` (see ``service.training``).
        graph, init: What ``medtrain-client pack`` wrote; empty for an algorithm of the facility.

    Raises:
        Refused: permit, budget, roles or model; with the finer code of the reason.
        Misuse, NotFound, Conflict: naming what is wrong.
    """
    made = _name(person, key)
    permit = permits.in_force(facility, str(spec["permit"]))
    with act(
        facility,
        person,
        Action.RUN_SUBMIT,
        permits.resource_of(permit, facility.datasets.get(permit.dataset)),
        permit=permit.id,
        not_before=stamp(permit.not_before),
        not_after=stamp(permit.not_after),
        foreign=permit.foreign,
    ) as this:
        epsilon, choice, method = (
            permits.decimal(spec["epsilon"], "epsilon"),
            Choice.of(spec.get("training") or {}),
            Method.of(spec),
        )
        graph, init = model_of(facility, permit, method, graph, init)
        hashes = {"graph": hashlib.sha256(graph).hexdigest(), "init": hashlib.sha256(init).hexdigest()}
        if (known := _get(facility, made)) is not None:
            asked = {"epsilon": str(epsilon), "training": choice.as_dict(), **method.as_dict(), **hashes}
            if known.permit != permit.id or any(known.document[name] != asked[name] for name in asked):
                raise Conflict("this idempotency key belongs to another run")
            return shape(known)
        number, _ = _version(facility, permit)
        request = Request(permit.dataset, number, permit.recipes[0], epsilon, permit.delta / permit.runs)
        permit_rules.check_can_start_run(person, permit, request, usage(facility, permit.id), facility.clock())
        task, loss = check_model(facility.recipe(permit.recipes[0]), choice, method, graph, init)
        terms = terms_of(facility, permit, spec)
        against = objectors(facility, permit.dataset, permit.purpose)
        train, holdout = parts_of(facility, permit.dataset, number, against)
        charges = charges_of(made, terms.plan, terms.look, train, holdout, trains=method.trains)
        document = {
            "dataset": permit.dataset,
            "version": number,
            "recipe": permit.recipes[0],
            "epsilon": str(epsilon),
            "delta": str(request.delta),
            "plan": terms.plan.as_dict(),
            "training": choice.as_dict(),
            **method.as_dict(),
            "task": asdict(task),
            "loss": loss,
            "data_class": terms.dataset.data_class,
            **hashes,
        }
        blobs = {
            "graph_blob": facility.vault.put(graph, f"run/{made}/graph", this.entry(run=made, graph=hashes["graph"])),
            "init_blob": facility.vault.put(init, f"run/{made}/init", this.entry(run=made, init=hashes["init"])),
            "key_blob": facility.vault.put(
                execution.fresh_keys(), f"run/{made}/keys", this.entry(run=made, stage="keys")
            ),
        }
        row = RunRow(
            id=made,
            permit=permit.id,
            org=person.org,
            author=person.id,
            extract=None,
            state=RunState.QUEUED,
            created_at=stamp(facility.clock()),
            document={**document, **{name: asdict(blob) for name, blob in blobs.items()}},
        )
        try:
            with unit_of_work(facility.database, facility.clock) as work:
                take_turns(work.session, TURNS)
                used = _usage(work.session, permit.id)
                permit_rules.check_can_start_run(person, permit, request, used, facility.clock())
                names = tuple(charge.id for charge in charges)
                facility.charges_in(work).reserve(
                    charges, this.entry(run=made, epsilon=str(epsilon), charges=names, plan=terms.plan.digest)
                )
                work.session.add(row)
                work.add(this.entry(run=made, stage="queued"))
        except Refused:
            for blob in blobs.values():
                facility.vault.shred(blob, this.entry(run=made, stage="shred"))
            raise
        return shape(row)


def model_of(facility: Facility, permit: Permit, method: Method, graph: bytes, init: bytes) -> tuple[bytes, bytes]:
    """Return the model's two files: the partner's, or those of an algorithm.

    Raises:
        Misuse: a model is missing, or one came with an algorithm that has its own.
    """
    own = bool(method.name) and method.trains
    if own == bool(graph or init):
        raise Misuse("an algorithm brings its own model" if own else "a run needs graph.json and init.safetensors")
    return method.files(facility.recipe(permit.recipes[0])) if own else (graph, init)


def check_model(recipe: Recipe, choice: Choice, method: Method, graph: bytes, init: bytes) -> tuple[Task, Loss]:
    """Return the task and loss that a model is for.

    Raises:
        GraphRefused, Misuse: the model is not one, or does not fit the recipe.
    """
    from training_sandbox.algorithms.registry import UNLABELLED
    from training_sandbox.graph.check import preflight
    from training_sandbox.graph.reader import check_weights, read_graph

    parsed = read_graph(graph)
    check_weights(parsed, init)
    task, loss, outputs = recipe_task(recipe, choice)
    preflight(parsed, outputs=None if method.name in UNLABELLED else outputs)
    return task, loss


def charges_of(
    run: str, plan: DPPlan, look: Mechanism, train: frozenset[str], holdout: frozenset[str], *, trains: bool = True
) -> list[Charge]:
    """Return what a run costs: its training on the training patients, its evaluation on the held-out ones."""
    rules = budget()
    evaluation = ledger.charge(f"{run}.evaluate", run, [Event(**asdict(look))], holdout, rules)
    if not trains:
        return [evaluation]
    training = Event(**asdict(plan.mechanism), overflow=plan.overflow)
    return [ledger.charge(f"{run}.train", run, [training], train, rules), evaluation]


def usage(facility: Facility, permit: str) -> Usage:
    """Return what the runs of a permit have used; those refused or cancelled before they saw data do not count."""
    with reading(facility.database) as session:
        return _usage(session, permit)


def _usage(session: Session, permit: str) -> Usage:
    rows = session.scalars(sa.select(RunRow).where(RunRow.permit == permit)).all()
    counted = [row for row in rows if row.state not in DEAD]
    return Usage(
        runs=len(counted),
        epsilon=sum((Decimal(row.document["epsilon"]) for row in counted), Decimal(0)),
        delta=sum((Decimal(row.document["delta"]) for row in counted), Decimal(0)),
    )


def cancel(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return the run, cancelled. What was not yet spent is given back; what a worker has seen stays charged.

    Raises:
        Refused, IllegalTransition: naming the rule.
    """
    row = get(facility, run)
    with act(facility, person, Action.RUN_CANCEL, resource_of(row), permit=row.permit) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            take_turns(work.session, LEDGER)  # before the row is locked, as in the job that spends
            live = work.session.get_one(RunRow, run, with_for_update=True)
            if live.state in (RunState.QUEUED, RunState.PREPARING):
                facility.charges_in(work).void(run, this.entry(stage="void"))
            live.state = RunState.CANCELLED
            work.add(this.entry())
    return shape(live)


def show(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return a run: its state, plan and cost; the charged figures once it is released or to reviewers."""
    row = get(facility, run)
    seen(facility, person, Action.RUN_SHOW, resource_of(row))
    return {**shape(row), "progress": progress.of(row, staff=bool(progress.STAFF & person.roles))}


def certificate(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return what the run's certificate says, or will say.

    Raises:
        NotFound: the run has not got that far.
    """
    row = get(facility, run)
    seen(facility, person, Action.RUN_SHOW, resource_of(row))
    with reading(facility.database) as session:
        release = session.get(ReleaseRow, run)
    if release is None:
        raise NotFound("there is no certificate yet")
    said: dict[str, Any] = release.document.get("predicate") or {
        "run": run,
        "plan": row.document["plan"],
        "privacy": release.document["epsilon"],
        "utility": release.document["utility"],
        "sandbox": {"tier": release.document["tier"]},
        "note": "not released: nothing is attested yet",
    }
    return said


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the runs that the person may see, newest first."""
    with reading(facility.database) as session:
        rows = session.scalars(sa.select(RunRow).order_by(RunRow.created_at.desc())).all()
    return [shape(row) for row in rows if facility.may(person, Action.RUN_SHOW, resource_of(row))]


def get(facility: Facility, run: str) -> RunRow:
    """Return the run's row.

    Raises:
        NotFound: there is none of that id.
    """
    row = _get(facility, run)
    if row is None:
        raise NotFound("there is no such run")
    return row


def shape(row: RunRow) -> dict[str, Any]:
    """Return what is shown of a run: facts that do not depend on the data."""
    known = (
        "dataset",
        "version",
        "recipe",
        "epsilon",
        "delta",
        "plan",
        "data_class",
        "code",
        "tier",
        "algorithm",
        "figures",
    )
    return {
        "id": row.id,
        "permit": row.permit,
        "org": row.org,
        "state": row.state.value,
        "created": row.created_at,
        **{name: row.document[name] for name in known if name in row.document},
    }


def resource_of(row: RunRow) -> Resource:
    """Return the run as the access rules see it."""
    return Resource(Kind.RUN, row.id, org=row.org, author=row.author, state=row.state.value)


def _get(facility: Facility, run: str) -> RunRow | None:
    with reading(facility.database) as session:
        return session.get(RunRow, run)


def _version(facility: Facility, permit: Permit) -> tuple[int, DatasetRow]:
    """Return the newest published version that the permit covers, and its dataset."""
    first, last = permit.versions
    with reading(facility.database) as session:
        query = sa.select(VersionRow.number).where(
            VersionRow.dataset == permit.dataset, VersionRow.state == VersionState.PUBLISHED, VersionRow.number >= first
        )
        numbers = [n for n in session.scalars(query) if last is None or n <= last]
        if not numbers:
            raise Refused("no published version of the dataset is covered by the permit")
        return max(numbers), session.get_one(DatasetRow, permit.dataset)


def _name(person: Person, key: str | None) -> str:
    if key is None:
        return f"r-{secrets.token_hex(6)}"
    return "r-" + hashlib.sha256(f"{person.id}\x1f{key}".encode()).hexdigest()[:12]
