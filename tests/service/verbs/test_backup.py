"""Backup and restore: sealed until the witnessed log is replayed; no budget comes back, no patient either."""

import hmac
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from datasets.ledger import Event, charge
from policies.entry import Entry, stamp
from policies.errors import Conflict, MedtrainError, NotFound, Sealed, Shredded, Tampered
from policies.people import Role
from policies.states import ChargeState
from policies.thresholds import budget
from service import staff
from service.backup.backup import create, restore
from service.backup.replay import unseal
from service.cli.backup import app
from service.database import reading, unit_of_work
from service.facility import SEALED, open_facility, opened
from service.identity import FIRST
from service.log.verify import verify_log
from service.models import PatientRow
from service.settings import Settings, read
from tests.service.verbs.small_facility import PEOPLE, Small, publish

EVENT = Event("gaussian", 1.0, 8.0, 1)


def said(one: Small, action: str, **facts: Any) -> Entry:
    return Entry(stamp(one.clock()), "service", action, "thing", "x-1", "system", facts=facts)


def tokens(one: Small) -> list[str]:
    with reading(one.facility.database) as session:
        return sorted(set(session.scalars(sa.select(PatientRow.token))))


def reserve(one: Small, name: str, hit: frozenset[str], *, then: str = "spend") -> None:
    ledger = one.facility.charges
    ledger.reserve([charge(f"{name}.train", name, (EVENT,), hit, budget())], said(one, "run.submit"))
    (ledger.spend if then == "spend" else ledger.void)(name, said(one, f"run.{then}"))


@pytest.fixture
def kept(small: Small, tmp_path: Path) -> dict[str, Any]:
    """Return ``kept_on_both`` of SQLite alone."""
    return prepared(small, tmp_path)


@pytest.fixture
def kept_on_both(both: Small, tmp_path: Path) -> dict[str, Any]:
    """Return what ``prepared`` made, on each database."""
    return prepared(both, tmp_path)


def prepared(one: Small, tmp_path: Path) -> dict[str, Any]:
    """Return a backup, what happened after it, and where the log went that outlived the facility."""
    everybody = tokens(one)
    reserve(one, "before", frozenset(everybody))
    made = create(one.facility, tmp_path / "backup")
    with pytest.raises(Conflict):
        create(one.facility, tmp_path / "backup")
    reserve(one, "whole", frozenset(everybody))
    reserve(one, "part", frozenset(everybody[:3]))
    reserve(one, "void", frozenset(everybody), then="void")
    gone = everybody[0]
    mark = hmac.digest(one.facility.keystore.secret("tombstone", "facility"), gone.encode(), "sha256").hex()
    with unit_of_work(one.facility.database, one.clock) as work:
        work.add(said(one, "rights.decide", stage="tombstone", marks=(mark,)))
    one.facility.log.catch_up()
    note = one.facility.log.checkpoint()
    one.facility.close()
    shutil.copytree(tmp_path / "home" / "log", tmp_path / "mirror")
    (tmp_path / "new").mkdir(mode=0o700)
    shutil.copy2(tmp_path / "home" / "root.key", tmp_path / "new" / "root.key")  # the operator kept it apart
    settings = read(home=tmp_path / "new", database="", log_interval=1.0)
    return {"settings": settings, "backup": tmp_path / "backup", "made": made, "mirror": tmp_path / "mirror",
            "note": note, "gone": gone, "everybody": everybody, "clock": one.clock}  # fmt: skip


def put_back(kept: dict[str, Any]) -> Settings:
    restore(kept["settings"], kept["backup"], kept["clock"])
    settings: Settings = kept["settings"]
    return settings


def test_a_restored_facility_is_sealed_and_nothing_can_be_asked_of_it(kept) -> None:
    settings = put_back(kept)
    with pytest.raises(Sealed):
        open_facility(settings, kept["clock"])
    with pytest.raises(Conflict, match="already"):
        restore(settings, kept["backup"], kept["clock"])


def test_the_replay_charges_again_and_takes_out_who_withdrew(kept_on_both) -> None:
    kept = kept_on_both
    settings = put_back(kept)
    with opened(settings, kept["clock"], sealed=True) as facility:
        before = facility.newest(facility.datasets.all()[0].id)
        done = unseal(facility, kept["mirror"], kept["note"])
    assert done["charges"] == 2
    assert done["patients"] == 1
    assert not (settings.home / SEALED).exists()
    with opened(settings, kept["clock"]) as facility:
        one = charge("x", "x", (EVENT,), frozenset(kept["everybody"]), budget()).amount
        spent = facility.charges.spent(kept["everybody"])
        assert all(amount.rho >= 3 * one.rho for amount in spent.values())  # before, whole, and part on everybody known
        assert {c.state for c in facility.charges.of_run("whole")} == {ChargeState.SPENT}
        assert facility.charges.of_run("void") == ()
        with reading(facility.database) as session:
            assert kept["gone"] not in set(session.scalars(sa.select(PatientRow.token)))
        now = facility.newest(before.dataset)
        assert (now.version, now.patients) == (before.version + 1, before.patients - 1)
        lost = [part for part in before.parts if part not in now.parts]
        assert lost
        for part in lost:
            with pytest.raises(Shredded):
                facility.store.read(before.dataset, part)
        facility.log.catch_up()
        assert verify_log(facility.log, kept["note"]).size > done["size"]
        with pytest.raises(NotFound, match="not sealed"):
            unseal(facility, kept["mirror"], kept["note"])


