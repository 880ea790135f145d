"""A rehearsal on the partner's machine: a packed model takes private steps on random records, as at the facility.

It tells early what would otherwise fail there: an operation that cannot be run for many records at once, a gradient
that is not finite, a parameter that no record reaches. The numbers mean nothing else; no patient is involved.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch.func import grad, vmap

from medtrain_client.graph import format as form
from medtrain_client.graph import run, weights

RECORDS, STEPS, CLIP, RATE = 16, 5, 1.0, 0.05


def rehearse(folder: Path) -> dict[str, Any]:
    """Return facts of a few steps with clipped gradients and noise of the model packed in ``folder``.

    Raises:
        Refusal: the model does not run for many records at once, or its gradients are not finite.
        OSError: a file is missing.
    """
    graph = form.read((folder / "graph.json").read_bytes())
    spans = weights.read(graph, (folder / "init.safetensors").read_bytes())
    params = {
        t.name: torch.frombuffer(bytearray(spans[t.name]), dtype=torch.float32).reshape(t.shape)
        for t in graph.parameters
    }
    trained = {name: params[name] for name in graph.trained}
    frozen = {name: params[name] for name in graph.frozen}
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(RECORDS, run.width(graph), generator=generator).abs() * 2
    seeds = torch.randint(0, 2**62, (RECORDS,), generator=generator)
    forward = run.bind(graph)

    def loss(own: dict[str, torch.Tensor], row: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
        return (forward({**frozen, **own}, row.unsqueeze(0), seed) - 1).square().mean()

    reached: set[str] = set()
    start = time.perf_counter()
    for _ in range(STEPS):
        try:
            each = vmap(grad(loss), in_dims=(None, 0, 0))(trained, rows, seeds)
        except (RuntimeError, TypeError, ValueError) as problem:
            raise form.Refusal("MT-OP", f"it does not run for many records at once: {str(problem)[:200]}") from None
        norm = torch.cat([value.flatten(1) for value in each.values()], 1).norm(dim=1)
        if not torch.isfinite(norm).all():
            raise form.Refusal("MT-NAN", "a gradient on random records is not finite: look at the initial values")
        factor = (CLIP / norm.clamp_min(1e-12)).clamp(max=1)
        reached |= {name for name, value in each.items() if value.any()}
        for name, value in each.items():
            noise = torch.randn(value.shape[1:], generator=generator)
            trained[name] = trained[name] - RATE * (torch.einsum("r,r...->...", factor, value) + noise) / RECORDS
    seconds = (time.perf_counter() - start) / STEPS
    output = forward({**frozen, **trained}, rows[:1])
    return {
        "verdict": "runs",
        "output": list(output.shape),
        "trained": sum(value.numel() for value in trained.values()),
        "frozen": sum(value.numel() for value in frozen.values()),
        "without_gradient": sorted(set(trained) - reached),
        "milliseconds_a_record": round(1000 * seconds / RECORDS, 3),
    }
