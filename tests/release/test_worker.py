"""The worker: one job, three files, a fixed vocabulary and a few stable codes."""

import io
import json
import os
import runpy
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save

from policies.errors import Tampered
from training_sandbox import audit, egress, trainer, worker
from training_sandbox.algorithms import registry
from training_sandbox.algorithms.teller import plan_of
from training_sandbox.attacks import membership, report
from training_sandbox.graph import format as form
from training_sandbox.jail.collect import collect, take
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.probe import probe
from training_sandbox.jail.run import run
from training_sandbox.jail.tiers import Tier
from training_sandbox.job import CHECKPOINT, Job
from training_sandbox.settings import Optimiser


def failure(folder: SimpleNamespace, keys: bytes) -> str:
    words: list[str] = []
    assert worker.work(keys, folder.data, folder.out, words.append) == 1
    assert set(words) <= {"started"}
    assert not (folder.out / egress.MODEL).exists()
    return egress.failure_code({egress.RESULT: (folder.out / egress.RESULT).read_bytes()})


def test_the_same_job_gives_the_same_files(tmp_path: Path, ran: tuple, made: SimpleNamespace) -> None:
    folder = made.write_job(tmp_path)
    assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    assert {path.name: path.read_bytes() for path in folder.out.iterdir()} == ran[1]


def test_a_model_of_demonstration_data_learns_and_shows_its_baseline(vetted: egress.Vetted) -> None:
    assert vetted.result.exact["auc"] > 0.7
    assert vetted.result.baseline["auc"] > 0.95


def test_sensitive_data_give_charged_figures_only(tmp_path: Path, made: SimpleNamespace) -> None:
    folder = made.write_job(tmp_path, data_class="sensitive", reveal_exact=False)
    assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    found = json.loads((folder.out / egress.RESULT).read_bytes())
    assert (found["exact"], found["baseline"]) == (None, None)
    assert found["charged"]["auc"] is not None


@pytest.mark.parametrize(
    "keys",
    [
        b"",
        b"{}\n",
        b'{"data_key":"zz","run_key":"zz"}\n',
        b'{"data_key":1,"run_key":2}\n',
        b'{"data_key":"' + b"00" * 32 + b'","run_key":"' + b"72" * 32 + b'"}\n',
    ],
)
def test_keys_that_are_not_the_jobs_open_nothing(tmp_path: Path, made: SimpleNamespace, keys: bytes) -> None:
    assert failure(made.write_job(tmp_path), keys) == "tampered"


@pytest.mark.parametrize("name", ["job.json", "graph.json", "init.safetensors", "train.parquet", "holdout.parquet"])
def test_one_changed_byte_of_the_input_stops_the_job(tmp_path: Path, made: SimpleNamespace, name: str) -> None:
    folder = made.write_job(tmp_path)
    raw = bytearray((folder.data / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder.data / name).write_bytes(raw)
    assert failure(folder, made.KEYS) == "tampered"


def test_rows_encrypted_for_another_run_do_not_open(tmp_path: Path, made: SimpleNamespace) -> None:
    folder = made.write_job(tmp_path)
    raw = made.encrypted(made.table(), "run/r-2/train")
    (folder.data / "train.parquet").write_bytes(raw)
    files = {path.name: path.read_bytes() for path in folder.data.iterdir() if path.name != "job.json"}
    (folder.data / "job.json").write_bytes(made.make_job(files).to_json())
    assert failure(folder, made.KEYS) == "tampered"


def test_a_defect_is_reported_by_code_and_never_by_text(
    tmp_path: Path, made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> pl.DataFrame:
        raise ValueError("patient 7 is ill")

    monkeypatch.setattr(pl, "scan_parquet", broken)
    folder = made.write_job(tmp_path)
    assert failure(folder, made.KEYS) == "training-failed"
    assert b"ill" not in (folder.out / egress.RESULT).read_bytes()


def test_the_process_ends_with_zero_or_one(
    tmp_path: Path, made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made.write_job(tmp_path)
    monkeypatch.setattr(sys, "argv", ["worker", str(folder.data), str(folder.out)])
    for keys, expected in ((made.KEYS, 0), (b"{}\n", 1)):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(keys)))
        with pytest.raises(SystemExit) as ended:
            worker.main()
        assert ended.value.code == expected
        for path in folder.out.iterdir():
            path.unlink()
    assert capsys.readouterr().out.splitlines()[0] == "started"


def test_the_module_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path), str(tmp_path)])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(worker.__file__, run_name="__main__")
    assert ended.value.code == 1


