"""The access log: durable appends by 128 callers on both databases, and the verification of a long log.

.venv/bin/python bench/log.py appends --seconds 10
.venv/bin/python bench/log.py verify --entries 1000000
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parent))
from databases import database

from policies.entry import Entry
from service.database import engine, record, upgrade, wall_clock
from service.log import tree
from service.log.log import Log
from service.log.sequencer import Sequencer
from service.log.verify import verify_folder, verify_log

INSERT = "insert into entries (at, actor, action, kind, object, permit, decision, body) values (?, ?, ?, ?, ?, ?, ?, ?)"
AT = "2026-01-02T03:04:05.000000Z"


def entry(number: int) -> Entry:
    return Entry(AT, f"person-{number % 50}", "run.show", "run", f"r-{number}", "allow", policies=("reviewers-read",))


def appends(kind: str, callers: int, seconds: float) -> None:
    with database(kind) as url, tempfile.TemporaryDirectory() as folder:
        made = engine(url)
        upgrade(made)
        log = Log(made, Path(folder), "bench/log", Ed25519PrivateKey.generate())
        begin = threading.Barrier(callers + 1)
        taken: list[list[float]] = [[] for _ in range(callers)]
        end = float("inf")

        def call(who: int) -> None:
            begin.wait()
            number = who
            while (now := time.perf_counter()) < end:
                record(made, entry(number))
                taken[who].append(time.perf_counter() - now)
                number += callers

        threads = [threading.Thread(target=call, args=(who,)) for who in range(callers)]
        for thread in threads:
            thread.start()
        with Sequencer(log):
            end = (started := time.perf_counter()) + seconds
            begin.wait()
            behind = 0
            for thread in threads:
                thread.join()
            spent = time.perf_counter() - started
            waited = time.perf_counter()
            behind = sum(map(len, taken)) - log.placed()
        waited = time.perf_counter() - waited
        each = sorted(one for some in taken for one in some)
        assert log.placed() == len(each)
        p50, p99 = (1e3 * each[int(len(each) * share)] for share in (0.5, 0.99))
        print(
            f"{kind:10} {callers} callers: {len(each) / spent:8,.0f}/s, p50 {p50:5.1f} ms, p99 {p99:5.1f} ms, "
            f"{len(each):,} entries, {behind:,} without a place at the end, placed {waited:.2f} s later"
        )
        made.dispose()


def verify(entries: int) -> None:
    with database("sqlite") as url, tempfile.TemporaryDirectory() as folder:
        made = engine(url)
        upgrade(made)
        before, _, after = entry(0).encode().partition(b'"object":"r-0"')
        row = (AT, "person-0", "run.show", "run")
        with made.begin() as connection:
            for begin in range(0, entries, 50_000):
                names = [f"r-{number}" for number in range(begin, min(begin + 50_000, entries))]
                bodies = [b'%b"object":"%b"%b' % (before, name.encode(), after) for name in names]
                rows = [(*row, name, None, "allow", body) for name, body in zip(names, bodies, strict=True)]
                connection.exec_driver_sql(INSERT, rows)
        log = Log(made, Path(folder), "bench/log", Ed25519PrivateKey.generate())
        with clocked(f"{entries:,} entries placed and published"):
            with Session(made) as session, session.begin():
                while tree.place(session, 50_000):
                    pass
            log.catch_up()
        with clocked(f"published log of {entries:,} entries verified"):
            verify_folder(log.folder, log.vkey)
        with clocked("published log and the database behind it verified"):
            verify_log(log)
        made.dispose()


@contextmanager
def clocked(what: str) -> Iterator[None]:
    started, used = time.perf_counter(), time.process_time()
    yield
    print(f"{what} in {time.perf_counter() - started:.2f} s ({time.process_time() - used:.2f} s of CPU)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["appends", "verify"])
    parser.add_argument("--callers", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--kind", default="sqlite,postgresql")
    asked = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if asked.what == "appends":
        for kind in asked.kind.split(","):
            appends(kind, asked.callers, asked.seconds)
    else:
        verify(asked.entries)
    print(f"load after: {os.getloadavg()[0]:.1f}, {wall_clock():%Y-%m-%d}")


if __name__ == "__main__":
    main()
