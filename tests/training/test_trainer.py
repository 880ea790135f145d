from dataclasses import replace

import pytest
import torch

from policies.errors import Misuse, TrainingFailed
from training_sandbox import evaluation, trainer
from training_sandbox.optimisers import Updates
from training_sandbox.plan import Speed
from training_sandbox.settings import Optimiser, Task, outputs

KEY = bytes(range(32))
BINARY = Task(kind="binary")


@pytest.fixture
def run(make_graph, make_params, make_patients, make_plan):
    def call(plan=None, data=None, key=KEY, graph=None, **options):
        model = graph or make_graph()
        terms = {"task": BINARY, "loss": "cross-entropy", "optimiser": Optimiser()} | options
        return trainer.train(
            model,
            make_params(model),
            make_patients() if data is None else data,
            plan=plan or make_plan(),
            run_key=key,
            **terms,
        )

    return call


def same(a, b):
    return all(torch.equal(a.params[name], b.params[name]) for name in a.params)


def test_the_same_key_gives_the_same_bits(run):
    assert same(run(), run())


def test_another_key_gives_another_model(run):
    assert not same(run(), run(key=bytes(32)))


def test_speed_changes_neither_the_charge_nor_the_model_beyond_rounding(run):
    one, other = run(speed=Speed(microbatch=2)), run(speed=Speed(microbatch=16))
    assert one.step_log == other.step_log
    for name, value in one.params.items():
        torch.testing.assert_close(value, other.params[name], atol=1e-5, rtol=1e-5)


def test_the_step_log_does_not_depend_on_the_data(run, make_patients):
    logs = [run(data=make_patients(count=n, seed=n)).step_log for n in (1, 7, 20)]
    assert logs[0] == logs[1] == logs[2]
    assert [s.step for s in logs[0]] == [1, 2, 3]
    assert logs[0][0].as_dict()["divisor"] == 10.0


def test_every_step_is_reported_as_it_happens(run):
    seen = []
    trained = run(on_step=seen.append)
    assert tuple(seen) == trained.step_log


def test_nobodys_data_still_make_noisy_steps(run, make_graph, make_params, make_patients):
    nobody = make_patients().take(torch.zeros(0, dtype=torch.int64))
    trained = run(data=nobody)
    assert all(not torch.equal(v, make_params(make_graph())[n]) for n, v in trained.params.items())


def test_a_patient_whose_records_are_not_finite_is_as_if_absent(run, make_patients):
    data = make_patients(count=6)
    spoiled = replace(data, features=data.features.clone())
    spoiled.features[5] = torch.nan
    with_bad, without = run(data=spoiled), run(data=data.take(torch.arange(5)))
    for name, value in with_bad.params.items():
        torch.testing.assert_close(value, without.params[name], atol=1e-5, rtol=1e-5)


def test_training_with_little_noise_learns(run, make_plan, make_graph, make_patients):
    data = make_patients(count=300, records=1)
    data.labels[:, 0] = (data.features[:, 0, 0] > 0).long()
    plan = make_plan(sampling_rate=1.0, cap=300, public_patients=300, records_per_patient=1, steps=40, clip=1.0)
    trained = run(plan=plan, data=data, optimiser=Optimiser(learning_rate=0.5))
    scores = trainer.predict(make_graph(), trained.params, data, task=BINARY, loss="cross-entropy")
    assert evaluation.exact(scores, data.labels, data.weights).auc > 0.95


def test_the_baseline_learns_without_noise(make_graph, make_params, make_patients):
    graph, data = make_graph(outputs=1), make_patients(count=100, records=1)
    data.labels[:, 0] = (data.features[:, 0, 0] > 0).long()
    params = trainer.train_plain(
        graph, make_params(graph), data, steps=80, task=BINARY, loss="bce", optimiser=Optimiser(name="adam")
    )
    scores = trainer.predict(graph, params, data, task=BINARY, loss="bce")
    assert scores.shape == (100, 1)
    assert evaluation.exact(scores, data.labels, data.weights).auc > 0.97


@pytest.mark.parametrize("count", [21, 40])
def test_more_patients_than_declared_are_refused(run, make_patients, count):
    with pytest.raises(Misuse, match="more patients"):
        run(data=make_patients(count=count))


def test_other_records_per_patient_than_declared_are_refused(run, make_patients):
    with pytest.raises(Misuse, match="records per patient"):
        run(data=make_patients(records=3))


def test_a_model_of_another_width_is_refused(run, make_graph):
    with pytest.raises(Misuse, match="takes 6 numbers, the data give 5"):
        run(graph=make_graph(features=6))


def test_predicting_nobody_gives_nothing(make_graph, make_params, make_patients):
    nobody = make_patients().take(torch.zeros(0, dtype=torch.int64))
    found = trainer.predict(make_graph(), make_params(make_graph()), nobody, task=BINARY, loss="cross-entropy")
    assert found.shape == (0, 2)


def test_a_multi_class_model_gives_one_logit_for_each_class(make_graph, make_params, make_patients):
    graph = make_graph(outputs=3)
    task = Task(kind="multi-class", classes=3)
    found = trainer.predict(graph, make_params(graph), make_patients(), task=task, loss="cross-entropy")
    assert found.shape == (8, 2, 3)


@pytest.mark.parametrize(("kind", "classes"), [("regression", 2), ("cox", 2), ("binary", 3), ("multi-class", 1)])
def test_an_impossible_task_is_refused(kind, classes):
    with pytest.raises(Misuse):
        Task(kind=kind, classes=classes)


@pytest.mark.parametrize(("task", "loss"), [(Task(kind="multi-class", classes=3), "bce"), (BINARY, "hinge")])
def test_a_loss_that_does_not_fit_is_refused(task, loss):
    with pytest.raises(Misuse):
        outputs(task, loss)


@pytest.mark.parametrize("wrong", [{"name": "lbfgs"}, {"learning_rate": 0}, {"momentum": 1}, {"average": 1}])
def test_an_impossible_optimiser_is_refused(wrong):
    with pytest.raises(Misuse):
        Optimiser(**wrong)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_optimisers_step_like_torchs(name):
    start, slopes = torch.randn(4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    leaf = start.clone().requires_grad_()
    theirs = (
        torch.optim.SGD([leaf], lr=0.1, momentum=0.8, weight_decay=0.01)
        if name == "sgd"
        else torch.optim.Adam([leaf], lr=0.1, betas=(0.8, 0.999), weight_decay=0.01)
    )
    ours = Updates(Optimiser(name=name, momentum=0.8, weight_decay=0.01), {"w": start}, 5)
    for slope in slopes:
        leaf.grad = slope.clone()
        theirs.step()
        ours.apply({"w": slope})
    torch.testing.assert_close(ours.result()["w"], leaf.detach().float())


def test_averaging_takes_the_mean_of_the_last_iterates():
    ours = Updates(Optimiser(learning_rate=1.0, momentum=0.0, average=0.5), {"w": torch.zeros(1)}, 4)
    for _ in range(4):
        ours.apply({"w": torch.ones(1, dtype=torch.float64)})
    assert ours.result()["w"].item() == -3.5


def test_the_self_check_runs_before_the_first_step(run):
    seen = []
    with pytest.raises(TrainingFailed, match="self-check"):
        run(
            engine=lambda f, l, p, b, c, *, microbatch: {n: torch.zeros(v.shape).double() for n, v in p.items()},
            on_step=seen.append,
        )
    assert not seen
