"""Every algorithm: it learns, it asks for what it said it would, its result is a graph like any other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policies.errors import Misuse
from training_sandbox import accountant
from training_sandbox.algorithms import registry
from training_sandbox.algorithms.additive import Additive
from training_sandbox.algorithms.federated import Federated
from training_sandbox.algorithms.regression import Linear, Logistic
from training_sandbox.algorithms.rows import Rows, rows
from training_sandbox.algorithms.shapes import Components, KMeans
from training_sandbox.algorithms.teller import plan_of
from training_sandbox.graph import format as form
from training_sandbox.graph.check import preflight
from training_sandbox.graph.run import bind
from training_sandbox.plan import DPPlan

KEY = b"a" * 32
PLAN = DPPlan(
    sampling_rate=1.0,
    cap=10,
    clip=1.0,
    noise_multiplier=1.0,
    steps=1,
    delta=1e-5,
    public_patients=10,
    records_per_patient=1,
)


def table(count: int = 2000, width: int = 4, classes: int = 2, seed: int = 0) -> Rows:
    """Return rows whose label is a noisy function of the first feature."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (count, width))
    edges = np.linspace(-1, 1, classes + 1)[1:-1]
    y = np.digitize(x[:, 0] + 0.1 * random.normal(size=count), edges)
    return rows(x, y, classes, np.arange(count) % 3)


def predicted(algorithm, params: dict[str, np.ndarray], x: np.ndarray, classes: int = 2) -> np.ndarray:
    """Return the outputs of the algorithm's graph, run as the facility runs it."""
    graph = form.read(algorithm.graph(x.shape[1], classes).to_json())
    assert {t.name: t.shape for t in graph.parameters} == {n: v.shape for n, v in params.items()}
    tensors = {name: torch.from_numpy(value) for name, value in params.items()}
    forward = bind(graph)
    found = torch.func.vmap(lambda record: forward(tensors, record.unsqueeze(0))[0])(torch.from_numpy(x).float())
    assert preflight(graph).output == (1, found.shape[1])
    return found.numpy()


def learned(algorithm, data: Rows, total: float = 1.5, key: bytes = KEY):
    """Return what is learned when all releases together are one of noise ``total``."""
    releases = algorithm.releases(data.x.shape[1], data.classes)
    sigma = total * releases**0.5
    plan = plan_of(replace(PLAN, noise_multiplier=sigma, public_patients=len(data), cap=len(data)), releases)
    asked: list[int] = []
    params = registry.fit(algorithm, data, plan, key, asked.append)
    assert asked == list(range(1, plan.steps + 1))
    assert all(value.dtype == np.float32 for value in params.values())
    return params


LABELLED = [
    (Logistic(steps=40, learning_rate=8.0), 2, 0.85),
    (Logistic(steps=60, learning_rate=8.0, clip=1.0, row_norm=1.5), 3, 0.65),
    (Linear(), 2, 0.85),
    (Linear(), 3, 0.6),
    (Additive(rounds=2), 2, 0.85),
    (Federated(sites=3), 2, 0.8),
]


@pytest.mark.parametrize(("algorithm", "classes", "least"), LABELLED, ids=lambda v: type(v).__name__)
def test_it_learns_under_privacy(algorithm, classes: int, least: float) -> None:
    data, test = table(classes=classes), table(500, classes=classes, seed=1)
    found = predicted(algorithm, learned(algorithm, data), test.x, classes)
    assert found.shape == (500, classes)
    assert (found.argmax(1) == test.y).mean() >= least


@pytest.mark.parametrize("algorithm", [Logistic(steps=10), Linear(), Additive(rounds=1), KMeans(), Components()])
def test_the_same_run_key_gives_the_same_model_and_another_one_another(algorithm) -> None:
    data = table(300)
    first, again, other = (learned(algorithm, data, key=key) for key in (KEY, KEY, b"b" * 32))
    assert all(np.array_equal(first[n], again[n]) for n in first)
    assert not all(np.array_equal(first[n], other[n]) for n in first)


def test_little_privacy_budget_means_much_noise() -> None:
    data, test = table(), table(500, seed=1)
    algorithm = Logistic(steps=40, learning_rate=8.0)
    right = [(predicted(algorithm, learned(algorithm, data, t), test.x).argmax(1) == test.y).mean() for t in (2e3, 1)]
    assert right[0] < 0.8 < right[1]


