"""The interpreter of graphs: one record in, one output out. Every operation goes through the allow-list.

Composite layers (attention, GRU, LSTM) are run as what they are made of, so that an engine which steps in at
:meth:`Runner.apply` sees their matrix products too. The partner's client carries this file unchanged, so a downloaded
model runs as it was trained.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from .format import Graph, Node, Ref, Value
from .ops import OPS
from .recurrent import gru, lstm

Forward = Callable[..., torch.Tensor]
"""(parameters, record with a leading 1, seed of the record's dropout or None) -> output with a leading 1."""

_DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}


def bind(graph: Graph) -> Forward:
    """Return the model as a function of its parameters, one record and, while training, the record's seed.

    The record is the model's input, or one row of numbers that holds all inputs one after another.
    Without a seed nothing is dropped.
    """
    calls = compiled(graph)

    def forward(params: Mapping[str, torch.Tensor], x: torch.Tensor, seed: torch.Tensor | None = None) -> torch.Tensor:
        output: torch.Tensor = Runner(graph, calls, seed).run({**params, **feed(graph, x)})
        return output

    return forward


def feed(graph: Graph, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the graph's inputs by name, out of one record with a leading 1.

    A record in another shape than the single input's is one row of float32 numbers, cut into the inputs in their order.
    """
    floats = x.is_floating_point() == (graph.inputs[0].dtype == "float32")
    if len(graph.inputs) == 1 and x.shape == graph.inputs[0].shape and floats:
        return {graph.inputs[0].name: x}
    row, start, found = x.reshape(-1), 0, {}
    for tensor in graph.inputs:
        count = torch.Size(tensor.shape).numel()
        part = row[start : start + count].reshape(tensor.shape)
        start += count
        # A number that is none becomes 0: what int64 makes of it would differ between machines.
        whole = tensor.dtype == "int64" and part.is_floating_point()
        found[tensor.name] = torch.nan_to_num(part, 0.0, 0.0, 0.0).to(_DTYPES[tensor.dtype]) if whole else part
    return found


def width(graph: Graph) -> int:
    """Return how many numbers one record has over all inputs."""
    return sum(torch.Size(tensor.shape).numel() for tensor in graph.inputs)


def needs_seeds(graph: Graph) -> bool:
    """Return whether something in the graph is dropped at random while training."""
    shares = {"dropout.default": 1, "scaled_dot_product_attention.default": 4, "gru.input": 5, "lstm.input": 5}
    for node in graph.nodes:
        place = shares.get(node.op)
        given = {**dict(zip((a.name for a in OPS[node.op].arguments), node.args, strict=False)), **dict(node.kwargs)}
        if place is not None and given.get(OPS[node.op].arguments[place].name) and given.get("train", True):
            return True
    return False


@cache
def overload(op: str) -> Any:
    """Return torch's function of an allowed operation.

    Raises:
        KeyError: the operation is not on the list.
    """
    OPS[op]
    base, name = op.split(".")
    return getattr(getattr(torch.ops.aten, base), name)


Compiled = tuple[tuple[Node, tuple[str, ...], dict[str, str]], ...]


def compiled(graph: Graph) -> Compiled:
    """Return the nodes with the types of their arguments looked up once."""
    found = []
    for node in graph.nodes:
        types = {a.name: a.type for a in OPS[node.op].arguments}
        found.append((node, tuple(types.values()), types))
    return tuple(found)


class Runner:
    """One pass over one record. An engine overrides :meth:`apply`."""

    def __init__(self, graph: Graph, calls: Compiled, seed: torch.Tensor | None = None) -> None:
        self.graph, self._calls, self.seed, self._drops = graph, calls, seed, 0
        self._device: torch.device | None = None

    def run(self, known: dict[str, Any]) -> Any:
        """Return the output, given parameters and inputs by name. ``known`` gains every intermediate result."""
        self._device = getattr(known[self.graph.inputs[0].name], "device", None)
        for node, positional, types in self._calls:
            args = [_resolve(v, t, known) for v, t in zip(node.args, positional, strict=False)]
            result = self.call(node.op, *args, **{k: _resolve(v, types[k], known) for k, v in node.kwargs})
            results = result if isinstance(result, (tuple, list)) else (result,)
            known.update(zip(node.outs, results, strict=True))
        return known[self.graph.output]

    def call(self, op: str, *args: Any, **kwargs: Any) -> Any:
        """Return what one operation gives; composite ones are run as what they are made of."""
        replaced = _REPLACED.get(op)
        return replaced(self, *args, **kwargs) if replaced else self.apply(op, *args, **kwargs)

    def apply(self, op: str, *args: Any, **kwargs: Any) -> Any:
        """Return what torch's own function of that name gives; what is made of nothing is made where the record is."""
        made = {"device": self._device} if op in MADE else {}
        return overload(op)(*args, **kwargs, **made)

    def drop(self, value: torch.Tensor, p: float) -> torch.Tensor:
        """Return ``value`` with each number zeroed with probability ``p``, the rest scaled by 1 / (1 - p).

        Which, is a hash of (seed of the record, place in the graph, position): no generator, so every engine, batch
        size and repetition drops the same numbers. The hash is no secret and no part of the privacy mechanism.
        """
        self._drops += 1
        if self.seed is None or p <= 0:
            return value
        if p >= 1:
            return torch.zeros_like(value)
        place = torch.arange(value.numel(), device=value.device).reshape(value.shape)
        bits = place * _ODD[0] + _signed(self._drops * _ODD[1]) + self.seed
        for odd, shift in zip(_ODD[2:], (31, 29), strict=True):  # after splitmix64's finaliser, with signed shifts
            bits = (bits ^ (bits >> shift)) * odd
        kept = ((bits >> 16) & 0xFFFFFF) >= int(p * 2**24)
        return torch.where(kept, value * (1 / (1 - p)), 0.0)


MADE = frozenset(
    {
        "zeros.default",
        "ones.default",
        "full.default",
        "arange.default",
        "arange.start",
        "arange.start_step",
        "scalar_tensor.default",
    }
)
"""Operations that make a tensor of numbers alone."""


def _signed(number: int) -> int:
    """Return the number as 64 bits hold it: int64 products wrap."""
    return (number + 2**63) % 2**64 - 2**63


_ODD = (-7046029254386353131, -4417276706812531889, -4658895280553007687, -7723592293110705685)


def _resolve(value: Value, kind: str, known: dict[str, Any]) -> Any:
    if isinstance(value, Ref):
        return known[value.name]
    if isinstance(value, tuple):
        return [known[v.name] if isinstance(v, Ref) else v for v in value]
    if kind.startswith("dtype") and isinstance(value, str):
        return _DTYPES[value]
    return value


def _embedding(run: Runner, weight: Any, indices: torch.Tensor, padding_idx: int = -1, *_: bool) -> Any:
    """An index out of range would be an error that depends on a record: it is clamped instead."""
    inside = indices.clamp(0, weight.shape[0] - 1)
    return run.apply("embedding.default", weight, inside, padding_idx)


def _gather(run: Runner, value: torch.Tensor, dim: int, index: torch.Tensor, *, sparse_grad: bool = False) -> Any:
    inside = index.clamp(0, value.shape[dim] - 1)
    return run.apply("gather.default", value, dim, inside, sparse_grad=sparse_grad)


def _index_select(run: Runner, value: torch.Tensor, dim: int, index: torch.Tensor) -> Any:
    return run.apply("index_select.default", value, dim, index.clamp(0, value.shape[dim] - 1))


def _attention(
    run: Runner,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001  the reader allows False only
) -> torch.Tensor:
    """The fused kernel has no batching rule on the CPU; this is its definition."""
    product = run.call("matmul.default", query, key.transpose(-2, -1))
    weight = product * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        seen = torch.ones(weight.shape[-2:], dtype=torch.bool, device=weight.device).tril()
        weight = weight.masked_fill(~seen, float("-inf"))
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        weight = weight.masked_fill(~attn_mask, float("-inf")) if is_bool else weight + attn_mask
    return run.call("matmul.default", run.drop(torch.softmax(weight, -1), dropout_p), value)  # type: ignore[no-any-return]  # torch.ops


def _dropout(run: Runner, value: torch.Tensor, p: float, train: bool) -> torch.Tensor:
    return run.drop(value, p) if train else value


def _identity(_: Runner, value: Any) -> Any:
    return value


def _reshape(run: Runner, value: Any, size: list[int]) -> Any:
    """Under vmap the layout in memory is not the one that a view was made for."""
    return run.apply("reshape.default", value, size)


_REPLACED: dict[str, Any] = {
    "embedding.default": _embedding,
    "gather.default": _gather,
    "index_select.default": _index_select,
    "scaled_dot_product_attention.default": _attention,
    "gru.input": gru,
    "lstm.input": lstm,
    "dropout.default": _dropout,
    "contiguous.default": _identity,
    "view.default": _reshape,
    "_unsafe_view.default": _reshape,
}
