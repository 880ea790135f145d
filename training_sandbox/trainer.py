"""Training under differential privacy: sample, clip, add noise, update. All of it trusted code.

    for each step: patients <- Poisson draw        (sampler: plan and key only)
                   total    <- sum of clipped gradients (engine: at most 1 from each patient)
                   noisy    <- total + noise        (noise: plan and key only)
                   gradient <- noisy * clip / (q * public patients)
                   update

Nothing that leaves this module but the parameters depends on the data: no loss, no count, no early stop, no timing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from policies.errors import Misuse
from training_sandbox import losses
from training_sandbox.augment import augment
from training_sandbox.engines import plain
from training_sandbox.engines.choice import Choice, Request, choose
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import bind, needs_seeds, width
from training_sandbox.noise import words
from training_sandbox.optimisers import Updates
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan, Speed
from training_sandbox.selfcheck import self_check
from training_sandbox.settings import Loss, Optimiser, Task, outputs
from training_sandbox.step import ClippedSum, Prepare, gradient

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
    """A trained model: float32 parameters by name, the facts of every step, and the engine that made them.

    Attributes:
        choice: Give it to :func:`train` to take a step again to the bit; None where the caller brought an engine.
    """

    params: Tensors
    step_log: tuple[Step, ...]
    choice: Choice | None = None


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
    engine: ClippedSum | None = None,
    choice: Choice | None = None,
    resume: Callable[[Updates], int] | None = None,
    keep: Callable[[Updates, int, Choice | None], None] | None = None,
) -> Trained:
    """Return the model trained from ``params`` on ``data`` under ``plan``.

    The result is a function of the arguments: the same run key gives the same bits on the same machine, with the same
    choice of an engine. ``run_key`` has 32 secret bytes, is used for this run alone and is destroyed after it.

    Args:
        engine: What computes the clipped sums; chosen by measurement where None.
        choice: The engine that such a measurement chose before.
        resume: Puts an earlier state into fresh updates and returns the step it was taken after (``checkpoint``).
        keep: Called with the state after every step, its number and the engine's choice.

    Raises:
        Misuse: the data do not fit the plan or the model; checked before the first step.
        TrainingFailed: the self-check found this program's own privacy mechanism broken on synthetic data.
    """
    device = torch.device(speed.device)
    table = _prepared(graph, data, plan, task, loss).to(device)
    start = {name: value.to(device) for name, value in params.items()}
    automatic = optimiser.clipping == "automatic"
    chosen = None
    if engine is None:
        records = plan.records_per_patient * optimiser.augmentations
        request = Request(
            task=task, loss=loss, patients=plan.cap, records=records, steps=plan.steps, automatic=automatic
        )
        engine = chosen = choose(graph, start, request, speed, choice)
    self_check(graph, start, plan, loss=loss, task=task, engine=engine, automatic=automatic)
    forward, function, prepare = bind(graph), losses.function(loss), preparation(graph, optimiser)
    frozen = {name: start[name] for name in graph.frozen}
    noise = plan.noise_multiplier * plan.clip / plan.expected_patients
    updates = Updates(optimiser, {name: start[name] for name in graph.trained}, plan.steps, noise=noise)
    log, done = [], resume(updates) if resume else 0
    for step in range(1, plan.steps + 1):
        if step > done:
            updates.apply(
                gradient(
                    forward,
                    function,
                    {**frozen, **updates.now()},
                    table,
                    plan,
                    run_key=run_key,
                    step=step,
                    speed=speed,
                    engine=engine,
                    prepare=prepare,
                )
            )
            if keep is not None:
                keep(updates, step, chosen.choice if chosen else None)
        facts = Step(step, plan.sampling_rate, plan.cap, plan.clip, plan.noise_multiplier, plan.expected_patients)
        log.append(facts)
        if on_step is not None:
            on_step(facts)
    return Trained(_whole(graph, updates, params), tuple(log), chosen.choice if chosen else None)


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
    forward, function, prepare = bind(graph), losses.function(loss), preparation(graph, optimiser)
    frozen = {name: params[name] for name in graph.frozen}
    updates = Updates(optimiser, {name: params[name] for name in graph.trained}, steps)
    for step in range(1, steps + 1):
        batch = shaped if prepare is None else prepare(shaped, _PUBLIC_KEY, step)
        updates.apply(plain.mean_gradient(forward, function, {**frozen, **updates.now()}, batch, graph.trained))
    return _whole(graph, updates, params)


def preparation(graph: Graph, optimiser: Optimiser) -> Prepare | None:
    """Return what is done to drawn patients before the engine sees them, or None where nothing is.

    Raises:
        Misuse: augmentation of records that are no images.
    """
    drops, count = needs_seeds(graph), optimiser.augmentations
    if count > 1 and (len(graph.inputs) != 1 or len(graph.inputs[0].shape) != _IMAGE):
        raise Misuse("augmentation is for models whose one input is an image: [1, channels, height, width]")
    if not drops and count == 1:
        return None

    def prepare(batch: Patients, run_key: bytes, step: int) -> Patients:
        if count > 1:
            batch = augment(batch, count, run_key, step)
        if drops:
            drawn = words(run_key, "dropout", step, "", batch.weights.numel()).astype("int64")
            batch = replace(batch, seeds=torch.from_numpy(drawn).reshape(batch.weights.shape).to(batch.weights.device))
        return batch

    return prepare


_IMAGE = 4
_PUBLIC_KEY = bytes(32)
"""What augmentation and dropout of the non-private baseline are drawn from."""


def predict(
    graph: Graph, params: Mapping[str, torch.Tensor], data: Patients, *, task: Task, loss: Loss
) -> torch.Tensor:
    """Return scores, (patients, records) or (patients, records, ...): see ``losses.scores``."""
    shaped = _shaped(graph, data, task, loss)
    forward = bind(graph)
    x = shaped.features.flatten(0, 1)
    with torch.no_grad():
        parts = [torch.func.vmap(lambda a: forward(params, a.unsqueeze(0))[0])(part) for part in torch.split(x, 4096)]
    found = losses.scores(torch.cat(parts) if parts else torch.zeros(0, outputs(task, loss)), loss, task)
    return found.reshape(*shaped.weights.shape, *found.shape[1:])


def _whole(graph: Graph, updates: Updates, params: Mapping[str, torch.Tensor]) -> Tensors:
    """Return every parameter in the graph's order: the trained ones, and the frozen ones as they came."""
    trained = updates.result()
    return {t.name: trained[t.name].cpu() if t.name in trained else params[t.name] for t in graph.parameters}