def test_clusters_are_found() -> None:
    random = np.random.default_rng(0)
    centres = np.array([[-0.6, -0.5], [0.6, 0.5]])
    truth = random.integers(0, 2, 3000)
    data = rows(centres[truth] + 0.08 * random.normal(size=(3000, 2)), truth, 2)
    algorithm = KMeans(clusters=2, rounds=4)
    params = learned(algorithm, data)
    found = predicted(algorithm, params, data.x).argmax(1)
    assert max((found == truth).mean(), (found != truth).mean()) > 0.98
    assert np.abs(np.sort(params["weight"][:, 0] / 2) - [-0.6, 0.6]).max() < 0.05


def test_a_cluster_of_nobody_keeps_its_centre() -> None:
    data = rows(np.full((100, 2), 0.9), np.zeros(100), 2)
    assert np.isfinite(learned(KMeans(clusters=8, rounds=3), data)["weight"]).all()


def test_the_main_direction_is_found() -> None:
    random = np.random.default_rng(0)
    x = 0.2 + 0.5 * np.outer(random.normal(size=4000), [0.8, 0.6, 0.0]) + 0.05 * random.normal(size=(4000, 3))
    params = learned(Components(components=2), rows(x, np.zeros(4000), 2))
    assert abs(params["weight"][0] @ [0.8, 0.6, 0.0]) > 0.97
    assert np.allclose(np.linalg.norm(params["weight"], axis=1), 1, atol=1e-5)
    with pytest.raises(Misuse, match="fewer features"):
        Components(components=5).releases(3, 2)


def test_step_functions_are_exact_at_their_edges() -> None:
    algorithm = Additive(bins=4, rounds=1)
    data = table(500, width=2)
    params = learned(algorithm, data)
    inside = predicted(algorithm, params, np.array([[-0.75, 0.0], [-0.51, 0.0], [-0.5, 0.0], [-0.49, 0.0]]))[:, 1]
    assert inside[0] == inside[1]
    assert inside[2] == inside[3] != inside[1]


def test_a_hospital_that_is_not_listed_is_refused() -> None:
    with pytest.raises(Misuse, match="sites"):
        learned(Federated(sites=2), table(60))


def test_a_patient_is_charged_for_one_hospital() -> None:
    algorithm = Federated(sites=3, rounds=2)
    assert algorithm.releases(4, 2) == 2 * algorithm.local().steps


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("forest", {}),
        ("logistic-regression", {"stepz": 1}),
        ("logistic-regression", {"steps": "5"}),
        ("logistic-regression", {"steps": 2.5}),
        ("logistic-regression", {"steps": 0}),
        ("logistic-regression", {"clip": True}),
        ("logistic-regression", {"row_norm": -1}),
        ("linear-regression", {"penalty": 0}),
        ("additive-boosting", {"bins": 1}),
        ("k-means", {"clusters": 1}),
        ("principal-components", {"components": 0}),
    ],
)
def test_an_algorithm_that_is_not_one_is_refused(name: str, settings: dict) -> None:
    with pytest.raises(Misuse):
        registry.read(name, settings)


def test_the_additive_model_takes_two_classes() -> None:
    with pytest.raises(Misuse, match="two classes"):
        Additive().releases(3, 3)


@pytest.mark.parametrize("broken", [{"sites": 0}, {"sites": 2, "rounds": 0}])
def test_an_average_of_nothing_is_refused(broken: dict) -> None:
    with pytest.raises(Misuse):
        Federated(**broken)


@pytest.mark.parametrize("name", sorted(registry.ALGORITHMS))
def test_every_name_gives_an_algorithm_and_a_plan(name: str) -> None:
    algorithm = registry.read(name, {})
    plan = registry.calibrate(algorithm, 1.0, 1e-5, width=3, classes=2, public_patients=500)
    assert plan.steps == algorithm.releases(3, 2) == registry.plan_for(algorithm, plan, width=3, classes=2).steps
    assert 0.98 < accountant.epsilon(plan).pld <= 1
    assert (plan.sampling_rate, plan.cap, plan.overflow) == (1.0, 500, 0.0)
