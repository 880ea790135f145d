"""The folder a partner receives: a model in plain safetensors, what it is, and the proof of how it came to be."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from policies.canonical import canonical
from policies.errors import Conflict, Misuse
from training_sandbox.egress import Vetted
from training_sandbox.graph.format import Graph
from training_sandbox.job import Job
from training_sandbox.settings import Task

MODEL, GRAPH, CARD, README = "model.safetensors", "graph.json", "card.json", "README.md"
CERTIFICATE, ENTRY, RECEIPT = "certificate.dsse.json", "entry.json", "receipt.tlog-proof"
SUBJECTS = (MODEL, GRAPH, CARD, README)
FILES = (*SUBJECTS, CERTIFICATE, ENTRY, RECEIPT)

_README = """# Released model of run {run}

Trained under differential privacy; unit: the patient. `card.json` says for what; the certificate says how.

| file | what it is |
|---|---|
| `model.safetensors` | {values:,} float32 values; nothing else is in it |
| `graph.json` | the model's structure as the facility trained it |
| `card.json` | task, features, figures, limits |
| `certificate.dsse.json` | what the facility attests, signed |
| `entry.json`, `receipt.tlog-proof` | the log entry of this release, and the proof that the log holds it |

Load it with plain safetensors into the module you packed:

```python
import torch
from safetensors.torch import load_file

from my_models import make_model  # the factory you packed

model = make_model()
model.load_state_dict(load_file("model.safetensors"))
model.eval()
with torch.no_grad():
    print(model(torch.zeros({shape})).shape)
```

`medtrain_client.load(".")` does it without the module. Check where it comes from, with the facility's public keys got
from elsewhere than this folder:

    medtrain verify . --trust trust.json
"""


_NOTE = {
    False: "charged: noisy, differentially private",
    True: "charged: noisy, differentially private; exact and baseline: for data of class demonstration only",
}


@dataclass(frozen=True, slots=True)
class Package:
    """The files that a certificate is about: name -> bytes, in the order of ``SUBJECTS``."""

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if tuple(self.files) != SUBJECTS:
            raise Misuse(f"a release is made of {', '.join(SUBJECTS)}")

    def subjects(self) -> dict[str, str]:
        """Return name -> SHA-256 in hexadecimal."""
        return {name: sha256(content).hexdigest() for name, content in self.files.items()}


def package(vetted: Vetted, graph: Graph, graph_json: bytes, job: Job, *, epsilon: float) -> Package:
    """Return the files of a release. ``graph_json`` are the bytes the job was made with; ``epsilon`` is the PLD figure.

    Raises:
        Misuse: the graph is not the job's.
    """
    if sha256(graph_json).hexdigest() != dict(job.files)[GRAPH]:
        raise Misuse("the graph is not the one the job was made with")
    values = sum(math.prod(tensor.shape) for tensor in graph.parameters)
    readme = _README.format(run=job.run, values=values, shape=", ".join(map(str, graph.inputs[0].shape)))
    return Package(
        {
            MODEL: vetted.model,
            GRAPH: graph_json,
            CARD: canonical(card(job, vetted, epsilon)),
            README: readme.encode(),
        }
    )


def card(job: Job, vetted: Vetted, epsilon: float) -> dict[str, Any]:
    """Return the model card as JSON values: counts and figures that the certificate covers, no more."""
    return {
        "schema": "medtrain.card/1",
        "run": job.run,
        "task": {"kind": job.task.kind, "classes": job.task.classes, **_range(job.task)},
        "features": list(job.features),
        "loss": job.loss,
        "optimiser": job.optimiser.name,
        "algorithm": job.algorithm or "graph",
        "data_class": job.data_class,
        "privacy": {"unit": job.plan.unit, "epsilon": epsilon, "delta": job.plan.delta},
        "figures": vetted.result.as_dict(),
        "figures_note": _NOTE[job.reveal_exact],
        "limits": [
            "not a medical device; validate on your own patients before any use in care",
            "trained on the population of the contributing hospitals; other populations may differ",
        ],
    }


def _range(task: Task) -> dict[str, float]:
    """Return the bounds of a real value, which a model's output of [-1, 1] stands for."""
    return {"lower": task.lower, "upper": task.upper} if task.kind == "regression" else {}


def write(folder: Path, files: Package, envelope: bytes, entry: bytes, receipt: bytes) -> None:
    """Write a release folder, whole or not at all.

    Args:
        folder: Where it is to be; must not exist.
        envelope: The signed certificate.
        entry: The log entry that names the certificate's SHA-256.
        receipt: The log's ``tlog-proof@v1`` for that entry.

    Raises:
        Conflict: the folder is already there; a release is never changed.
    """
    if folder.exists():
        raise Conflict(f"{folder.name} is already there; a release is never changed")
    made = folder.with_name(f".{folder.name}.part")
    made.mkdir(parents=True, exist_ok=True)
    contents = {**files.files, CERTIFICATE: envelope, ENTRY: entry, RECEIPT: receipt}
    for name, content in contents.items():
        with (made / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    made.rename(folder)
