"""Find out how strong a jail this machine can build, by trying to break out of each."""

import json
import os
import socket
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from policies.canonical import strict_json
from policies.errors import MedtrainError
from training_sandbox.jail import seccomp
from training_sandbox.jail.attempts import ATTEMPTS, CALLS, ORDERS, REPORT
from training_sandbox.jail.collect import collect
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.run import Ending, run
from training_sandbox.jail.tiers import Tier

LIMITS = Limits(memory=256 << 20, pids=32, cpus=1.0, wall_seconds=30.0, output_bytes=16 << 20, scratch_bytes=8 << 20)
# Without a file system of its own the scratch folder is watched from outside, which ends a job instead of refusing a
# write: the cap on one file has to answer first, or the attempts would sometimes be cut short.
_LIMITS = {tier: replace(LIMITS, scratch_bytes=4 * LIMITS.output_bytes) for tier in (Tier.T0, Tier.T1)} | {
    Tier.T2: LIMITS
}
_ATTEMPTS = "from training_sandbox.jail.attempts import main; main()"
NUMBERS = tuple(attempt.number for attempt in ATTEMPTS)
_MEMORY_BOMB = "hoard = [bytearray(b'x' * (16 << 20)) for _ in range(64)]"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one tier.

    Attributes:
        tried: How many attempts were made; 0 where the jail could not be built.
        escaped: Numbers of the attempts that were not answered as they must be.
        problem: Why the jail could not be built, or what else did not hold; empty where all is well.
    """

    tier: Tier
    tried: int
    escaped: tuple[int, ...]
    problem: str

    @property
    def held(self) -> bool:
        """Whether every attempt was made and failed."""
        return self.tried > 0 and not self.escaped and not self.problem

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {"tier": self.tier.value, "tried": self.tried, "escaped": list(self.escaped), "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Probe:
    """The strongest tier that held on this machine, and what was found of each."""

    tier: Tier
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {"tier": self.tier.value, "findings": [finding.as_dict() for finding in self.findings]}


def probe(tiers: tuple[Tier, ...] = (Tier.T2, Tier.T1)) -> Probe:
    """Return what this machine can hold; T0 where no jail does. Takes about a second: ask once for each process."""
    findings = tuple(_tried(tier) for tier in tiers)
    return Probe(max((f.tier for f in findings if f.held), default=Tier.T0), findings)


def answers(tier: Tier, numbers: tuple[int, ...] = NUMBERS) -> dict[int, tuple[str, ...]]:
    """Return what the attempts of these numbers got in a jail of ``tier``.

    Raises:
        MedtrainError: the jail could not be built, or the attempts did not come to their end.
    """
    with tempfile.TemporaryDirectory(prefix="medtrain-probe-") as name, socket.socket(socket.AF_UNIX) as daemon:
        listener = f"medtrain-probe-{os.getpid()}-{Path(name).name}"
        daemon.bind("\0" + listener)
        daemon.listen()
        folders = _folders(Path(name), "job")
        neighbour = _folders(Path(name), "neighbour").out / "model.safetensors"
        neighbour.write_bytes(b"another job's")
        orders = {
            "attempts": list(numbers),
            "neighbour": str(neighbour),
            "listener": listener,
            "numbers": seccomp.numbers(CALLS.split()),
        }
        (folders.data / ORDERS).write_text(json.dumps(orders), "utf-8")
        ending = run(folders, b"", _LIMITS[tier], tier, program=_ATTEMPTS)
        if ending.outcome != "ok":
            raise MedtrainError(f"the attempts ended early: {ending.outcome} {ending.reason}".strip())
        report = strict_json(collect(folders.out, frozenset({REPORT}), LIMITS.output_bytes)[REPORT])
        return {int(number): tuple(words) for number, words in report.items()}


def _tried(tier: Tier) -> Finding:
    try:
        found = answers(tier)
        bomb = _bomb(tier)
    except (MedtrainError, OSError) as problem:
        return Finding(tier, 0, (), str(problem) if isinstance(problem, MedtrainError) else type(problem).__name__)
    escaped = tuple(a.number for a in ATTEMPTS if not set(found[a.number]) <= (a.t2 if tier is Tier.T2 else a.t1))
    capped = bomb.outcome in ("killed", "failed")
    return Finding(tier, len(found) + 1, escaped, "" if capped else "memory is not capped")


def _bomb(tier: Tier) -> Ending:
    with tempfile.TemporaryDirectory(prefix="medtrain-probe-") as name:
        return run(_folders(Path(name), "job"), b"", LIMITS, tier, program=_MEMORY_BOMB)


def _folders(root: Path, job: str) -> Folders:
    folders = Folders(root / job / "in", root / job / "out")
    folders.data.mkdir(parents=True)
    folders.out.mkdir()
    return folders
