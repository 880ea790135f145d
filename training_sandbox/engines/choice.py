"""Which engine trains a graph: made, checked against a plain loop and timed on random data before the run starts.

Book-keeping is the default. It is traced to a flat graph, and that is compiled where a compiler is at hand, if the run
is long enough to pay for it and only where that measured faster. ``vmap(grad)`` takes over where book-keeping fails its
check or is clearly slower. Opacus is taken only where it is named. What was chosen is a value, so that a run that goes
on after a crash takes the same again: two engines agree to rounding, not to the bit.
"""

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import torch

from policies.errors import TrainingFailed
from training_sandbox import losses
from training_sandbox.engines import bookkeeping, plain, vmap
from training_sandbox.engines.bookkeeping import Bookkeeping
from training_sandbox.engines.heard import Layout
from training_sandbox.engines.norms import Kernel
from training_sandbox.engines.tune import tune
from training_sandbox.engines.uses import find_uses
from training_sandbox.graph.check import activation_bytes
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import bind, width
from training_sandbox.patients import Patients
from training_sandbox.plan import Speed
from training_sandbox.settings import Loss, Task

Params = Mapping[str, torch.Tensor]
TOLERANCE = 1e-4
MEMORY = 1 << 30
"""Bytes that a step may take beyond the data; decides how many patients go through at once."""

TRACE_WORTH = 20.0
"""Seconds that a run must take as the step is written before it is traced and its kernels are timed."""

COMPILE_WORTH = 120.0
"""Seconds that a run must take uncompiled before a compiler is asked."""

