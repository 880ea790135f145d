"""An outside C2SP verifier (aics-tlog, which shares no code with us) accepts our log and catches a flipped byte."""

import random
import shutil
from pathlib import Path

import pytest
from aics_tlog.checkpoint import checkpoint_from_note, verify_checkpoint
from aics_tlog.note import parse_note, parse_vkey
from aics_tlog.tiles import (
    FileSystemTileReader,
    build_entry_bundle,
    consistency_proof_from_tiles,
    inclusion_proof_from_tiles,
    parse_entry_bundle,
    read_entry,
)
from aics_tlog.tree import verify_consistency, verify_leaf_inclusion
from aics_tlog.verified import audit_tiles
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.entry import Entry
from policies.errors import Tampered
from policies.proof import Frontier
from service.database import engine, unit_of_work
from service.log import tree, verify
from service.log.log import Log
from service.log.verify import verify_folder

ORIGIN, ENTRIES = "log.example/medtrain", 600


@pytest.fixture(scope="module")
def published(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Return a log of 600 entries that was published in two steps: tiles of both levels, whole and partial."""
    folder = tmp_path_factory.mktemp("outside")
    shutil.copy(sqlite_template, folder / "log.db")
    core = engine(f"sqlite+pysqlite:///{folder / 'log.db'}")
    log = Log(core, folder / "log", ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for begin, end in ((0, 300), (300, ENTRIES)):
        with unit_of_work(core) as work:
            for number in range(begin, end):
                work.add(Entry("2026-01-02T03:04:05Z", "wang", "thing.do", "thing", f"o-{number}", "allow"))
        log.catch_up()
        (folder / f"checkpoint-{end}").write_bytes(log.checkpoint())
    core.dispose()
    return log


def accepted(folder: Path, vkey: str) -> bool:
    """Return whether the outside verifier accepts the folder: signature, every tile and every entry."""
    try:
        note = parse_note((folder / "checkpoint").read_text("utf-8"))
        if not verify_checkpoint(note, parse_vkey(vkey), expected_origin=ORIGIN).ok:
            return False
        stated, _ = checkpoint_from_note(note)
        audit_tiles(FileSystemTileReader(folder), stated.size, stated.root)
    except (ValueError, OSError):
        return False
    return True


def test_the_outside_verifier_accepts_the_published_log(published: Log) -> None:
    assert accepted(published.folder, published.vkey)


def test_it_finds_every_entry_and_its_proof(published: Log) -> None:
    reader = FileSystemTileReader(published.folder)
    root = checkpoint_from_note((published.folder / "checkpoint").read_text("utf-8"))[0].root
    for index in (0, 255, 256, 599):
        proof = inclusion_proof_from_tiles(reader, index, ENTRIES)
        entry = read_entry(reader, index, ENTRIES)
        assert f'"object":"o-{index}"'.encode() in entry
        assert verify_leaf_inclusion(entry, index, ENTRIES, proof, root)


def test_it_sees_that_the_log_only_grew(published: Log) -> None:
    older, newer = (
        checkpoint_from_note((published.folder.parent / f"checkpoint-{size}").read_text("utf-8"))[0]
        for size in (300, ENTRIES)
    )
    proof = consistency_proof_from_tiles(FileSystemTileReader(published.folder), 300, ENTRIES)
    assert verify_consistency(300, ENTRIES, older.root, newer.root, proof)


def test_any_one_flipped_byte_is_caught_by_it_and_by_us(published: Log, tmp_path: Path) -> None:
    draw = random.Random(5)
    needed = [path for path in sorted(published.folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    partial = {str(ENTRIES % 256), str(ENTRIES // 256)}
    needed = [path for path in needed if "p" not in path.parent.suffix or path.name in partial]
    caught = 0
    for number, path in enumerate(needed):
        copy = tmp_path / str(number)
        shutil.copytree(published.folder, copy)
        target = copy / path.relative_to(published.folder)
        raw = bytearray(target.read_bytes())
        raw[draw.randrange(len(raw) - 1)] ^= 1 << draw.randrange(8)
        target.write_bytes(raw)
        assert not accepted(copy, published.vkey), path
        with pytest.raises(Tampered):
            verify_folder(copy, published.vkey)
        caught += 1
        shutil.rmtree(copy)
    assert caught == 8


def test_our_bundles_are_its_bundles(published: Log) -> None:
    raw = (published.folder / "tile" / "entries" / "000").read_bytes()
    assert build_entry_bundle(parse_entry_bundle(raw)) == raw


def test_bytes_that_are_no_entry_are_noticed_in_the_database() -> None:
    for raw in (b"x", b"[]", b"{}", b"1"):
        with pytest.raises(Tampered):
            verify._copied(raw)


def test_a_subtree_is_only_appended_where_one_begins() -> None:
    tree_ = Frontier()
    tree_.add(bytes(32))
    with pytest.raises(Tampered, match="begins"):
        tree_.add_subtree(tree.STEP, bytes(32))
