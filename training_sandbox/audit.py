"""What the service checks of a finished run by itself, before anybody is asked to release it.

The worker's word is not taken: the step log is compared with the plan line by line, epsilon is computed from the plan
by two accountants that know nothing of each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.canonical import canonical
from policies.errors import Refused
from policies.thresholds import ReleaseRules, release_rules
from training_sandbox import accountant
from training_sandbox.accountant import Epsilon
from training_sandbox.attacks import report
from training_sandbox.job import EVALUATION_ONLY, Job
from training_sandbox.plan import DPPlan


class AuditFailed(Refused):
    """A run did not do what its plan says, or its data are too few to let a model of them out."""

    code = "audit-failed"


@dataclass(frozen=True, slots=True)
class Audit:
    """What the service found.

    Attributes:
        steps: Steps in the log; the plan's number.
        training: Epsilon that the training patients are charged, at the plan's delta.
        evaluation: Epsilon that the held-out patients are charged, at the same delta. Nobody is in both groups.
    """

    steps: int
    training: Epsilon
    evaluation: Epsilon

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return {"steps": self.steps, "training": self.training.as_dict(), "evaluation": self.evaluation.as_dict()}


def audit(job: Job, steps: bytes, rules: ReleaseRules | None = None) -> Audit:
    """Return what the run cost, after comparing its step log with its plan and the accountants with each other.

    Raises:
        AuditFailed: naming what does not fit.
    """
    slack = (rules or release_rules()).epsilon_slack
    if job.algorithm == EVALUATION_ONLY:
        if steps:
            raise AuditFailed("a run that only evaluates logs no step")
        training = Epsilon(0.0, 0.0, 0.0, job.plan.delta)
    else:
        check_steps(steps, job.plan)
        training = accountant.epsilon(job.plan)
    with np.errstate(divide="ignore"):  # the PRV formula takes log(1 - q), which is minus infinity without sampling
        evaluation = accountant.epsilon_of_events([job.look], job.plan.delta)
    check_agreement(training, slack)
    check_agreement(evaluation, slack)
    return Audit(0 if job.algorithm == EVALUATION_ONLY else job.plan.steps, training, evaluation)


def check_attacks(found: Mapping[str, Any], audited: Audit) -> None:
    """Refuse a model that an attack tells more about than its epsilon allows: then the program is broken somewhere.

    Raises:
        AuditFailed: naming the attack.
    """
    both = audited.training.pld + audited.evaluation.pld
    if name := report.refuted(found, both, 2 * audited.training.delta):
        raise AuditFailed(f"the attack {name!r} did better than the claimed epsilon allows")


def check_steps(raw: bytes, plan: DPPlan) -> None:
    """Refuse a step log that is not, byte for byte, the one this plan must give.

    A step's facts are public, so the log is a function of the plan: number, order, sampling rate, cap, clip, noise and
    divisor of every step.

    Raises:
        AuditFailed: naming the first step that differs.
    """
    lines = raw.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        if number > plan.steps or line != expected_step(plan, number):
            raise AuditFailed(f"step {number} of the log is not the one the plan asks for")
    if len(lines) - 1 != plan.steps or lines[-1]:
        raise AuditFailed(f"the step log ends after {len(lines) - 1} of {plan.steps} steps")


def expected_step(plan: DPPlan, number: int) -> bytes:
    """Return the canonical line of step ``number``, from 1."""
    facts = {
        "step": number,
        "sampling_rate": plan.sampling_rate,
        "cap": plan.cap,
        "clip": plan.clip,
        "noise_multiplier": plan.noise_multiplier,
        "divisor": plan.expected_patients,
    }
    return canonical(facts)


def check_agreement(epsilon: Epsilon, slack: float) -> None:
    """Refuse when the second accountant's upper bound lies more than ``slack`` above the reported figure.

    ``slack`` is absolute up to epsilon 1 and relative above it. The RDP figure, known to be loose, must not lie below.

    Raises:
        AuditFailed: the accountants disagree.
    """
    if epsilon.prv > epsilon.pld + slack * max(1.0, epsilon.pld) or epsilon.rdp < epsilon.pld * (1 - slack):
        raise AuditFailed("the accountants disagree about epsilon")


def check_disclosure(patients: int, labels: Mapping[int, int], rules: ReleaseRules | None = None) -> None:
    """Refuse a model of too few patients, or with a label that almost nobody has.

    The figures are exact, so this is for the compliance side; the message names the rule, not the count.

    Args:
        patients: Patients the model was trained on.
        labels: Label -> patients who have it; every label of the task is a key.

    Raises:
        AuditFailed: naming the rule.
    """
    least = (rules or release_rules()).minimum_patients
    if patients < least:
        raise AuditFailed(f"a model needs at least {least} training patients")
    if any(count < LEAST_OF_A_LABEL for count in labels.values()):
        raise AuditFailed(f"a model needs at least {LEAST_OF_A_LABEL} training patients of every label")


LEAST_OF_A_LABEL = 10
"""The usual threshold of statistical disclosure control (SATRE, ACRO)."""
