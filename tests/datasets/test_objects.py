import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from datasets.objects import LocalObjects
from datasets.s3 import Account, S3Objects
from policies.errors import Conflict, Misuse, NotFound, Tampered

LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)


Either = LocalObjects | S3Objects


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Either:
    """Objects of either kind: every test that asks for them is the contract of both."""
    if request.param == "folder":
        return LocalObjects(tmp_path)
    url, account = request.getfixturevalue("bucket")
    return S3Objects(url, account)


@pytest.fixture
def local(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


def spoil(objects: Either, name: str, raw: bytes) -> None:
    """Overwrite an object behind the store's back."""
    if isinstance(objects, LocalObjects):
        objects.source(name).write_bytes(raw)
    else:
        obstore.put(objects._store, f"objects/{name[:2]}/{name}", raw)


def test_an_object_is_named_by_the_hash_of_its_bytes(objects: Either) -> None:
    assert objects.put(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_what_was_put_can_be_read_and_listed(objects: Either) -> None:
    name = objects.put(b"abc")
    assert (objects.get(name), list(objects.names())) == (b"abc", [name])


def test_putting_the_same_bytes_twice_is_one_object(objects: Either) -> None:
    assert objects.put(b"abc") == objects.put(b"abc")
    assert len(list(objects.names())) == 1


def test_staged_bytes_cannot_be_read_before_they_are_settled(objects: Either) -> None:
    staged = objects.stage((b"a", b"bc"))
    assert (staged.size, list(objects.names())) == (3, [])
    with pytest.raises(NotFound):
        objects.get(staged.name)


def test_settling_again_after_a_crash_changes_nothing(objects: Either) -> None:
    staged = objects.stage((b"abc",))
    objects.settle(staged)
    objects.settle(staged)
    assert objects.get(staged.name) == b"abc"


def test_settling_what_was_swept_is_refused(objects: Either) -> None:
    staged = objects.stage((b"abc",))
    objects.sweep((), LATER)
    with pytest.raises(NotFound, match="stage it again"):
        objects.settle(staged)


def test_a_changed_object_is_refused_by_get_and_by_source(objects: Either) -> None:
    name = objects.put(b"abc")
    spoil(objects, name, b"abd")
    for read in (objects.get, objects.source):
        with pytest.raises(Tampered):
            read(name)


def test_putting_an_object_again_mends_it(objects: Either) -> None:
    name = objects.put(b"abc")
    spoil(objects, name, b"")
    objects.put(b"abc")
    assert objects.get(name) == b"abc"


def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(objects: Either) -> None:
    name = objects.put(b"abc")
    objects.delete(name)
    objects.delete(name)
    for read in (objects.get, objects.source):
        with pytest.raises(NotFound):
            read(name)


@pytest.mark.parametrize("name", ["..", "ABC", "0" * 63, "../" + "0" * 61])
def test_a_name_that_is_no_digest_never_reaches_the_disk(objects: Either, name: str) -> None:
    with pytest.raises(Misuse):
        objects.get(name)


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "A", "", ".hidden", "a/../b"])
def test_a_stored_name_cannot_leave_its_folder(objects: Either, name: str) -> None:
    with pytest.raises(Misuse):
        objects.put_named(name, b"")


def test_a_named_object_is_created_once(objects: Either) -> None:
    objects.put_named("manifests/demo/1.json", b"one")
    with pytest.raises(Conflict):
        objects.put_named("manifests/demo/1.json", b"two")
    assert objects.get_named("manifests/demo/1.json") == b"one"


def test_creating_a_named_object_again_with_the_same_bytes_is_no_conflict(objects: Either) -> None:
    objects.put_named("a/b", b"one")
    objects.put_named("a/b", b"one")
    assert objects.named("a") == ("a/b",)


def test_a_name_that_was_never_stored_is_not_found(objects: Either) -> None:
    assert objects.named("nowhere") == ()
    with pytest.raises(NotFound):
        objects.get_named("nowhere/x")


def test_a_sweep_removes_orphans_and_keeps_what_is_live(objects: Either) -> None:
    live, orphan = objects.put(b"live"), objects.put(b"orphan")
    objects.stage((b"half",))
    assert objects.sweep({live}, LATER) == 2
    assert list(objects.names()) == [live]
    assert orphan != live


def test_a_sweep_leaves_writers_at_work_alone(objects: Either) -> None:
    objects.put(b"fresh")
    objects.stage((b"half",))
    assert objects.sweep((), EARLIER) == 0


def test_only_the_owner_can_read_what_is_stored(local: LocalObjects) -> None:
    assert local.source(local.put(b"abc")).stat().st_mode & 0o077 == 0


def test_bytes_are_flushed_before_an_object_appears(local: LocalObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    flush, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), flush(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), rename(a, b))[1])
    local.put(b"abc")
    assert steps == ["fsync", "rename", "fsync", "fsync"]


def test_two_stores_on_one_bucket_create_a_name_once(bucket: tuple[str, Account]) -> None:
    one, other = S3Objects(*bucket), S3Objects(*bucket)
    one.put_named("manifests/demo/1.json", b"one")
    with pytest.raises(Conflict):
        other.put_named("manifests/demo/1.json", b"two")


@pytest.mark.parametrize("url", ["s3://", "https://bucket", "s3://bucket?x=1", "s3://bucket#x"])
def test_an_address_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(Misuse, match="s3://"):
        S3Objects(url, Account())


def test_no_repr_shows_the_credentials() -> None:
    assert "hunter2" not in repr(Account("", "", "hunter2", "hunter2"))
