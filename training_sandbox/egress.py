"""The gate: what leaves a job is rewritten by the trusted side, never passed on.

The model file is written anew from the graph's names and shapes, so that nothing but the parameters' values gets out;
its length depends on the architecture alone. What the values may carry, the privacy plan bounds.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from policies.canonical import canonical, strict_json
from policies.errors import Refused, Tampered
from policies.thresholds import ReleaseRules, release_rules
from training_sandbox.attacks import report
from training_sandbox.graph import weights
from training_sandbox.graph.format import Graph, Refusal
from training_sandbox.job import Job
from training_sandbox.settings import METRICS

MODEL, STEPS, RESULT, ATTACKS = "model.safetensors", "steps.jsonl", "result.json", "attacks.json"
OUTPUTS = frozenset({MODEL, STEPS, RESULT, ATTACKS})
RESULT_SCHEMA = "medtrain.result/1"
CODES = frozenset({"tampered", "usage", "bad-input", "training-failed"})
"""Every reason a worker may give for a failure."""

_LEAST_NORMAL = np.float32(2.0**-126)


class EgressRefused(Refused):
    """What a job left behind is not a model that may leave."""

    code = "egress-refused"


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a finished run, as the worker wrote them.

    Attributes:
        charged: Metrics through the charged mechanism.
        exact: The model's exact metrics; class ``demonstration`` only.
        baseline: Exact metrics of the model trained without privacy; class ``demonstration`` only.
    """

    charged: Mapping[str, float | None]
    exact: Mapping[str, float | None] | None = None
    baseline: Mapping[str, float | None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            name: None if (m := getattr(self, name)) is None else dict(m) for name in ("charged", "exact", "baseline")
        }


@dataclass(frozen=True, slots=True)
class Vetted:
    """A model that passed the gate.

    Attributes:
        model: Canonical safetensors bytes.
        digest: Their SHA-256, in hexadecimal.
        result: The run's figures.
        steps: The step log, for the audit.
        attacks: What the attacks on it found; for compliance, no part of a release.
    """

    model: bytes
    digest: str
    result: Result
    steps: bytes
    attacks: Mapping[str, Any] = field(default_factory=dict, repr=False)


def vet(outputs: Mapping[str, bytes], graph: Graph, job: Job, rules: ReleaseRules | None = None) -> Vetted:
    """Return the canonical model and the figures of a run's collected outputs.

    Raises:
        EgressRefused: a file is missing or too many, or the model is not exactly finite parameters of the graph.
        Tampered: the result is not one of this run.
    """
    if set(outputs) != OUTPUTS:
        raise EgressRefused("a run leaves a model, a step log, a result and a report, nothing else and nothing less")
    most = (rules or release_rules()).maximum_parameters
    if sum(math.prod(tensor.shape) for tensor in graph.parameters) > most:
        raise EgressRefused(f"the model has more than {most:,} parameter values")
    model = canonical_model(outputs[MODEL], graph)
    result = read_result(outputs[RESULT], job)
    return Vetted(model, sha256(model).hexdigest(), result, outputs[STEPS], report.load(outputs[ATTACKS]))


def canonical_model(raw: bytes, graph: Graph) -> bytes:
    """Return the one safetensors file for these values: names sorted, no metadata, -0 and denormals made 0.

    Raises:
        EgressRefused: names, shapes or types are not the graph's, something hides there, or a value is not finite.
    """
    try:
        found = weights.read(graph, raw)
    except Refusal as refusal:
        raise EgressRefused(refusal.detail) from None
    header, data = {}, bytearray()
    for tensor in sorted(graph.parameters, key=lambda tensor: tensor.name):
        values = np.frombuffer(found[tensor.name], "<f4").copy()
        values[np.abs(values) < _LEAST_NORMAL] = 0.0
        span = [len(data), len(data) + values.nbytes]
        header[tensor.name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": span}
        data += values.tobytes()
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned
    return len(text).to_bytes(8, "little") + text + bytes(data)


def write_result(job: Job, result: Result) -> bytes:
    """Return the ``result.json`` of a finished run."""
    return canonical({"schema": RESULT_SCHEMA, "run": job.run, "outcome": "ok", **result.as_dict()})


def write_failure(code: str) -> bytes:
    """Return the ``result.json`` of a failed run: one word out of :data:`CODES`, whatever went wrong."""
    return canonical(
        {"schema": RESULT_SCHEMA, "outcome": "failed", "code": code if code in CODES else "training-failed"}
    )


def failure_code(outputs: Mapping[str, bytes]) -> str:
    """Return why a failed job says it failed: one of :data:`CODES`, whatever it wrote."""
    try:
        value = strict_json(outputs.get(RESULT, b"{}"))
    except Tampered:
        return "training-failed"
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) and code in CODES else "training-failed"


def read_result(raw: bytes, job: Job) -> Result:
    """Return the figures in a ``result.json``.

    Raises:
        Tampered: the file is not canonical, is another run's, has digits beyond the third place, or shows exact figures
            that this run may not show.
    """
    value = strict_json(raw)
    keys = {"schema", "run", "outcome", "charged", "exact", "baseline"}
    if not isinstance(value, dict) or set(value) != keys or canonical(value) != raw:
        raise Tampered("the result of the run is malformed")
    if (value["schema"], value["run"], value["outcome"]) != (RESULT_SCHEMA, job.run, "ok"):
        raise Tampered("the result is not one of this run")
    for name in ("exact", "baseline"):
        if (value[name] is not None) != job.reveal_exact:
            raise Tampered("exact figures are shown where, and only where, the job asks for them")
    for name in ("charged", "exact", "baseline"):
        if not (value[name] is None or _are_metrics(value[name], METRICS[job.task.kind])) or value["charged"] is None:
            raise Tampered("the result of the run is malformed")
    return Result(value["charged"], value["exact"], value["baseline"])


def _are_metrics(value: Any, names: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and set(value) == set(names) and all(_is_figure(value[name]) for name in names)


def _is_figure(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= 1 and round(value, 3) == value)
