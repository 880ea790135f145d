"""From a partner's choices and a permit's recipe to the job folder that the worker gets."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from datasets import extracts
from datasets.features import build
from datasets.recipes import Recipe
from policies.errors import Misuse
from service.database import reading
from service.facility import Facility
from service.models import PatientRow, RunRow
from service.rights import objecting
from training_sandbox.job import EVALUATION_ONLY, Job
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Evaluation, Loss, Optimiser, Task, losses_of, outputs

HOLDOUT = 0.2
"""Share of the patients held out for the one charged evaluation. Public."""

MOST_TRIALS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a partner may choose about training. Nothing here is derived from data.

    Attributes:
        steps, sampling_rate, clip: Of the private optimisation.
        loss: One that fits the recipe's label (``settings.losses_of``); None is the usual one.
        optimiser, evaluation: See ``training_sandbox``.
    """

    steps: int = 200
    sampling_rate: float = 0.25
    clip: float = 1.0
    loss: Loss | None = None
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How a run learns: a partner's graph (no name), one of the facility's algorithms, or not at all.

    Attributes:
        name: ``""``, ``evaluation-only`` or a name of ``training_sandbox.algorithms.registry``.
        settings: The algorithm's own numbers.
        search: Optimisers to choose among; every trial is charged, all in one plan. Empty: only the choice's own.
        examination: What compliance is to see attacked: ``shadows``, how many models.
    """

    name: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)
    search: tuple[Optimiser, ...] = ()
    examination: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Method":
        """Return the method that a run's specification names.

        Raises:
            Misuse: it is not understood.
        """
        from training_sandbox.algorithms import registry

        given = spec.get("algorithm") or {}
        if not isinstance(given, Mapping) or not set(given) <= {"name", "settings"}:
            raise Misuse("algorithm is an object with name and settings")
        name, settings = str(given.get("name", "")), given.get("settings", {})
        if not isinstance(settings, Mapping):
            raise Misuse("the settings of an algorithm are an object")
        if name and name != EVALUATION_ONLY:
            registry.read(name, settings)
        elif settings:
            raise Misuse("only an algorithm has settings of its own")
        examination = spec.get("examination") or {}
        shadows = examination.get("shadows", 2) if isinstance(examination, Mapping) else 0
        if type(shadows) is not int or not 2 <= shadows <= 64 or not set(examination) <= {"shadows"}:
            raise Misuse("examination is an object with shadows, from 2 to 64")
        return cls(name=name, settings=dict(settings), search=_search(spec, name), examination=dict(examination))

    @property
    def trains(self) -> bool:
        """Whether patients are trained on, and charged for it."""
        return self.name != EVALUATION_ONLY

    @property
    def looks(self) -> int:
        """How often the held-out patients are looked at."""
        return max(1, len(self.search))

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {
            "algorithm": {"name": self.name, "settings": dict(self.settings)},
            "search": [asdict(one) for one in self.search],
            "examination": dict(self.examination),
        }

    def plan(self, choice: Choice, epsilon: float, delta: float, public_patients: int, recipe: Recipe) -> DPPlan:
        """Return the privacy plan of everything the method does with training patients."""
        if not self.name:
            whole = replace(choice, steps=choice.steps * max(1, len(self.search)))
            return whole.plan(epsilon, delta, public_patients, recipe)
        if not self.trains:
            once = replace(choice, steps=1, sampling_rate=1.0)
            return once.plan(epsilon, delta, public_patients, recipe)
        from training_sandbox.algorithms import registry

        algorithm = registry.read(self.name, self.settings_for(recipe))
        width, classes = len(recipe.names), task_of(recipe).classes
        return registry.calibrate(
            algorithm, epsilon, delta, width=width, classes=classes, public_patients=public_patients
        )

    def settings_for(self, recipe: Recipe) -> Mapping[str, float]:
        """Return the algorithm's settings; how many hospitals are averaged over is the recipe's to say.

        Raises:
            Misuse: the recipe names no hospitals.
        """
        from training_sandbox.algorithms import registry

        if self.name != registry.FEDERATED:
            return self.settings
        if recipe.sites is None:
            raise Misuse("averaging over hospitals needs a recipe that says which patients are at which")
        return {**self.settings, "sites": len(recipe.sites.names)}

    def files(self, recipe: Recipe) -> tuple[bytes, bytes]:
        """Return (graph, weights) of an algorithm: its structure is the facility's, its weights start at zero."""
        from safetensors.numpy import save

        from training_sandbox.algorithms import registry

        registry.check_fits(self.name, task_of(recipe))
        if any(recipe.tokens):
            raise Misuse(f"{self.name} learns from numbers; sequences and texts need a model with an embedding")
        graph = registry.read(self.name, self.settings_for(recipe)).graph(len(recipe.names), task_of(recipe).classes)
        return graph.to_json(), save({t.name: np.zeros(t.shape, np.float32) for t in graph.parameters})


