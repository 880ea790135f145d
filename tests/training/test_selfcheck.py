"""Planted bugs: every one of them trains a fine-looking model, and the product's own check refuses each."""

import numpy as np
import pytest
import torch

from policies.errors import TrainingFailed
from training_sandbox import noise, sampler, selfcheck, step
from training_sandbox.engines import vmap
from training_sandbox.patients import Patients
from training_sandbox.selfcheck import self_check
from training_sandbox.settings import Task


@pytest.fixture
def check(make_graph, make_params, make_plan):
    def call(engine=vmap.clipped_sum, **plan):
        graph = make_graph(hidden=20)
        terms = {"public_patients": 400, "cap": 280} | plan
        self_check(
            graph, make_params(graph), make_plan(**terms), loss="cross-entropy", task=Task(kind="binary"), engine=engine
        )

    return call


@pytest.mark.parametrize(
    "plan",
    [{}, {"sampling_rate": 1.0, "cap": 400}, {"sampling_rate": 0.001}, {"clip": 20.0}, {"records_per_patient": 1}],
)
def test_a_right_mechanism_passes(check, plan):
    check(**plan)


def test_no_noise_is_caught(check, monkeypatch):
    monkeypatch.setattr(noise, "add", lambda total, *_: total)
    with pytest.raises(TrainingFailed, match="noise"):
        check()


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1])
def test_noise_of_another_size_is_caught(check, monkeypatch, factor):
    right = noise.add
    monkeypatch.setattr(noise, "add", lambda total, sigma, *rest: right(total, sigma * factor, *rest))
    with pytest.raises(TrainingFailed, match="noise has not the plan's size"):
        check()


def test_noise_left_out_of_the_step_alone_is_caught(check, monkeypatch):
    right = step.gradient

    def quiet(*args, **kwargs):
        return {name: value * 0 for name, value in right(*args, **kwargs).items()}

    monkeypatch.setattr(selfcheck, "gradient", quiet)
    with pytest.raises(TrainingFailed):
        check()


def test_noise_that_is_uniform_is_caught(check, monkeypatch):
    def uniform(total, sigma, key, at, name):
        drawn = noise.words(key, "noise", at, name, total.numel()) / 2.0**64 - 0.5
        return total + torch.from_numpy(drawn * sigma * 12**0.5).reshape(total.shape)

    monkeypatch.setattr(noise, "add", uniform)
    with pytest.raises(TrainingFailed, match="not Gaussian"):
        check()


def test_noise_that_is_off_centre_is_caught(check, monkeypatch):
    right = noise.add
    monkeypatch.setattr(noise, "add", lambda total, *rest: right(total, *rest) + 0.2)
    with pytest.raises(TrainingFailed, match="not centred"):
        check()


def test_the_same_noise_at_every_step_is_caught(check, monkeypatch):
    right = noise.add
    monkeypatch.setattr(noise, "add", lambda total, sigma, key, at, name: right(total, sigma, key, 1, name))
    with pytest.raises(TrainingFailed, match="same noise"):
        check()


def test_clipping_the_batch_instead_of_the_patient_is_caught(check):
    def per_batch(forward, loss, params, batch, clip, *, microbatch):
        del microbatch
        total = {n: v.double().sum(0) for n, v in vmap.per_patient(forward, loss)(params, batch).items()}
        norm = torch.cat([v.flatten() for v in total.values()]).norm()
        return {n: v / max(float(norm), clip) for n, v in total.items()}

    with pytest.raises(TrainingFailed, match="differs from a plain loop"):
        check(engine=per_batch)


def test_no_clipping_is_caught(check):
    def unclipped(forward, loss, params, batch, clip, *, microbatch):
        del microbatch
        return {n: v.double().sum(0) / clip for n, v in vmap.per_patient(forward, loss)(params, batch).items()}

    with pytest.raises(TrainingFailed, match="differs from a plain loop"):
        check(engine=unclipped)


