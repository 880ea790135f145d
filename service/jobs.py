"""The durable jobs: processing a submission, carrying out a run.

DBOS records each finished step, so that a job killed at any moment goes on behind the last one. Arguments and results
are ids and counts, stored as JSON: its default is pickle, which would let whoever writes the job database run code
here.
Every change of state is one transaction with its log entry and the record of the step.
"""

import io
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import polars as pl
from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID, SQLAlchemyDatasource
from dbos._serialization import DefaultSerializer

from datasets.manifest import Sources
from datasets.vault import Blob
from datasets.versions import DataClass
from deid.genetic import GENETIC
from deid.keys import ProjectKeys
from deid.mapping import parse_mapping
from deid.pipeline import Outcome, process
from deid.policy import load_profile
from deid.records import MemoryRecords
from policies.canonical import digest
from policies.entry import stamp
from policies.errors import BadInput, MedtrainError
from policies.states import RunState, SubmissionState, VersionState
from service import execution, queue, secrecy, submissions
from service.acts import code_of, system_entry
from service.archive import unpack
from service.database import reading, work_in
from service.facility import Facility
from service.models import DatasetRow, ReleaseRow, RunRow, UploadRow, VersionRow
from service.progress import HEARD
from service.repositories.patients import put_patients
from service.rights import withdrawn
from service.rounds import Rounds, make_rounds
from service.training import job_folder
from training_sandbox.jail.collect import take
from training_sandbox.job import CHECKPOINT, EVALUATION_ONLY

BUCKETS = 16
SHOWN_QUARANTINE = 1000
ROUND_SECONDS, TURN_SECONDS = 30.0, 1.0


def _refuse_pickle(_self: object, _text: str) -> Any:
    raise TypeError("pickled job data is refused")


class _Running:
    """What the one DBOS of this process works for; there is none before ``start``."""

    facility: Facility
    datasource: SQLAlchemyDatasource
    rounds: tuple[Rounds, ...]

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.started: set[str] = set()


_running = _Running()


def start(facility: Facility) -> None:
    """Launch the workers; jobs that a crash interrupted go on."""
    DefaultSerializer.deserialize = _refuse_pickle  # type: ignore[assignment,method-assign]  # a row that says pickle is never read
    settings = facility.settings
    embedded = settings.database.startswith("sqlite")
    DBOS(
        config={
            "name": "medtrain",
            "system_database_url": f"sqlite:///{settings.home / 'jobs.db'}" if embedded else settings.database,
            "serializer": DBOSPortableJSONSerializer(),
            "application_version": "1",
            "executor_id": "service",
            "log_level": "ERROR",
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 0.1,
        }
    )
    _running.facility = facility
    _running.datasource = SQLAlchemyDatasource.create(
        settings.database, engine=facility.database, serializer=DBOSPortableJSONSerializer()
    )
    DBOS.launch()
    _running.started.clear()
    begin_runs()
    _running.rounds = (Rounds(begin_runs, TURN_SECONDS), Rounds(lambda: make_rounds(facility), ROUND_SECONDS))
    for rounds in _running.rounds:
        rounds.start()


def stop(patience_seconds: int) -> None:
    """Stop the workers, giving running jobs that long to end; what is not done goes on at the next start."""
    for rounds in _running.rounds:
        rounds.stop()
    DBOS.destroy(workflow_completion_timeout_sec=patience_seconds)


def begin_processing(submission: str) -> None:
    """Start processing a submission; a second call for the same one changes nothing, unless it was readmitted."""
    with reading(_running.facility.database) as session:
        turn = int(submissions.row_in(session, submission).document.get("turn", 0))
    with SetWorkflowID(f"process-{submission}" + (f"-{turn}" if turn else "")):
        DBOS.start_workflow(process_submission, submission)


def begin_runs() -> None:
    """Start as many queued runs as there is room for, in the order of ``service.queue``."""
    with _running.turn:
        most = _running.facility.settings.runs_at_once
        for run in queue.next_runs(_running.facility, frozenset(_running.started), most):
            with SetWorkflowID(f"run-{run}"):  # a second start of the same run changes nothing
                DBOS.start_workflow(carry_out_run, run)
            _running.started.add(run)


