"""The leak oracle over everything a played facility holds or hands out, beside the records that were put in.

What is encrypted is opened first: published tables, the worker's inputs, what a run left. Uploads and quarantine hold
raw rows by design; they are searched as they lie, encrypted.
"""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from datasets import parquet
from datasets.vault import Blob as Stored
from service import database, execution
from service.demo import oracle
from service.demo.network import Truth
from service.demo.oracle import Blob
from service.facility import Facility, opened
from service.settings import read
from service.training import job_folder

KEY = secrets.token_bytes(32)


@pytest.fixture
def truth(played: Any) -> Truth:
    """Return the truth of the records that were played."""
    return Truth.read(played.stage / "network" / "truth" / "truth.json")


@pytest.fixture(scope="module")
def facility(played_on_sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facility]:
    """Yield a copy of the played facility, opened in this process."""
    home = tmp_path_factory.mktemp("copy") / "home"
    shutil.copytree(played_on_sqlite.home, home, ignore=shutil.ignore_patterns("jobs", "environment"))
    with opened(read(home=home)) as one:
        yield one


def found(truth: Truth, blobs: Iterator[Blob] | list[Blob]) -> list[tuple[str, str]]:
    """Return the kind and place of everything found; never a value."""
    return [(hit.kind, hit.where) for hit in oracle.hits(truth, blobs)]


def files(home: Path) -> Iterator[Blob]:
    """Yield every file of a home folder but the records that were put in and the partner's Python packages."""
    for number, path in enumerate(sorted(home.rglob("*"))):
        inside = path.relative_to(home)
        if path.is_file() and "network" not in inside.parts and "environment" not in inside.parts:
            yield Blob(f"file {number}{path.suffix}", str(inside).encode() + b"\n" + path.read_bytes())


def values(url: str) -> Iterator[Blob]:
    """Yield every value of every table of a database, a blob for each table."""
    engine = database.engine(url)
    with engine.connect() as connection:
        for schema in {None, *sa.inspect(connection).get_schema_names()} - {"information_schema"}:
            for name in sa.inspect(connection).get_table_names(schema):
                rows = connection.execute(
                    sa.select(sa.literal_column("*")).select_from(sa.table(name, schema=schema))
                ).all()
                yield Blob(f"table {name}", "\n".join("\t".join(map(_text, row)) for row in rows).encode())
    engine.dispose()


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else json.dumps(value, default=str)


def test_nothing_of_the_truth_lies_in_a_file_outside_the_input(played: Any, truth: Truth) -> None:
    blobs = list(files(played.home))
    assert len(blobs) > 50
    assert found(truth, blobs) == []


def test_nothing_of_the_truth_is_a_value_in_the_database(played: Any, truth: Truth) -> None:
    url = played.environment.get("MEDTRAIN_DATABASE") or f"sqlite+pysqlite:///{played.home / 'medtrain.db'}"
    blobs = list(values(url))
    assert {"table entries", "table submissions", "table runs"} <= {blob.where for blob in blobs}
    assert found(truth, blobs) == []


def test_nothing_of_the_truth_is_in_what_the_reports_and_the_log_say(played: Any, truth: Truth) -> None:
    listed = json.loads(played.medtrain("submission", "list", "--json", who="officer-zhou").stdout)["items"]
    words = [("submission", "report", listed[0]["id"]), ("submission", "quarantine", listed[0]["id"])]
    told = [played.medtrain(*line, "--json", who="officer-zhou").stdout for line in words]
    told.append(played.medtrain("log", "search", "--json", who="compliance-wu").stdout)
    assert all(told)
    assert found(truth, [Blob(f"answer {n}", text.encode()) for n, text in enumerate(told)]) == []


def test_nothing_of_the_truth_is_in_the_decrypted_version(played_on_sqlite: Any, facility: Facility) -> None:
    truth = Truth.read(played_on_sqlite.stage / "network" / "truth" / "truth.json")
    manifest = facility.newest("demo-network-fast")
    assert manifest is not None
    tables = {name: facility.store.scan(manifest, name).collect() for name in manifest.columns}
    assert tables["note"].height > 50
    assert tables["image_occurrence"].height > 0
    assert found(truth, oracle.tables(truth, tables)) == []


def test_nothing_of_the_truth_is_in_the_workers_inputs_and_outputs(played_on_sqlite: Any, facility: Facility) -> None:
    truth = Truth.read(played_on_sqlite.stage / "network" / "truth" / "truth.json")
    run = played_on_sqlite.told["run"]
    row = execution.run_row(facility, run)
    made = job_folder(facility, row, b"graph", b"init", KEY, KEY)
    blobs = [
        Blob(name, parquet.decrypt(made.files[f"{name}.parquet"], KEY, f"run/{run}/{name}").write_csv().encode())
        for name in ("train", "holdout")
    ]
    with database.reading(facility.database) as session:
        kept = session.execute(sa.text("select document from releases")).scalar_one()
    for name, blob in json.loads(kept)["blobs"].items():
        blobs.append(Blob(name, facility.vault.get(Stored(**blob))))
    assert {blob.where for blob in blobs} >= {"train", "holdout", "job.json", "model.safetensors", "steps.jsonl"}
    assert found(truth, blobs) == []


def test_the_oracle_finds_the_input_itself(played_on_sqlite: Any) -> None:
    truth = Truth.read(played_on_sqlite.stage / "network" / "truth" / "truth.json")
    records = oracle.folder(played_on_sqlite.stage / "network" / "records", "records")
    assert len({hit.identifier for hit in oracle.hits(truth, records)}) > len(truth.identifiers) // 2
