"""Load a released model: plain safetensors and the graph it was trained with. No pickle, no server package."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medtrain_client.graph import format as form
from medtrain_client.graph import weights

if TYPE_CHECKING:
    import torch


def load(release_dir: str | Path) -> "Callable[[torch.Tensor], torch.Tensor]":
    """Return the model in ``release_dir`` as a function of a batch: (records, *input shape) -> (records, outputs).

    Raises:
        Refusal: ``graph.json`` or ``model.safetensors`` breaks a rule of the format.
        OSError: one of the two files is missing.
    """
    import torch

    from medtrain_client.graph import run

    folder = Path(release_dir)
    graph = form.read((folder / "graph.json").read_bytes())
    spans = weights.read(graph, (folder / "model.safetensors").read_bytes())
    params = {
        t.name: torch.frombuffer(bytearray(spans[t.name]), dtype=torch.float32).reshape(t.shape)
        for t in graph.parameters
    }
    forward = run.bind(graph)
    return torch.func.vmap(lambda record: forward(params, record.unsqueeze(0))[0])
