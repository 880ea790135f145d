"""The audit with canaries: its statistics, its verdict on the right program, and that it catches a broken one."""

import numpy as np
import pytest
import torch
from scipy.stats import binom

from training_sandbox import noise, trainer
from training_sandbox.attacks import one_run
from training_sandbox.engines import vmap
from training_sandbox.plan import DPPlan, Speed
from training_sandbox.settings import Optimiser, Task

PLAN = DPPlan(
    sampling_rate=0.5,
    cap=100,
    clip=0.7,
    noise_multiplier=2.0,
    steps=10,
    delta=1e-5,
    public_patients=100,
    records_per_patient=3,
)


def test_without_delta_the_p_value_is_a_binomial_tail() -> None:
    assert one_run.p_value(1000, 200, 150, 1.0, 0.0) == pytest.approx(float(binom.sf(149, 200, 1 / (1 + np.exp(-1)))))
    assert one_run.p_value(1000, 200, 0, 1.0, 1e-5) == 1.0
    assert one_run.p_value(1000, 200, 150, 1.0, 1e-3) > one_run.p_value(1000, 200, 150, 1.0, 0.0)


def test_more_correct_guesses_refute_a_larger_epsilon() -> None:
    bounds = [one_run.lower_bound(1000, 200, right, 1e-5, 0.05) for right in (100, 150, 200)]
    assert bounds[0] == 0.0
    assert bounds[0] < bounds[1] < bounds[2]


def test_guessing_at_random_proves_nothing_and_knowing_everything_a_lot() -> None:
    inside = np.arange(400) % 2 == 0
    blind = one_run.bound(inside, np.arange(400.0), 1.0, 1e-5)
    assert blind.lower_bound == 0.0
    sure = one_run.bound(inside, inside.astype(float), 1.0, 1e-5)
    assert sure.lower_bound > 3
    assert not sure.holds
    assert sure.as_dict()["holds"] is False


@pytest.mark.parametrize("engine", ["bookkeeping", "vmap", "opacus-hooks", "opacus-ghost"])
def test_the_right_program_stays_below_its_claim_on_every_engine(engine) -> None:
    found = one_run.audit(PLAN, seed=2, canaries=200, speed=Speed(engine=engine))
    assert 0 < found.lower_bound < found.claimed
    assert found.holds


def test_sums_over_all_patients_stay_below_their_claim() -> None:
    plan = DPPlan(**{**PLAN.as_dict(), "sampling_rate": 1.0, "clip": 1.0, "records_per_patient": 1})
    found = one_run.audit_sums(plan, seed=3, canaries=400)
    assert 0 < found.lower_bound < found.claimed


def test_a_program_without_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "add", lambda total, *_: total)
    plan = DPPlan(**{**PLAN.as_dict(), "sampling_rate": 1.0, "clip": 1.0, "records_per_patient": 1, "steps": 2})
    plan = DPPlan(**{**plan.as_dict(), "noise_multiplier": 5.0})
    assert not one_run.audit_sums(plan, seed=1, canaries=400).holds


def test_a_trainer_that_adds_a_tenth_of_the_noise_is_caught() -> None:
    """Its own self-check would refuse to train; here it is switched off."""

    def sloppy(graph, first, table, plan, key):
        quiet = DPPlan(**{**plan.as_dict(), "noise_multiplier": plan.noise_multiplier / 10})
        return trainer.train(
            graph,
            first,
            table,
            plan=quiet,
            task=Task(kind="binary"),
            loss="bce",
            optimiser=Optimiser(learning_rate=2.0**-20, momentum=0.0),
            run_key=key,
        ).params

    plan = DPPlan(**{**PLAN.as_dict(), "sampling_rate": 1.0, "noise_multiplier": 6.0, "steps": 4})
    assert not one_run.audit(plan, seed=1, canaries=300, train=sloppy).holds


def test_the_canaries_reach_the_clip() -> None:
    """Every canary's gradient must be as large as the clip allows, or the audit would look at weaker patients."""
    seen = {}

    def spy(graph, first, table, plan, key):
        del key
        from training_sandbox import losses
        from training_sandbox.graph.run import bind

        sums = vmap.clipped_sum(bind(graph), losses.function("bce"), first, table, plan.clip, microbatch=64)
        seen["norms"] = sums["axis"].abs()[0]
        return first

    one_run.audit(PLAN, seed=1, canaries=120, train=spy)
    reached = seen["norms"][seen["norms"] > 0]
    assert len(reached) > 30
    assert torch.allclose(reached, torch.ones_like(reached), atol=1e-3)
