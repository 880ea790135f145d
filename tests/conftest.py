"""What every test may ask for: a database, once on SQLite and once on a real PostgreSQL server.

``database_url`` is empty; ``ready_url`` holds the schema already, which saves a second.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.story.play import Way, play_on_the_way

POSTGRES = Path(os.environ.get("MEDTRAIN_TEST_POSTGRES", "/usr/lib/postgresql/15/bin"))
PLAYED = ("tests/story/", "tests/console/")
ACCOUNT = "mtpg"  # a server refuses to run as root


class ByFile(LoadScopeScheduling):
    """Keeps the tests of a file, and the story on one database, in one worker: they share what is slow to make."""

    def _split_scope(self, nodeid: str) -> str:
        name, *_, test = nodeid.split("::")
        if name.startswith(PLAYED):
            return "story on postgresql" if "postgresql" in test else "story on sqlite"
        return name


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Share out the tests by file."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the story: it takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(PLAYED))


@pytest.fixture(scope="session")
def way_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Return a play of the demonstration on SQLite, killed on its way, with copies of its home at two places.

    Who works on pages keeps one in the folder ``MEDTRAIN_TEST_WAY``: the story's own tests still play theirs.
    """
    kept = os.environ.get("MEDTRAIN_TEST_WAY")
    if kept and Path(kept, "release").is_dir():
        return Way(tmp_path_factory.mktemp("story") / "home", Path(kept, "review"), Path(kept, "release"))
    return play_on_the_way(Path(kept) if kept else tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server that is thrown away afterwards, without a database name."""
    if not (POSTGRES / "initdb").exists():
        pytest.skip(f"PostgreSQL is not installed below {POSTGRES}")
    prefix = _as_unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="medtrain-postgres-", dir="/tmp"))
    try:
        if prefix:
            shutil.chown(folder, ACCOUNT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data, log = folder / "data", folder / "log"
        initdb = [
            POSTGRES / "initdb",
            "-D",
            data,
            "-U",
            "mt",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c max_connections=200 -c fsync=off"
        _run(prefix, initdb)
        _run(prefix, [POSTGRES / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start"])
        try:
            yield f"postgresql+psycopg://mt@127.0.0.1:{port}"
        finally:
            _run(prefix, [POSTGRES / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file that holds the schema, for copying: faster than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "medtrain.db"
    _migrate(f"sqlite+pysqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Return the name of a PostgreSQL database that holds the schema, for copying."""
    with _administering(postgres_server) as connection:
        connection.execute("create database template_medtrain")
    _migrate(f"{postgres_server}/template_medtrain")
    return "template_medtrain"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database of this test's own."""
    with _database(postgres_server) as url:
        yield url


@pytest.fixture
def ready_postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database of this test's own that holds the schema and nothing else."""
    with _database(postgres_server, f"template {postgres_template}") as url:
        yield url


@pytest.fixture
def ready_sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of a SQLite file of this test's own that holds the schema and nothing else."""
    shutil.copy(sqlite_template, tmp_path / "ready.db")
    return f"sqlite+pysqlite:///{tmp_path / 'ready.db'}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an empty SQLite file of this test's own."""
    return f"sqlite+pysqlite:///{tmp_path / 'medtrain.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database; a test that asks for it runs on both."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def ready_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database that holds the schema; a test that asks for it runs on both."""
    name = "ready_sqlite_url" if request.param == "sqlite" else "ready_postgres_url"
    return str(request.getfixturevalue(name))


def _migrate(url: str) -> None:
    from service.database import engine, upgrade

    made = engine(url)
    upgrade(made)
    made.dispose()


def _administering(server: str) -> Any:
    import psycopg

    return psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True)


@contextmanager
def _database(server: str, options: str = "") -> Iterator[str]:
    name = f"t{uuid4().hex}"
    with _administering(server) as connection:
        connection.execute(f'create database "{name}" {options}')
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f'drop database "{name}" with (force)')


def _as_unprivileged() -> list[str]:
    if os.geteuid() != 0:
        return []
    if subprocess.run(["id", "-u", ACCOUNT], capture_output=True, check=False).returncode != 0:
        made = subprocess.run(
            ["useradd", "-r", "-M", "-s", "/usr/sbin/nologin", ACCOUNT], capture_output=True, check=False
        )
        known = subprocess.run(["id", "-u", ACCOUNT], capture_output=True, check=False)  # another worker may have won
        if known.returncode != 0:
            pytest.skip(f"no account to run PostgreSQL as: {made.stderr.decode().strip()}")
    return ["runuser", "-u", ACCOUNT, "--"]


def _run(prefix: list[str], command: list[str | Path]) -> None:
    done = subprocess.run(
        [*prefix, *map(str, command)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Yield the address of a real S3 API on loopback, with nothing in it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(s3_server: str) -> tuple[str, Any]:
    """Return the address of a new bucket's prefix and how it is reached."""
    import boto3

    from datasets.s3 import Account

    name, keys = f"b{uuid4().hex}", {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys).create_bucket(Bucket=name)
    return f"s3://{name}/objects-of/facility", Account(s3_server, "us-east-1", "testing", "testing")
