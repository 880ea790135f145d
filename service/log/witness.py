"""Witnesses: this facility cosigns the checkpoints of others' logs, and has its own cosigned by them.

A witness signs only what continues the checkpoint that it signed before, so that a log which shows different people
different histories needs all of its witnesses to help. Source: C2SP tlog-witness (``add-checkpoint``).
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.cosignature import cosign, cosigned_at, witness_vkey
from policies.errors import Tampered
from policies.proof import Checkpoint, check_consistency, open_checkpoint
from service.log import tiles
from service.log.log import Log

COSIGNED = "checkpoint.cosigned"
SIZE_TYPE = "text/x.tlog.size"
MOST_HASHES = 63

Post = Callable[[bytes], tuple[int, bytes]]
"""How a witness is asked: body of ``add-checkpoint`` -> status and body of the answer."""


@dataclass(frozen=True, slots=True)
class Witness:
    """This facility as a witness.

    Attributes:
        folder: Where it keeps the newest checkpoint that it cosigned of each log.
        name: Its public name.
        key: Its key, for nothing but cosignatures.
        logs: Origin -> verifier key of each log that it watches.
    """

    folder: Path
    name: str
    key: Ed25519PrivateKey = field(repr=False)
    logs: Mapping[str, str]

    @property
    def vkey(self) -> str:
        """The public key, in the form that verifiers are given."""
        return witness_vkey(self.name, self.key.public_key())

    def add_checkpoint(self, request: bytes, seconds: int) -> tuple[int, bytes]:
        """Return status and body of the answer to ``add-checkpoint``; 200 carries the cosignature's line.

        404: a log that is not watched. 403: not signed by it. 400: malformed. 409: the log has moved on, with the size
        that was cosigned last, or shows another tree of the same size. 422: the proof does not hold.
        """
        try:
            old, path, note = _read(request)
        except Tampered:
            return 400, b""
        origin = note.split(b"\n", 1)[0].decode("utf-8", "replace")
        if origin not in self.logs:
            return 404, b""
        try:
            checkpoint = open_checkpoint(note, self.logs[origin])
        except Tampered:
            return 403, b""
        if old > checkpoint.size:
            return 400, b""
        with tiles.publishing(self.folder):  # one at a time: what was cosigned last must not change meanwhile
            last = self._last(origin)
            if old != last.size:
                return 409, b"%d\n" % last.size
            if old == checkpoint.size and old and checkpoint.root != last.root:
                return 409, b"%d\n" % last.size
            try:
                check_consistency(old, last.root, checkpoint.size, checkpoint.root, path)
            except Tampered:
                return 422, b""
            tiles.write_durably(self._place(origin), note)
        body = note[: note.rindex(b"\n\n") + 1].decode()
        return 200, cosign(body, self.name, self.key, seconds)

    def _last(self, origin: str) -> Checkpoint:
        place = self._place(origin)
        if not place.exists():
            return Checkpoint(origin, 0, hashlib.sha256(b"").digest())
        return open_checkpoint(place.read_bytes(), self.logs[origin])

    def _place(self, origin: str) -> Path:
        return self.folder / hashlib.sha256(origin.encode()).hexdigest()


def ask(log: Log, post: Post, trusted: str) -> bytes:
    """Have the published checkpoint cosigned by one witness; return and keep the checkpoint with its line added.

    Raises:
        Tampered: the witness refuses, or its line is not its own.
    """
    note = log.checkpoint()
    checkpoint = open_checkpoint(note, log.vkey)
    status, answer = post(_request(log, 0, checkpoint.size, note))
    if status == 409 and answer.strip().isdigit() and int(answer) <= checkpoint.size:
        status, answer = post(_request(log, int(answer), checkpoint.size, note))
    if status != 200:
        raise Tampered(f"the witness does not cosign the log (status {status})")
    cosigned_at(answer, checkpoint, trusted)
    return _keep(log.folder, note, answer)


def cosigned(log: Log) -> bytes | None:
    """Return the newest checkpoint that a witness cosigned, with all of its lines; nothing where there is none."""
    place = log.folder / COSIGNED
    return place.read_bytes() if place.exists() else None


def _keep(folder: Path, note: bytes, line: bytes) -> bytes:
    """Add the line to those of the same checkpoint; a newer checkpoint begins afresh."""
    with tiles.publishing(folder):
        place = folder / COSIGNED
        before = place.read_bytes() if place.exists() else b""
        who = line.split(b" ")[1]
        lines = before[len(note) :].splitlines(keepends=True) if before.startswith(note) else []
        kept = note + b"".join(one for one in lines if one.split(b" ")[1] != who) + line
        tiles.write_durably(place, kept)
    return kept


def _request(log: Log, old: int, new: int, note: bytes) -> bytes:
    hashes = log.consistency(old, new)
    return b"".join([b"old %d\n" % old, *(base64.b64encode(one) + b"\n" for one in hashes), b"\n", note])


def _read(request: bytes) -> tuple[int, list[bytes], bytes]:
    head, gap, note = request.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    word, _, number = first.partition(b" ")
    if not gap or word != b"old" or not number.isdigit() or len(number) > 19 or len(lines) > MOST_HASHES:
        raise Tampered("not a request to add a checkpoint")
    try:
        path = [base64.b64decode(line, validate=True) for line in lines]
    except ValueError:
        raise Tampered("a proof is base64") from None
    return int(number), path, note
