"""The certificate of a released model: what the facility attests, and how anybody checks it offline.

It attests what the service recorded, no more, and says so. Epsilon in it is the service's own figure from the audited
step log; the worker holds no signing key. To verify, one needs the release folder and the facility's public keys, got
from elsewhere: a release that brings its own key proves nothing.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import jsonschema
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import entry as entries
from policies.canonical import canonical, strict_json
from policies.envelope import STATEMENT_TYPE, seal, statement, unseal
from policies.errors import BadInput, MedtrainError, Misuse, Tampered
from policies.proof import verify_receipt
from training_sandbox import accountant, release
from training_sandbox.audit import Audit
from training_sandbox.egress import EgressRefused, Vetted, canonical_model
from training_sandbox.graph import format as form
from training_sandbox.jail.probe import Probe
from training_sandbox.jail.run import Ending
from training_sandbox.job import Job
from training_sandbox.plan import DPPlan

SCHEMA = "medtrain.certificate/1"
TRUST_SCHEMA = "medtrain.trust/1"
MAXIMUM_FILE = 256 << 20
GENERATOR = (
    "ChaCha20 keyed by HMAC-SHA256(run key; purpose, step, tensor); Box-Muller on 52-bit uniforms; lattice 2^-24"
)

CAVEATS = (
    "The guarantee is relative to the published dataset version: adding or removing one patient there.",
    "Cleaning, linkage, date-order inference and suppression for k-anonymity depend on several patients; not covered.",
    "A patient is who the facility's linkage takes for one; two identities it failed to link count as two patients.",
    "Epsilon covers this run and its one evaluation; what a patient has spent over all runs stands in the ledger.",
    "Training and held-out patients are different people, told apart by a keyed hash; each is charged for one part.",
    "Floating point: gradients and noise lie on one lattice of 2^-24, so sums are exact.",
    "Not proved: a uniform of 52 bits cuts the Gaussian at 8.49 standard deviations.",
    "Not proved: errors of float64 move a number across a lattice edge with probability of about sigma * 1e-9.",
    "The facility attests what its service recorded. The log shows when, and that it cannot be taken back unseen.",
)


@dataclass(frozen=True, slots=True)
class Source:
    """What was trained on.

    Attributes:
        dataset, version: The published version.
        manifest: SHA-256 of its signed manifest.
        lineage: SHA-256 of the manifests before it, newest first.
        linkage_recall: Share of truly equal patients that the linkage finds, as measured; None where it was not.
    """

    dataset: str
    version: int
    manifest: str
    lineage: tuple[str, ...] = ()
    linkage_recall: float | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes, at a moment (ISO 8601, UTC)."""

    person: str
    at: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The facility's public keys, as a verifier holds them.

    Attributes:
        certificate: Ed25519 key that signs certificates.
        checkpoint: The log's verifier key, ``name+id+key``.
        manifest: Ed25519 key that signs dataset manifests; not needed to verify a release.
    """

    certificate: Ed25519PublicKey
    checkpoint: str
    manifest: Ed25519PublicKey

    def to_json(self) -> bytes:
        """Return the trust file."""
        return canonical(
            {
                "schema": TRUST_SCHEMA,
                "certificate_key": base64.b64encode(self.certificate.public_bytes_raw()).decode(),
                "checkpoint_key": self.checkpoint,
                "manifest_key": base64.b64encode(self.manifest.public_bytes_raw()).decode(),
            }
        )

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Return the keys in a trust file.

        Raises:
            BadInput: it is not one.
        """
        try:
            value = strict_json(raw)
            if value.pop("schema") != TRUST_SCHEMA or set(value) != {
                "certificate_key",
                "checkpoint_key",
                "manifest_key",
            }:
                raise BadInput(f"not a {TRUST_SCHEMA} file")
            return cls(_key(value["certificate_key"]), str(value["checkpoint_key"]), _key(value["manifest_key"]))
        except (Tampered, KeyError, TypeError, AttributeError, ValueError):
            raise BadInput(f"not a {TRUST_SCHEMA} file") from None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified of a release.

    Attributes:
        predicate: What the certificate says.
        epsilon: Computed here from the plan, training patients.
        log: The name of the log that holds the release.
        log_size: Entries of the log when the receipt was written.
    """

    predicate: Mapping[str, Any]
    epsilon: accountant.Epsilon
    log: str
    log_size: int

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        said = self.predicate
        return {
            "verified": True,
            "run": said["run"],
            "dataset": said["data"]["dataset"],
            "version": said["data"]["version"],
            "data_class": said["data"]["data_class"],
            "unit": said["plan"]["unit"],
            "epsilon": self.epsilon.as_dict(),
            "epsilon_evaluation": said["privacy"]["evaluation"]["pld"],
            "utility": said["utility"],
            "tier": said["sandbox"]["tier"],
            "model": said["digests"]["model"],
            "log": self.log,
            "log_size": self.log_size,
            "caveats": list(said["caveats"]),
        }


def predicate(
    *,
    job: Job,
    permit: str,
    source: Source,
    vetted: Vetted,
    audit: Audit,
    probe: Probe,
    ending: Ending,
    policies: Mapping[str, str],
    charges: Sequence[str],
    approvals: Sequence[Approval],
) -> dict[str, Any]:
    """Return what the certificate says, checked against its schema.

    Args:
        policies: Name of each rule file in force -> SHA-256.
        charges: Ids of the ledger's charges for training and evaluation.

    Raises:
        Misuse: a field does not have the form of the schema, or two approvals are the same person's.
    """
    if len({approval.person for approval in approvals}) != len(approvals):
        raise Misuse("the approvals of a release come from different people")
    files = dict(job.files)
    said = {
        "schema": SCHEMA,
        "run": job.run,
        "permit": permit,
        "data": {**asdict(source), "lineage": list(source.lineage), "data_class": job.data_class},
        "plan": job.plan.as_dict(),
        **({"algorithm": {"name": job.algorithm, "settings": dict(job.settings)}} if job.algorithm else {}),
        **({"trials": len(job.search)} if job.search else {}),
        "privacy": {
            "training": audit.training.as_dict(),
            "evaluation": audit.evaluation.as_dict(),
            "evaluated_by": asdict(job.evaluation),
            "steps_logged": audit.steps,
            "generator": GENERATOR,
            "accountants": _accountants(),
        },
        "utility": vetted.result.as_dict(),
        "sandbox": {"tier": ending.tier.value, "uncapped": list(ending.uncapped), "probe": probe.as_dict()},
        "policies": dict(policies),
        "digests": {
            "job": sha256(job.to_json()).hexdigest(),
            "graph": files["graph.json"],
            "init": files["init.safetensors"],
            "model": vetted.digest,
        },
        "charges": list(charges),
        "approvals": [asdict(approval) for approval in approvals],
        "caveats": list(CAVEATS),
    }
    problem = _problem(said)
    if problem:
        raise Misuse(f"the certificate's {problem} is malformed")
    return said


def issue(said: Mapping[str, Any], subjects: Mapping[str, str], key: Ed25519PrivateKey) -> bytes:
    """Return the signed certificate about the files ``subjects`` (name -> SHA-256): a DSSE envelope."""
    return seal(statement(dict(subjects), SCHEMA, dict(said)), key)


def logged(envelope: bytes) -> dict[str, str]:
    """Return the facts that the log entry of this release must hold."""
    return {"certificate": sha256(envelope).hexdigest()}


def verify(folder: Path, trust: Path) -> Verification:
    """Return what a release folder proves to whoever trusts the keys in the file ``trust``. Needs no network.

    Checked: no file too many or too few; the certificate's signature; the hashes of all files; the model's canonical
    form; epsilon, computed again from the plan by two accountants; the log's signed receipt for the entry that names
    this certificate.

    Raises:
        Tampered: something does not fit.
        Misuse: the trust file lies in the release itself.
        BadInput: the trust file is not one.
    """
    if trust.resolve().is_relative_to(folder.resolve()):
        raise Misuse("keys that come with a release prove nothing: get the trust file from the facility")
    keys = Trust.from_json(trust.read_bytes())
    files = _files(folder)
    said = _opened(files, keys.certificate)
    _check_model(files, said)
    recorded = entries.decode(files[release.ENTRY])
    if recorded.facts.get("certificate") != logged(files[release.CERTIFICATE])["certificate"]:
        raise Tampered("the log entry is about another certificate")
    checkpoint = verify_receipt(files[release.RECEIPT], files[release.ENTRY], keys.checkpoint)
    return Verification(said, _check_epsilon(said), checkpoint.origin, checkpoint.size)


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(release.FILES):
        raise Tampered(f"a release is exactly {', '.join(release.FILES)}")
    files = {}
    for name in release.FILES:
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAXIMUM_FILE:
            raise Tampered(f"{name} is not a plain file of a release")
        files[name] = path.read_bytes()
    return files


def _opened(files: Mapping[str, bytes], key: Ed25519PublicKey) -> dict[str, Any]:
    payload = unseal(files[release.CERTIFICATE], key)
    wanted = statement(
        {name: sha256(files[name]).hexdigest() for name in release.SUBJECTS}, SCHEMA, payload.get("predicate", {})
    )
    if payload.get("_type") != STATEMENT_TYPE or payload.get("predicateType") != SCHEMA:
        raise Tampered("the envelope does not hold a certificate")
    if payload != wanted:
        raise Tampered("a file of the release is not the one that was certified")
    said: dict[str, Any] = payload["predicate"]
    problem = _problem(said)
    if problem:
        raise Tampered(f"the certificate's {problem} is malformed")
    return said


def _check_model(files: Mapping[str, bytes], said: Mapping[str, Any]) -> None:
    digests = {"graph": release.GRAPH, "model": release.MODEL}
    if any(said["digests"][name] != sha256(files[file]).hexdigest() for name, file in digests.items()):
        raise Tampered("the certificate is about another model")
    try:
        canonical_form = canonical_model(files[release.MODEL], form.read(files[release.GRAPH]))
    except (EgressRefused, form.Refusal):
        raise Tampered("the model file does not fit the graph") from None
    if canonical_form != files[release.MODEL]:
        raise Tampered("the model file is not in canonical form")


def _check_epsilon(said: Mapping[str, Any]) -> accountant.Epsilon:
    try:
        plan = DPPlan(**said["plan"])
        found = accountant.epsilon(plan)
    except MedtrainError:
        raise Tampered("the certificate's plan is not a privacy plan") from None
    stated = said["privacy"]["training"]
    tolerance = 1e-3 * max(1.0, found.pld)
    figures = ((found.pld, stated["pld"]), (found.prv, stated["prv"]), (found.rdp, stated["rdp"]))
    if any(abs(here - there) > tolerance for here, there in figures) or stated["delta"] != plan.delta:
        raise Tampered("epsilon computed from the plan is not what the certificate says")
    if said["privacy"]["steps_logged"] != plan.steps:
        raise Tampered("the certificate counts other steps than its plan")
    return found


def _accountants() -> dict[str, str]:
    dp_accounting, opacus = version("dp-accounting"), version("opacus")
    return {"pld": f"dp-accounting {dp_accounting}", "prv": f"opacus {opacus}", "rdp": f"dp-accounting {dp_accounting}"}


def _problem(said: Any) -> str:
    """Return where ``said`` breaks the schema; empty where it does not. Never a value."""
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(_schema()).iter_errors(said))
    return "" if problem is None else "/".join(map(str, problem.absolute_path)) or "content"


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((Path(__file__).parent / "certificate.schema.json").read_text("utf-8"))
    return schema


def _key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
