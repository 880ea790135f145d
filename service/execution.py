"""Carrying out one run: its keys, the jail, the gate, the audit."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from datasets.permits import Permit
from datasets.vault import Blob
from policies import access
from policies.access import Action, Context, Kind, Resource
from policies.entry import stamp
from policies.errors import Refused, TrainingFailed
from policies.people import Person, Role
from policies.states import RunState
from policies.thresholds import FOLDER, file_digest, release_rules
from service import progress
from service.acts import is_frozen, system_entry
from service.database import reading, record
from service.facility import Facility
from service.models import RunRow
from service.stopping import is_stopped
from training_sandbox import certificate, egress
from training_sandbox.audit import Audit, check_attacks, check_disclosure
from training_sandbox.audit import audit as audit_steps
from training_sandbox.certificate import Approval, Source
from training_sandbox.egress import OUTPUTS, failure_code, vet
from training_sandbox.graph.reader import read_graph
from training_sandbox.jail.collect import collect
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.probe import Finding, Probe, probe
from training_sandbox.jail.run import Ending
from training_sandbox.jail.run import run as run_jailed
from training_sandbox.jail.tiers import Tier, check_tier
from training_sandbox.job import Job
from training_sandbox.release import Package, package

KEY_BYTES = 32
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The two keys of one run; both are destroyed when it has ended."""

    data_key: bytes = field(repr=False)
    run_key: bytes = field(repr=False)

    @classmethod
    def split(cls, raw: bytes) -> "RunKeys":
        """Return the keys in 64 bytes."""
        return cls(raw[:KEY_BYTES], raw[KEY_BYTES:])

    def line(self) -> bytes:
        """Return the line that the worker reads on standard input."""
        return json.dumps({"data_key": self.data_key.hex(), "run_key": self.run_key.hex()}).encode() + b"\n"


def fresh_keys() -> bytes:
    """Return 64 random bytes: the two keys of a new run."""
    return secrets.token_bytes(2 * KEY_BYTES)


def run_keys(facility: Facility, row: RunRow) -> RunKeys:
    """Return a run's keys.

    Raises:
        Shredded: the run has ended.
    """
    return RunKeys.split(facility.vault.get(Blob(**row.document["key_blob"])))


def destroy_keys(facility: Facility, row: RunRow) -> None:
    """Destroy a run's keys: its noise and sampling cannot be made again."""
    entry = system_entry(facility, "run.destroy-keys", "run", row.id, permit=row.permit)
    facility.vault.shred(Blob(**row.document["key_blob"]), entry)


def run_row(facility: Facility, run: str) -> RunRow:
    """Return a run's row."""
    with reading(facility.database) as session:
        return session.get_one(RunRow, run)


def check_may_go_on(
    facility: Facility, row: RunRow, permit: Permit, action: Action = Action.RUN_START
) -> tuple[str, ...]:
    """Return the rules that let a run of its author go on: start, pass a checkpoint, or leave as a release.

    They are asked anew each time: the permit may have ended, or the facility been frozen meanwhile.

    Raises:
        Refused, PermitExpired, Frozen: naming the rule.
    """
    if row.state is RunState.CANCELLED:
        raise Refused("the run was cancelled")
    about = facility.datasets.get(permit.dataset)
    decision = access.check(
        Person(row.author, row.org, frozenset({Role.PARTNER})),
        action,
        Resource(
            Kind.PERMIT,
            permit.id,
            org=permit.holder_org,
            author=permit.author,
            state=permit.state.value,
            level=about.level,
            genomic=about.genomic,
        ),
        Context(
            frozen=is_frozen(facility),
            now=int(facility.clock().timestamp()),
            not_before=int(permit.not_before.timestamp()),
            not_after=int(permit.not_after.timestamp()),
            foreign=permit.foreign,
        ),
    )
    return decision.policies


def checkpoint(facility: Facility, row: RunRow, word: str) -> None:
    """Let a run pass a checkpoint, on the log; at one that is refused its worker is ended.

    Raises:
        Refused, PermitExpired, Frozen: naming the rule.
    """
    policies = check_may_go_on(facility, row, facility.permits.get(row.permit), Action.RUN_CHECKPOINT)
    said = system_entry(facility, "run.checkpoint", "run", row.id, permit=row.permit, word=word.replace(" ", "-"))
    record(facility.database, replace(said, policies=policies))
    progress.HEARD.hear(row.id, word)


class Watch:
    """Asks at most once a second whether a run was stopped from outside."""

    def __init__(self, facility: Facility, run: str) -> None:
        self._facility, self._run, self._next, self._said = facility, run, 0.0, False

    def __call__(self) -> bool:
        """Return whether the worker is to be ended."""
        if time.monotonic() >= self._next:
            self._said, self._next = is_stopped(self._facility, self._run), time.monotonic() + 1.0
        return self._said


@cache
def proved() -> Probe:
    """Return what this machine's jail holds, asked once for each process."""
    return probe()


def tier_for(facility: Facility, data_class: str, found: Probe) -> Tier:
    """Return the tier to run in: the strongest proved, never below what the rules or the settings ask.

    Raises:
        JailTooWeak: this machine has proved less.
    """
    rules = release_rules()
    needed = rules.minimum_tier_sensitive if data_class == "sensitive" else rules.minimum_tier
    check_tier(found.tier, max(Tier(needed), Tier(facility.settings.tier or "T0")))
    return found.tier


