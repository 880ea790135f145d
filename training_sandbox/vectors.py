"""Named tensors as one vector: what is added to all parameters of a model is added once, not tensor by tensor."""

from collections.abc import Iterable, Iterator, Mapping

import torch

_PIECE = 1 << 16


def joined(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the tensors' numbers one after another; no copy where they lie in memory like that already.

    What :func:`named` gives is joined without a copy. The result may therefore share memory with the tensors.
    """
    parts = [tensor.reshape(-1) for tensor in tensors]
    if not parts:
        return torch.zeros(0, dtype=torch.float64)
    first, expected = parts[0], parts[0].storage_offset()
    storage = first.untyped_storage().data_ptr()
    for part in parts:
        if part.dtype != first.dtype or part.storage_offset() != expected or not part.is_contiguous():
            return torch.cat(parts)
        if part.untyped_storage().data_ptr() != storage:
            return torch.cat(parts)
        expected += part.numel()
    return first.as_strided((expected - first.storage_offset(),), (1,), first.storage_offset())


def named(vector: torch.Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, torch.Tensor]:
    """Return the parts of a vector by name, as views of it."""
    parts = torch.split(vector, [shape.numel() for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def pieces(vector: torch.Tensor) -> Iterator[slice]:
    """Yield places that cover the vector: on a CPU as many numbers at a time as its cache holds."""
    size = _PIECE if vector.device.type == "cpu" else max(len(vector), 1)
    for start in range(0, len(vector), size):
        yield slice(start, start + size)
