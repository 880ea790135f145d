"""Training under differential privacy: sample, clip, add noise, update. All of it trusted code.

    for each step: patients <- Poisson draw        (sampler: plan and key only)
                   total    <- sum of clipped gradients (engine: at most 1 from each patient)
                   noisy    <- total + noise        (noise: plan and key only)
                   gradient <- noisy * clip / (q * public patients)
                   update

Nothing that leaves this module but the parameters depends on the data: no loss, no count, no early stop, no timing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from policies.errors import Misuse
from training_sandbox import losses
from training_sandbox.engines import plain, vmap
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import bind
from training_sandbox.optimisers import Updates
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan, Speed
from training_sandbox.selfcheck import self_check
from training_sandbox.settings import Loss, Optimiser, Task, outputs
from training_sandbox.step import ClippedSum, gradient

Tensors = dict[str, torch.Tensor]
__all__ = ["Step", "Trained", "predict", "self_check", "train", "train_plain"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is written down about a step: facts of the plan, none of the data.

    Attributes:
        step: From 1.
        cap: Patients in the padded batch.
        divisor: The public number that the noisy sum was divided by.
    """

    step: int
    sampling_rate: float
    cap: int
    clip: float
    noise_multiplier: float
    divisor: float

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model: float32 parameters by name, and the facts of every step."""

    params: Tensors
    step_log: tuple[Step, ...]


def train(
    graph: Graph,
    params: Mapping[str, torch.Tensor],
    data: Patients,
    *,
    plan: DPPlan,
    task: Task,
    loss: Loss,
    optimiser: Optimiser,
    run_key: bytes,
    speed: Speed = DEFAULT_SPEED,
    on_step: Callable[[Step], None] | None = None,
    engine: ClippedSum = vmap.clipped_sum,
    resume: Callable[[Updates], int] | None = None,
    keep: Callable[[Updates, int], None] | None = None,
) -> Trained:
    """Return the model trained from ``params`` on ``data`` under ``plan``.

    The result is a function of the arguments: the same run key gives the same bits on the same machine.
    ``run_key`` has 32 secret bytes, is used for this run alone and is destroyed after it.

    Args:
        resume: Puts an earlier state into fresh updates and returns the step it was taken after (``checkpoint``).
        keep: Called with the state after every step.

    Raises:
        Misuse: the data do not fit the plan or the model; checked before the first step.
        TrainingFailed: the self-check found this program's own privacy mechanism broken on synthetic data.
    """
    table = _prepared(graph, data, plan, task, loss)
    self_check(graph, params, plan, loss=loss, classes=task.classes, engine=engine)
    forward, function = bind(graph), losses.function(loss)
    updates = Updates(optimiser, params, plan.steps)
    log, done = [], resume(updates) if resume else 0
    for step in range(1, plan.steps + 1):
        if step > done:
            now = {name: value.float() for name, value in updates.params.items()}
            updates.apply(
                gradient(forward, function, now, table, plan, run_key=run_key, step=step, speed=speed, engine=engine)
            )
            if keep is not None:
                keep(updates, step)
        facts = Step(step, plan.sampling_rate, plan.cap, plan.clip, plan.noise_multiplier, plan.expected_patients)
        log.append(facts)
        if on_step is not None:
            on_step(facts)
    return Trained(updates.result(), tuple(log))


def train_plain(
    graph: Graph,
    params: Mapping[str, torch.Tensor],
    data: Patients,
    *,
    steps: int,
    task: Task,
    loss: Loss,
    optimiser: Optimiser,
) -> Tensors:
    """Return the model trained by full-batch descent WITHOUT privacy: the baseline for ``demonstration`` data.

    Raises:
        Misuse: the data do not fit the model.
    """
    shaped = _shaped(graph, data, task, loss)
    forward, function = bind(graph), losses.function(loss)
    updates = Updates(optimiser, params, steps)
    for _ in range(steps):
        now = {name: value.float() for name, value in updates.params.items()}
        updates.apply(plain.mean_gradient(forward, function, now, shaped))
    return updates.result()


def predict(
    graph: Graph, params: Mapping[str, torch.Tensor], data: Patients, *, task: Task, loss: Loss
) -> torch.Tensor:
    """Return scores: (patients, records) log-odds of a binary task, or (patients, records, classes) logits."""
    shaped = _shaped(graph, data, task, loss)
    forward = bind(graph)
    x = shaped.features.flatten(0, 1)
    with torch.no_grad():
        parts = [torch.func.vmap(lambda a: forward(params, a.unsqueeze(0))[0])(part) for part in torch.split(x, 4096)]
    width = outputs(task, loss)
    found = losses.scores(torch.cat(parts) if parts else torch.zeros(0, width), loss)
    return found.reshape(*shaped.labels.shape, *found.shape[1:])


def _shaped(graph: Graph, data: Patients, task: Task, loss: Loss) -> Patients:
    """Return the patients with each record in the shape of the model's input (without its leading 1)."""
    if len(graph.inputs) != 1 or graph.inputs[0].dtype != "float32":
        raise Misuse("the trainer feeds models with one float32 input")
    shape = graph.inputs[0].shape[1:]
    if torch.Size(shape).numel() != data.features.shape[2]:
        raise Misuse(f"the model takes {torch.Size(shape).numel()} numbers, the data give {data.features.shape[2]}")
    outputs(task, loss)
    return Patients(data.features.reshape(*data.features.shape[:2], *shape), data.labels, data.weights)


def _prepared(graph: Graph, data: Patients, plan: DPPlan, task: Task, loss: Loss) -> Patients:
    """Return the shaped patients plus one empty patient at the end, which every empty slot points to."""
    if len(data) > plan.public_patients or data.labels.shape[1] != plan.records_per_patient:
        raise Misuse("the data hold more patients or other records per patient than the plan declares")
    shaped = _shaped(graph, data, task, loss)

    def padded(value: torch.Tensor) -> torch.Tensor:
        return torch.cat((value, torch.zeros((1, *value.shape[1:]), dtype=value.dtype)))

    return Patients(padded(shaped.features), padded(shaped.labels), padded(shaped.weights))