def train(facility: Facility, row: RunRow, folder: Path) -> dict[str, Any]:
    """Run the worker in the jail; return where its collected outputs are kept.

    Raises:
        TrainingFailed: it ended without a model.
        JailTooWeak: this machine cannot give the isolation asked for.
    """
    found = proved()
    tier = tier_for(facility, row.document["data_class"], found)
    ending = run_jailed(
        Folders(folder / "in", folder / "out"),
        run_keys(facility, row).line(),
        LIMITS,
        tier,
        heard=lambda word: checkpoint(facility, row, word),
        stopped=Watch(facility, row.id),
    )
    if ending.outcome != "ok":
        outputs = collect(folder / "out", OUTPUTS, LIMITS.output_bytes) if ending.outcome == "failed" else {}
        why = ending.reason or failure_code(outputs)
        raise TrainingFailed(f"the worker ended without a model: {ending.outcome}, {why}")
    outputs = collect(folder / "out", OUTPUTS, LIMITS.output_bytes)
    entry = system_entry(facility, "run.collect", "run", row.id, permit=row.permit, tier=tier.value)
    kept = {**outputs, "job.json": (folder / "in" / "job.json").read_bytes()}
    blobs = {name: asdict(facility.vault.put(raw, f"run/{row.id}/{name}", entry)) for name, raw in kept.items()}
    return {
        "blobs": blobs,
        "probe": found.as_dict(),
        "ending": {"outcome": ending.outcome, "tier": ending.tier.value, "uncapped": list(ending.uncapped)},
    }


def audit(facility: Facility, row: RunRow, done: dict[str, Any]) -> dict[str, Any]:
    """Return what a release rests on: the audited epsilon, the model's hash, the charged figures.

    Raises:
        EgressRefused, AuditFailed, Tampered: what the run left does not fit its plan.
    """
    outcome = examined(facility, row, done)
    audited = outcome.audit()
    check_attacks(outcome.vetted.attacks, audited)
    return {
        **done,
        "model": outcome.vetted.digest,
        "epsilon": audited.as_dict(),
        "utility": outcome.vetted.result.as_dict(),
        "tier": done["ending"]["tier"],
    }


@dataclass(frozen=True, slots=True)
class Examined:
    """A run's outputs after the gate."""

    job: Job
    graph: bytes = field(repr=False)
    vetted: egress.Vetted = field(repr=False)

    def audit(self) -> Audit:
        """Return the audit, made anew: two accountants and the step log."""
        return audit_steps(self.job, self.vetted.steps)

    def package(self, epsilon: float) -> Package:
        """Return the files of the release; ``epsilon`` is the audited PLD figure."""
        return package(self.vetted, read_graph(self.graph), self.graph, self.job, epsilon=epsilon)


def examined(facility: Facility, row: RunRow, done: dict[str, Any]) -> Examined:
    """Return the outputs of a run, read back from the vault and through the gate once more."""
    outputs = {name: facility.vault.get(Blob(**blob)) for name, blob in done["blobs"].items()}
    job = Job.from_json(outputs.pop("job.json"))
    graph = facility.vault.get(Blob(**row.document["graph_blob"]))
    return Examined(job, graph, vet(outputs, read_graph(graph), job))


def predicate(
    facility: Facility,
    row: RunRow,
    done: dict[str, Any],
    outcome: Examined,
    audited: Audit,
    approvals: Sequence[Approval],
) -> dict[str, Any]:
    """Return what the certificate of a run says."""
    document = row.document
    ending, tried = done["ending"], done["probe"]
    found = tuple(Finding(Tier(f["tier"]), f["tried"], tuple(f["escaped"]), f["problem"]) for f in tried["findings"])
    return certificate.predicate(
        job=outcome.job,
        permit=row.permit,
        source=source_of(facility, document["dataset"], document["version"]),
        vetted=outcome.vetted,
        audit=audited,
        probe=Probe(Tier(tried["tier"]), found),
        ending=Ending(ending["outcome"], Tier(ending["tier"]), uncapped=tuple(ending["uncapped"])),
        policies={**rule_digests(), "recipe": facility.recipe(document["recipe"]).digest},
        charges=[charge.id for charge in facility.charges.of_run(row.id)],
        approvals=approvals,
    )


def source_of(facility: Facility, dataset: str, version: int) -> Source:
    """Return which data a run saw, by hashes."""
    digests = {found.number: found.digest for found in facility.versions.of(dataset)}
    lineage = tuple(digests[number] for number in sorted(digests, reverse=True) if number < version and digests[number])
    return Source(dataset, version, digests[version], lineage)


def rule_digests() -> dict[str, str]:
    """Return name -> SHA-256 of every rule file in force."""
    files = ("budget.yaml", "release.yaml", "permits.yaml", "rules/access.cedar", "rules/schema.cedarschema")
    return {name: file_digest(FOLDER / name) for name in files}


def check_enough_patients(patients: int, labels: dict[int, int]) -> None:
    """Refuse a run on too few patients, before anything is spent.

    Raises:
        AuditFailed: naming the rule.
    """
    check_disclosure(patients, labels)


def now(facility: Facility) -> str:
    """Return this moment as the log writes it."""
    return stamp(facility.clock())