@DBOS.workflow()
def process_submission(submission: str) -> str:
    """Clean, de-identify and standardise a submission into a draft version that waits for review."""
    try:
        if held := _step("screen", _held_back, submission):
            return _change("held", _hold, submission, held)
        _change("profiled", _move_submission, submission, SubmissionState.PROFILED)
        _change("mapped", _move_submission, submission, SubmissionState.MAPPED)
        _change("processing", _move_submission, submission, SubmissionState.PROCESSING)
        made = _step("deidentify", _deidentify, submission)
    except MedtrainError as problem:
        return _change("rejected", _reject_submission, submission, code_of(problem), str(problem))
    except Exception as problem:  # noqa: BLE001  # the job must end in a state; an unexpected error says only its kind
        return _change("rejected", _reject_submission, submission, "internal", f"a defect: {type(problem).__name__}")
    return _change("needs-review", _draft_version, submission, made)


@DBOS.workflow()
def carry_out_run(run: str) -> str:
    """Prepare the extract, train in the jail, audit, and wait for the release."""
    try:
        _change("preparing", _move_run, run, RunState.PREPARING)
        _step("prepare", _prepare, run)
        _change("training", _spend, run)
        done = _step("train", _train, run)
        _change("execution", _move_run, run, RunState.AUDITING)
        found = _step("audit", _audit, run, done)
    except MedtrainError as problem:
        return _change("ended", _fail_run, run, code_of(problem))
    except Exception:  # noqa: BLE001  # the job must end in a state; what an error says may depend on data
        return _change("ended", _fail_run, run, "internal")
    finally:
        _step("clean-up", _clean_up, run)
    return _change("awaiting-release", _await_release, run, found)


