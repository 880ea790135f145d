"""Attempts 87, 89, 90 and 92 of the escape suite: defeating the guarantee instead of the jail."""

import pytest
import torch

from datasets import ledger
from datasets.ledger import Event
from policies.errors import BudgetExhausted
from policies.thresholds import budget
from training_sandbox import losses, trainer
from training_sandbox.attacks import one_run
from training_sandbox.engines import vmap
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.graph.run import bind
from training_sandbox.patients import Patients
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Optimiser, Task

# Row mixing: x - x.mean(0). On the batch-of-one graph it is an operation on one record.
MIXER = Graph(
    inputs=(Tensor("x", "float32", (1, 3)),),
    parameters=(Tensor("w", "float32", (2, 3)), Tensor("b", "float32", (2,))),
    nodes=(
        Node("mean.dim", (Ref("x"), (0,), True), (), ("m",)),
        Node("sub.Tensor", (Ref("x"), Ref("m")), (), ("d",)),
        Node("add.Tensor", (Ref("d"), Ref("x")), (), ("s",)),
        Node("linear.default", (Ref("s"), Ref("w"), Ref("b")), (), ("o",)),
    ),
    output="o",
)
PARAMS = {"w": torch.full((2, 3), 0.3), "b": torch.zeros(2)}
PLAN = DPPlan(
    sampling_rate=0.5,
    cap=20,
    clip=1.0,
    noise_multiplier=1.0,
    steps=5,
    delta=1e-5,
    public_patients=20,
    records_per_patient=1,
)


def table(scale: float = 1.0) -> Patients:
    x = torch.randn(12, 1, 3, generator=torch.Generator().manual_seed(3)) * scale
    return Patients(x, torch.tensor([0, 1] * 6).unsqueeze(1), torch.ones(12, 1))


def test_what_one_record_gives_does_not_change_with_another() -> None:
    gradient = vmap.per_patient(bind(MIXER), losses.function("cross-entropy"))
    before, data = gradient(PARAMS, table()), table()
    data.features[1:] = 7.0
    after = gradient(PARAMS, data)
    assert all(torch.equal(before[name][0], after[name][0]) for name in PARAMS)


def test_a_run_whose_numbers_explode_takes_its_steps_like_any_other() -> None:
    """A stop, an error or another learning rate where a loss is not finite would tell who was there."""
    runs = [
        trainer.train(
            MIXER,
            PARAMS,
            table(scale),
            plan=PLAN,
            task=Task(kind="binary"),
            loss="cross-entropy",
            optimiser=Optimiser(learning_rate=1e30, momentum=0.0),
            run_key=b"k" * 32,
        )
        for scale in (1.0, 1e30)
    ]
    assert runs[0].step_log == runs[1].step_log
    assert len(runs[0].step_log) == PLAN.steps


def test_the_same_job_a_thousand_times_ends_at_the_budget() -> None:
    """Under other run names, versions and partners: the ledger counts by patient."""
    rules, held = budget(), []
    event = Event(kind="poisson-gaussian", q=0.1, sigma=2.0, steps=100)

    def submit(number: int) -> None:
        asked = ledger.charge(f"run-{number}.train", f"run-{number}", [event], frozenset({"p"}), rules)
        ledger.check_admission(ledger.together(held), ledger.together([asked]), rules)
        held.append(asked)

    with pytest.raises(BudgetExhausted):
        list(map(submit, range(1000)))
    assert 1 <= len(held) < 100


def test_the_lower_bound_of_the_canary_audit_stays_below_the_claim() -> None:
    found = one_run.audit(PLAN, seed=1, canaries=200)
    assert 0 <= found.lower_bound <= found.claimed
    assert found.holds