def _shaped(graph: Graph, data: Patients, task: Task, loss: Loss) -> Patients:
    """Return the patients with each record in the shape of the model's input, or as one row for several inputs."""
    outputs(task, loss)
    count = width(graph)
    if count != data.features.shape[2:].numel():
        raise Misuse(f"the model takes {count} numbers, the data give {data.features.shape[2:].numel()}")
    features = data.features.flatten(2)
    if len(graph.inputs) == 1:
        features = features.reshape(*features.shape[:2], *graph.inputs[0].shape[1:])
        if graph.inputs[0].dtype == "int64":
            features = torch.nan_to_num(features, 0.0, 0.0, 0.0).long()
    return Patients(features, data.labels, data.weights)


def _prepared(graph: Graph, data: Patients, plan: DPPlan, task: Task, loss: Loss) -> Patients:
    """Return the shaped patients plus one empty patient at the end, which every empty slot points to."""
    if len(data) > plan.public_patients or data.labels.shape[1] != plan.records_per_patient:
        raise Misuse("the data hold more patients or other records per patient than the plan declares")
    if data.labels.shape[2:] != task.label:
        raise Misuse(f"the labels of a {task.kind} task have another shape")
    shaped = _shaped(graph, data, task, loss)

    def padded(value: torch.Tensor) -> torch.Tensor:
        return torch.cat((value, torch.zeros((1, *value.shape[1:]), dtype=value.dtype)))

    return Patients(padded(shaped.features), padded(shaped.labels), padded(shaped.weights))
