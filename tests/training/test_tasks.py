"""Tasks beyond classification: losses against their definitions, labels, metrics, optimisers, augmentation."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from policies.errors import Misuse
from training_sandbox import evaluation, losses, trainer
from training_sandbox.augment import augment
from training_sandbox.optimisers import Updates, rate
from training_sandbox.patients import Patients, gather
from training_sandbox.settings import METRICS, Evaluation, Optimiser, Task, outputs

KEY = bytes(range(32))
TASKS = {
    "binary": (Task(kind="binary"), "bce"),
    "multi-class": (Task(kind="multi-class", classes=3), "cross-entropy"),
    "multi-label": (Task(kind="multi-label", classes=3), "bce"),
    "regression": (Task(kind="regression", classes=1, lower=0, upper=10), "squared"),
    "robust": (Task(kind="regression", classes=1, lower=0, upper=10), "huber"),
    "survival": (Task(kind="survival", classes=4), "hazard"),
    "segmentation": (Task(kind="segmentation", classes=2, positions=6), "cross-entropy"),
    "overlap": (Task(kind="segmentation", classes=2, positions=6), "dice"),
}


def labelled(task, patients=40, records=2):
    generator = torch.Generator().manual_seed(3)
    labels = losses.synthetic_labels(task, patients * records, generator).reshape(patients, records, *task.label)
    x = torch.randn(patients, records, 5, generator=generator)
    held = 1 + torch.arange(patients).unsqueeze(1) % records
    return Patients(x, labels, torch.where(torch.arange(records) < held, 1.0 / held, 0.0))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_trains_predicts_and_is_measured(name, make_graph, make_params, make_plan):
    task, loss = TASKS[name]
    graph, data = make_graph(outputs=outputs(task, loss)), labelled(task)
    params, plan = make_params(graph), make_plan(public_patients=40, cap=36, steps=2)
    trained = trainer.train(graph, params, data, plan=plan, task=task, loss=loss, optimiser=Optimiser(), run_key=KEY)
    scores = trainer.predict(graph, trained.params, data, task=task, loss=loss)
    terms = (scores, data.labels, data.weights)
    noisy = evaluation.charged(*terms, Evaluation(sigma=1e-3), KEY, task).as_dict()
    true = evaluation.exact(*terms, task).as_dict()
    assert set(noisy) == set(true) == set(METRICS[task.kind])
    for figure, value in true.items():
        assert value is None or (0 <= value <= 1 and abs(value - noisy[figure]) < 0.15)


def test_the_hazard_loss_is_the_negative_log_likelihood():
    logits = torch.tensor([[0.3, -1.0, 0.7, 2.0]])
    h = torch.sigmoid(logits[0])
    died = losses.function("hazard")(logits, torch.tensor([2, 1]))
    lost = losses.function("hazard")(logits, torch.tensor([2, 0]))
    survived = -((1 - h[0]).log() + (1 - h[1]).log())
    torch.testing.assert_close(lost, survived)
    torch.testing.assert_close(died, survived - h[2].log())


def test_dice_is_nought_for_a_perfect_map_and_bce_is_the_mean_over_labels():
    truth = torch.tensor([0, 1, 1, 0])
    perfect = torch.stack((1.0 - truth, truth.float())).mul(80).reshape(1, 2, 2, 2)
    assert float(losses.function("dice")(perfect, truth)) < 1e-6
    assert float(losses.function("dice")(-perfect, truth)) > 0.7
    logits, labels = torch.randn(1, 3), torch.tensor([1, 0, 1])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[0], labels.float())
    torch.testing.assert_close(losses.function("bce")(logits, labels), expected)


def test_the_robust_loss_is_square_near_nought_and_linear_beyond():
    loss = losses.function("huber")
    assert float(loss(torch.tensor([[0.1]]), torch.tensor(0.0))) == pytest.approx(0.005)
    assert float(loss(torch.tensor([[1.0]]), torch.tensor(0.0))) == pytest.approx(0.2 * 0.9)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [("binary", "squared"), ("regression", "bce"), ("survival", "cross-entropy"), ("multi-label", "dice")],
)
def test_a_loss_that_does_not_fit_is_refused(kind, loss):
    with pytest.raises(Misuse, match="losses of a"):
        outputs(Task(kind=kind, classes=1 if kind == "regression" else 2), loss)


@pytest.mark.parametrize(
    "terms",
    [
        {"kind": "cox"},
        {"kind": "regression", "classes": 1, "lower": 1, "upper": 0},
        {"kind": "regression", "classes": 1, "upper": math.inf},
        {"kind": "binary", "positions": 4},
        {"kind": "segmentation"},
        {"kind": "survival", "classes": 1},
    ],
)
def test_a_task_that_cannot_be_is_refused(terms):
    with pytest.raises(Misuse):
        Task(**terms)


def test_labels_of_every_shape_come_out_of_a_table():
    frame = pl.DataFrame(
        {"patient": [1, 1, 2], "f0": [0.0, 1, 2], "label": [3, 2, 9], "event": [1, 0, 1], "label0": [1, 0, 1],
         "label1": [0, 2, 0], "target": [1.0, 20.0, None]}
    )  # fmt: skip
    survival = gather(frame, ["f0"], task=Task(kind="survival", classes=4), records_per_patient=2)
    assert survival.labels.tolist() == [[[3, 1], [2, 0]], [[0, 0], [0, 0]]]
    assert survival.weights.tolist() == [[0.5, 0.5], [0, 0]]
    many = gather(frame, ["f0"], task=Task(kind="multi-label", classes=2), records_per_patient=2)
    assert many.weights.tolist() == [[1, 0], [1, 0]]
    amount = frame.drop("label").rename({"target": "label"})
    task = Task(kind="regression", classes=1, lower=0, upper=10)
    numbers = gather(amount, ["f0"], task=task, records_per_patient=2)
    np.testing.assert_allclose(numbers.labels, [[-0.8, 1.0], [0, 0]], rtol=1e-6)
    assert numbers.weights.tolist() == [[0.5, 0.5], [0, 0]]


def test_perfect_and_useless_predictions_are_told_apart():
    task = Task(kind="survival", classes=4)
    labels = torch.tensor([[[0, 1]], [[1, 1]], [[2, 1]], [[3, 0]]])
    ones = torch.ones(4, 1)
    right = torch.tensor([[-0.5], [-1.5], [-2.5], [-3.5]])
    assert evaluation.exact(right, labels, ones, task).as_dict() == {"concordance": 1.0}
    assert evaluation.exact(-4 - right, labels, ones, task).as_dict() == {"concordance": 0.0}
    task = Task(kind="regression", classes=1, lower=0, upper=10)
    target = torch.linspace(-1, 1, 9).reshape(9, 1)
    found = evaluation.exact((target + 1) * 5, target, torch.ones(9, 1), task).as_dict()
    assert found["mae"] == 0
    assert found["r2"] > 0.99
    nobody = evaluation.exact(target[:0], target[:0], target[:0], task).as_dict()
    assert nobody == {"mae": 1.0, "r2": 0.0}


def test_one_patient_moves_a_tally_by_at_most_one():
    generator = torch.Generator().manual_seed(0)
    for kind, classes in (("multi-label", 3), ("survival", 4), ("segmentation", 3), ("regression", 1)):
        positions = 5 if kind == "segmentation" else 1
        task = Task(kind=kind, classes=classes, positions=positions)
        labels = losses.synthetic_labels(task, 3, generator).reshape(1, 3, *task.label)
        shape = {"multi-label": (3,), "segmentation": (3, 5)}.get(kind, ())
        scores = torch.randn((1, 3, *shape), generator=generator) * 9
        seen = []

        def keep(total, seen=seen):
            seen.append(float(total.norm()))
            return total

        from training_sandbox import tallies

        tallies.metrics(scores, labels, torch.full((1, 3), 1 / 3), task, Evaluation(), keep)
        assert 0 < seen[0] <= 1


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 0.1), ("cosine", 0.0245)])
def test_step_sizes_follow_the_schedule(schedule, last):
    settings = Optimiser(learning_rate=1.0, schedule=schedule)
    assert rate(settings, 1, 10) == 1.0
    assert rate(settings, 10, 10) == pytest.approx(last, abs=1e-3)
    warm = Optimiser(learning_rate=1.0, schedule=schedule, warmup=0.3)
    assert [rate(warm, s, 10) for s in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert rate(warm, 4, 10) == 1.0


def walk(settings, slopes, **options):
    updates = Updates(settings, {"w": torch.zeros(3)}, len(slopes), **options)
    seen = []
    for slope in slopes:
        updates.apply({"w": slope})
        seen.append(updates.params["w"].clone())
    return updates.result()["w"], seen


def test_sgd_and_adam_are_torchs():
    slopes = [torch.randn(3, dtype=torch.float64) for _ in range(5)]
    for settings, make in (
        (Optimiser(learning_rate=0.1, weight_decay=0.01), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01)),
        (Optimiser(name="adam", learning_rate=0.1), lambda p: torch.optim.Adam(p, 0.1)),
    ):
        leaf = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        other = make([leaf])
        for slope in slopes:
            leaf.grad = slope.clone()
            other.step()
        torch.testing.assert_close(walk(settings, slopes)[0], leaf.detach().float(), atol=1e-6, rtol=1e-5)


def test_a_moving_average_is_free_of_the_start():
    slopes = [torch.ones(3, dtype=torch.float64)] * 6
    found, seen = walk(Optimiser(momentum=0.0, ema=0.5), slopes)
    weights = [0.5 ** (6 - i) for i in range(1, 7)]
    expected = sum(w * s for w, s in zip(weights, seen, strict=True)) / sum(weights)
    torch.testing.assert_close(found, expected.float())


def test_corrected_adam_steps_as_if_there_were_no_noise():
    """A gradient far below the noise: plain Adam divides by the noise, the corrected one by what is left."""
    generator = torch.Generator().manual_seed(0)
    signal, spread = 0.5, 1.0
    drawn = [signal + spread * torch.randn(3, dtype=torch.float64, generator=generator) for _ in range(3000)]
    plain, _ = walk(Optimiser(name="adam", learning_rate=1e-3), drawn)
    corrected, _ = walk(Optimiser(name="adam-corrected", learning_rate=1e-3), drawn, noise=spread)
    assert float(plain.mean()) == pytest.approx(-3000e-3 * signal / math.hypot(signal, spread), rel=0.1)
    assert float(corrected.mean()) == pytest.approx(-3000e-3, rel=0.15)


@pytest.mark.parametrize(
    "terms",
    [
        {"name": "lion"},
        {"schedule": "steps"},
        {"ema": 0.9, "average": 0.5},
        {"augmentations": 0},
        {"clipping": "none"},
        {"warmup": 1},
    ],
)
def test_impossible_optimisers_are_refused(terms):
    with pytest.raises(Misuse):
        Optimiser(**terms)


def test_versions_of_an_image_are_shifts_and_flips_in_the_patients_mean():
    image = torch.arange(64.0).reshape(1, 1, 1, 8, 8).expand(5, 2, 1, 8, 8).contiguous()
    batch = Patients(image, torch.tensor([[0, 1]] * 5), torch.tensor([[0.5, 0.5]] * 5))
    many = augment(batch, 4, KEY, 1)
    assert many.features.shape == (5, 8, 1, 8, 8)
    torch.testing.assert_close(many.weights.sum(1), torch.ones(5))
    assert many.labels[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert set(many.features.unique().tolist()) <= set(range(64))
    steps = many.features.diff(dim=-1)[:, :, :, :, 3]
    assert {float(v) for v in steps.unique()} == {-1.0, 1.0}  # not flipped, and flipped
    again = augment(batch, 4, KEY, 1)
    assert torch.equal(again.features, many.features)
    assert not torch.equal(augment(batch, 4, KEY, 2).features, many.features)


def test_augmentation_is_for_images(make_graph):
    with pytest.raises(Misuse, match="image"):
        trainer.preparation(make_graph(), Optimiser(augmentations=2))
