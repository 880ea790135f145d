import math

import pytest
import torch

from training_sandbox import losses
from training_sandbox.engines import plain, vmap
from training_sandbox.engines.bookkeeping import Bookkeeping
from training_sandbox.engines.heard import Layout
from training_sandbox.graph.run import bind
from training_sandbox.noise import GRID
from training_sandbox.patients import Patients


def flat(tensors):
    return torch.cat([value.flatten() for value in tensors.values()])


@pytest.fixture
def setting(make_graph, make_params, make_patients):
    graph = make_graph()
    return bind(graph), losses.function("cross-entropy"), make_params(graph), make_patients(records=3)


@pytest.mark.parametrize("clip", [1e-3, 0.1, 0.5, 100.0])
def test_the_sum_equals_a_plain_loop_over_patients(setting, clip):
    forward, loss, params, batch = setting
    found = vmap.clipped_sum(forward, loss, params, batch, clip, microbatch=3)
    assert float((flat(found) - flat(plain.loop_sum(*setting, clip))).abs().max()) < 1e-6 * max(1, 10 / len(batch))


def test_unclipped_sums_are_the_ordinary_gradient(setting):
    forward, loss, params, batch = setting
    found = vmap.clipped_sum(forward, loss, params, batch, 1e3, microbatch=8)
    expected = plain.mean_gradient(forward, loss, params, batch)
    torch.testing.assert_close(flat(found) * 1e3 / len(batch), flat(expected), atol=1e-4, rtol=1e-4)


def test_sums_lie_on_the_lattice_whatever_the_microbatch(setting):
    forward, loss, params, batch = setting
    sums = [flat(vmap.clipped_sum(forward, loss, params, batch, 0.1, microbatch=m)) for m in (1, 3, 8)]
    assert all(torch.equal(torch.round(s / GRID) * GRID, s) for s in sums)
    assert all(float((s - sums[0]).abs().max()) < 1e-6 for s in sums)


@pytest.mark.parametrize("clip", [1e-6, 0.01, 1.0])
def test_nobody_contributes_more_than_the_clip_norm(setting, clip):
    forward, loss, params, batch = setting
    for i in range(len(batch)):
        one = vmap.clipped_sum(forward, loss, params, batch.take(torch.tensor([i])), clip, microbatch=1)
        assert float(flat(one).norm()) <= 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
def test_other_patients_cannot_change_ones_contribution(setting, value):
    forward, loss, params, batch = setting
    features = batch.features.clone()
    features[1:] = value
    poisoned = Patients(features, batch.labels, batch.weights)
    total = vmap.clipped_sum(forward, loss, params, poisoned, 0.1, microbatch=8)
    rest = vmap.clipped_sum(forward, loss, params, poisoned.take(torch.arange(1, 8)), 0.1, microbatch=8)
    alone = vmap.clipped_sum(forward, loss, params, batch.take(torch.arange(1)), 0.1, microbatch=8)
    assert torch.isfinite(flat(total)).all()
    assert float((flat(total) - flat(rest) - flat(alone)).abs().max()) < 1e-6


def test_one_bad_record_zeroes_its_patient_and_nobody_else(setting):
    forward, loss, params, batch = setting
    features = batch.features.clone()
    features[2, 0, 0] = math.nan
    found = vmap.clipped_sum(forward, loss, params, Patients(features, batch.labels, batch.weights), 0.1, microbatch=8)
    others = batch.take(torch.tensor([0, 1, 3, 4, 5, 6, 7]))
    expected = vmap.clipped_sum(forward, loss, params, others, 0.1, microbatch=8)
    assert float((flat(found) - flat(expected)).abs().max()) < 1e-6


def test_a_patient_counts_once_however_many_records(setting):
    forward, loss, params, batch = setting
    one = Patients(batch.features[:1, :1], batch.labels[:1, :1], torch.ones(1, 1))
    many = Patients(one.features.repeat(1, 9, 1), one.labels.repeat(1, 9), torch.full((1, 9), 1 / 9))
    sums = [flat(vmap.clipped_sum(forward, loss, params, b, 0.01, microbatch=1)) for b in (one, many)]
    assert float((sums[0] - sums[1]).abs().max()) < 1e-6


def test_padding_contributes_nothing(setting):
    forward, loss, params, batch = setting
    empty = Patients(batch.features, batch.labels, torch.zeros_like(batch.weights))
    assert not flat(vmap.clipped_sum(forward, loss, params, empty, 0.1, microbatch=4)).any()
    assert not flat(plain.loop_sum(forward, loss, params, empty, 0.1)).any()


def test_the_loop_leaves_out_a_gradient_that_is_not_finite(setting):
    forward, loss, params, batch = setting
    bad = Patients(torch.full_like(batch.features, math.nan), batch.labels, batch.weights)
    assert not flat(plain.loop_sum(forward, loss, params, bad, 0.1)).any()


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # the first layer's input needs no gradient
def test_the_engines_agree_with_opacus(setting, make_graph):
    """Opacus' per-sample gradients as an independent oracle, one record for each patient."""
    from opacus.grad_sample import GradSampleModule

    forward, loss, params, _ = setting
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model.load_state_dict(dict(zip(model.state_dict(), params.values(), strict=True)))
    x, y = torch.randn(16, 5), torch.randint(0, 2, (16,))
    wrapped = GradSampleModule(model, loss_reduction="sum")
    torch.nn.functional.cross_entropy(wrapped(x), y, reduction="sum").backward()
    each = torch.cat([p.grad_sample.flatten(1) for p in wrapped.parameters()], 1).double()
    factor = (0.3 / each.norm(dim=1)).clamp(max=1) / 0.3
    batch = Patients(x.unsqueeze(1), y.unsqueeze(1), torch.ones(16, 1))
    found = flat(vmap.clipped_sum(forward, loss, params, batch, 0.3, microbatch=5))
    expected = (each * factor.unsqueeze(1)).sum(0)
    assert float((found - expected).abs().max()) < 1e-5
    engine = Bookkeeping(make_graph(), loss, params, Layout(16, 16, 1), label=torch.tensor(0), traced=False)
    kept = flat(engine(forward, loss, params, batch, 0.3, microbatch=16)) / engine.bound
    assert float((kept - expected).abs().max()) < 1e-5


def test_binary_cross_entropy_is_the_two_class_loss_of_the_logit():
    logit, label = torch.tensor([[0.7]]), torch.tensor(1)
    two = torch.tensor([[0.0, 0.7]])
    found = losses.function("bce")(logit, label)
    torch.testing.assert_close(found, losses.function("cross-entropy")(two, label))
