"""From a partner's choices and a permit's recipe to the job folder that the worker gets."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from datasets import extracts
from datasets.features import build
from datasets.recipes import Recipe
from policies.errors import Misuse
from service.database import reading
from service.facility import Facility
from service.models import PatientRow, RunRow
from training_sandbox.job import Job
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Evaluation, Loss, Optimiser, Task, outputs

HOLDOUT = 0.2
"""Share of the patients held out for the one charged evaluation. Public."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a partner may choose about training. Nothing here is derived from data.

    Attributes:
        steps, sampling_rate, clip: Of the private optimisation.
        loss: ``cross-entropy`` or ``bce``.
        optimiser, evaluation: See ``training_sandbox``.
    """

    steps: int = 200
    sampling_rate: float = 0.25
    clip: float = 1.0
    loss: Loss = "cross-entropy"
    optimiser: Optimiser = field(default_factory=Optimiser)
    evaluation: Evaluation = field(default_factory=Evaluation)

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not {type(self.sampling_rate), type(self.clip)} <= {int, float}:
            raise Misuse("steps is a whole number; sampling_rate and clip are numbers")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Choice":
        """Return the choice that JSON names.

        Raises:
            Misuse: a name is not known, or a value is out of range.
        """
        if not isinstance(given, Mapping):
            raise Misuse("the training settings are a JSON object")
        try:
            nested = {
                "optimiser": Optimiser(**given.get("optimiser", {})),
                "evaluation": Evaluation(**given.get("evaluation", {})),
            }
            return cls(**{**given, **nested})
        except TypeError as problem:
            raise Misuse(f"the training settings are not understood: {problem}") from None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return asdict(self)

    def plan(self, epsilon: float, delta: float, public_patients: int, recipe: Recipe) -> DPPlan:
        """Return the privacy plan whose accounted epsilon is at most ``epsilon`` at ``delta``."""
        return DPPlan.calibrate(
            epsilon,
            delta,
            sampling_rate=self.sampling_rate,
            steps=self.steps,
            clip=self.clip,
            public_patients=public_patients,
            records_per_patient=recipe.records_per_patient,
        )


def recipe_task(recipe: Recipe, choice: Choice) -> tuple[Task, Loss, int]:
    """Return (task, loss, numbers the model must give) of a recipe's label."""
    task = Task(kind="binary" if len(recipe.classes) == 2 else "multi-class", classes=len(recipe.classes))
    return task, choice.loss, outputs(task, choice.loss)


def parts_of(facility: Facility, dataset: str, version: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return the index tokens of a version's training and held-out patients: all of them, records or not."""
    manifest = facility.manifest_of(dataset, version)
    pseudonyms = facility.store.scan(manifest, "person").select("patient").unique().collect()["patient"]
    train, holdout = extracts.split(pseudonyms, split_key(facility, dataset), HOLDOUT)
    with reading(facility.database) as session:
        rows = session.execute(sa.select(PatientRow.pseudonym, PatientRow.token).where(PatientRow.project == dataset))
        token = dict(rows.all())
    return frozenset(token[p] for p in train), frozenset(token[p] for p in holdout)


def split_key(facility: Facility, dataset: str) -> bytes:
    """Return the key by which each patient of a dataset falls into training or holdout, for ever."""
    return facility.keystore.secret("split", dataset)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The files that a worker gets, by name; the tables are encrypted.

    Attributes:
        patients: Training patients with a labelled record. Exact: for the disclosure check alone.
        labels: Label -> training patients who have it. Exact as well.
    """

    files: dict[str, bytes] = field(repr=False)
    job: Job
    patients: int = field(repr=False)
    labels: dict[int, int] = field(repr=False)


def job_folder(
    facility: Facility, row: RunRow, graph: bytes, init: bytes, data_key: bytes, run_key: bytes
) -> JobFolder:
    """Return the job folder of a run. The same run and keys give the same job, whenever it is made again."""
    document = row.document
    recipe = facility.recipe(document["recipe"])
    manifest = facility.manifest_of(document["dataset"], document["version"])
    features = build(
        recipe, lambda table: facility.store.scan(manifest, table), split_key(facility, document["dataset"])
    )
    train, holdout = extracts.split(
        features.frame["patient"].unique(maintain_order=True), split_key(facility, document["dataset"]), HOLDOUT
    )
    rows = extracts.prepare(features, train)
    files = {
        "graph.json": graph,
        "init.safetensors": init,
        "train.parquet": extracts.encrypt(rows, data_key, f"run/{row.id}/train"),
        "holdout.parquet": extracts.encrypt(extracts.prepare(features, holdout), data_key, f"run/{row.id}/holdout"),
    }
    choice = Choice.of(document["training"])
    task, loss, _ = recipe_task(recipe, choice)
    job = Job(
        run=row.id,
        plan=DPPlan(**document["plan"]),
        task=task,
        loss=loss,
        optimiser=choice.optimiser,
        evaluation=choice.evaluation,
        features=tuple(f"f{number}" for number in range(len(features.names))),
        files=tuple(sorted((name, hashlib.sha256(raw).hexdigest()) for name, raw in files.items())),
        commitments=(
            ("data_key", hashlib.sha256(data_key).hexdigest()),
            ("run_key", hashlib.sha256(run_key).hexdigest()),
        ),
        data_class=document["data_class"],
        reveal_exact=document["data_class"] == "demonstration",
    )
    held = {label: rows.filter(label=label)["patient"].n_unique() for label in range(task.classes)}
    return JobFolder({**files, "job.json": job.to_json()}, job, rows["patient"].n_unique(), held)