def test_the_people_of_the_backup_are_back(kept) -> None:
    settings = put_back(kept)
    with opened(settings, kept["clock"], sealed=True) as facility:
        unseal(facility, kept["mirror"], kept["note"])
    with opened(settings, kept["clock"]) as facility:
        assert {one["id"] for one in staff.listing(facility, FIRST)} >= {p.id for p in PEOPLE.values()}
        staff.add(facility, FIRST, "new", "office", frozenset({Role.AUDITOR}))


def test_a_log_that_ends_before_the_checkpoint_does_not_unseal(kept, tmp_path: Path) -> None:
    settings = put_back(kept)
    with opened(settings, kept["clock"], sealed=True) as facility, pytest.raises(Tampered, match="shorter"):
        unseal(facility, kept["backup"] / "log", kept["note"])
    assert (settings.home / SEALED).exists()


def test_a_log_that_was_changed_does_not_unseal(kept) -> None:
    settings = put_back(kept)
    bundle = next(path for path in (kept["mirror"] / "tile" / "entries").rglob("*") if path.is_file())
    for path in (kept["mirror"] / "tile" / "entries").rglob("*"):
        if path.is_file():
            raw = bytearray(path.read_bytes())
            raw[40] ^= 1
            path.write_bytes(raw)
    assert bundle.exists()
    with opened(settings, kept["clock"], sealed=True) as facility, pytest.raises(Tampered):
        unseal(facility, kept["mirror"], kept["note"])
    assert (settings.home / SEALED).exists()


@pytest.mark.parametrize("name", ["database.sealed", "keystore", "backup.json"])
def test_one_changed_byte_of_a_backup_is_noticed_and_leaves_a_sealed_home(kept, name: str) -> None:
    raw = bytearray((kept["backup"] / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (kept["backup"] / name).write_bytes(raw)
    with pytest.raises(MedtrainError):
        restore(kept["settings"], kept["backup"], kept["clock"])
    with pytest.raises(Sealed):
        open_facility(kept["settings"], kept["clock"])


def test_there_is_no_backup_in_an_empty_folder_and_none_holds_the_root_key(kept, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        restore(kept["settings"], tmp_path / "nowhere", kept["clock"])
    root = (tmp_path / "home" / "root.key").read_bytes()
    assert not any(root in path.read_bytes() for path in kept["backup"].rglob("*") if path.is_file())


def test_objects_in_a_bucket_are_backed_up_and_put_back_into_another(tmp_path: Path, bucket: Any) -> None:
    url, account = bucket
    where = {"store_endpoint": account.endpoint, "store_region": account.region,
             "store_access_key": account.access_key, "store_secret_key": account.secret_key}  # fmt: skip
    with opened(read(home=tmp_path / "home", database="", store=f"{url}/old", **where)) as facility:
        publish(facility, patients=20)
        manifest = facility.newest("net")
        create(facility, tmp_path / "backup")
    (tmp_path / "new").mkdir(mode=0o700)
    shutil.copy2(tmp_path / "home" / "root.key", tmp_path / "new" / "root.key")
    settings = read(home=tmp_path / "new", database="", store=f"{url}/new", **where)
    restore(settings, tmp_path / "backup")
    with opened(settings, sealed=True) as facility:
        assert facility.newest("net") == manifest
        assert facility.store.rows(manifest, "person").height == 20
        assert sorted(facility.objects.names()) == sorted(part.sha256 for part in manifest.parts)


def test_the_operator_backs_up_restores_and_unseals_by_command(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.facility.close()
    home, new = tmp_path / "home", tmp_path / "new"
    commands = CliRunner()

    def run(at: Path, *words: str) -> Any:
        monkeypatch.setenv("MEDTRAIN_HOME", str(at))
        result = commands.invoke(app, [*words, "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    made = run(home, "create", str(tmp_path / "backup"))
    new.mkdir(mode=0o700)
    shutil.copy2(home / "root.key", new / "root.key")
    assert run(new, "restore", str(tmp_path / "backup"))["sealed"] is True
    assert (new / SEALED).exists()
    checkpoint = home / "log" / "checkpoint"
    told = run(new, "unseal", "--log", str(home / "log"), "--checkpoint", str(checkpoint))
    assert (told["entries"], told["size"]) == (0, made["size"])
    assert not (new / SEALED).exists()