_CLEARLY = 1.5
_CHECKED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What an engine is wanted for.

    Attributes:
        patients: Most patients in one batch (the plan's cap).
        records: Most records of one patient.
        steps: Of the run: what a long one pays for, a short one does not.
    """

    task: Task
    loss: Loss
    patients: int
    records: int
    steps: int
    automatic: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An engine by name, with everything that decides its rounding."""

    engine: Literal["bookkeeping", "vmap", "opacus-hooks", "opacus-ghost"]
    layout: Layout
    kernels: tuple[tuple[str, Kernel], ...] = ()
    traced: bool = True
    compile: bool = False
    precision: bookkeeping.Precision = "float32"

    def as_dict(self) -> dict[str, Any]:
        """Return the choice as JSON values."""
        return asdict(self) | {"kernels": dict(self.kernels)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the choice written by :meth:`as_dict`."""
        kernels = tuple(value["kernels"].items())
        return cls(**{**value, "layout": Layout(**value["layout"]), "kernels": kernels})


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine ready to run: call it as any other (``step.ClippedSum``).

    Attributes:
        bound: The share of the clip norm that a gradient is clipped to.
        seconds: Of one full batch of random data; None where it was not measured.
    """

    choice: Choice
    function: Callable[..., dict[str, torch.Tensor]]
    bound: float
    seconds: float | None

    @property
    def half(self) -> bool:
        """Return whether forward and backward pass run in bfloat16."""
        return self.choice.precision == "bfloat16"

    def __call__(self, *args: Any, microbatch: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        part = min(microbatch, self.choice.layout.patients)
        return self.function(*args, microbatch=part, **kwargs)


def choose(graph: Graph, params: Params, request: Request, speed: Speed, choice: Choice | None = None) -> Engine:
    """Return the engine for a run, or the one that ``choice`` names.

    Raises:
        TrainingFailed: no engine agrees with the plain loop on random data.
    """
    key = _key(graph, params, request, speed, choice)
    if key not in _MADE:
        if len(_MADE) >= _KEPT:
            _MADE.pop(next(iter(_MADE)))
        _MADE[key] = (
            _chosen(graph, params, request, speed) if choice is None else _named(graph, params, request, choice)
        )
    return _MADE[key]


_MADE: dict[str, Engine] = {}
_KEPT = 8


def compiler() -> str | None:
    """Return the path of a C++ compiler; inside the jail there is none."""
    return shutil.which("g++") or shutil.which("clang++")


def _key(graph: Graph, params: Params, request: Request, speed: Speed, choice: Choice | None) -> str:
    shapes = [(name, str(value.dtype), str(value.device)) for name, value in params.items()]
    said = (graph.to_json(), repr(request), repr(speed), repr(choice), str(shapes), torch.__version__)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _chosen(graph: Graph, params: Params, request: Request, speed: Speed) -> Engine:
    """Return the engine that is worth its preparation: as written, traced, or compiled."""
    layout = _layout(graph, params, request, speed)
    if speed.engine in ("vmap", "opacus-hooks", "opacus-ghost"):
        return _named(graph, params, request, Choice(engine=speed.engine, layout=layout))
    plain_choice = Choice(engine="bookkeeping", layout=layout, precision=speed.precision, traced=False)
    oracle_choice = Choice(engine="vmap", layout=layout)
    try:
        best = _timed(graph, params, request, _named(graph, params, request, plain_choice))
    except (TrainingFailed, RuntimeError, ValueError, TypeError, IndexError):
        if speed.engine == "bookkeeping":
            raise
        # torch raises many types where it has no batching rule or kernel; the other engine is then asked
        return _timed(graph, params, request, _named(graph, params, request, oracle_choice))
    batches = request.steps * math.ceil(request.patients / layout.patients)
    if batches * (best.seconds or 0.0) < TRACE_WORTH:
        return best
    kernels = tune(find_uses(graph, params), params, layout)
    candidates = [replace(plain_choice, kernels=kernels, traced=True)]
    if speed.engine == "measured":
        candidates.append(oracle_choice)
    best = _fastest(graph, params, request, best, candidates)
    if batches * (best.seconds or 0.0) > COMPILE_WORTH and compiler() is not None and speed.compile:
        best = _fastest(graph, params, request, best, [replace(candidates[0], compile=True)])
    return best


def _fastest(graph: Graph, params: Params, request: Request, best: Engine, candidates: list[Choice]) -> Engine:
    """Return the fastest that passes its check; the oracle only where it is clearly faster."""
    for choice in candidates:
        try:
            other = _timed(graph, params, request, _named(graph, params, request, choice))
        except (TrainingFailed, RuntimeError):  # no kernel, no compiler after all, or a wrong graph: what works stays
            continue
        handicap = _CLEARLY if choice.engine == "vmap" else 1.0
        if (other.seconds or math.inf) * handicap < (best.seconds or math.inf):
            best = other
    return best


def _layout(graph: Graph, params: Params, request: Request, speed: Speed) -> Layout:
    """Return as many patients at once as memory, the batch and ``speed`` allow."""
    each = max(1, activation_bytes(graph, params)) * 4  # forward, backward, what the norms need
    fits = max(1, MEMORY // (each * request.records))
    patients = min(speed.microbatch, request.patients, fits)
    patients = math.ceil(request.patients / math.ceil(request.patients / patients))  # equal parts: the least padding
    if not speed.packed or request.records == 1:
        return Layout(patients * request.records, patients, request.records)
    rows = math.ceil(patients * (request.records + 1) / 2)
    return Layout(rows, min(rows, request.patients), request.records)


def _named(graph: Graph, params: Params, request: Request, choice: Choice) -> Engine:
    if choice.engine == "vmap":
        function = partial(vmap.clipped_sum, trained=graph.trained, automatic=request.automatic)
        engine = Engine(choice, function, vmap.target({n: params[n] for n in graph.trained}), None)
    elif choice.engine != "bookkeeping":
        from training_sandbox.engines.opacus import Opacus

        mode: Any = choice.engine.removeprefix("opacus-")
        loss = losses.function(request.loss)
        other = Opacus(graph, loss, params, choice.layout, mode, automatic=request.automatic)
        engine = Engine(choice, other, other.bound, None)
    else:
        label = _labels(request, 1)[0]
        made = Bookkeeping(
            graph,
            losses.function(request.loss),
            params,
            choice.layout,
            label=label,
            automatic=request.automatic,
            traced=choice.traced,
            settings=bookkeeping.Settings(kernels=choice.kernels, compile=choice.compile, precision=choice.precision),
        )
        engine = Engine(choice, made, made.bound, None)
    verify(graph, params, request, engine)
    return engine


def verify(graph: Graph, params: Params, request: Request, engine: Engine) -> None:
    """Refuse an engine whose sum over random patients differs from a plain loop over them.

    Raises:
        TrainingFailed: it differs by more than :data:`TOLERANCE` (bfloat16: by more than its rounding explains).
    """
    batch = random_batch(graph, request, min(_CHECKED, engine.choice.layout.patients), params)
    forward, function = bind(graph), losses.function(request.loss)
    allowed = TOLERANCE if engine.choice.precision == "float32" else 0.1
    norms = 1.0
    for clip in (norms, norms / 100):
        found = engine(forward, function, params, batch, clip, microbatch=len(batch))
        expected = plain.loop_sum(
            forward, function, params, batch, clip,
            trained=graph.trained, bound=engine.bound, automatic=request.automatic,
        )  # fmt: skip
        whole = math.sqrt(sum(float(value.square().sum()) for value in expected.values()))
        for name, value in expected.items():
            off = float((found[name].cpu() - value.cpu()).norm())
            if not off <= allowed * (float(value.norm()) + 1e-2 * whole) + 1e-6 * math.sqrt(value.numel()):
                raise TrainingFailed(f"the engine's sum for {name} differs from a plain loop; nothing was trained")


def random_batch(graph: Graph, request: Request, patients: int, params: Params | None = None) -> Patients:
    """Return patients of random numbers with 1 to ``records`` records, on the device of ``params``."""
    generator = torch.Generator().manual_seed(0)
    records, one = request.records, len(graph.inputs) == 1
    shape = graph.inputs[0].shape[1:] if one else (width(graph),)
    x = torch.randn((patients, records, *shape), generator=generator)
    if one and graph.inputs[0].dtype == "int64":
        x = (x.abs() * 5).long()
    held = 1 + torch.arange(patients).unsqueeze(1) % records
    weights = torch.where(torch.arange(records) < held, 1.0 / held, 0.0)
    labels = _labels(request, patients * records).reshape(patients, records, *request.task.label)
    seeds = torch.randint(-(2**62), 2**62, (patients, records), generator=generator)
    device = next(iter(params.values())).device if params else "cpu"
    return Patients(*(value.to(device) for value in (x, labels, weights, seeds)))


def _labels(request: Request, count: int) -> torch.Tensor:
    return losses.synthetic_labels(request.task, count, torch.Generator().manual_seed(1))


def _timed(graph: Graph, params: Params, request: Request, engine: Engine) -> Engine:
    """Return the engine with the seconds of one batch of its layout, the best of three."""
    batch = random_batch(graph, request, engine.choice.layout.patients, params)
    forward, function = bind(graph), losses.function(request.loss)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        engine(forward, function, params, batch, 1.0, microbatch=engine.choice.layout.patients)
        times.append(time.perf_counter() - start)
        if times[-1] > 1.0:
            break
    return replace(engine, seconds=min(times))
