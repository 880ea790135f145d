from dataclasses import replace
from pathlib import Path

import pytest
from dataset_factories import KEY, entry

from datasets.keys import MemoryWrappedKeys, data_key, rotate, unwrap, wrap
from datasets.keystore import FileKeystore, root_key
from policies.errors import Misuse, NotFound, Shredded, Tampered

NAME, OTHER = "a" * 64, "b" * 64
AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def keystore(tmp_path: Path) -> FileKeystore:
    return FileKeystore(tmp_path / "keystore", KEY)


def test_a_scope_key_is_made_once_and_stays(keystore: FileKeystore, tmp_path: Path) -> None:
    first = keystore.scope_key("dataset/demo")
    assert FileKeystore(tmp_path / "keystore", KEY).scope_key("dataset/demo") == first
    assert first.generation == 1


def test_scopes_and_purposes_have_keys_of_their_own(keystore: FileKeystore) -> None:
    assert keystore.scope_key("dataset/a").key != keystore.scope_key("dataset/b").key
    signing = {
        keystore.signing_key(p).private_bytes_raw()
        for p in ("manifest", "certificate", "checkpoint", "receipt", "witness")
    }
    assert len(signing) == 5


def test_an_unknown_signing_purpose_is_refused(keystore: FileKeystore) -> None:
    with pytest.raises(Misuse):
        keystore.signing_key("love-letters")  # type: ignore[arg-type]  # what a caller could get wrong


def test_projects_share_the_index_key_and_nothing_else(keystore: FileKeystore) -> None:
    one, two = keystore.project("one"), keystore.project("two")
    assert one.index == two.index
    assert len({one.index, one.pseudonym, one.shift, two.pseudonym, two.shift}) == 5


def test_a_rotated_scope_keeps_its_older_keys_until_they_are_destroyed(keystore: FileKeystore) -> None:
    first = keystore.scope_key("dataset/demo")
    assert keystore.rotate("dataset/demo").generation == 2
    assert keystore.scope_key("dataset/demo", 1) == first
    keystore.destroy("dataset/demo", 1)
    with pytest.raises(Shredded):
        keystore.scope_key("dataset/demo", 1)


def test_the_key_in_use_is_not_destroyed(keystore: FileKeystore) -> None:
    keystore.scope_key("dataset/demo")
    with pytest.raises(Misuse):
        keystore.destroy("dataset/demo", 1)


@pytest.mark.parametrize("generation", [0, 2])
def test_a_generation_that_never_was_is_not_found(keystore: FileKeystore, generation: int) -> None:
    keystore.scope_key("dataset/demo")
    with pytest.raises(NotFound):
        keystore.scope_key("dataset/demo", generation)


def test_a_generation_of_an_unknown_scope_is_not_found(keystore: FileKeystore) -> None:
    with pytest.raises(NotFound):
        keystore.scope_key("dataset/none", 1)


def test_another_process_that_came_first_wins(keystore: FileKeystore, tmp_path: Path) -> None:
    theirs = FileKeystore(tmp_path / "keystore", KEY).scope_key("dataset/demo")
    assert keystore._first("dataset/demo") == theirs


def test_no_key_is_on_disk_in_the_clear(keystore: FileKeystore, tmp_path: Path) -> None:
    keys = [keystore.scope_key("dataset/demo").key, keystore.project("p").index]
    stored = (tmp_path / "keystore").read_bytes()
    assert not any(key in stored or key.hex().encode() in stored for key in keys)
    assert b"dataset/demo" not in stored


def test_no_repr_shows_a_key(keystore: FileKeystore) -> None:
    key = keystore.scope_key("dataset/demo")
    assert repr(key.key) not in repr(key)
    assert "index" not in repr(keystore.project("p"))


@pytest.mark.parametrize("root", [bytes(32), "a passphrase"])
def test_another_root_key_does_not_open_the_keystore(keystore: FileKeystore, tmp_path: Path, root: bytes | str) -> None:
    keystore.scope_key("dataset/demo")
    with pytest.raises(Tampered):
        FileKeystore(tmp_path / "keystore", root).scope_key("dataset/demo")


@pytest.mark.parametrize("place", [0, 25, 40, -1])
def test_one_flipped_byte_of_the_keystore_is_noticed(keystore: FileKeystore, tmp_path: Path, place: int) -> None:
    keystore.scope_key("dataset/demo")
    path = tmp_path / "keystore"
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(Tampered):
        keystore.scope_key("dataset/demo")


