"""``medtrain.job/1``: what the service asks of the worker, as one canonical JSON file in the job folder."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import jsonschema

from policies.canonical import canonical, strict_json
from policies.errors import Tampered
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Evaluation, Loss, Optimiser, Task, outputs

SCHEMA = "medtrain.job/1"
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

    def __post_init__(self) -> None:
        outputs(self.task, self.loss)
        if self.reveal_exact and self.data_class != "demonstration":
            raise Tampered("exact metrics are for data of class demonstration only")

    def as_dict(self) -> dict[str, Any]:
        """Return the job as JSON values."""
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in ("run", "loss", "data_class", "reveal_exact")},
            **{name: asdict(getattr(self, name)) for name in ("plan", "task", "optimiser", "evaluation")},
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
        )
        if job.to_json() != raw:
            raise Tampered(f"the {SCHEMA} file is not in canonical form")
        return job


@cache
def _schema() -> dict[str, Any]:
    text = (Path(__file__).parent / "job.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
