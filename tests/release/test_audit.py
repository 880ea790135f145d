"""The service's own check of a run: a log that is not the plan's, or accountants that disagree, stop the release."""

import json
from types import SimpleNamespace

import pytest

from policies.canonical import canonical
from training_sandbox import audit, egress
from training_sandbox.accountant import Epsilon


def test_the_log_of_a_true_run_is_the_one_its_plan_asks_for(ran: tuple, made: SimpleNamespace) -> None:
    found = audit.audit(ran[0], ran[1][egress.STEPS])
    assert found.steps == made.PLAN.steps
    assert found.as_dict()["training"]["pld"] > 0
    assert found.evaluation.delta == made.PLAN.delta


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise_multiplier", 1.0), ("sampling_rate", 0.5), ("clip", 2.0), ("cap", 121), ("divisor", 49.0), ("step", 6)],
)
def test_a_step_that_differs_from_the_plan_is_named(ran: tuple, name: str, value: float) -> None:
    lines = ran[1][egress.STEPS].splitlines()
    lines[4] = canonical({**json.loads(lines[4]), name: value})
    with pytest.raises(audit.AuditFailed, match="step 5 "):
        audit.check_steps(b"\n".join(lines) + b"\n", ran[0].plan)


def test_a_log_with_a_member_more_is_refused(ran: tuple) -> None:
    lines = ran[1][egress.STEPS].splitlines()
    lines[0] = canonical({**json.loads(lines[0]), "loss": 0.3})
    with pytest.raises(audit.AuditFailed, match="step 1 "):
        audit.check_steps(b"\n".join(lines) + b"\n", ran[0].plan)


def test_swapped_missing_and_additional_steps_are_refused(ran: tuple) -> None:
    steps, plan = ran[1][egress.STEPS], ran[0].plan
    lines = steps.splitlines(keepends=True)
    for wrong, sentence in (
        (b"".join([lines[1], lines[0], *lines[2:]]), "step 1 "),
        (b"".join(lines[:-1]), "after 19 of 20"),
        (steps[:-1], "after 19 of 20"),
        (steps + lines[-1], "step 21 "),
        (steps + b"x", "after 20 of 20"),
        (b"", "after 0 of 20"),
    ):
        with pytest.raises(audit.AuditFailed, match=sentence):
            audit.check_steps(wrong, plan)


@pytest.mark.parametrize(
    ("pld", "prv", "rdp", "agree"),
    [
        (0.5, 0.519, 0.6, True),
        (0.5, 0.53, 0.6, False),
        (4.0, 4.07, 4.4, True),
        (4.0, 4.09, 4.4, False),
        (2.0, 2.0, 1.9, False),
        (2.0, 1.0, 2.1, True),
    ],
)
def test_accountants_must_agree(pld: float, prv: float, rdp: float, agree: bool) -> None:
    if agree:
        audit.check_agreement(Epsilon(pld, prv, rdp, 1e-5), 0.02)
    else:
        with pytest.raises(audit.AuditFailed, match="disagree"):
            audit.check_agreement(Epsilon(pld, prv, rdp, 1e-5), 0.02)


def test_too_few_patients_are_refused_without_saying_how_many() -> None:
    audit.check_disclosure(100, {0: 90, 1: 10})
    with pytest.raises(audit.AuditFailed) as caught:
        audit.check_disclosure(99, {0: 50, 1: 49})
    assert "99" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 9])
def test_a_label_that_almost_nobody_has_is_refused(count: int) -> None:
    with pytest.raises(audit.AuditFailed, match="every label"):
        audit.check_disclosure(500, {0: 491, 1: count})
