"""A run that goes on from a checkpoint ends in the same bits; what is not its own checkpoint is as good as none."""

from dataclasses import replace

import pytest
import torch

from policies.errors import Misuse
from training_sandbox import checkpoint, trainer
from training_sandbox.optimisers import Updates
from training_sandbox.settings import Optimiser, Task

KEY, JOB = b"r" * 32, b"the job"
OPTIMISERS = [Optimiser(), Optimiser(average=0.6), Optimiser(name="adam", average=0.3)]


@pytest.fixture
def trained(make_graph, make_params, make_patients, make_plan):
    graph = make_graph()

    def run(optimiser, resume=None, keep=None, choice=None):
        return trainer.train(
            graph,
            make_params(graph),
            make_patients(),
            plan=replace(make_plan(), steps=20),
            task=Task(kind="binary"),
            loss="cross-entropy",
            optimiser=optimiser,
            run_key=KEY,
            choice=choice,
            resume=resume,
            keep=keep,
        )

    return run


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: f"{o.name}-{o.average}")
def test_resuming_gives_the_same_bits_and_the_whole_log(trained, optimiser) -> None:
    kept = {}

    def keep(updates, step, engine):
        if checkpoint.due(step, 20):
            kept[step] = checkpoint.dump(updates, step, JOB, KEY, engine)

    whole = trained(optimiser, keep=keep)
    assert sorted(kept) == list(range(2, 20, 2))
    redone = []
    again = trained(
        optimiser,
        choice=checkpoint.engine_of(kept[14], JOB, KEY),
        resume=lambda u: checkpoint.restore(kept[14], u, JOB, KEY),
        keep=lambda _, step, __: redone.append(step),
    )
    assert redone == list(range(15, 21))
    assert all(torch.equal(whole.params[name], again.params[name]) for name in whole.params)
    assert whole.step_log == again.step_log


def fresh(make_params, make_graph) -> Updates:
    return Updates(Optimiser(average=0.5), make_params(make_graph()), 20)


def test_another_jobs_or_a_changed_checkpoint_is_none(make_params, make_graph) -> None:
    updates = fresh(make_params, make_graph)
    raw = checkpoint.dump(updates, 7, JOB, KEY)
    other = fresh(make_params, make_graph)
    for bad in (b"", raw[:-1], raw[:40] + b"x" + raw[41:], raw + b"0"):
        assert checkpoint.restore(bad, other, JOB, KEY) == 0
    assert checkpoint.restore(raw, other, b"another", KEY) == 0
    assert checkpoint.restore(raw, other, JOB, b"s" * 32) == 0
    assert checkpoint.restore(raw, other, JOB, KEY) == 7


def test_state_that_a_checkpoint_does_not_know_is_an_error_and_not_a_loss(make_params, make_graph) -> None:
    updates = fresh(make_params, make_graph)
    updates.secret = object()
    with pytest.raises(Misuse, match="does not know"):
        checkpoint.dump(updates, 1, JOB, KEY)


def test_ten_checkpoints_at_most_and_none_at_the_end() -> None:
    for steps in (1, 3, 10, 997):
        due = [step for step in range(1, steps + 1) if checkpoint.due(step, steps)]
        assert len(due) <= checkpoint.EVERY
        assert steps not in due
