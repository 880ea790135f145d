"""A run's state between two steps, so that a killed run goes on where it was.

Sampling and noise of a step are a function of the run key and the step's number, so the step redone from the same
state is bit-identical: resuming adds no charge, it only saves time. A checkpoint is bound to its job and run key by
HMAC-SHA256; one that is cut, changed or another run's is as good as none, and the run begins again to the same end.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import torch

from policies.canonical import canonical, strict_json
from policies.errors import Misuse
from training_sandbox.engines.choice import Choice
from training_sandbox.optimisers import Updates

EVERY = 10
"""A run keeps this many checkpoints, evenly spaced over its steps: public numbers."""

_TAG = 32
_WORD = 8


def due(step: int, steps: int) -> bool:
    """Return whether the state after ``step`` of ``steps`` is kept; the last one is the model itself.

    >>> [step for step in range(1, 101) if due(step, 100)][:3]
    [10, 20, 30]
    """
    return step < steps and (EVERY * step) // steps > (EVERY * (step - 1)) // steps


def dump(updates: Updates, step: int, job: bytes, run_key: bytes, engine: Choice | None = None) -> bytes:
    """Return the state after ``step`` as bytes.

    Args:
        job: The job file's bytes.
        engine: What computed the steps so far: another one would round otherwise.
    """
    said = b"" if engine is None else canonical(engine.as_dict())
    body = len(said).to_bytes(_WORD, "little") + said + step.to_bytes(_WORD, "little")
    for name, value in _state(updates):
        held = int(getattr(updates, name)) if value is None else value
        raw = held.to_bytes(_WORD, "little", signed=True) if isinstance(held, int) else held.cpu().numpy().tobytes()
        body += raw
    return _tag(body, job, run_key) + body


def restore(raw: bytes, updates: Updates, job: bytes, run_key: bytes) -> int:
    """Put a dumped state into fresh ``updates`` and return the step it was taken after; 0 where it is not one of
    this job.
    """
    _, body = _opened(raw, job, run_key)
    sizes = [_WORD if value is None else value.numel() * value.element_size() for _, value in _state(updates)]
    if len(body) != _WORD + sum(sizes):
        return 0
    place = _WORD
    for (name, value), size in zip(list(_state(updates)), sizes, strict=True):
        part = body[place : place + size]
        place += size
        if value is None:
            setattr(updates, name, int.from_bytes(part, "little", signed=True))
        else:
            value.copy_(torch.frombuffer(bytearray(part), dtype=value.dtype).reshape(value.shape))
    return int.from_bytes(body[:_WORD], "little")


def engine_of(raw: bytes, job: bytes, run_key: bytes) -> Choice | None:
    """Return the engine that a dumped state was made with; None where it names none, or is not one of this job."""
    said, _ = _opened(raw, job, run_key)
    return Choice.from_dict(strict_json(said)) if said else None


def _opened(raw: bytes, job: bytes, run_key: bytes) -> tuple[bytes, bytes]:
    """Return (engine, the rest) of a dumped state; both empty where it is not one of this job."""
    tag, body = raw[:_TAG], raw[_TAG:]
    if not hmac.compare_digest(tag, _tag(body, job, run_key)):
        return b"", b""
    ends = _WORD + int.from_bytes(body[:_WORD], "little")
    return body[_WORD:ends], body[ends:]


def _state(updates: Updates) -> Iterator[tuple[str, torch.Tensor | None]]:
    """Yield everything that changes in ``updates``: whole numbers as (name, None), tensors as (name, tensor)."""
    held: dict[str, Any] = vars(updates)
    for name in sorted(held):
        value = held[name]
        if type(value) is int:
            yield name, None
        elif isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, dict) and all(isinstance(v, torch.Tensor) for v in value.values()):
            yield from ((f"{name}.{key}", value[key]) for key in sorted(value))
        elif not _constant(value):
            raise Misuse("the optimiser holds something that a checkpoint does not know")


def _constant(value: Any) -> bool:
    """Whether a member is set by the constructor and never changes: settings, shapes, sizes, a float."""
    if isinstance(value, dict):
        return all(isinstance(v, torch.Size | tuple) for v in value.values())
    return isinstance(value, float | str | bool | list | tuple) or hasattr(value, "__dataclass_fields__")


def _tag(body: bytes, job: bytes, run_key: bytes) -> bytes:
    label = b"medtrain.checkpoint/1\0" + hashlib.sha256(job).digest()
    return hmac.new(run_key, label + body, hashlib.sha256).digest()