def _step(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
    return DBOS.run_step({"name": name}, work, *arguments)


def _change(name: str, work: Callable[..., str], *arguments: Any) -> str:
    """Run a change of state in one transaction with its log entry and the step's record."""
    return _running.datasource.run_tx_step({"name": name}, work, *arguments)


def _session() -> Any:
    return _running.datasource.sql_session()


def _move_submission(submission: str, state: SubmissionState) -> str:
    work = work_in(_session(), _running.facility.clock)
    row = submissions.row_in(work.session, submission)
    row.state = SubmissionState(state)
    work.add(system_entry(_running.facility, f"submission.{row.state.value}", "submission", submission))
    return row.state.value


def _reject_submission(submission: str, code: str, sentence: str) -> str:
    work = work_in(_session(), _running.facility.clock)
    row = submissions.row_in(work.session, submission)
    row.state = SubmissionState.REJECTED
    row.document = {**row.document, "code": code, "reason": sentence}
    work.add(system_entry(_running.facility, "submission.rejected", "submission", submission, code=code))
    return row.state.value


def _held_back(submission: str) -> list[dict[str, Any]]:
    return secrecy.held_back(_running.facility, submission)


def _hold(submission: str, documents: list[dict[str, Any]]) -> str:
    work = work_in(_session(), _running.facility.clock)
    return secrecy.hold(_running.facility, work, submission, documents)


def _deidentify(submission: str) -> dict[str, Any]:
    """Return the counts and hashes of what was made; the rows are encrypted in store and vault."""
    facility = _running.facility
    with reading(facility.database) as session:
        row = submissions.row_in(session, submission)
        upload = session.get_one(UploadRow, f"{submission}.archive")
    document, dataset = row.document, row.project
    secrets = facility.keystore.project(dataset)
    outcome = process(
        MemoryRecords(unpack(facility.vault.get(Blob(**upload.document)))),
        parse_mapping(document["mapping"]),
        load_profile(document["profile"]),
        ProjectKeys(index=secrets.index, pseudonym=secrets.pseudonym, shift=secrets.shift),
        project=dataset,
        admission=secrecy.admission(facility, submission),
    )
    outcome = _without_withdrawn(facility, outcome, row.org)
    with reading(facility.database) as session:
        declared = session.get_one(DatasetRow, dataset).document["declared_patients"]
    if len(outcome.index) > declared:
        raise BadInput("the records hold more patients than the owner declared: declare a larger public bound")
    entry = system_entry(facility, "submission.deidentify", "submission", submission)
    report = outcome.report.as_dict()
    previous = facility.newest(dataset)
    manifest = facility.store.write(
        dataset,
        outcome.tables,
        data_class=DataClass(document["data_class"]),
        sources=Sources(document["mapping_digest"], document["profile_digest"], digest(report), (submission,)),
        entry=entry,
        buckets=previous.buckets if previous else BUCKETS,
        previous=previous,
    )
    raw = io.BytesIO()
    outcome.quarantine.write_ipc(raw)
    blob = facility.vault.put(raw.getvalue(), f"submission/{submission}/quarantine", entry)
    listed = outcome.quarantine.select("source", "file", "position", "reason").head(SHOWN_QUARANTINE)
    index = facility.vault.put(_index_bytes(outcome.index), f"submission/{submission}/index", entry)
    return {
        "manifest": manifest.as_dict(),
        "report": report,
        "report_html": outcome.report.html(),
        "quarantine": asdict(blob),
        "quarantined": listed.to_dicts(),
        "index": asdict(index),
    }


def _without_withdrawn(facility: Facility, outcome: Outcome, org: str) -> Outcome:
    """Return the outcome without the patients who have withdrawn: handing records in again brings nobody back."""
    gone = withdrawn(facility, outcome.index.values(), org)
    if not gone:
        return outcome
    names = [name for name, token in outcome.index.items() if token in gone]
    tables = {table: rows.filter(~pl.col("patient").is_in(names)) for table, rows in outcome.tables.items()}
    return replace(outcome, tables=tables, index={n: t for n, t in outcome.index.items() if t not in gone})


def _index_bytes(index: dict[str, str]) -> bytes:
    return "\n".join(f"{pseudonym} {index[pseudonym]}" for pseudonym in sorted(index)).encode()


def _draft_version(submission: str, made: dict[str, Any]) -> str:
    facility = _running.facility
    work = work_in(_session(), _running.facility.clock)
    row = submissions.row_in(work.session, submission)
    lines = facility.vault.get(Blob(**made["index"])).decode().splitlines()
    put_patients(work.session, row.project, [(name, token) for name, token in (line.split(" ") for line in lines)])
    number = int(made["manifest"]["version"])
    work.session.add(
        VersionRow(
            dataset=row.project,
            number=number,
            state=VersionState.DRAFT,
            digest=None,
            envelope=None,
            created_at=stamp(facility.clock()),
            document={"manifest": made["manifest"], "submission": submission},
        )
    )
    if GENETIC in made["report"]["classes"]:  # from now on permits see it, whatever a description says
        about = work.session.get_one(DatasetRow, row.project)
        about.document = {**about.document, "genomic": True, "genetic_approval": row.document["genetic_approval"]}
    row.state = SubmissionState.NEEDS_REVIEW
    kept = {key: made[key] for key in ("report", "report_html", "quarantine", "quarantined", "index")}
    row.document = {**row.document, **kept, "version": number}
    facts = {"version": number, "patients": made["manifest"]["patients"], "report": digest(made["report"])}
    work.add(system_entry(facility, "submission.needs-review", "submission", submission, **facts))
    return row.state.value


def _move_run(run: str, state: RunState) -> str:
    work = work_in(_session(), _running.facility.clock)
    row = work.session.get_one(RunRow, run)
    row.state = RunState(state)
    work.add(system_entry(_running.facility, f"run.{row.state.value}", "run", run, permit=row.permit))
    return row.state.value


def _prepare(run: str) -> str:
    """Write the job folder; return the job's hash. Made again after a crash it is the same job."""
    facility, row = _running.facility, execution.run_row(_running.facility, run)
    keys = execution.run_keys(facility, row)
    graph, init = (facility.vault.get(Blob(**row.document[name])) for name in ("graph_blob", "init_blob"))
    made = job_folder(facility, row, graph, init, keys.data_key, keys.run_key)
    execution.check_enough_patients(made.patients, made.labels)
    folder = facility.settings.home / "jobs" / run
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True, mode=0o700)
    for name, raw in made.files.items():
        (folder / "in" / name).write_bytes(raw)
    return digest(made.job.as_dict())


