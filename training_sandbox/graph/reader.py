"""From a partner's files to a checked graph and its first parameters. The only way in.

Nothing here unpickles, evaluates or imports what a partner sent; the structural checks need no torch.
"""

from typing import TYPE_CHECKING

from policies.errors import GraphRefused
from training_sandbox.graph import format as form
from training_sandbox.graph import weights

if TYPE_CHECKING:
    import torch


def read_graph(raw: bytes) -> form.Graph:
    """Return the graph of a ``graph.json``.

    Raises:
        GraphRefused: with a stable ``MT-…`` code and what to change.
    """
    try:
        return form.read(raw)
    except form.Refusal as refusal:
        raise GraphRefused(refusal.code, refusal.detail) from None


def check_weights(graph: form.Graph, raw: bytes) -> None:
    """Refuse a safetensors file that is not exactly the graph's parameters; needs no torch.

    Raises:
        GraphRefused: with a stable ``MT-…`` code and what to change.
    """
    _spans(graph, raw)


def read_weights(graph: form.Graph, raw: bytes) -> "dict[str, torch.Tensor]":
    """Return the parameters of a safetensors file (float32, own memory), in the graph's order.

    Raises:
        GraphRefused: with a stable ``MT-…`` code and what to change.
    """
    import torch

    spans = _spans(graph, raw)
    return {
        tensor.name: torch.frombuffer(bytearray(spans[tensor.name]), dtype=torch.float32).reshape(tensor.shape)
        for tensor in graph.parameters
    }


def _spans(graph: form.Graph, raw: bytes) -> dict[str, memoryview]:
    try:
        return weights.read(graph, raw)
    except form.Refusal as refusal:
        raise GraphRefused(refusal.code, refusal.detail) from None
