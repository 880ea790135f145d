"""The interpreter of graphs: one record in, one output out. Every operation goes through the allow-list.

The partner's client carries this file unchanged, so a downloaded model runs as it was trained.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from .format import Graph, Node, Ref, Value
from .ops import OPS

Forward = Callable[[Mapping[str, torch.Tensor], torch.Tensor], torch.Tensor]
"""(parameters, record with a leading 1) -> output with a leading 1."""

_DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}


def bind(graph: Graph) -> Forward:
    """Return the model as a function of its parameters and one record (its single input)."""
    calls = [_call(node) for node in graph.nodes]
    name = graph.inputs[0].name

    def forward(params: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        known = {**params, name: x}
        for call in calls:
            call(known)
        return known[graph.output]

    return forward


@cache
def overload(op: str) -> Any:
    """Return torch's function of an allowed operation.

    Raises:
        KeyError: the operation is not on the list.
    """
    OPS[op]
    base, name = op.split(".")
    return getattr(getattr(torch.ops.aten, base), name)


def _call(node: Node) -> Callable[[dict[str, torch.Tensor]], None]:
    function = _REPLACED.get(node.op) or overload(node.op)
    types = {a.name: a.type for a in OPS[node.op].arguments}
    positional = list(types.values())
    keywords = node.kwargs
    gives_list = OPS[node.op].gives_list

    def call(known: dict[str, torch.Tensor]) -> None:
        args = [_resolve(v, t, known) for v, t in zip(node.args, positional, strict=False)]
        result = function(*args, **{k: _resolve(v, types[k], known) for k, v in keywords})
        known.update(zip(node.outs, result if gives_list else (result,), strict=True))

    return call


def _resolve(value: Value, kind: str, known: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, Ref):
        return known[value.name]
    if isinstance(value, tuple):
        return [known[v.name] if isinstance(v, Ref) else v for v in value]
    if kind.startswith("dtype") and isinstance(value, str):
        return _DTYPES[value]
    return value


def _embedding(weight: torch.Tensor, indices: torch.Tensor, padding_idx: int = -1, *_: bool) -> torch.Tensor:
    """An index out of range would be an error that depends on a record: it is clamped instead."""
    inside = indices.clamp(0, weight.shape[0] - 1)
    return torch.ops.aten.embedding.default(weight, inside, padding_idx)  # type: ignore[no-any-return]  # torch.ops


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001  the reader allows 0 only
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001  the reader allows False only
) -> torch.Tensor:
    """The fused kernel has no batching rule on the CPU; this is its definition."""
    weight = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        seen = torch.ones(weight.shape[-2:], dtype=torch.bool).tril()
        weight = weight.masked_fill(~seen, float("-inf"))
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        weight = weight.masked_fill(~attn_mask, float("-inf")) if is_bool else weight + attn_mask
    return torch.softmax(weight, -1) @ value


def _identity(value: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return value


_REPLACED: dict[str, Any] = {
    "embedding.default": _embedding,
    "scaled_dot_product_attention.default": _attention,
    "dropout.default": _identity,
    "contiguous.default": _identity,
    "view.default": torch.ops.aten.reshape.default,
}