def outputs_of(folder: SimpleNamespace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.out.iterdir()}


def test_a_killed_worker_goes_on_where_it_was_and_ends_in_the_same_bits(
    tmp_path: Path, ran: tuple, made: SimpleNamespace
) -> None:
    """kill -9 after the sixth tenth, in a process of its own; the service then hands the checkpoint back."""
    folder = made.write_job(tmp_path)
    child = os.fork()
    if child == 0:

        def die(word: str) -> None:
            if word == "tenth 6":
                os.kill(os.getpid(), signal.SIGKILL)

        worker.work(made.KEYS, folder.data, folder.out, die)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = take(folder.out, CHECKPOINT, 1 << 20)
    assert left
    assert not (folder.out / egress.MODEL).exists()
    (folder.data / CHECKPOINT).write_bytes(left)
    for path in folder.out.iterdir():
        path.unlink()
    taken: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        right = trainer.gradient
        patched.setattr(trainer, "gradient", lambda *a, **k: (taken.append(k["step"]), right(*a, **k))[1])
        assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    assert min(taken) > 6
    assert outputs_of(folder) == ran[1]


def algorithm_job(made: SimpleNamespace, root: Path, name: str, **settings: float) -> SimpleNamespace:
    algorithm = registry.read(name, settings)
    graph = algorithm.graph(3, 2)
    files = {
        "graph.json": graph.to_json(),
        "init.safetensors": save({t.name: np.zeros(t.shape, np.float32) for t in graph.parameters}),
        "train.parquet": made.encrypted(made.table(), "run/r-1/train"),
        "holdout.parquet": made.encrypted(made.table(80, 2), "run/r-1/holdout"),
    }
    plan = plan_of(made.PLAN, algorithm.releases(3, 2))
    job = made.make_job(files, plan=plan, algorithm=name, settings=tuple(sorted(settings.items())))
    folder = made.JobFolder(root / "in", root / "out", job)
    for path in (folder.data, folder.out):
        path.mkdir()
    for file, raw in {**files, "job.json": job.to_json()}.items():
        (folder.data / file).write_bytes(raw)
    return folder


@pytest.mark.parametrize("name", sorted(registry.ALGORITHMS))
def test_an_algorithm_gives_a_model_a_step_log_and_figures_like_a_graph(
    tmp_path: Path, made: SimpleNamespace, name: str
) -> None:
    folder = algorithm_job(made, tmp_path, name)
    assert Job.from_json(folder.job.to_json()) == folder.job
    assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    graph = form.read((folder.data / "graph.json").read_bytes())
    vetted = egress.vet(outputs_of(folder), graph, folder.job)
    assert audit.audit(folder.job, vetted.steps).steps == folder.job.plan.steps
    assert (vetted.result.charged["accuracy"] is None) == (name in registry.UNLABELLED)
    assert bool(vetted.attacks["membership"]) == (name not in registry.UNLABELLED)


def test_an_evaluation_trains_nothing_and_gives_charged_figures(tmp_path: Path, made: SimpleNamespace) -> None:
    folder = made.write_job(tmp_path, algorithm="evaluation-only")
    words: list[str] = []
    assert worker.work(made.KEYS, folder.data, folder.out, words.append) == 0
    assert words == ["started", "evaluating", "finished"]
    vetted = egress.vet(outputs_of(folder), made.GRAPH, folder.job)
    assert vetted.model == egress.canonical_model(made.weights(), made.GRAPH)
    assert vetted.result.charged["auc"] is not None
    found = audit.audit(folder.job, vetted.steps)
    assert (found.steps, found.training.pld) == (0, 0.0)
    assert found.evaluation.pld > 0
    with pytest.raises(audit.AuditFailed, match="logs no step"):
        audit.audit(folder.job, b"{}\n")


