"""Before a run: what it would cost, and whether it works, both for free.

An estimate reads the permit and public numbers. A rehearsal trains the model in the jail for a few steps on numbers
drawn from the recipe's public bounds; no patient's data are touched, so nothing is charged.
"""

import hashlib
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasets import extracts, ledger
from datasets.recipes import Recipe
from policies.access import Action
from policies.entry import stamp
from policies.errors import TrainingFailed
from policies.people import Person
from policies.thresholds import budget
from service import execution, permits, runs
from service.acts import act
from service.database import record
from service.facility import Facility
from training_sandbox import accountant
from training_sandbox.egress import OUTPUTS, failure_code, vet
from training_sandbox.graph.reader import read_graph
from training_sandbox.jail.collect import collect
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.run import run as run_jailed
from training_sandbox.job import Job
from training_sandbox.settings import Task

PATIENTS, STEPS = 256, 5
LIMITS = Limits(wall_seconds=300.0)


def estimate(facility: Facility, person: Person, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run would cost, from public numbers: noise, steps, epsilon by each accountant, share of the budget.

    Raises:
        Refused, Misuse, NotFound: as a submission would.
    """
    permit = permits.in_force(facility, str(spec["permit"]))
    with _asked(facility, person, permit) as this:
        record(facility.database, this.entry(stage="estimate"))
        terms = runs.terms_of(facility, permit, spec)
    rules, plan = budget(), terms.plan
    anybody = frozenset({"anybody"})
    one = runs.charges_of("estimate", plan, terms.look, anybody, anybody, trains=terms.method.trains)
    lifetime = ledger.cap(rules).rho
    used = runs.usage(facility, permit.id)
    return {
        "plan": plan.as_dict(),
        "epsilon": accountant.epsilon(plan).as_dict() if terms.method.trains else None,
        "epsilon_evaluation": accountant.epsilon_of_events([terms.look], plan.delta).as_dict(),
        "share_of_lifetime_budget": [round(float(charge.amount.rho / lifetime), 4) for charge in one],
        "permit": {
            "epsilon_left": str(permit.epsilon - used.epsilon),
            "runs_left": permit.runs - used.runs,
        },
    }


def rehearse(
    facility: Facility, person: Person, spec: Mapping[str, Any], graph: bytes = b"", init: bytes = b""
) -> dict[str, Any]:
    """Return how a run goes on synthetic patients: whether it ends well, and how long one step takes.

    Raises:
        Refused, GraphRefused, Misuse, NotFound: as a submission would.
        TrainingFailed: the worker ended without a model.
    """
    permit = permits.in_force(facility, str(spec["permit"]))
    with _asked(facility, person, permit) as this:
        record(facility.database, this.entry(stage="rehearsal"))
        terms = runs.terms_of(facility, permit, spec)
        graph, init = runs.model_of(facility, permit, terms.method, graph, init)
        task, loss = runs.check_model(terms.recipe, terms.choice, terms.method, graph, init)
    keys = execution.RunKeys.split(execution.fresh_keys())
    name = f"t-{secrets.token_hex(6)}"
    most, records = min(PATIENTS, terms.plan.public_patients), terms.plan.records_per_patient
    rows = [_synthetic(count, terms.recipe, task, records, seed) for seed, count in ((1, most), (2, 64))]
    files = {
        "graph.json": graph,
        "init.safetensors": init,
        "train.parquet": extracts.encrypt(rows[0], keys.data_key, f"run/{name}/train"),
        "holdout.parquet": extracts.encrypt(rows[1], keys.data_key, f"run/{name}/holdout"),
    }
    trains_graph = not terms.method.name
    plan = terms.plan if not trains_graph else replace(terms.plan, steps=min(STEPS, terms.plan.steps))
    job = Job(
        run=name,
        plan=plan,
        task=task,
        loss=loss,
        optimiser=terms.choice.optimiser,
        evaluation=terms.choice.evaluation,
        features=tuple(f"f{number}" for number in range(len(terms.recipe.names))),
        files=tuple(sorted((file, hashlib.sha256(raw).hexdigest()) for file, raw in files.items())),
        commitments=(
            ("data_key", hashlib.sha256(keys.data_key).hexdigest()),
            ("run_key", hashlib.sha256(keys.run_key).hexdigest()),
        ),
        data_class="demonstration",
        algorithm=terms.method.name,
        settings=tuple(sorted(terms.method.settings_for(terms.recipe).items())),
    )
    seconds = _ran(facility, job, files, keys.line(), terms.dataset.data_class)
    return {"outcome": "ok", "steps": plan.steps, "seconds": seconds, "charged": False, "patients": "synthetic"}


def _ran(facility: Facility, job: Job, files: Mapping[str, bytes], keys: bytes, data_class: str) -> float:
    """Run a job on nobody's data and return the seconds it took."""
    tier = execution.tier_for(facility, data_class, execution.proved())
    with tempfile.TemporaryDirectory(prefix="medtrain-rehearsal-") as name:
        folders = Folders(Path(name, "in"), Path(name, "out"))
        folders.data.mkdir()
        folders.out.mkdir()
        for file, raw in {**files, "job.json": job.to_json()}.items():
            (folders.data / file).write_bytes(raw)
        before = time.monotonic()
        ending = run_jailed(folders, keys, LIMITS, tier)
        took = round(time.monotonic() - before, 1)
        outputs = collect(folders.out, OUTPUTS, LIMITS.output_bytes) if ending.outcome in ("ok", "failed") else {}
        if ending.outcome != "ok":
            raise TrainingFailed(f"the rehearsal ended without a model: {ending.reason or failure_code(outputs)}")
        vet(outputs, read_graph(files["graph.json"]), job)
    return took


def _synthetic(patients: int, recipe: Recipe, task: Task, records: int, seed: int) -> pl.DataFrame:
    """Return rows within the bounds of a recipe, labels by turns: nothing in them comes from anybody."""
    random = np.random.default_rng(seed)
    count = patients * records
    columns: dict[str, Any] = {"patient": np.repeat(np.arange(patients, dtype=np.uint32), records)}
    for number, size in enumerate(recipe.tokens):
        drawn = random.integers(0, size, count) if size else random.uniform(-1, 1, count)
        columns[f"f{number}"] = drawn.astype(np.float32)
    turns = np.arange(count)
    if task.kind == "regression":
        columns["label"] = task.lower + (turns % 8) / 8 * (task.upper - task.lower)
    else:
        sizes = {"event": 2} | (dict.fromkeys(task.columns, 2) if task.kind == "multi-label" else {})
        for place, name in enumerate(task.columns):
            columns[name] = turns // (place + 1) % sizes.get(name, task.classes)
    if recipe.sites is not None:
        columns["site"] = columns["patient"] % len(recipe.sites.names)
    return pl.DataFrame(columns)


def _asked(facility: Facility, person: Person, permit: Any) -> Any:
    return act(
        facility,
        person,
        Action.RUN_SUBMIT,
        permits.resource_of(permit),
        permit=permit.id,
        not_before=stamp(permit.not_before),
        not_after=stamp(permit.not_after),
    )