def test_a_keystore_cut_short_is_noticed(keystore: FileKeystore, tmp_path: Path) -> None:
    keystore.scope_key("dataset/demo")
    path = tmp_path / "keystore"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(Tampered):
        keystore.scope_key("dataset/demo")


def test_a_passphrase_opens_what_it_closed(tmp_path: Path) -> None:
    first = FileKeystore(tmp_path / "k", "correct horse").scope_key("dataset/demo")
    again = FileKeystore(tmp_path / "k", "correct horse")
    assert again.scope_key("dataset/demo") == first
    assert again.scope_key("dataset/demo") == first


def test_resealing_changes_the_root_and_keeps_the_keys(keystore: FileKeystore, tmp_path: Path) -> None:
    first = keystore.scope_key("dataset/demo")
    keystore.reseal(bytes(32))
    assert keystore.scope_key("dataset/demo") == first
    assert FileKeystore(tmp_path / "keystore", bytes(32)).scope_key("dataset/demo") == first
    with pytest.raises(Tampered):
        FileKeystore(tmp_path / "keystore", KEY).scope_key("dataset/demo")


@pytest.mark.parametrize("root", [b"short", ""])
def test_a_root_key_of_the_wrong_form_is_refused(tmp_path: Path, root: bytes | str) -> None:
    with pytest.raises(Misuse):
        FileKeystore(tmp_path / "k", root)


def test_the_root_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "root.key"
    assert root_key(path) == root_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["root.key"]


def test_a_root_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key(path)
    path.chmod(0o640)
    with pytest.raises(Misuse, match="0600"):
        root_key(path)


def test_a_root_key_file_without_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key(path)
    path.write_bytes(b"short")
    with pytest.raises(Misuse):
        root_key(path)


def test_a_wrapped_key_opens_for_its_own_object_only(keystore: FileKeystore) -> None:
    key = keystore.scope_key("dataset/demo")
    row = wrap(key, KEY, NAME, AT)
    assert unwrap(key, row) == KEY
    for changed in (
        replace(row, object=OTHER),
        replace(row, wrapped=row.wrapped[:-1] + b"\0"),
        replace(row, wrapped=b""),
    ):
        with pytest.raises(Tampered):
            unwrap(key, changed)


def test_a_wrapped_key_cannot_be_moved_to_another_scope_or_generation(keystore: FileKeystore) -> None:
    key = keystore.scope_key("dataset/demo")
    row = wrap(key, KEY, NAME, AT)
    for changed in (replace(row, scope="dataset/other"), replace(row, generation=2)):
        with pytest.raises(Tampered):
            unwrap(key, changed)
        relabelled = replace(key, scope=changed.scope, generation=changed.generation)
        with pytest.raises(Tampered):
            unwrap(relabelled, changed)


def test_an_object_without_a_row_is_shredded(keystore: FileKeystore) -> None:
    with pytest.raises(Shredded):
        data_key(keystore, MemoryWrappedKeys(), NAME, "dataset/demo")


def test_a_row_found_under_another_scope_is_refused(keystore: FileKeystore) -> None:
    keys = MemoryWrappedKeys()
    keys.put([wrap(keystore.scope_key("dataset/a"), KEY, NAME, AT)], entry())
    with pytest.raises(Tampered):
        data_key(keystore, keys, NAME, "dataset/b")


def test_rotation_keeps_live_objects_readable_and_old_rows_worthless(keystore: FileKeystore) -> None:
    keys = MemoryWrappedKeys()
    old = wrap(keystore.scope_key("dataset/demo"), KEY, NAME, AT)
    keys.put([old], entry())
    rotate(keystore, keys, "dataset/demo", entry())
    assert data_key(keystore, keys, NAME, "dataset/demo") == KEY
    with pytest.raises(Shredded):
        keystore.scope_key("dataset/demo", old.generation)


def test_a_rotation_cut_by_a_crash_is_mended_by_the_next(keystore: FileKeystore) -> None:
    keys = MemoryWrappedKeys()
    keys.put([wrap(keystore.scope_key("dataset/demo"), KEY, NAME, AT)], entry())
    keystore.rotate("dataset/demo")
    rotate(keystore, keys, "dataset/demo", entry())
    assert data_key(keystore, keys, NAME, "dataset/demo") == KEY
    for number in (1, 2):
        with pytest.raises(Shredded):
            keystore.scope_key("dataset/demo", number)
