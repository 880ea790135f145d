"""A small training job, run once for all tests, and the release that comes of it."""

import io
import warnings
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.numpy import save

from policies import proof
from policies.canonical import canonical
from policies.entry import Entry
from policies.thresholds import FOLDER, file_digest
from training_sandbox import audit, certificate, egress, release, worker
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.jail.probe import Finding, Probe
from training_sandbox.jail.run import Ending
from training_sandbox.jail.tiers import Tier
from training_sandbox.job import Job
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Evaluation, Optimiser, Task

DATA_KEY, RUN_KEY = b"d" * 32, b"r" * 32
KEYS = canonical({"data_key": DATA_KEY.hex(), "run_key": RUN_KEY.hex()}) + b"\n"
FEATURES = ("f0", "f1", "f2")
GRAPH = Graph(
    inputs=(Tensor("input", "float32", (1, 3)),),
    parameters=(Tensor("head.weight", "float32", (2, 3)), Tensor("head.bias", "float32", (2,))),
    nodes=(Node("linear.default", (Ref("input"), Ref("head.weight"), Ref("head.bias")), (), ("v0",)),),
    output="v0",
)
PLAN = DPPlan(
    sampling_rate=0.25,
    cap=120,
    clip=1.0,
    noise_multiplier=2.0,
    steps=20,
    delta=1e-4,
    public_patients=200,
    records_per_patient=2,
)


def table(patients: int = 160, seed: int = 1) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (patients, 3)).astype(np.float32)
    columns = {"patient": np.arange(patients, dtype=np.uint32), **{f: x[:, i] for i, f in enumerate(FEATURES)}}
    return pl.DataFrame(columns).with_columns(label=pl.Series((x[:, 0] > 0).astype(np.int64)))


def encrypted(frame: pl.DataFrame, aad: str, key: bytes = DATA_KEY) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # polars calls its encryption unstable
        properties = pl.ParquetEncryptionProperties(footer_key=key, aad_prefix=aad.encode(), store_aad_prefix=False)
        frame.write_parquet(buffer, encryption=properties)
    return buffer.getvalue()


def weights(values: float = 0.0) -> bytes:
    return save({t.name: np.full(t.shape, values, np.float32) for t in GRAPH.parameters})


def make_job(files: dict[str, bytes], **changes: object) -> Job:
    job = Job(
        run="r-1",
        plan=PLAN,
        task=Task(kind="binary"),
        loss="cross-entropy",
        optimiser=Optimiser(),
        evaluation=Evaluation(),
        features=FEATURES,
        files=tuple(sorted((name, sha256(raw).hexdigest()) for name, raw in files.items())),
        commitments=(("data_key", sha256(DATA_KEY).hexdigest()), ("run_key", sha256(RUN_KEY).hexdigest())),
        data_class="demonstration",
        reveal_exact=True,
    )
    return replace(job, **changes)


@dataclass(frozen=True)
class JobFolder:
    data: Path
    out: Path
    job: Job


def write_job(root: Path, **changes: object) -> JobFolder:
    """Return a job folder below ``root``; keyword arguments replace the job's members."""
    files = {
        "graph.json": GRAPH.to_json(),
        "init.safetensors": weights(),
        "train.parquet": encrypted(table(), "run/r-1/train"),
        "holdout.parquet": encrypted(table(80, 2), "run/r-1/holdout"),
    }
    job = make_job(files, **changes)
    data, out = root / "in", root / "out"
    data.mkdir()
    out.mkdir()
    for name, raw in {**files, "job.json": job.to_json()}.items():
        (data / name).write_bytes(raw)
    return JobFolder(data, out, job)


@pytest.fixture
def made() -> SimpleNamespace:
    """Return this module's factories and constants: a conftest cannot be imported by name."""
    return SimpleNamespace(**globals())


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, dict[str, bytes]]:
    """Return a job and the outputs of its worker, run once in this process."""
    folder = write_job(tmp_path_factory.mktemp("job"))
    words: list[str] = []
    assert worker.work(KEYS, folder.data, folder.out, words.append) == 0
    assert words == ["started", *(f"tenth {n}" for n in range(1, 11)), "evaluating", "finished"]
    return folder.job, {path.name: path.read_bytes() for path in folder.out.iterdir()}


@pytest.fixture(scope="session")
def vetted(ran: tuple[Job, dict[str, bytes]]) -> egress.Vetted:
    return egress.vet(ran[1], GRAPH, ran[0])


CERTIFIER, LOGGER, MANIFESTER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
ORIGIN = "log.example.org"
PROBE = Probe(Tier.T2, (Finding(Tier.T2, 54, (), ""),))
PEOPLE = (
    certificate.Approval("p-wang", "2026-11-24T10:00:00.000000Z"),
    certificate.Approval("p-li", "2026-11-24T11:00:00.000000Z"),
)


def predicate_of(job: Job, outputs: dict[str, bytes], vetted: egress.Vetted, **changes: object) -> dict[str, object]:
    members = {
        "permit": "permit-1",
        "source": certificate.Source("diabetes", 1, "a" * 64, ("b" * 64,), 0.98),
        "probe": PROBE,
        "ending": Ending("ok", Tier.T2),
        "policies": {name: file_digest(FOLDER / name) for name in ("budget.yaml", "release.yaml")},
        "charges": ("charge-1", "charge-2"),
        "approvals": PEOPLE,
    }
    checked = audit.audit(job, outputs[egress.STEPS])
    return certificate.predicate(job=job, vetted=vetted, audit=checked, **(members | changes))


@pytest.fixture(scope="session")
def said(ran: tuple[Job, dict[str, bytes]], vetted: egress.Vetted) -> dict[str, object]:
    """Return the predicate of the run's certificate."""
    return predicate_of(*ran, vetted)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    keys = (key.public_key() for key in (CERTIFIER, LOGGER, MANIFESTER))
    signer, log, manifest = keys
    path.write_bytes(certificate.Trust(signer, proof.vkey(ORIGIN, log), manifest).to_json())
    return path


def logged(envelope: bytes, **changes: object) -> tuple[bytes, bytes]:
    """Return the log entry of a release and its receipt, from a log of five entries."""
    facts = {**certificate.logged(envelope), **changes}
    entry = Entry("2026-11-24T12:00:00Z", "service", "release.release", "release", "r-1", "system", facts=facts)
    leaves = [proof.leaf_hash(raw) for raw in (b"a", b"b", b"c", entry.encode(), b"e")]
    level = {0: leaves, 1: [proof.node_hash(leaves[i], leaves[i + 1]) for i in (0, 2)]}
    level[2] = [proof.node_hash(*level[1])]
    path = proof.inclusion_path(3, 5, lambda height, number: level[height][number])
    note = proof.sign(proof.Checkpoint(ORIGIN, 5, proof.root_hash(leaves)), LOGGER)
    return entry.encode(), proof.receipt(3, path, note)


@pytest.fixture
def released(tmp_path: Path, ran: tuple[Job, dict[str, bytes]], vetted: egress.Vetted, said: dict[str, object]) -> Path:
    """Return a release folder in which everything fits."""
    files = release.package(vetted, GRAPH, GRAPH.to_json(), ran[0], epsilon=said["privacy"]["training"]["pld"])
    envelope = certificate.issue(said, files.subjects(), CERTIFIER)
    folder = tmp_path / "release"
    release.write(folder, files, envelope, *logged(envelope))
    return folder
