"""Shape and memory pre-flight of a graph: the model is run once on tensors that hold no values.

This closes what a structural check cannot see: shapes that do not fit, and a small file that asks for terabytes.
Nothing of the model's size is allocated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from policies.errors import GraphRefused, MedtrainError
from training_sandbox.graph.format import Graph, Tensor
from training_sandbox.graph.run import Runner, bind, compiled, feed, width

MAXIMUM_BYTES = 256 << 20
_DTYPES = {"float32": torch.float32, "int64": torch.int64}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one record costs.

    Attributes:
        parameters: Values in all parameters together.
        activation_bytes: Bytes of every tensor that one forward pass makes.
        output: Shape of the output, leading 1 included.
    """

    parameters: int
    activation_bytes: int
    output: tuple[int, ...]


def preflight(graph: Graph, *, outputs: int | None = None, limit: int = MAXIMUM_BYTES) -> Cost:
    """Return what the model costs and gives for one record.

    Args:
        outputs: How many numbers the task needs: the output must then be that many float32, batch of one first.
        limit: Activation bytes allowed for one record.

    Raises:
        GraphRefused: ``MT-SHAPE`` where shapes or types do not fit, ``MT-SIZE`` above ``limit``.
    """
    output, total = _hollow_run(graph, limit)
    fits = output.dtype == torch.float32 and tuple(output.shape[:1]) == (1,)
    if outputs is not None and not (fits and output.dim() > 1 and output.numel() == outputs):
        raise GraphRefused("MT-SHAPE", f"the output is {list(output.shape)}, the task needs [1, {outputs}] float32")
    return Cost(sum(math.prod(t.shape) for t in graph.parameters), total, tuple(output.shape))


def activation_bytes(graph: Graph, params: Mapping[str, torch.Tensor]) -> int:
    """Return about how many bytes the results of one forward pass over one record take."""
    like = next(iter(params.values()))
    run = _Counting(graph, compiled(graph), _seed(like.device))
    with torch.no_grad():
        run.run({**params, **feed(graph, torch.zeros(1, width(graph), device=like.device))})
    return run.total


class _Counting(Runner):
    """Adds up the bytes of every result. A dispatch mode counts all, but loads the compiler to do so: seconds."""

    total = 0

    def apply(self, op: str, *args: Any, **kwargs: Any) -> Any:
        made = super().apply(op, *args, **kwargs)
        members = made if isinstance(made, (list, tuple)) else (made,)
        self.total += sum(t.numel() * t.element_size() for t in members)
        return made


def _hollow_run(graph: Graph, limit: int) -> tuple[torch.Tensor, int]:
    with FakeTensorMode(), torch.no_grad():
        params = {t.name: _hollow(t) for t in graph.parameters}
        x = _hollow(graph.inputs[0]) if len(graph.inputs) == 1 else torch.empty(1, width(graph))
        scale = _Scale(limit)
        try:
            with scale:
                output = bind(graph)(params, x, _seed(x.device))
        except MedtrainError:
            raise
        except Exception:  # noqa: BLE001  torch raises many types for one cause: shapes that do not fit
            raise GraphRefused("MT-SHAPE", f"shapes or types do not fit, after {scale.last}") from None
    return output, scale.total


def _seed(device: torch.device) -> torch.Tensor:
    """With dropout, as in training."""
    return torch.zeros((), dtype=torch.int64, device=device)


def _hollow(tensor: Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=_DTYPES[tensor.dtype])


class _Scale(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Adds up the bytes of every tensor made."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the same
        self.total, self.last, self._limit = 0, "the input", limit

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        self.last = str(func)
        self.total += sum(t.numel() * t.element_size() for t in tree_leaves(made) if isinstance(t, torch.Tensor))
        if self._limit is not None and self.total > self._limit:
            raise GraphRefused("MT-SIZE", f"one record needs more than {self._limit >> 20} MiB of activations")
        return made
