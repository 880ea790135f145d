"""Witnesses: cosigned is only what continues the last checkpoint, and an outside verifier accepts the line."""

import base64
import shutil
from pathlib import Path

import pytest
from aics_tlog.checkpoint import WitnessPolicy, verify_checkpoint
from aics_tlog.note import parse_note, parse_vkey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.cosignature import cosign, cosigned_at, witness_vkey
from policies.errors import Tampered
from policies.proof import Checkpoint, open_checkpoint, sign
from service.database import engine, record
from service.log.log import Log
from service.log.witness import Witness, _request, ask, cosigned

ORIGIN, NOW = "log.example/medtrain", 1_800_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def log(sqlite_template: Path, tmp_path: Path, said):
    shutil.copy(sqlite_template, tmp_path / "log.db")
    core = engine(f"sqlite+pysqlite:///{tmp_path / 'log.db'}")
    made = Log(core, tmp_path / "log", ORIGIN, KEY)
    grow(made, said, 3)
    yield made
    core.dispose()


def grow(log: Log, said, count: int) -> None:
    for number in range(count):
        record(log.database, said(object=f"o-{number}"))
    log.catch_up()


def witness(folder: Path, log: Log, name: str = "w.example/one", seed: int = 1) -> Witness:
    return Witness(folder / name, name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), {ORIGIN: log.vkey})


def test_two_witnesses_cosign_a_growing_log_and_the_outside_verifier_counts_both(log, said, tmp_path) -> None:
    both = witness(tmp_path, log), witness(tmp_path, log, "w.example/two", 2)
    assert cosigned(log) is None
    for _ in range(2):
        for one in (*both, both[0]):
            ask(log, lambda body, one=one: one.add_checkpoint(body, NOW), one.vkey)
        note = cosigned(log)
        assert note.count("\u2014".encode()) == 3  # the log's line, and each witness's once
        assert open_checkpoint(note, log.vkey) == open_checkpoint(log.checkpoint(), log.vkey)
        policy = WitnessPolicy(2, tuple(parse_vkey(one.vkey) for one in both))
        found = verify_checkpoint(
            parse_note(note.decode()), parse_vkey(log.vkey), expected_origin=ORIGIN, policy=policy
        )
        assert found.ok
        grow(log, said, 5)


def test_a_witness_answers_what_it_does_not_cosign_by_its_reason(log, said, tmp_path) -> None:
    one, note = witness(tmp_path, log), log.checkpoint()
    good = _request(log, 0, 3, note)
    forged = sign(open_checkpoint(note, log.vkey), Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
    other = sign(Checkpoint("other.example", 3, bytes(32)), KEY)
    split = sign(Checkpoint(ORIGIN, 3, bytes(32)), KEY)
    assert one.add_checkpoint(b"old 0\n\n" + other, NOW)[0] == 404
    assert one.add_checkpoint(b"old 0\n\n" + forged, NOW)[0] == 403
    assert one.add_checkpoint(b"old 4\n\n" + note, NOW)[0] == 400
    for request in (b"", b"old x\n\n" + note, b"new 0\n\n" + note, b"old 0\n?\n\n" + note, b"old 0\n" + note):
        assert one.add_checkpoint(request, NOW)[0] == 400
    assert one.add_checkpoint(b"old 1\n\n" + note, NOW) == (409, b"0\n")
    assert one.add_checkpoint(good, NOW)[0] == 200
    assert one.add_checkpoint(good, NOW) == (409, b"3\n")
    assert one.add_checkpoint(b"old 3\n\n" + note, NOW)[0] == 200
    assert one.add_checkpoint(b"old 3\n\n" + split, NOW) == (409, b"3\n")
    grow(log, said, 2)
    wrong = b"old 3\n" + base64.b64encode(bytes(32)) + b"\n\n" + log.checkpoint()
    assert one.add_checkpoint(wrong, NOW) == (422, b"")


def test_a_log_takes_no_line_that_is_not_its_witnesss(log, tmp_path) -> None:
    one, two = witness(tmp_path, log), witness(tmp_path, log, "w.example/two", 2)
    with pytest.raises(Tampered, match="of this witness"):
        ask(log, lambda body: two.add_checkpoint(body, NOW), one.vkey)
    with pytest.raises(Tampered, match="status 404"):
        ask(log, lambda _: (404, b""), one.vkey)
    assert cosigned(log) is None


def test_a_cosignature_holds_for_one_checkpoint_one_time_and_one_key() -> None:
    key, there = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32), Checkpoint(ORIGIN, 3, bytes(32))
    trusted = witness_vkey("w", key.public_key())
    line = cosign(there.body(), "w", key, NOW)
    assert cosigned_at(line, there, trusted) == NOW
    with pytest.raises(Tampered, match="does not fit"):
        cosigned_at(line, Checkpoint(ORIGIN, 4, bytes(32)), trusted)
    for bad in (trusted[:-4], "w", trusted.replace("w+", "v+", 1)):
        with pytest.raises(Tampered, match="malformed"):
            cosigned_at(line, there, bad)
    with pytest.raises(Tampered, match="malformed"):
        cosigned_at(b"nothing", there, trusted)
