"""What a job asks for, carried out inside the jail: a partner's graph trained, an algorithm fitted, or neither.

All three give parameters of a graph and a step log, so everything behind them is the same.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_sandbox import checkpoint, trainer
from training_sandbox.algorithms import registry, rows
from training_sandbox.algorithms.selfcheck import self_check
from training_sandbox.attacks import membership, report
from training_sandbox.engines.choice import Choice
from training_sandbox.graph.format import Graph
from training_sandbox.job import EVALUATION_ONLY, Job
from training_sandbox.patients import Patients
from training_sandbox.trainer import Step

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's checkpoints lie: the one it was started with, and where it leaves its own."""

    given: Path
    left: Path

    def read(self) -> bytes:
        """Return the checkpoint to go on from; empty where there is none."""
        return self.given.read_bytes() if self.given.is_file() else b""

    def write(self, raw: bytes) -> None:
        """Leave a checkpoint, whole or not at all."""
        part = self.left.with_name(f"{self.left.name}.part")
        part.write_bytes(raw)
        part.replace(self.left)


def learn(
    job: Job,
    graph: Graph,
    params: Tensors,
    train: Patients,
    run_key: bytes,
    on_step: Callable[[Step], None],
    place: Place | None = None,
) -> Tensors:
    """Return the parameters that the job's way of learning gives; ``on_step`` hears every step."""
    if job.algorithm == EVALUATION_ONLY:
        return params
    if job.algorithm:
        algorithm = registry.read(job.algorithm, dict(job.settings))
        plan = job.plan
        self_check(plan)

        def asked(number: int) -> None:
            on_step(
                Step(number, plan.sampling_rate, plan.cap, plan.clip, plan.noise_multiplier, plan.expected_patients)
            )

        found = registry.fit(algorithm, rows.one_each(train, job.task.classes), plan, run_key, asked)
        return {name: torch.from_numpy(value) for name, value in found.items()}
    return _trained(job, graph, params, train, run_key, on_step, place)


def trials(
    job: Job,
    graph: Graph,
    params: Tensors,
    train: Patients,
    run_key: bytes,
    on_step: Callable[[Step], None],
) -> Iterator[tuple[Tensors, bytes]]:
    """Yield the model of each trial of a search, and the key of its look; together they take the plan's steps."""
    share = job.plan.steps // len(job.search)
    for number, optimiser in enumerate(job.search):
        key = hmac.new(run_key, b"medtrain.trial/1\0" + str(number).encode(), hashlib.sha256).digest()
        one = replace(job, plan=replace(job.plan, steps=share), optimiser=optimiser, search=())

        def later(step: Step, before: int = number * share) -> None:
            on_step(replace(step, step=before + step.step))

        yield _trained(one, graph, params, train, key, later, None), key


def _trained(
    job: Job,
    graph: Graph,
    params: Tensors,
    train: Patients,
    run_key: bytes,
    on_step: Callable[[Step], None],
    place: Place | None,
) -> Tensors:
    name = job.to_json()
    given = place.read() if place is not None else b""

    def keep(updates: Any, step: int, engine: Choice | None) -> None:
        if place is not None and checkpoint.due(step, job.plan.steps):
            place.write(checkpoint.dump(updates, step, name, run_key, engine))

    def resume(updates: Any) -> int:
        return checkpoint.restore(given, updates, name, run_key)

    return trainer.train(
        graph,
        params,
        train,
        plan=job.plan,
        task=job.task,
        loss=job.loss,
        optimiser=job.optimiser,
        run_key=run_key,
        on_step=on_step,
        choice=checkpoint.engine_of(given, name, run_key),
        resume=resume,
        keep=keep,
    ).params


def rank(figures: dict[str, float | None]) -> float:
    """Return by what the trials of a search are compared: the first charged figure that there is, errors negated.

    >>> rank({"auc": None, "accuracy": 0.75}), rank({"mae": 0.25})
    (0.75, -0.25)
    """
    name, value = next(((name, value) for name, value in figures.items() if value is not None), ("", 0.0))
    return -value if name == "mae" else value


def scored(job: Job) -> bool:
    """Return whether the job's model gives scores of labels, so that there is something to evaluate and attack."""
    return job.algorithm not in registry.UNLABELLED


def examine(job: Job, graph: Graph, model: Tensors, train: Patients, holdout: Patients) -> dict[str, Any]:
    """Return what the attacks on a trained model find; for compliance alone."""
    attacked = job.task.kind in ("binary", "multi-class")  # the attacks read confidences in a class
    if not attacked or not scored(job) or job.algorithm == EVALUATION_ONLY:
        return report.nothing()
    inside, outside = _first(train), _first(holdout)

    def predict(x: np.ndarray, params: Tensors = model) -> np.ndarray:
        one = Patients(
            torch.from_numpy(np.ascontiguousarray(x, np.float32)).unsqueeze(1),
            torch.zeros(len(x), 1, dtype=torch.int64),
            torch.ones(len(x), 1),
        )
        found: np.ndarray = trainer.predict(graph, params, one, task=job.task, loss=job.loss)[:, 0].numpy()
        return found

    models = dict(job.examination).get("shadows", 0)
    everybody = np.concatenate((inside[0], outside[0])), np.concatenate((inside[1], outside[1]))

    def shadow(mask: np.ndarray) -> np.ndarray:
        """A shadow is trained without privacy: the strongest that an attacker could have."""
        kept = Patients(
            torch.from_numpy(everybody[0][mask]).unsqueeze(1),
            torch.from_numpy(everybody[1][mask]).unsqueeze(1),
            torch.ones(int(mask.sum()), 1),
        )
        start = {name: torch.zeros_like(value) for name, value in model.items()}
        params = trainer.train_plain(
            graph, start, kept, steps=job.plan.steps, task=job.task, loss=job.loss, optimiser=job.optimiser
        )
        return membership.confidence(predict(everybody[0], params), everybody[1])

    sets = membership.halves(models, len(everybody[1]), 0) if models and not job.algorithm else None
    return report.examine(
        predict, inside, outside, sigma=job.plan.noise_multiplier, shadows=shadow if models else None, shadow_sets=sets
    )


def _first(patients: Patients) -> tuple[np.ndarray, np.ndarray]:
    """Return the first record and label of each patient who has one."""
    here = (patients.weights[:, 0] > 0).numpy()
    return patients.features[:, 0].flatten(1).numpy()[here], patients.labels[:, 0].numpy()[here]
