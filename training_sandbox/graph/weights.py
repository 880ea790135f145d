"""Strict reading of safetensors files: exactly the parameters of a graph, float32, finite, nothing hidden between.

The format's own reader accepts duplicate keys, free metadata, names on empty tensors and NaN payloads: room for
whatever somebody wants to smuggle. This one does not. Standard library only: the partner's client carries this
file unchanged.

Source: safetensors format (8 bytes little-endian header length, JSON header, data).
"""

import math
from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .format import MAXIMUM_VALUES, Graph, Refusal, Tensor, strict_json

MAXIMUM_HEADER = 1 << 20
MAXIMUM_BYTES = 4 * MAXIMUM_VALUES + MAXIMUM_HEADER
_BLOCK = 1 << 20


def read(graph: Graph, raw: bytes) -> dict[str, memoryview]:
    """Return the little-endian float32 bytes of each parameter of ``graph``, in the graph's order.

    Raises:
        Refusal: the file is not exactly the graph's parameters in canonical form, or a value is not finite.
    """
    if len(raw) > MAXIMUM_BYTES:
        raise Refusal("MT-SIZE", f"the weight file is longer than {MAXIMUM_BYTES:,} bytes")
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(MAXIMUM_HEADER, len(raw) - 8):
        raise Refusal("MT-SHAPE", "the weight file is not a safetensors file")
    header = strict_json(raw[8 : 8 + length], MAXIMUM_HEADER)
    wanted = {tensor.name: tensor for tensor in graph.parameters}
    if not isinstance(header, dict) or set(header) != set(wanted):
        raise Refusal("MT-SHAPE", "the weight file must hold exactly the graph's parameters and no metadata")
    data = memoryview(raw)[8 + length :]
    spans = [_span(header[name], tensor) for name, tensor in wanted.items()]
    edges = sorted(spans)
    gapless = edges[0][0] == 0 and edges[-1][1] == len(data) and all(a[1] == b[0] for a, b in pairwise(edges))
    if not gapless:
        raise Refusal("MT-SHAPE", "the weight file has gaps, overlaps or trailing bytes")
    found = {name: data[start:stop] for name, (start, stop) in zip(wanted, spans, strict=True)}
    for name, values in found.items():
        if not all(math.isfinite(sum(block)) for block in _blocks(values)):
            raise Refusal("MT-NAN", f"parameter {name} holds a value that is not finite")
    return found


def _span(entry: Any, tensor: Tensor) -> tuple[int, int]:
    """Return where the tensor lies in the data; its header entry must say exactly what the graph says."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    numbers = isinstance(offsets, list) and len(offsets) == 2 and all(type(n) is int and n >= 0 for n in offsets)
    if not numbers or entry != {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}:
        raise Refusal("MT-SHAPE", f"parameter {tensor.name} must be F32 of shape {list(tensor.shape)}")
    start, stop = entry["data_offsets"]
    if stop - start != 4 * math.prod(tensor.shape):
        raise Refusal("MT-SHAPE", f"parameter {tensor.name} has the wrong number of bytes")
    return start, stop


def _blocks(values: memoryview) -> Iterator["array[float]"]:
    """Yield the values in blocks. A sum of a block in float64 is finite exactly when all of its values are."""
    for start in range(0, len(values), _BLOCK):
        block = array("f")
        block.frombytes(values[start : start + _BLOCK])
        yield block
