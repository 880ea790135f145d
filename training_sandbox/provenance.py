"""How a model was made, in the terms of SLSA provenance v1: what was asked for, what it was made of, by which program.

The certificate is an in-toto statement, and this is a member of its predicate: one signature covers both.
Source: SLSA v1.0, "Provenance", predicate type https://slsa.dev/provenance/v1.
"""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from policies.canonical import digest
from policies.errors import Tampered
from training_sandbox.job import Job

BUILD_TYPE, BUILDER = "urn:medtrain:run:1", "urn:medtrain:sandbox:1"
LOCK = Path(__file__).parents[1] / "requirements.lock"
LOCK_NAME, INSTALLED_NAME, MANIFEST_NAME = "requirements.lock", "installed-distributions", "dataset-manifest"


def statement(job: Job, permit: str, manifest: str) -> dict[str, Any]:
    """Return the provenance of a run's model as JSON values.

    Args:
        manifest: SHA-256 of the dataset version's signed manifest.
    """
    files = dict(job.files)
    parts = {**{name: files[name] for name in sorted(files)}, MANIFEST_NAME: manifest, **environment()}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"permit": permit, "task": job.task.kind, "loss": job.loss},
            "internalParameters": {"plan": job.plan.digest, "job": sha256(job.to_json()).hexdigest()},
            "resolvedDependencies": [{"name": name, "digest": {"sha256": value}} for name, value in parts.items()],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {name: version(name) for name in ("torch", "safetensors")}},
            "metadata": {"invocationId": job.run},
        },
    }


@cache
def environment() -> dict[str, str]:
    """Return the SHA-256 of the lock of all wheels, where it lies beside the program, and of what is installed."""
    found = {str(one.metadata["Name"]).lower(): one.version for one in distributions()}
    lock = {LOCK_NAME: sha256(LOCK.read_bytes()).hexdigest()} if LOCK.is_file() else {}
    return {**lock, INSTALLED_NAME: digest(found)}


def check(said: Mapping[str, Any]) -> None:
    """Refuse a certificate whose provenance is of another run, job or data than the certificate itself.

    Raises:
        Tampered: naming what does not fit.
    """
    made = said["provenance"]
    definition = made["buildDefinition"]
    parts = {one["name"]: one["digest"]["sha256"] for one in definition["resolvedDependencies"]}
    pairs = (
        ("run", made["runDetails"]["metadata"]["invocationId"], said["run"]),
        ("permit", definition["externalParameters"].get("permit"), said["permit"]),
        ("job", definition["internalParameters"].get("job"), said["digests"]["job"]),
        ("graph", parts.get("graph.json"), said["digests"]["graph"]),
        ("first weights", parts.get("init.safetensors"), said["digests"]["init"]),
        ("data", parts.get(MANIFEST_NAME), said["data"]["manifest"]),
    )
    for name, here, there in pairs:
        if here != there:
            raise Tampered(f"the provenance names another {name} than the certificate")
