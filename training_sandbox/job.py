"""``medtrain.job/1``: what the service asks of the worker, as one canonical JSON file in the job folder."""

import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import jsonschema

from policies.canonical import canonical, strict_json
from policies.errors import Tampered
from training_sandbox.plan import DPPlan, Mechanism
from training_sandbox.settings import Evaluation, Loss, Optimiser, Task, outputs

SCHEMA = "medtrain.job/1"
EVALUATION_ONLY = "evaluation-only"
CHECKPOINT = "checkpoint"
"""The file in which a killed run finds where it was, in its input, and leaves where it is, in its output."""
FILES = ("graph.json", "init.safetensors", "train.parquet", "holdout.parquet")


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One training run, complete but for the data and the keys.

    Attributes:
        run: The run's id.
        features: Names of the feature columns, in the order of the model's input.
        files: (name, SHA-256 in hexadecimal) of every file in the job folder but this one.
        commitments: (key name, SHA-256 of the key in hexadecimal): ``data_key`` and ``run_key``.
        data_class: ``demonstration`` (synthetic or public) or ``sensitive``.
        reveal_exact: Also report exact metrics and the non-private baseline. Only for ``demonstration``.
        algorithm: Empty for the training of a graph, ``evaluation-only``, or one of ``algorithms.registry``.
        settings: The algorithm's own, by name.
        examination: What compliance wants attacked besides: ``canaries`` and ``shadows``, how many.
        search: Optimisers tried one after the other, each for an equal share of the plan's steps; the best by the
        charged
            look at the held-out patients is kept.
    """

    run: str
    plan: DPPlan
    task: Task
    loss: Loss
    optimiser: Optimiser
    evaluation: Evaluation
    features: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    commitments: tuple[tuple[str, str], ...]
    data_class: Literal["demonstration", "sensitive"]
    reveal_exact: bool = False
    algorithm: str = ""
    settings: tuple[tuple[str, float], ...] = ()
    examination: tuple[tuple[str, int], ...] = ()
    search: tuple[Optimiser, ...] = ()

    def __post_init__(self) -> None:
        outputs(self.task, self.loss)
        if self.reveal_exact and self.data_class != "demonstration":
            raise Tampered("exact metrics are for data of class demonstration only")
        if self.search and (self.algorithm or self.plan.steps % len(self.search)):
            raise Tampered("a search shares out the steps of training a graph")

    @property
    def look(self) -> Mechanism:
        """Return what the ledger charges the held-out patients: one look for each trial of a search."""
        return replace(self.evaluation.mechanism, steps=max(1, len(self.search)))

    def as_dict(self) -> dict[str, Any]:
        """Return the job as JSON values."""
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in ("run", "loss", "data_class", "reveal_exact")},
            **{name: asdict(getattr(self, name)) for name in ("plan", "task", "optimiser", "evaluation")},
            **({"algorithm": {"name": self.algorithm, "settings": dict(self.settings)}} if self.algorithm else {}),
            **({"search": [asdict(one) for one in self.search]} if self.search else {}),
            **({"examination": dict(self.examination)} if self.examination else {}),
            "features": list(self.features),
            "files": dict(self.files),
            "commitments": dict(self.commitments),
        }

    def to_json(self) -> bytes:
        """Return the job's canonical JSON."""
        return canonical(self.as_dict())

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Return the job written by :meth:`to_json`.

        Raises:
            Tampered: the bytes are not canonical JSON of the schema.
            Misuse: a number is out of range.
        """
        value = strict_json(raw)
        try:
            jsonschema.validate(value, _schema())
        except jsonschema.ValidationError as problem:
            raise Tampered(f"not a {SCHEMA} file: {'/'.join(map(str, problem.absolute_path)) or 'top level'}") from None
        job = cls(
            run=value["run"],
            plan=DPPlan(**value["plan"]),
            task=Task(**value["task"]),
            loss=value["loss"],
            optimiser=Optimiser(**value["optimiser"]),
            evaluation=Evaluation(**value["evaluation"]),
            features=tuple(value["features"]),
            files=tuple(sorted(value["files"].items())),
            commitments=tuple(sorted(value["commitments"].items())),
            data_class=value["data_class"],
            reveal_exact=value["reveal_exact"],
            algorithm=value.get("algorithm", {}).get("name", ""),
            settings=tuple(sorted(value.get("algorithm", {}).get("settings", {}).items())),
            examination=tuple(sorted(value.get("examination", {}).items())),
            search=tuple(Optimiser(**one) for one in value.get("search", [])),
        )
        if job.to_json() != raw:
            raise Tampered(f"the {SCHEMA} file is not in canonical form")
        return job


@cache
def _schema() -> dict[str, Any]:
    text = (Path(__file__).parent / "job.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
