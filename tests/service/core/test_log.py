"""The access log: every entry gets its place, can be proved, and any change is found."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.entry import decode
from policies.errors import NotFound, Tampered
from policies.proof import (
    check_consistency,
    check_inclusion,
    leaf_hash,
    open_checkpoint,
    root_hash,
    sign,
    verify_receipt,
)
from service.database import engine, reading, record, upgrade
from service.log import tiles, tree
from service.log.log import Log, Wanted
from service.log.sequencer import Sequencer
from service.log.tree import head
from service.log.verify import verify_folder, verify_log
from service.models_log import EntryRow, PositionRow

ORIGIN = "log.example/medtrain"


@pytest.fixture
def log(core, tmp_path) -> Log:
    return Log(core, tmp_path / "log", ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def append(log: Log, said, count: int) -> None:
    rows = [_values(said(object=f"o-{number}")) for number in range(count)]
    with log.database.begin() as connection:
        if rows:
            connection.execute(sa.insert(EntryRow.__table__), rows)


def forge(log: Log, *statements: str) -> None:
    """Do what only somebody with full power over the database can: lift the triggers, and write."""
    with log.database.begin() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.scalars(sa.text("select name from sqlite_master where type = 'trigger'")).all()
            for name in names:
                connection.execute(sa.text(f"drop trigger {name}"))
        else:
            connection.execute(sa.text("set session_replication_role = replica"))
        for statement in statements:
            connection.execute(sa.text(statement))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("set session_replication_role = origin"))


@pytest.mark.parametrize("count", [0, 1, 255, 256, 700])
def test_the_tree_holds_every_committed_entry_once(log, said, count) -> None:
    append(log, said, count)
    checkpoint = log.catch_up()
    leaves = [leaf_hash(body) for body in log.export()]
    assert (checkpoint.size, checkpoint.root) == (count, root_hash(leaves))
    assert len({decode(body).object for body in log.export()}) == count


def test_the_log_grows_step_by_step_into_the_same_files_as_at_once(log, said, tmp_path) -> None:
    for count in (1, 254, 1, 1, 300, 0):
        append(log, said, count)
        log.catch_up()
    assert verify_log(log).size == 557
    again = Log(log.database, tmp_path / "again", ORIGIN, log.key)
    again.publish()
    for file in (tmp_path / "again").rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (log.folder / file.relative_to(tmp_path / "again")).read_bytes()


def test_a_large_log_has_a_second_level_of_tiles(ready_sqlite_url, tmp_path, said) -> None:
    log = Log(engine(ready_sqlite_url), tmp_path / "log", ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    row = _values(said())
    with log.database.begin() as connection:
        connection.execute(sa.insert(EntryRow.__table__), [{**row, "body": b"%d" % number} for number in range(65_700)])
    checkpoint = log.catch_up()
    assert checkpoint.root == root_hash(leaf_hash(b"%d" % number) for number in range(65_700))
    assert verify_folder(log.folder, log.vkey).size == 65_700
    assert [path.name for path in (log.folder / "tile" / "2").rglob("*") if path.is_file()] == ["1"]
    log.database.dispose()


def test_every_entry_has_a_receipt_that_anyone_can_check(log, said) -> None:
    append(log, said, 5)
    log.catch_up()
    for found in log.search():
        assert verify_receipt(log.receipt(found.id), found.entry.encode(), log.vkey).size == 5


def test_an_entry_without_a_published_place_has_no_receipt_yet(log, said) -> None:
    first = record(log.database, said())
    with pytest.raises(NotFound, match="not been published"):
        log.receipt(first)
    log.catch_up()
    second = record(log.database, said())
    with pytest.raises(NotFound, match="no place"):
        log.receipt(second)
    with log.database.begin() as connection:
        values = {"position": 1, "entry": second, "leaf": bytes(32)}
        connection.execute(sa.insert(PositionRow), values)
    with pytest.raises(NotFound, match="no published place"):
        log.receipt(second)


def test_inclusion_and_consistency_hold_against_the_roots(log, said) -> None:
    append(log, said, 3)
    old = log.catch_up()
    append(log, said, 300)
    new = log.catch_up()
    check_consistency(old.size, old.root, new.size, new.root, log.consistency(old.size, new.size))
    found = log.search(limit=1)[0]
    index, path = log.inclusion(found.id)
    check_inclusion(leaf_hash(found.entry.encode()), index, new.size, path, new.root)


def test_an_unchanged_log_verifies_and_continues_an_older_checkpoint(log, said) -> None:
    append(log, said, 3)
    log.catch_up()
    kept = log.checkpoint()
    append(log, said, 300)
    log.catch_up()
    append(log, said, 1)
    found = verify_log(log, since=kept)
    assert (found.size, found.since, found.pending) == (303, 3, 1)
    assert open_checkpoint(found.as_dict()["checkpoint"].encode(), log.vkey).size == 303
    assert "continues the checkpoint of 3" in found.sentence()
    assert "continues" not in verify_log(log).sentence()


def test_one_flipped_byte_anywhere_in_the_published_log_is_found(log, said) -> None:
    append(log, said, 300)
    log.catch_up()
    files = [path for path in log.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    assert len(files) == 6  # checkpoint, two bundles, two tiles of leaves, one tile above
    for path in files:
        good = path.read_bytes()
        for place in {0, 1, len(good) // 2, len(good) - 1}:
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(Tampered):
                verify_folder(log.folder, log.vkey)
        path.write_bytes(good)
    assert verify_folder(log.folder, log.vkey).size == 300


def test_a_flipped_byte_in_what_a_tile_was_when_it_was_shorter_is_found_too(log, said) -> None:
    for _ in range(2):
        append(log, said, 2)
        log.catch_up()
    for path in (tiles.tile_path(log.folder, level, 0, 2) for level in ("entries", 0)):
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(Tampered, match="when it had 2"):
            verify_folder(log.folder, log.vkey)
        path.write_bytes(good)
    longer = tiles.tile_path(
        log.folder, "entries", 0, 5
    )  # what another publisher writes at this moment is not ours yet
    longer.write_bytes(b"half")
    assert verify_folder(log.folder, log.vkey).size == 4


def test_a_whole_tile_leaves_nothing_of_its_shorter_days(log, said) -> None:
    append(log, said, 200)
    log.catch_up()
    kept = log.checkpoint()
    append(log, said, 400)
    log.catch_up()
    assert {path.name for path in log.folder.rglob("*.p")} == {"002.p", "000.p"}
    assert {path.parent.parent.name for path in log.folder.rglob("000.p/*")} == {"1"}  # the tile above
    assert verify_log(log, since=kept).size == 600


def test_a_missing_file_is_found(log, said) -> None:
    append(log, said, 300)
    log.catch_up()
    for part in ("0", "1", "entries"):
        shutil.move(log.folder / "tile" / part, log.folder / "away")
        with pytest.raises(Tampered):
            verify_folder(log.folder, log.vkey)
        shutil.move(log.folder / "away", log.folder / "tile" / part)


@pytest.mark.parametrize("kind", ["rewritten", "shortened"])
def test_a_rewritten_and_signed_log_fails_against_a_checkpoint_kept_elsewhere(log, said, tmp_path, kind) -> None:
    append(log, said, 40)
    log.catch_up()
    kept = log.checkpoint()
    forged = engine(f"sqlite+pysqlite:///{tmp_path / 'forged.db'}")
    upgrade(forged)
    other = Log(forged, tmp_path / "forged", ORIGIN, log.key)
    for number in range(50 if kind == "rewritten" else 39):
        record(forged, said(object="hidden" if number == 7 and kind == "rewritten" else f"o-{number}"))
    other.catch_up()
    assert verify_log(other).size in {50, 39}  # by itself it looks whole: it is signed by the log's own key
    with pytest.raises(Tampered, match=r"rewritten|shorter"):
        verify_log(other, since=kept)
    forged.dispose()


TRICKS = {
    "an entry changed": "update entries set body = (select body from entries where id = 2) where id = 1",
    "a searchable column changed": "update entries set actor = 'somebody' where id = 3",
    "a position exchanged": "update positions set position = 1000 where position = 2",
    "a leaf changed": "update positions set leaf = (select leaf from positions where position = 1) where position = 0",
    "a stored hash changed": "update nodes set hash = (select leaf from positions where position = 1)",
    "an entry hidden from the log": "delete from pending",
    "the head set back": "update head set size = 299",
    "the root changed": "update head set root = (select leaf from positions where position = 1)",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
def test_what_an_administrator_changes_in_the_database_is_found(log, said, trick) -> None:
    append(log, said, 300)
    log.catch_up()
    record(log.database, said())
    verify_log(log)
    forge(log, trick)
    with pytest.raises(Tampered):
        verify_log(log)


def test_a_database_that_was_set_back_is_never_signed_again(log, said) -> None:
    append(log, said, 5)
    log.catch_up()
    with log.database.connect() as connection:
        size, frontier, root = connection.execute(sa.text("select size, frontier, root from head")).one()
    append(log, said, 5)
    log.catch_up()
    kept = log.checkpoint()
    forge(log, "delete from positions where position >= 5", "delete from entries where id > 5")
    set_back = f"update head set size = {size}, frontier = {{}}, root = {{}}"
    literal = "x'{}'" if log.database.dialect.name == "sqlite" else "decode('{}', 'hex')"
    forge(log, set_back.format(*(literal.format(bytes(raw).hex()) for raw in (frontier, root))))
    with pytest.raises(Tampered, match="does not continue"):
        log.catch_up()
    with pytest.raises(Tampered):
        verify_log(log)
    with log.database.begin() as connection:
        connection.execute(sa.insert(EntryRow), [_values(said(object=f"new-{number}")) for number in range(9)])
        ids = connection.scalars(sa.select(EntryRow.id).where(EntryRow.object.like("new-%"))).all()
        if connection.dialect.name == "sqlite":  # its trigger was dropped
            connection.execute(sa.text("insert into pending (entry) values (:id)"), [{"id": one} for one in ids])
    with pytest.raises(Tampered, match="does not continue"):
        log.catch_up()
    assert log.checkpoint() == kept


def _values(entry) -> dict[str, object]:
    names = ("at", "actor", "action", "kind", "object", "permit", "decision")
    return {"body": entry.encode(), **{name: getattr(entry, name) for name in names}}


def test_entries_lost_below_the_head_are_found_when_publishing(log, said) -> None:
    append(log, said, 3)
    log.catch_up()
    shutil.rmtree(log.folder)
    forge(log, "delete from positions where position = 1")
    with pytest.raises(Tampered, match="lost"):
        log.publish()


def test_a_log_of_another_key_or_nowhere_does_not_verify(log, said, tmp_path) -> None:
    with pytest.raises(NotFound):
        verify_folder(tmp_path / "nowhere", log.vkey)
    append(log, said, 1)
    checkpoint = log.catch_up()
    (log.folder / "checkpoint").write_bytes(sign(checkpoint, Ed25519PrivateKey.generate()))
    with pytest.raises(Tampered):
        verify_folder(log.folder, log.vkey)


def test_search_finds_by_every_field_newest_first_and_page_by_page(log, said) -> None:
    record(log.database, said(actor="li", action="run.submit", object="r-1", permit="p-1", decision="deny"))
    record(log.database, said(at="2026-02-01T00:00:00.000000Z"))
    log.catch_up()
    record(log.database, said(at="2026-03-01T00:00:00.000000Z"))
    ids = [found.id for found in log.search()]
    assert ids == sorted(ids, reverse=True)
    assert [found.position for found in log.search()] == [None, 1, 0]
    only = Wanted(actor="li", action="run.submit", object="r-1", permit="p-1", decision="deny")
    assert [found.entry.actor for found in log.search(only)] == ["li"]
    assert len(log.search(Wanted(since="2026-02-01T00:00:00Z", until="2026-03-01T00:00:00Z"))) == 1
    assert [found.id for found in log.search(limit=1, before=ids[0])] == [ids[1]]


def test_the_export_is_the_leaves_in_the_order_of_the_tree(log, said) -> None:
    append(log, said, 4)
    log.catch_up()
    lines = list(log.export())
    assert root_hash(map(leaf_hash, lines)) == log.catch_up().root
    assert json.loads(lines[0])["schema"] == "medtrain.entry/1"
    assert len(list(log.export(Wanted(object="o-2")))) == 1


def test_the_sequencer_places_an_entry_within_a_second(log, said) -> None:
    with Sequencer(log, interval=0.2):
        record(log.database, said())
        begun = time.monotonic()
        while size(log) < 1:
            assert time.monotonic() - begun < 5
            time.sleep(0.02)
        waited = time.monotonic() - begun
    assert waited < 1


def test_the_sequencer_catches_up_when_nudged_and_when_stopped(log, said) -> None:
    sequencer = Sequencer(log, interval=60)
    sequencer.start()
    record(log.database, said())
    sequencer.nudge()
    sequencer.stop()
    assert (size(log), sequencer.problem) == (1, None)


def test_the_sequencer_outlives_a_failure_and_tells_it(log, said, caplog) -> None:
    log.folder.parent.mkdir(exist_ok=True)
    log.folder.write_text("not a folder")
    sequencer = Sequencer(log, interval=60)
    sequencer.start()
    sequencer.stop()
    assert isinstance(sequencer.problem, FileExistsError)
    assert "FileExistsError" in caplog.text


def size(log: Log) -> int:
    with reading(log.database) as session:
        return head(session).size


def test_two_sequencers_and_many_writers_place_every_entry_once(log, said, ready_url) -> None:
    databases = [engine(ready_url) for _ in range(2)]
    others = [Sequencer(Log(made, log.folder, ORIGIN, log.key), interval=0.01) for made in databases]
    for sequencer in others:
        sequencer.start()
    names = iter(range(80))
    threads = [
        threading.Thread(target=lambda: [record(log.database, said(object=f"o-{next(names)}")) for _ in range(10)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sequencer in others:
        sequencer.stop()
    assert [sequencer.problem for sequencer in others] == [None, None]
    assert verify_log(log).size == 80
    assert sorted(decode(body).object for body in log.export()) == sorted(f"o-{n}" for n in range(80))
    for made in databases:
        made.dispose()


def test_no_key_is_shown(log) -> None:
    assert "PrivateKey" not in repr(log)
    assert isinstance(log.folder, Path)


def test_the_places_given_are_counted(log, said) -> None:
    append(log, said, 3)
    log.catch_up()
    assert log.placed() == 3


def test_a_bundle_that_is_just_full_verifies(log, said) -> None:
    append(log, said, tiles.WIDTH)
    log.catch_up()
    assert verify_folder(log.folder, log.vkey).size == verify_log(log).size == tiles.WIDTH


def test_a_tile_far_into_the_log_lies_in_folders_of_a_thousand(tmp_path) -> None:
    tiles.write_tile(tmp_path, 0, 1_234_067, [bytes(32)] * 8)
    assert (tmp_path / "tile/0/x001/x234/067.p/8").read_bytes() == bytes(256)


def test_a_tile_with_too_few_hashes_is_damaged(tmp_path) -> None:
    tiles.tile_path(tmp_path, 0, 0, 3).parent.mkdir(parents=True)
    tiles.tile_path(tmp_path, 0, 0, 3).write_bytes(bytes(64))
    with pytest.raises(Tampered, match="damaged"):
        tiles.read_tile(tmp_path, 0, 0, 3)


def test_a_lost_part_of_the_tree_is_found_and_a_known_one_asked_for_once(log, said) -> None:
    append(log, said, 4)
    log.catch_up()
    with reading(log.database) as session:
        with pytest.raises(Tampered, match="lost"):
            tree.hashes(session, 0, 0, 5)
        subtree = tree._subtrees(session)
        assert subtree(2, 0) == subtree(2, 0) == root_hash(tree.hashes(session, 0, 0, 4))
