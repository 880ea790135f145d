"""A database of either kind for a measurement, thrown away afterwards."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POSTGRES = Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "mtpg"  # a server refuses to run as root


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Yield the URL of an empty database: ``sqlite`` or ``postgresql``, durable as they come."""
    folder = Path(tempfile.mkdtemp(prefix="medtrain-bench-"))
    try:
        if kind == "sqlite":
            yield f"sqlite+pysqlite:///{folder / 'bench.db'}"
        else:
            with _server(folder) as url:
                yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    subprocess.run(["useradd", "-r", "-M", "-s", "/usr/sbin/nologin", ACCOUNT], capture_output=True, check=False)
    shutil.chown(folder, ACCOUNT)
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = ["runuser", "-u", ACCOUNT, "--"]
    data = folder / "data"
    init = [POSTGRES / "initdb", "-D", data, "-U", "mt", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c max_connections=200"
    control = [*run, POSTGRES / "pg_ctl", "-D", data]
    subprocess.run([*run, *init], check=True, capture_output=True, cwd="/")
    started = [*control, "-l", folder / "log", "-w", "-o", options, "start"]
    subprocess.run(started, check=True, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield f"postgresql+psycopg://mt@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")
