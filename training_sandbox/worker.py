"""The process inside the jail: reads one job, trains, writes three files. It has no key but the job's and no network.

    python -I -m training_sandbox.worker IN OUT      keys as one JSON line on standard input

What it says on standard output is a fixed vocabulary; every failure is one of a few stable codes in ``result.json``,
and the exit code is 0 or 1. No message depends on a record.
"""

import hmac
import io
import sys
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from policies.canonical import canonical, strict_json
from policies.errors import MedtrainError, Tampered
from training_sandbox import egress
from training_sandbox.job import CHECKPOINT, Job

Say = Callable[[str], None]
_KEY_LINE = 1024
_KEYS = ("data_key", "run_key")


def main() -> None:
    """Run the job named on the command line and end the process with 0 or 1."""
    keys = sys.stdin.buffer.readline(_KEY_LINE)
    raise SystemExit(work(keys, Path(sys.argv[1]), Path(sys.argv[2]), lambda word: print(word, flush=True)))  # noqa: T201  # the vocabulary


def work(keys: bytes, data: Path, out: Path, say: Say) -> int:
    """Run the job in ``data`` and write its outputs to ``out``; return 0, or 1 with the reason in ``result.json``."""
    try:
        _work(keys, data, out, say)
    except MedtrainError as problem:
        code = problem.code
    except Exception:  # noqa: BLE001  # whatever it was, its text may hold a value
        code = "training-failed"
    else:
        return 0
    (out / egress.RESULT).write_bytes(egress.write_failure(code))
    return 1


def _work(keys: bytes, data: Path, out: Path, say: Say) -> None:
    job = Job.from_json((data / "job.json").read_bytes())
    secrets = _opened(keys, job)
    files = {name: _checked(data / name, digest) for name, digest in job.files}
    say("started")

    import torch

    from training_sandbox import evaluation, learning, trainer
    from training_sandbox.attacks import report
    from training_sandbox.graph.reader import read_graph, read_weights
    from training_sandbox.patients import Patients, gather
    from training_sandbox.settings import METRICS

    torch.set_flush_denormal(True)  # numbers too small to matter must not make a step slower
    graph = read_graph(files["graph.json"])
    params = read_weights(graph, files["init.safetensors"])

    def patients(name: str) -> Patients:
        frame = _decrypted(files[f"{name}.parquet"], secrets["data_key"], f"run/{job.run}/{name}")
        kept = job.plan.records_per_patient
        return gather(frame, job.features, task=job.task, records_per_patient=kept)

    train, holdout = patients("train"), patients("holdout")

    def predicted(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return trainer.predict(graph, values, holdout, task=job.task, loss=job.loss)

    def baseline() -> dict[str, torch.Tensor]:
        return trainer.train_plain(
            graph, params, train, steps=job.plan.steps, task=job.task, loss=job.loss, optimiser=job.optimiser
        )

    def exact(values: dict[str, torch.Tensor]) -> dict[str, float | None]:
        return evaluation.exact(predicted(values), holdout.labels, holdout.weights, job.task).as_dict()

    def look(values: dict[str, torch.Tensor], key: bytes) -> dict[str, float | None]:
        if not learning.scored(job):
            return dict.fromkeys(METRICS[job.task.kind])
        scores = predicted(values)
        return evaluation.charged(scores, holdout.labels, holdout.weights, job.evaluation, key, job.task).as_dict()

    with (out / egress.STEPS).open("xb") as log:

        def on_step(step: trainer.Step) -> None:
            log.write(canonical(step.as_dict()) + b"\n")
            before, now = ((10 * number) // job.plan.steps for number in (step.step - 1, step.step))
            if now > before:
                log.flush()
                say(f"tenth {now}")

        place = learning.Place(data / CHECKPOINT, out / CHECKPOINT)
        tried = []
        for values, key in (
            learning.trials(job, graph, params, train, secrets["run_key"], on_step) if job.search else ()
        ):
            tried.append((look(values, key), values))
        if not tried:
            model = learning.learn(job, graph, params, train, secrets["run_key"], on_step, place)
    place.left.unlink(missing_ok=True)
    say("evaluating")

    if tried:  # the best by its charged figures: choosing costs nothing more
        figures, model = max(tried, key=lambda one: learning.rank(one[0]))
    else:
        figures = look(model, secrets["run_key"])
    result = egress.Result(figures)
    if job.reveal_exact:  # a job that asks for it is of class demonstration: its reader has checked that
        plain = dict.fromkeys(figures) if job.algorithm else exact(baseline())
        result = egress.Result(figures, exact(model) if learning.scored(job) else figures, plain)
    (out / egress.MODEL).write_bytes(_saved(model))
    (out / egress.ATTACKS).write_bytes(report.dump(learning.examine(job, graph, model, train, holdout)))
    (out / egress.RESULT).write_bytes(egress.write_result(job, result))
    say("finished")


def _opened(line: bytes, job: Job) -> dict[str, bytes]:
    value = strict_json(line)
    try:
        keys = {name: bytes.fromhex(value[name]) for name in _KEYS}
    except (KeyError, TypeError, ValueError):
        raise Tampered("the keys of the job are malformed") from None
    for name, digest in job.commitments:
        if not hmac.compare_digest(sha256(keys[name]).hexdigest(), digest):
            raise Tampered("a key is not the one the job was made for")
    return keys


def _checked(path: Path, digest: str) -> bytes:
    raw = path.read_bytes()
    if sha256(raw).hexdigest() != digest:
        raise Tampered("a file of the job is not the one it was made with")
    return raw


def _decrypted(raw: bytes, key: bytes, aad: str) -> Any:
    import polars as pl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # polars calls its encryption unstable; the version is pinned
        try:
            properties = pl.ParquetDecryptionProperties(footer_key=key, aad_prefix=aad.encode())
            return pl.scan_parquet(io.BytesIO(raw), glob=False, decryption=properties).collect()
        except (pl.exceptions.PolarsError, OSError):
            raise Tampered("encrypted rows do not open: another key, another run, or changed bytes") from None


def _saved(params: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    return bytes(save({name: value.contiguous() for name, value in params.items()}))


if __name__ == "__main__":
    main()
