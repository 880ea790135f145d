"""Shape and memory pre-flight of a graph: the model is run once on tensors that hold no values.

This closes what a structural check cannot see: shapes that do not fit, and a small file that asks for terabytes.
Nothing of the model's size is allocated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from policies.errors import GraphRefused, MedtrainError
from training_sandbox.graph.format import Graph, Tensor
from training_sandbox.graph.run import bind

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
        outputs: How many numbers the task needs: the output must then be (1, outputs) float32.
        limit: Activation bytes allowed for one record.

    Raises:
        GraphRefused: ``MT-SHAPE`` where shapes or types do not fit, ``MT-SIZE`` above ``limit``.
    """
    if len(graph.inputs) != 1:
        raise GraphRefused("MT-SHAPE", "the model must take exactly one input")
    with FakeTensorMode(), torch.no_grad():
        params = {t.name: _hollow(t) for t in graph.parameters}
        x = _hollow(graph.inputs[0])
        scale = _Scale(limit)
        try:
            with scale:
                output = bind(graph)(params, x)
        except MedtrainError:
            raise
        except Exception:  # noqa: BLE001  torch raises many types for one cause: shapes that do not fit
            raise GraphRefused("MT-SHAPE", f"shapes or types do not fit, after {scale.last}") from None
    if outputs is not None and (tuple(output.shape) != (1, outputs) or output.dtype != torch.float32):
        raise GraphRefused("MT-SHAPE", f"the output is {list(output.shape)}, the task needs [1, {outputs}] float32")
    return Cost(sum(p.numel() for p in params.values()), scale.total, tuple(output.shape))


def _hollow(tensor: Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=_DTYPES[tensor.dtype])


class _Scale(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Adds up the bytes of every tensor made."""

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the same
        self.total, self.last, self._limit = 0, "the input", limit

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        self.last = str(func)
        self.total += sum(t.numel() * t.element_size() for t in tree_leaves(made) if isinstance(t, torch.Tensor))
        if self.total > self._limit:
            raise GraphRefused("MT-SIZE", f"one record needs more than {self._limit >> 20} MiB of activations")
        return made