def test_a_search_is_one_plan_and_every_look_is_charged(tmp_path: Path, made: SimpleNamespace) -> None:
    tried = (Optimiser(learning_rate=1e-6), Optimiser(learning_rate=0.5))
    folder = made.write_job(tmp_path, search=tried)
    assert Job.from_json(folder.job.to_json()) == folder.job
    assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    vetted = egress.vet(outputs_of(folder), made.GRAPH, folder.job)
    assert vetted.steps.count(b"\n") == made.PLAN.steps
    assert vetted.result.exact["auc"] > 0.7
    found = audit.audit(folder.job, vetted.steps)
    once = audit.audit(made.replace(folder.job, search=()), vetted.steps)
    assert found.evaluation.pld > once.evaluation.pld
    assert found.training == once.training


def test_a_search_that_does_not_share_out_the_steps_is_no_job(tmp_path: Path, made: SimpleNamespace) -> None:
    with pytest.raises(Tampered, match="shares out"):
        made.write_job(tmp_path, search=(Optimiser(),) * 3)


def test_shadow_models_are_attacked_on_request(tmp_path: Path, made: SimpleNamespace) -> None:
    folder = made.write_job(tmp_path, examination=(("shadows", 4),))
    assert Job.from_json(folder.job.to_json()) == folder.job
    assert worker.work(made.KEYS, folder.data, folder.out, lambda _: None) == 0
    vetted = egress.vet(outputs_of(folder), made.GRAPH, folder.job)
    assert [one["name"] for one in vetted.attacks["membership"]] == ["loss", "lira"]
    audit.check_attacks(vetted.attacks, audit.audit(folder.job, vetted.steps))


def test_a_model_that_an_attack_sees_through_is_no_release(made: SimpleNamespace, ran: tuple) -> None:
    sure = membership.by_score("loss", np.ones(500), np.zeros(500)).as_dict()
    found = {**report.nothing(), "membership": [sure]}
    audited = audit.audit(ran[0], ran[1][egress.STEPS])
    with pytest.raises(audit.AuditFailed, match="did better"):
        audit.check_attacks(found, audit.Audit(1, replace(audited.training, pld=0.5), audited.evaluation))


@pytest.mark.parametrize("tier", [Tier.T1, Tier.T2])
def test_the_worker_trains_inside_the_jail(tmp_path: Path, ran: tuple, made: SimpleNamespace, tier: Tier) -> None:
    if not probe((tier,)).findings[0].held:
        pytest.skip(f"this machine cannot hold {tier.value}: {probe((tier,)).findings[0].problem}")
    folder = made.write_job(tmp_path)
    words: list[str] = []
    limits = Limits(memory=3 << 30, wall_seconds=300)
    ending = run(Folders(folder.data, folder.out), made.KEYS, limits, tier, heard=words.append)
    assert (ending.outcome, ending.tier) == ("ok", tier)
    assert words == ["started", *(f"tenth {n}" for n in range(1, 11)), "evaluating", "finished"]
    outputs = collect(folder.out, egress.OUTPUTS, limits.output_bytes)
    assert outputs == ran[1]


def test_a_job_that_fails_in_the_jail_says_why_in_one_word(tmp_path: Path, made: SimpleNamespace) -> None:
    tier = probe().tier
    folder = made.write_job(tmp_path)
    ending = run(Folders(folder.data, folder.out), b"{}\n", Limits(wall_seconds=300), tier)
    assert (ending.outcome, ending.reason) == ("failed", "")
    assert egress.failure_code(collect(folder.out, egress.OUTPUTS, 1 << 20)) == "tampered"
