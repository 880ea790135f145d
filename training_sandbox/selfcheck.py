"""Before the first real step the program tests its own privacy mechanism, on synthetic patients.

Each check fails for a class of mistakes that leave a model looking well trained: no noise or too little, clipping the
batch instead of the patient, a bad record that spreads, a shuffled loader under a Poisson claim, records sampled
instead of patients, division by the batch's real size. It costs well under a second.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from policies.errors import TrainingFailed
from training_sandbox import losses, noise, sampler
from training_sandbox.engines import plain
from training_sandbox.graph.format import Graph, Ref
from training_sandbox.graph.run import bind, width
from training_sandbox.patients import Patients
from training_sandbox.plan import DPPlan, Speed
from training_sandbox.settings import Loss, Task
from training_sandbox.step import GRADIENT, ClippedSum, gradient

KEY = bytes(range(32))
"""A public key: what is drawn from it protects nobody. The run's own key is not touched by the check."""

PATIENTS = 12
TOLERANCE = 1e-4
HALF_TOLERANCE = 0.1
"""Of an engine whose forward and backward pass run in bfloat16: another function, clipped as exactly."""

DEVIATIONS = 6.0
NOISE_DRAWS = 20_000


def self_check(
    graph: Graph,
    params: Mapping[str, torch.Tensor],
    plan: DPPlan,
    *,
    loss: Loss,
    task: Task,
    engine: ClippedSum,
    automatic: bool = False,
) -> None:
    """Refuse to train with an engine, noise or sampler that does not do what ``plan`` is charged for.

    Raises:
        TrainingFailed: naming the check that failed.
    """
    records = min(plan.records_per_patient, 3)
    table = _synthetic(graph, records, task, next(iter(params.values())).device)
    subject = _Subject(graph, dict(params), loss, engine, automatic=automatic)
    _check_sum(subject, table, plan.clip)
    _check_one_patient(subject, table, plan.clip)
    small = replace(
        plan, sampling_rate=0.5, cap=PATIENTS, public_patients=PATIENTS, records_per_patient=records, steps=1
    )
    _check_step(subject, table, small)
    _check_noise(subject, table, small)
    _check_sampler(plan)


class _Subject:
    """The engine and model under test."""

    def __init__(
        self, graph: Graph, params: dict[str, torch.Tensor], loss: Loss, engine: ClippedSum, *, automatic: bool
    ) -> None:
        self.forward, self.loss, self.params, self.engine = bind(graph), losses.function(loss), params, engine
        # A model that takes whole numbers, or looks at the sign alone, can make a finite gradient of any record.
        self.spreads = len(graph.inputs) == 1 and graph.inputs[0].dtype == "float32" and _passes_on(graph)
        self.trained, self.automatic = graph.trained, automatic
        self.bound = min(1.0, getattr(engine, "bound", 1.0))
        self.tolerance = HALF_TOLERANCE if getattr(engine, "half", False) else TOLERANCE

    def sum(self, batch: Patients, clip: float, microbatch: int = PATIENTS) -> torch.Tensor:
        return _flat(self.engine(self.forward, self.loss, self.params, batch, clip, microbatch=microbatch))

    def loop(self, batch: Patients, clip: float) -> torch.Tensor:
        return _flat(
            plain.loop_sum(
                self.forward,
                self.loss,
                self.params,
                batch,
                clip,
                trained=self.trained,
                bound=self.bound,
                automatic=self.automatic,
            )
        )

    def close(self, found: torch.Tensor, expected: torch.Tensor, scale: float = 1.0) -> bool:
        return bool((found - expected).abs().max() <= self.tolerance * scale)

    def step(self, table: Patients, plan: DPPlan, step: int) -> torch.Tensor:
        return _flat(
            gradient(
                self.forward,
                self.loss,
                self.params,
                table,
                plan,
                run_key=KEY,
                step=step,
                engine=self.engine,
                speed=Speed(microbatch=PATIENTS),
            )
        )


def _check_sum(subject: _Subject, table: Patients, clip: float) -> None:
    for bound in (clip, clip / 1000):
        found = subject.sum(table, bound)
        _must(
            subject.close(found, subject.loop(table, bound)), "the engine's sum differs from a plain loop over patients"
        )
        _must(
            subject.close(found, subject.sum(table, bound, microbatch=5)), "the sum depends on the size of microbatches"
        )


def _check_one_patient(subject: _Subject, table: Patients, clip: float) -> None:
    one = torch.arange(1)
    alone = subject.sum(table.take(one), clip / 1000)
    _must(float(alone.norm()) <= 1 + 1e-9, "one patient contributes more than the clip norm")
    floats = table.features.is_floating_point()
    for value in (math.nan, math.inf, 1e30) if floats else (-(2**62), 2**62):
        others = table.features.clone()
        others[1:] = value
        poisoned = replace(table, features=others)
        both = subject.sum(poisoned, clip / 1000)
        rest = subject.sum(poisoned.take(torch.arange(1, PATIENTS)), clip / 1000)
        _must(bool(torch.isfinite(both).all()), "a record that is not finite spoils the sum")
        _must(subject.close(both - rest, alone), "one patient's contribution depends on other patients")
        if not math.isfinite(value) and subject.spreads:
            _must(not rest.any(), "a patient whose gradient is not finite contributes")