def _search(spec: Mapping[str, Any], name: str) -> tuple[Optimiser, ...]:
    given = spec.get("search") or []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given) or len(given) == 1:
        raise Misuse("search is a list of at least two optimisers")
    if len(given) > MOST_TRIALS or (given and name):
        raise Misuse(f"a search is for training a graph, with at most {MOST_TRIALS} trials")
    try:
        return tuple(Optimiser(**one) for one in given)
    except TypeError as problem:
        raise Misuse(f"the search is not understood: {problem}") from None


def recipe_task(recipe: Recipe, choice: Choice) -> tuple[Task, Loss, int]:
    """Return (task, loss, numbers the model must give) of a recipe's label.

    Raises:
        Misuse: the loss does not fit the label.
    """
    task = task_of(recipe)
    loss = choice.loss or losses_of(task.kind)[0]
    return task, loss, outputs(task, loss)


def task_of(recipe: Recipe) -> Task:
    """Return what a model of a recipe predicts."""
    label, count = recipe.label, len(recipe.classes)
    if label.kind == "number":
        return Task(kind="regression", classes=1, lower=label.bounds[0], upper=label.bounds[1])
    if label.kind == "set":
        return Task(kind="multi-label", classes=count)
    if label.kind == "survival":
        return Task(kind="survival", classes=count)
    return Task(kind="binary" if count == 2 else "multi-class", classes=count)


def holders(rows: pl.DataFrame, task: Task) -> dict[int, int]:
    """Return label -> patients in ``rows`` who have it: what must not be almost nobody. A real value is no label.

    Of several labels those with and without each are counted; of a survival, those who had the event.
    """
    if task.kind == "regression":
        return {}
    if task.kind == "survival":
        kept = {1: pl.col("event") == 1}
    elif task.kind == "multi-label":
        marks = enumerate(task.columns)
        kept = {2 * place + value: pl.col(name) == value for place, name in marks for value in (0, 1)}
    else:
        kept = {label: pl.col("label") == label for label in range(task.classes)}
    return {label: rows.filter(test)["patient"].n_unique() for label, test in kept.items()}


def objectors(facility: Facility, dataset: str, purpose: str) -> frozenset[str]:
    """Return the pseudonyms of a dataset's patients whose data are not used for a purpose."""
    with reading(facility.database) as session:
        rows = session.execute(sa.select(PatientRow.pseudonym, PatientRow.token).where(PatientRow.project == dataset))
        token = dict(rows.all())
    against = objecting(facility, token.values(), purpose)
    return frozenset(pseudonym for pseudonym in token if token[pseudonym] in against)


def parts_of(
    facility: Facility, dataset: str, version: int, without: frozenset[str] = frozenset()
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the index tokens of a version's training and held-out patients: all of them, records or not.

    Args:
        without: Pseudonyms of patients who object to the purpose.
    """
    manifest = facility.manifest_of(dataset, version)
    pseudonyms = facility.store.scan(manifest, "person").select("patient").unique().collect()["patient"]
    train, holdout = extracts.split(pseudonyms, split_key(facility, dataset), HOLDOUT)
    with reading(facility.database) as session:
        rows = session.execute(sa.select(PatientRow.pseudonym, PatientRow.token).where(PatientRow.project == dataset))
        token = dict(rows.all())
    left = ([name for name in side if name not in without] for side in (train, holdout))
    return tuple(frozenset(token[name] for name in side) for side in left)  # type: ignore[return-value]  # two sides


def split_key(facility: Facility, dataset: str) -> bytes:
    """Return the key by which each patient of a dataset falls into training or holdout, for ever."""
    return facility.keystore.secret("split", dataset)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The files that a worker gets, by name; the tables are encrypted.

    Attributes:
        patients: Training patients with a labelled record. Exact: for the disclosure check alone.
        labels: Label -> training patients who have it, see :func:`holders`. Exact as well.
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
    without = objectors(facility, document["dataset"], facility.permits.get(row.permit).purpose)
    features = replace(features, frame=features.frame.filter(~pl.col("patient").is_in(list(without))))
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
    choice, method = Choice.of(document["training"]), Method.of(document)
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
        algorithm=method.name,
        settings=tuple(sorted(method.settings_for(recipe).items())),
        examination=tuple(sorted(method.examination.items())),
        search=method.search,
    )
    return JobFolder({**files, "job.json": job.to_json()}, job, rows["patient"].n_unique(), holders(rows, task))
