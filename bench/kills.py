"""kill -9 at random moments of publish, withdraw, reserve and append; then everything must be there once.

    .venv/bin/python bench/kills.py --kills 200 --kind sqlite

A child is forked, works on a facility's store, ledger and log, notes what was acknowledged to it, and is killed: half
of the times by the clock, half of the times inside the n-th synchronisation, rename, link or commit. The next child
goes on from what is there. At the end one child runs undisturbed, and what the databases and the folder hold is
compared with what was acknowledged.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parent))
from databases import database

from datasets.keystore import FileKeystore
from datasets.ledger import Event, charge, together
from datasets.manifest import Anchor, Manifest, Sources
from datasets.objects import LocalObjects
from datasets.store import Store
from datasets.versions import DataClass, Dataset, DatasetVersion
from policies.entry import Entry, stamp
from policies.errors import Shredded
from policies.states import ChargeState, VersionState
from policies.thresholds import budget
from service.database import engine, reading, record, upgrade
from service.log.log import Log
from service.log.verify import verify_log
from service.models import BalanceRow, ChargeRow
from service.models_log import EntryRow
from service.repositories.charges import SqlCharges
from service.repositories.keys import SqlWrappedKeys
from service.repositories.place import OnEngine
from service.repositories.versions import SqlDatasets, SqlVersions

SECRET = "患者王小明因反复胸闷入院"
PATIENTS, ROWS, TOKENS = 24, 3, 5
EVENT = Event("gaussian", 1.0, 500.0, 1)


def clock() -> datetime:
    return datetime.now(UTC)


def entry(action: str, name: str) -> Entry:
    return Entry(stamp(clock()), "service", action, "thing", name, "system")


class Place:
    """One facility's parts, opened by one process."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.database = home, engine(url)
        place = OnEngine(self.database, clock)
        self.keys, self.charges = SqlWrappedKeys(place), SqlCharges(place, budget())
        self.datasets, self.versions = SqlDatasets(place), SqlVersions(place)
        self.keystore = FileKeystore(home / "keystore", bytes(32))
        self.store = Store(LocalObjects(home / "objects"), self.keystore, self.keys)
        self.log = Log(self.database, home / "log", "kills/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))

    def said(self, what: str, name: str) -> None:
        """Note what was acknowledged, durable before anything else happens."""
        with (self.home / "acknowledged").open("a") as file:
            file.write(f"{what} {name}\n")
            file.flush()
            os.fdatasync(file.fileno())

    def newest(self) -> Manifest | None:
        found = self.store.history("demo")
        return found[-1] if found else None

    def publish(self, manifest: Manifest, action: str) -> None:
        anchor = self.store.commit(manifest)
        self.register(manifest.version, anchor, action)

    def register(self, number: int, anchor: Anchor, action: str) -> None:
        version = DatasetVersion("demo", number, VersionState.PUBLISHED, anchor.digest, "li")
        self.versions.put(version, entry(action, f"demo-{number}"))

    def mend(self) -> None:
        """Register what was committed to the store and not to the database before the last end."""
        known = {version.number for version in self.versions.of("demo")}
        for manifest in self.store.history("demo"):
            if manifest.version not in known:
                self.register(manifest.version, self.store.commit(manifest), "dataset.publish")


def rows(first: int) -> dict[str, pl.DataFrame]:
    names = [f"p{first + number}" for number in range(PATIENTS) for _ in range(ROWS)]
    return {"note": pl.DataFrame({"patient": names, "text": [f"{SECRET}{name}" for name in names]})}


def work(home: Path, url: str, mark: str, turns: int) -> None:
    place = Place(home, url)
    place.mend()
    for turn in range(turns):
        name = f"{mark}-{turn}"
        record(place.database, entry("act", f"act-{name}"))
        place.said("act", f"act-{name}")
        tokens = frozenset(f"t{(number + turn) % 8}" for number in range(TOKENS))
        place.charges.reserve(
            [charge(f"c-{name}", f"run-{name}", (EVENT,), tokens, budget())], entry("reserve", f"c-{name}")
        )
        place.said("charge", f"c-{name}")
        if turn % 2:
            place.charges.spend(f"run-{name}", entry("spend", f"run-{name}"))
            place.said("spent", f"c-{name}")
        else:
            place.charges.void(f"run-{name}", entry("void", f"run-{name}"))
            place.said("voided", f"c-{name}")
        before = place.newest()
        data = rows(0)
        if before is not None:
            held = place.store.scan(before, "note").collect()
            first = max(int(patient[1:]) for patient in held["patient"]) + 1
            data = {"note": pl.concat([held.sort("patient", "text"), rows(first)["note"]])}
        sources = Sources("a" * 64, "b" * 64, "c" * 64, (f"s-{name}",))
        made = place.store.write(
            "demo", data, data_class=DataClass.SENSITIVE, sources=sources, entry=entry("dataset.write", f"w-{name}"),
            buckets=4, previous=before,
        )  # fmt: skip
        place.publish(made, "dataset.publish")
        place.said("published", str(made.version))
        gone = min(data["note"]["patient"].unique())
        later = place.store.without(made, [gone], entry("dataset.withdraw", f"x-{name}"))
        place.publish(later, "dataset.withdraw")
        place.store.forget(later, entry("key.rotate", f"k-{name}"))
        place.said("withdrawn", gone)
        place.log.catch_up()
    os._exit(0)


def armed(seam: int) -> None:
    """Die inside the n-th synchronisation, rename, link or commit of this process."""
    seen = 0

    def dying(act: Any) -> Any:
        def act_or_die(*given: Any, **named: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == seam:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*given, **named)

        return act_or_die

    os.fsync, os.replace, os.link = dying(os.fsync), dying(os.replace), dying(os.link)  # type: ignore[assignment]
    sa.event.listen(sa.Engine, "commit", dying(lambda *_: None))


def child(home: Path, url: str, mark: str, turns: int, seam: int) -> int:
    made = os.fork()
    if made:
        return made
    try:
        if seam:
            armed(seam)
        work(home, url, mark, turns)
    except BaseException as problem:  # noqa: BLE001  # a child must never return into its parent's work
        sys.stderr.write(f"{mark}: {type(problem).__name__}: {problem}\n")
    os._exit(9)


def soak(home: Path, url: str, kills: int, seed: int) -> dict[str, Any]:
    draw, dead, span = random.Random(seed), 0, 1.0
    if not (setup := os.fork()):
        try:
            place = Place(home, url)
            upgrade(place.database)
            place.datasets.put(
                Dataset("demo", "Demo", "shdc", DataClass.SENSITIVE, frozenset()), entry("dataset.add", "demo")
            )
            os._exit(0)
        finally:  # a child must never return into its parent's work, which stops the database
            os._exit(9)
    assert os.waitpid(setup, 0)[1] == 0
    number = 0
    while dead < kills:
        number += 1
        seam = draw.randint(1, 90) if number % 2 else 0
        started = time.perf_counter()
        made = child(home, url, f"r{number}", 3, seam)
        if not seam:
            time.sleep(draw.uniform(0.02, span))
            os.kill(made, signal.SIGKILL)
        status = os.waitpid(made, 0)[1]
        spent = time.perf_counter() - started
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"round {number} failed: {status}"
        if os.WIFSIGNALED(status):
            dead += 1
        elif seam:
            span = max(0.2, min(spent, 20.0))
    status = os.waitpid(child(home, url, "last", 2, 0), 0)[1]
    assert status == 0, "the undisturbed round failed"
    return {"kills": dead, "rounds": number + 1, **check(Place(home, url))}


def check(place: Place) -> dict[str, Any]:
    """Compare what is there with what was acknowledged; any difference is an error."""
    told: dict[str, set[str]] = {what: set() for what in ("act", "charge", "spent", "voided", "published", "withdrawn")}
    for line in (place.home / "acknowledged").read_text().splitlines():
        told[line.split(" ", 1)[0]].add(line.split(" ", 1)[1])
    place.log.catch_up()
    verified = verify_log(place.log)
    with reading(place.database) as session:
        entries = session.execute(sa.select(EntryRow.action, EntryRow.object)).all()
        charges = {row.id: (row.state, row.run) for row in session.scalars(sa.select(ChargeRow))}
        balances = {row.token: (row.rho, row.delta) for row in session.scalars(sa.select(BalanceRow))}
    acts = Counter(name for action, name in entries if action == "act")
    assert told["act"] <= acts.keys(), "an acknowledged entry was lost"
    assert max(acts.values()) == 1, "an entry was doubled"
    reserved = Counter(name for action, name in entries if action == "reserve")
    assert told["charge"] <= charges.keys(), "an acknowledged charge was lost"
    assert reserved == Counter(charges.keys()), "charges and their entries differ"
    assert all(charges[name][0] is ChargeState.SPENT for name in told["spent"]), "a spent charge is not"
    live = [
        one for name in charges for one in place.charges.of_run(charges[name][1]) if one.state is not ChargeState.VOIDED
    ]
    sums = {token: amount.units() for token, amount in together(live).items()}
    assert {token: units for token, units in balances.items() if any(units)} == sums, "balances are not the charges"
    history = place.store.history("demo")
    registered = place.versions.of("demo")
    assert [one.number for one in registered] == [one.version for one in history], "versions were lost or doubled"
    assert {int(one) for one in told["published"]} <= {one.version for one in history}, "a published version was lost"
    newest = place.store.scan(history[-1], "note").collect()
    patients = newest.group_by("patient").len()
    assert set(patients["len"]) == {ROWS}, "a row was lost or doubled"
    assert not told["withdrawn"] & set(patients["patient"]), "a withdrawn patient is back"
    live_objects = {part.sha256 for part in history[-1].parts}
    opened = 0
    for manifest in history[:-1]:
        for part in manifest.parts:
            if part.sha256 not in live_objects:
                try:
                    place.store.read("demo", part)
                    opened += 1
                except Shredded:
                    pass
    assert opened == 0, "an old object still opens"
    place.store.sweep(["demo"], datetime.now(UTC).replace(year=2099), entry("sweep", "demo"))
    assert set(LocalObjects(place.home / "objects").names()) == live_objects, "orphans are left"
    for path in place.home.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not any(SECRET.encode(code) in raw for code in ("utf-8", "gbk")), "plaintext on the disk"
    return {"entries": len(entries), "charges": len(charges), "versions": len(history), "patients": len(patients),
            "acknowledged": {what: len(names) for what, names in told.items()}, "log": verified.size}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kind", default="sqlite,postgresql")
    parser.add_argument("--url", default="", help="an empty database; without it one of each kind is started")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    if asked.url:
        with tempfile.TemporaryDirectory() as home:
            print(json.dumps(soak(Path(home), asked.url, asked.kills, asked.seed)))
        return
    for kind in asked.kind.split(","):
        with tempfile.TemporaryDirectory() as home, database(kind) as url:
            place = url if kind == "postgresql" else f"sqlite+pysqlite:///{home}/medtrain.db"
            print(kind, json.dumps(soak(Path(home), place, asked.kills, asked.seed)), flush=True)


if __name__ == "__main__":
    main()