def _check_step(subject: _Subject, table: Patients, plan: DPPlan) -> None:
    """The noise of a step is a function of key and step, so two tables differ by exactly the sum of those drawn."""
    nobody = table.take(torch.zeros(0, dtype=torch.int64))
    for step in (1, 2):
        slots = sampler.draw(plan, KEY, step)
        drawn = torch.from_numpy(slots[slots != sampler.EMPTY])
        expected = subject.loop(table.take(drawn), plan.clip) * (plan.clip / plan.expected_patients)
        found = subject.step(_with_empty(table), plan, step) - subject.step(_with_empty(nobody), plan, step)
        _must(
            subject.close(found, expected, scale=plan.clip),
            "a step is not the sum over the drawn patients by the public divisor",
        )


def _check_noise(subject: _Subject, table: Patients, plan: DPPlan) -> None:
    """A step on nobody is noise alone, exactly what ``noise`` draws for it; and that is Gaussian of the plan's size."""
    nobody = _with_empty(table.take(torch.zeros(0, dtype=torch.int64)))
    scale = plan.clip / plan.expected_patients
    drawn = [_noise(subject, plan, 1)]
    _must(torch.equal(subject.step(nobody, plan, 1), drawn[0] * scale), "a step does not add the noise drawn for it")
    steps = max(2, -(-NOISE_DRAWS // drawn[0].numel()))
    drawn += [_noise(subject, plan, step) for step in range(2, steps + 1)]
    _must(not torch.equal(drawn[0], drawn[1]), "two steps have the same noise")
    every = torch.cat(drawn) / plan.noise_multiplier
    count = every.numel()
    _must(abs(float(every.std()) - 1) < DEVIATIONS / math.sqrt(2 * count), "the noise has not the plan's size")
    _must(abs(float(every.mean())) < DEVIATIONS / math.sqrt(count), "the noise is not centred")
    tail = float((every.abs() > 2).double().mean())
    _must(abs(tail - 0.0455) < DEVIATIONS * math.sqrt(0.0455 / count), "the noise is not Gaussian")


def _noise(subject: _Subject, plan: DPPlan, step: int) -> torch.Tensor:
    count = sum(subject.params[name].numel() for name in subject.trained)
    zero = torch.zeros(count, dtype=torch.float64, device=next(iter(subject.params.values())).device)
    return noise.add(zero, plan.noise_multiplier, KEY, step, GRADIENT).cpu()


def _check_sampler(plan: DPPlan) -> None:
    draws = [sampler.draw(plan, KEY, step) for step in range(1, 65)]
    sizes = []
    for draw in draws:
        slots = draw[draw != sampler.EMPTY]
        inside = len(slots) == 0 or (slots.min() >= 0 and slots.max() < plan.public_patients)
        _must(len(draw) == plan.cap and inside, "a batch is not padded to the cap")
        _must(len(np.unique(slots)) == len(slots), "a patient is drawn twice in one step")
        sizes.append(len(slots))
    mean, spread = plan.expected_patients, plan.expected_patients * (1 - plan.sampling_rate)
    _must(
        abs(float(np.mean(sizes)) - mean) <= DEVIATIONS * math.sqrt(spread / len(sizes)) + 1e-9 * mean,
        "patients are not drawn with the plan's probability",
    )
    if spread >= 1:
        ratio = float(np.var(sizes)) / spread
        _must(0.3 < ratio < 3, "batch sizes do not vary as under independent draws: this is not Poisson sampling")


def _passes_on(graph: Graph) -> bool:
    """Return whether the first thing that is done with the record keeps a nan: a product with a parameter."""
    uses = [node for node in graph.nodes if Ref(graph.inputs[0].name) in node.args]
    return bool(uses) and all(node.op.startswith(("linear", "conv", "addmm", "matmul", "mm")) for node in uses)


def _synthetic(graph: Graph, records: int, task: Task, device: torch.device) -> Patients:
    """Return patients with 1 to ``records`` records of normal numbers, labels of the task and seeds of dropout."""
    one = len(graph.inputs) == 1
    shape = graph.inputs[0].shape[1:] if one else (width(graph),)
    count = PATIENTS * records
    x = torch.from_numpy(noise.gaussian(KEY, 0, "self-check", count * math.prod(shape)))
    x = (x.abs() * 5).long() if one and graph.inputs[0].dtype == "int64" else x.float()
    if task.kind in ("binary", "multi-class"):
        labels = torch.arange(count) % task.classes
    else:
        labels = losses.synthetic_labels(task, count, torch.Generator().manual_seed(0))
    held = 1 + torch.arange(PATIENTS).unsqueeze(1) % records
    weights = torch.where(torch.arange(records) < held, 1.0 / held, 0.0)
    seeds = torch.from_numpy(noise.words(KEY, "self-check", 0, "", count).astype(np.int64)).reshape(weights.shape)
    found = (x.reshape(*weights.shape, *shape), labels.reshape(*weights.shape, *task.label), weights, seeds)
    return Patients(*(value.to(device) for value in found))


def _with_empty(table: Patients) -> Patients:
    seeds = None if table.seeds is None else _one_more(table.seeds)
    return Patients(_one_more(table.features), _one_more(table.labels), _one_more(table.weights), seeds)


def _one_more(value: torch.Tensor) -> torch.Tensor:
    return torch.cat((value, value.new_zeros((1, *value.shape[1:]))))


def _flat(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([value.flatten().cpu() for value in tensors.values()])


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise TrainingFailed(f"self-check: {sentence}; nothing was trained")