def _spend(run: str) -> str:
    """Spend the reserved budget and let training begin, in one transaction: after this the worker gets its keys."""
    facility = _running.facility
    work = work_in(_session(), _running.facility.clock)
    row = work.session.get_one(RunRow, run)
    policies = execution.check_may_go_on(facility, row, facility.permits_in(work).get(row.permit))
    entry = replace(system_entry(facility, "run.training", "run", run, permit=row.permit), policies=policies)
    facility.charges_in(work).spend(run, entry)
    row.state = RunState.TRAINING
    work.add(entry)
    return row.state.value


def _train(run: str) -> dict[str, Any]:
    """Run the worker in the jail; return where its vetted model and its step log are kept."""
    facility, row = _running.facility, execution.run_row(_running.facility, run)
    folder = facility.settings.home / "jobs" / run
    if not (folder / "in" / "job.json").is_file():
        _prepare(run)
    if left := take(folder / "out", CHECKPOINT, execution.LIMITS.output_bytes):  # killed on the way: it goes on there
        (folder / "in" / CHECKPOINT).write_bytes(left)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir(mode=0o700)
    return execution.train(facility, row, folder)


def _audit(run: str, done: dict[str, Any]) -> dict[str, Any]:
    return execution.audit(_running.facility, execution.run_row(_running.facility, run), done)


def _await_release(run: str, found: dict[str, Any]) -> str:
    facility = _running.facility
    work = work_in(_session(), _running.facility.clock)
    row = work.session.get_one(RunRow, run)
    if row.state is not RunState.AUDITING:
        return row.state.value  # stopped from outside meanwhile: nothing of it waits for a release
    row.state = RunState.AWAITING_RELEASE
    row.document = {**row.document, "tier": found["tier"]}
    if row.document["algorithm"]["name"] == EVALUATION_ONLY:  # no model leaves, only figures that were charged for
        row.state = RunState.RELEASED
        row.document = {**row.document, "figures": found["utility"]["charged"]}
        work.add(system_entry(facility, "run.evaluated", "run", run, permit=row.permit))
        return row.state.value
    work.session.add(
        ReleaseRow(
            run=run,
            digest=found["model"],
            object=found["blobs"]["model.safetensors"]["sha256"],
            certificate=None,
            created_at=stamp(facility.clock()),
            document=found,
        )
    )
    work.add(system_entry(facility, "run.awaiting-release", "run", run, permit=row.permit, model=found["model"]))
    return row.state.value


def _fail_run(run: str, code: str) -> str:
    """End a run without a model. What was only reserved is given back; what was spent stays charged."""
    facility = _running.facility
    work = work_in(_session(), _running.facility.clock)
    row = work.session.get_one(RunRow, run)
    if row.state in (RunState.CANCELLED, RunState.REFUSED):
        return row.state.value
    unseen = row.state in (RunState.QUEUED, RunState.PREPARING)
    entry = system_entry(facility, "run.failed", "run", run, permit=row.permit, code=code)
    if unseen:
        facility.charges_in(work).void(run, entry)
    refused = row.state in (RunState.QUEUED, RunState.PREPARING, RunState.AUDITING) and code != "internal"
    row.state = RunState.REFUSED if refused else RunState.FAILED
    row.document = {**row.document, "code": code}
    work.add(entry)
    return row.state.value


def _clean_up(run: str) -> bool:
    """Remove the job folder and destroy the run's keys: nobody can redo the noise."""
    facility, row = _running.facility, execution.run_row(_running.facility, run)
    HEARD.forget(run)
    shutil.rmtree(facility.settings.home / "jobs" / run, ignore_errors=True)
    execution.destroy_keys(facility, row)
    return True
