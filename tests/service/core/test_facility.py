"""Settings, the import guard, identity, and a facility that is opened for the first time and again."""

import stat
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from policies.access import Action, Kind, Resource
from policies.errors import Conflict, ForeignPackage, Misuse, NotFound, NotSignedIn, Tampered
from policies.people import Person, Role
from service.database import engine, reading, unit_of_work
from service.facility import is_frozen, open_facility, opened
from service.guard import NAMES, ROOT, check_import_names
from service.identity import add_person, authenticate, bootstrap, issue_token, people, retire_person, revoke_token
from service.log.verify import verify_log
from service.models import FreezeRow, TokenRow
from service.settings import Settings, read

LI = Person("li", "aico", frozenset({Role.PARTNER}))
WANG = Person("wang", "hospital", frozenset({Role.DATA_OFFICER, Role.COMPLIANCE}))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MEDTRAIN_{name.upper()}", raising=False)


def test_settings_come_from_the_environment_and_the_command_line_wins(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MEDTRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("MEDTRAIN_PORT", "9000")
    found = read(port=9001, host=None)
    assert (found.port, found.database) == (9001, f"sqlite+pysqlite:///{tmp_path}/medtrain.db")
    assert found.store == str(tmp_path / "objects")


def test_a_wrong_setting_is_named_and_its_value_is_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("MEDTRAIN_LOG_LEVEL", "hunter2")
    with pytest.raises(Misuse, match="MEDTRAIN_LOG_LEVEL") as caught:
        read()
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("MEDTRAIN_LOG_LEVEL")
    assert "hunter2" not in repr(read(passphrase="hunter2"))


def test_our_own_packages_pass_the_guard() -> None:
    check_import_names()


def test_a_package_from_elsewhere_is_refused(tmp_path) -> None:
    with pytest.raises(ForeignPackage, match="own environment"):
        check_import_names(root=tmp_path)
    with pytest.raises(ForeignPackage, match="own environment"):
        check_import_names(names=("no_such_package_here",))


def test_another_distribution_of_our_names_is_refused() -> None:
    with pytest.raises(ForeignPackage, match="foreign also installs 'datasets'"):
        check_import_names(NAMES, ROOT, {"datasets": ["medtrain", "foreign"]})


def test_a_token_signs_its_owner_in(core, fixed, said) -> None:
    with unit_of_work(core, fixed) as work:
        add_person(work, WANG, said())
        whole = issue_token(work, "wang", said())
        narrow = issue_token(work, "wang", said(), scopes=frozenset({Role.COMPLIANCE}))
    assert whole.secret not in repr(whole)
    with reading(core) as session:
        assert authenticate(session, whole.secret, fixed()) == WANG
        assert authenticate(session, narrow.secret, fixed()).roles == {Role.COMPLIANCE}
        stored = [row.digest for row in session.query(TokenRow)]
    assert not any(whole.secret in digest for digest in stored)


def test_an_unknown_expired_revoked_or_ownerless_token_signs_nobody_in(core, fixed, said) -> None:
    with unit_of_work(core, fixed) as work:
        for person in (WANG, LI, replace(LI, id="zhao")):
            add_person(work, person, said())
        expired = issue_token(work, "wang", said(), lifetime=timedelta(seconds=5))
        revoked = issue_token(work, "li", said())
        ownerless = issue_token(work, "zhao", said())
        empty = issue_token(work, "wang", said(), scopes=frozenset({Role.COMPLIANCE}))
        for _ in range(2):
            revoke_token(work, revoked.id, said())
        retire_person(work, "zhao", said())
        work.session.get_one(TokenRow, empty.id).scopes = []
    later = fixed() + timedelta(seconds=5)
    with reading(core) as session:
        for secret in ("", "mt_unknown", expired.secret, revoked.secret, ownerless.secret, empty.secret):
            with pytest.raises(NotSignedIn, match=r"^the bearer token is not valid$"):
                authenticate(session, secret, later)
        assert [person.id for person in people(session)] == ["li", "wang"]


def test_people_are_registered_once_and_leave_for_good(core, fixed, said) -> None:
    with unit_of_work(core, fixed) as work:
        add_person(work, LI, said())
        retire_person(work, "li", said())
        with pytest.raises(Conflict):
            add_person(work, LI, said())
        for act in (retire_person, issue_token):
            with pytest.raises(NotFound):
                act(work, "li", said())
        with pytest.raises(NotFound):
            revoke_token(work, "t-none", said())


@pytest.mark.parametrize(
    "wish", [{"scopes": frozenset()}, {"scopes": frozenset({Role.AUDITOR})}, {"lifetime": timedelta(0)}]
)
def test_a_token_gives_no_more_than_its_owner_has(core, fixed, said, wish) -> None:
    with unit_of_work(core, fixed) as work:
        add_person(work, WANG, said())
        with pytest.raises(Misuse):
            issue_token(work, "wang", said(), **wish)


def test_four_first_starts_make_one_security_admin(ready_url, fixed, tmp_path) -> None:
    databases, made = [engine(ready_url) for _ in range(4)], []
    threads = [threading.Thread(target=lambda d=d: made.append(bootstrap(d, tmp_path, fixed))) for d in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = [file for file in made if file]
    with reading(databases[0]) as session:
        assert authenticate(session, path.read_text().strip(), fixed()).roles == {Role.SECURITY_ADMIN}
    for database in databases:
        database.dispose()


def test_a_facility_opens_for_the_first_time_and_again(tmp_path, database_url, fixed) -> None:
    settings = read(home=tmp_path / "home", database=database_url)
    with opened(settings, fixed) as facility:
        token = (settings.home / "security-admin.token").read_text().strip()
        first = facility.log.vkey
    with opened(settings, fixed) as facility, reading(facility.database) as session:
        assert facility.log.vkey == first
        assert authenticate(session, token, fixed()).id == "security-admin"
        assert not is_frozen(session)
        assert verify_log(facility.log).size == 2
    for path in Path(settings.home).rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path
    assert stat.S_IMODE((settings.home / "security-admin.token").stat().st_mode) == 0o600


def test_a_facility_offers_its_parts(tmp_path, said, fixed) -> None:
    with opened(read(home=tmp_path), fixed) as facility:
        blob = facility.vault.put(b"secret", "label", said())
        assert facility.vault.get(blob) == b"secret"
        assert facility.newest("d1") is None
        assert facility.recipe("demo-diabetes").name
        for wrong in ("none", "../budget"):
            with pytest.raises(NotFound):
                facility.recipe(wrong)
        with pytest.raises(NotFound):
            facility.manifest_of("d1", 1)
        assert facility.may(LI, Action.PERMIT_CREATE, Resource(Kind.PERMIT, "p", org="aico"))
        with unit_of_work(facility.database, fixed) as work:
            assert facility.permits_in(work).of("aico") == facility.permits.of("aico") == ()
            assert facility.charges_in(work).of_run("r") == ()
            work.session.add(FreezeRow(id="f", by="wang", at=work.now(), thawed_at=None, document={}))
            work.add(said())
        with reading(facility.database) as session:
            assert is_frozen(session)


def test_versions_are_read_back_against_what_the_database_remembers(tmp_path, said, fixed) -> None:
    import polars as pl

    from datasets.manifest import Sources
    from datasets.versions import DataClass, Dataset, DatasetVersion
    from policies.states import VersionState

    with opened(read(home=tmp_path), fixed) as facility:
        tables = {"person": pl.DataFrame({"patient": ["a", "b"], "year": [1950, 1960]})}
        sources = Sources("0" * 64, "0" * 64, "0" * 64, ())
        manifest = facility.store.write(
            "d1", tables, data_class=DataClass.DEMONSTRATION, sources=sources, entry=said(), buckets=2
        )
        assert facility.manifest(manifest.as_dict()) == manifest
        anchor = facility.store.commit(manifest)
        facility.datasets.put(Dataset("d1", "t", "h", DataClass.DEMONSTRATION, frozenset()), said())
        facility.versions.put(DatasetVersion("d1", 1, VersionState.PUBLISHED, anchor.digest, "li"), said())
        facility.versions.put(DatasetVersion("d1", 2, VersionState.DRAFT, "", "li"), said())
        assert facility.newest("d1") == facility.manifest_of("d1", 1) == manifest
        with pytest.raises(NotFound, match="draft"):
            facility.manifest_of("d1", 2)
        facility.versions.put(DatasetVersion("d1", 3, VersionState.PUBLISHED, anchor.digest, "li"), said())
        with pytest.raises(Tampered):
            facility.manifest_of("d1", 3)


def test_a_wrong_passphrase_and_an_unknown_store_are_refused(tmp_path, fixed) -> None:
    open_facility(read(home=tmp_path, passphrase="right"), fixed).close()
    with pytest.raises(Tampered):
        open_facility(read(home=tmp_path, passphrase="wrong"), fixed)
    with pytest.raises(Misuse, match="object store"):
        open_facility(read(home=tmp_path, store="ftp://bucket"), fixed)


def test_a_facility_keeps_its_objects_in_a_bucket(fixed, tmp_path, bucket) -> None:
    url, account = bucket
    keys = {"store_access_key": account.access_key, "store_secret_key": account.secret_key}
    settings = read(home=tmp_path, store=url, store_endpoint=account.endpoint, store_region=account.region, **keys)
    with opened(settings, fixed) as facility:
        name = facility.objects.put(b"sealed")
        assert facility.objects.get(name) == b"sealed"
    assert not (tmp_path / "objects").exists()


@pytest.mark.parametrize("seal", ["ftp://kms?key=k", "pkcs11:/lib.so?token=t", "https://kms"])
def test_a_seal_of_an_unknown_kind_is_refused(fixed, tmp_path, seal) -> None:
    with pytest.raises(Misuse, match="seal"):
        open_facility(read(home=tmp_path, seal=seal), fixed)
