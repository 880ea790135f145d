"""Which kernel is fastest is found on random data of the static shapes, and only where it is worth finding out."""

import itertools

import pytest
import torch

from training_sandbox import losses
from training_sandbox.engines import choice as choices
from training_sandbox.engines import norms, plain, tune
from training_sandbox.engines.bookkeeping import Bookkeeping, Settings
from training_sandbox.engines.heard import Layout
from training_sandbox.engines.uses import find_uses
from training_sandbox.graph import reader
from training_sandbox.graph.run import bind
from training_sandbox.settings import Task


@pytest.fixture(scope="module")
def pictures():
    from medtrain_client.pack import pack

    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 3, 3), torch.nn.Tanh(), torch.nn.Conv2d(3, 3, 3), torch.nn.Tanh()
    packed = pack(torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(48, 2)), "float32[1,1,8,8]")
    graph = reader.read_graph(packed.graph)
    return graph, reader.read_weights(graph, packed.weights)


@pytest.fixture
def timed(monkeypatch):
    """Kernels of which the second one asked for always takes the least time."""
    asked = []
    right = norms.squared

    def squared(uses, kernel, *rest, **more):
        asked.append(kernel)
        return right(uses, kernel, *rest, **more)

    clock = itertools.count()
    spent = {"ghost": 3.0, "product": 0.5, "grouped": 900.0, "shifted": 2.0}
    now = [0.0]

    def perf_counter():
        if next(clock) % 2:
            now[0] += spent[asked[-1]]
        return now[0]

    monkeypatch.setattr(norms, "squared", squared)
    monkeypatch.setattr(tune.time, "perf_counter", perf_counter)
    return asked


@pytest.mark.parametrize("layout", [Layout(12, 4, 3), Layout(9, 4, 3), Layout(4, 4, 1)])
def test_the_fastest_is_kept_and_its_sum_is_right(pictures, timed, monkeypatch, layout):
    graph, params = pictures
    monkeypatch.setattr(tune, "WORTH_TIMING", 0)
    found = tune.tune(find_uses(graph, params), params, layout)
    assert dict(found) == {"0.weight": "product", "2.weight": "product", "5.weight": "product"}
    wanted = choices.Request(
        task=Task(kind="binary"), loss="cross-entropy", patients=4, records=layout.records, steps=1
    )
    loss, batch = losses.function("cross-entropy"), choices.random_batch(graph, wanted, 4)
    engine = Bookkeeping(
        graph, loss, params, layout, label=torch.tensor(0), traced=False, settings=Settings(kernels=found)
    )
    sums = engine(bind(graph), loss, params, batch, 0.1, microbatch=4)
    loop = plain.loop_sum(bind(graph), loss, params, batch, 0.1, bound=engine.bound)
    assert all(float((sums[name] - loop[name]).abs().max()) < 4e-6 for name in loop)


def test_a_hopeless_kernel_is_tried_once(pictures, timed, monkeypatch):
    graph, params = pictures
    monkeypatch.setattr(tune, "WORTH_TIMING", 0)
    tune.tune(find_uses(graph, params), params, Layout(4, 4, 1))
    assert timed.count("grouped") == 2
    assert timed.count("product") == 3 * 3


def test_small_nodes_are_not_timed(pictures, timed):
    graph, params = pictures
    assert tune.tune(find_uses(graph, params), params, Layout(4, 4, 1)) == ()
    assert not timed