def test_a_nan_record_that_spreads_is_caught(check):
    def naive(forward, loss, params, batch, clip, *, microbatch):
        del microbatch
        each = vmap.per_patient(forward, loss)(params, batch)
        norm = torch.stack([v.double().flatten(1).square().sum(1) for v in each.values()]).sum(0).sqrt()
        factor = (clip / norm.clamp(min=1e-300)).clamp(max=1) / clip
        return {n: torch.einsum("b,b...->...", factor, v.double()) for n, v in each.items()}

    with pytest.raises(TrainingFailed, match="not finite"):
        check(engine=naive)


def test_clipping_records_instead_of_patients_is_caught(check):
    def per_record(forward, loss, params, batch, clip, *, microbatch):
        x, y = batch.features.flatten(0, 1).unsqueeze(1), batch.labels.flatten().unsqueeze(1)
        w = (batch.weights.flatten().unsqueeze(1) > 0).float()
        return vmap.clipped_sum(forward, loss, params, Patients(x, y, w), clip, microbatch=microbatch)

    with pytest.raises(TrainingFailed):
        check(engine=per_record)


def test_sampling_records_instead_of_patients_is_caught(check, monkeypatch):
    right = step.gradient

    def by_record(forward, loss, params, table, plan, **kwargs):
        split = Patients(
            table.features.flatten(0, 1).unsqueeze(1),
            table.labels.flatten().unsqueeze(1),
            table.weights.flatten().unsqueeze(1),
        )
        return right(forward, loss, params, split, plan, **kwargs)

    monkeypatch.setattr(selfcheck, "gradient", by_record)
    with pytest.raises(TrainingFailed, match="not the sum over the drawn patients"):
        check()


def test_dividing_by_the_real_batch_size_is_caught(check, monkeypatch):
    right = step.gradient

    def by_count(forward, loss, params, table, plan, *, run_key, step, **kwargs):
        drawn = sampler.draw(plan, run_key, step)
        real = max(1, int(((drawn >= 0) & (drawn < len(table) - 1)).sum()))
        found = right(forward, loss, params, table, plan, run_key=run_key, step=step, **kwargs)
        return {n: v * (plan.expected_patients / real) for n, v in found.items()}

    monkeypatch.setattr(selfcheck, "gradient", by_count)
    with pytest.raises(TrainingFailed):
        check()


def shuffled(plan, key, at):
    size = int(plan.expected_patients)
    order = np.random.default_rng(at).permutation(plan.public_patients)[:size]
    return np.concatenate([np.sort(order), np.full(plan.cap - size, sampler.EMPTY)])


def test_a_shuffled_loader_is_caught(check, monkeypatch):
    monkeypatch.setattr(sampler, "draw", shuffled)
    with pytest.raises(TrainingFailed, match="not Poisson"):
        check()


def test_another_sampling_rate_is_caught(check, monkeypatch):
    right = sampler.draw
    monkeypatch.setattr(
        sampler, "draw", lambda plan, key, at: right(plan, key, at) if plan.cap < 20 else half(plan, key, at)
    )

    def half(plan, key, at):
        draw = right(plan, key, at).copy()
        draw[::2] = sampler.EMPTY
        return draw

    with pytest.raises(TrainingFailed, match="probability"):
        check()


def test_a_patient_drawn_twice_is_caught(check, monkeypatch):
    monkeypatch.setattr(selfcheck, "_check_step", lambda *_: None)
    monkeypatch.setattr(selfcheck, "_check_noise", lambda *_: None)
    monkeypatch.setattr(sampler, "draw", lambda plan, *_: np.zeros(plan.cap, np.int64))
    with pytest.raises(TrainingFailed, match="drawn twice"):
        check()


def test_a_batch_that_is_not_padded_is_caught(check, monkeypatch):
    right = sampler.draw
    monkeypatch.setattr(sampler, "draw", lambda *a: right(*a)[right(*a) != sampler.EMPTY])
    with pytest.raises(TrainingFailed, match="padded"):
        check()
