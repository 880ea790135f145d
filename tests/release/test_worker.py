"""The worker: one job, three files, a fixed vocabulary and a few stable codes."""

import io
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from training_sandbox import egress, worker
from training_sandbox.jail.collect import collect
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.probe import probe
from training_sandbox.jail.run import run
from training_sandbox.jail.tiers import Tier


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


@pytest.mark.parametrize("tier", [Tier.T1, Tier.T2])
def test_the_worker_trains_inside_the_jail(tmp_path: Path, ran: tuple, made: SimpleNamespace, tier: Tier) -> None:
    if not probe((tier,)).findings[0].held:
        pytest.skip(f"this machine cannot hold {tier.value}: {probe((tier,)).findings[0].problem}")
    folder = made.write_job(tmp_path)
    words: list[str] = []
    limits = Limits(memory=3 << 30, wall_seconds=60)
    ending = run(Folders(folder.data, folder.out), made.KEYS, limits, tier, heard=words.append)
    assert (ending.outcome, ending.tier) == ("ok", tier)
    assert words == ["started", *(f"tenth {n}" for n in range(1, 11)), "evaluating", "finished"]
    outputs = collect(folder.out, egress.OUTPUTS, limits.output_bytes)
    assert outputs == ran[1]


def test_a_job_that_fails_in_the_jail_says_why_in_one_word(tmp_path: Path, made: SimpleNamespace) -> None:
    tier = probe().tier
    folder = made.write_job(tmp_path)
    ending = run(Folders(folder.data, folder.out), b"{}\n", Limits(wall_seconds=60), tier)
    assert (ending.outcome, ending.reason) == ("failed", "")
    assert egress.failure_code(collect(folder.out, egress.OUTPUTS, 1 << 20)) == "tampered"
