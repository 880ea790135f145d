import json
from dataclasses import replace

import pytest

from policies.errors import Misuse, Tampered
from training_sandbox.job import FILES, Job
from training_sandbox.settings import Evaluation, Optimiser, Task


@pytest.fixture
def job(make_plan):
    return Job(
        run="run-1",
        plan=make_plan(),
        task=Task(kind="binary"),
        loss="bce",
        optimiser=Optimiser(),
        evaluation=Evaluation(),
        features=("age", "sex"),
        files=tuple(sorted((name, "0" * 64) for name in FILES)),
        commitments=(("data_key", "1" * 64), ("run_key", "2" * 64)),
        data_class="demonstration",
        reveal_exact=True,
    )


def test_a_job_survives_the_way_through_its_file(job):
    assert Job.from_json(job.to_json()) == job


def test_exact_metrics_are_for_demonstration_data_only(job):
    with pytest.raises(Tampered, match="demonstration"):
        replace(job, data_class="sensitive")


def test_a_loss_that_does_not_fit_the_task_is_refused(job):
    with pytest.raises(Misuse):
        replace(job, task=Task(kind="multi-class", classes=3))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "medtrain.job/2"},
        {"extra": 1},
        {"run": "../../etc"},
        {"features": []},
        {"features": ["age", "age"]},
        {"files": {}},
        {"commitments": {"data_key": "1" * 64}},
        {"data_class": "public"},
        {"loss": "eval"},
    ],
)
def test_a_file_that_breaks_the_schema_is_refused(job, change):
    with pytest.raises(Tampered, match=r"not a medtrain\.job/1 file"):
        Job.from_json(json.dumps(job.as_dict() | change).encode())


def test_a_file_that_is_not_canonical_is_refused(job):
    with pytest.raises(Tampered, match="canonical"):
        Job.from_json(json.dumps(job.as_dict()).encode())


def test_a_plan_out_of_range_is_refused(job):
    value = job.as_dict()
    value["plan"]["cap"] = 10**6
    with pytest.raises(Misuse, match="cap"):
        Job.from_json(json.dumps(value).encode())
