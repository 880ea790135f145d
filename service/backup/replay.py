"""Unsealing: what the witnessed log says happened after the backup is done again before anybody is let in.

The log outlives the facility: its tiles are published, its checkpoints are kept by witnesses. From the place where the
restored log ends, every later entry is put back; every charge it speaks of is charged again, and every patient who
withdrew is taken out again. A charge names the patients it hit by a hash of their tokens: where no set of patients
that the backup knows has that hash, everybody it knows is charged, for a restore must never give budget back.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.ledger import Amount
from datasets.versions import DatasetVersion
from policies.entry import Entry, decode, stamp
from policies.errors import NotFound, Tampered
from policies.proof import open_checkpoint
from policies.states import ChargeState, VersionState
from service.database import reading, unit_of_work
from service.facility import SEALED, Facility
from service.log import tiles, tree
from service.log.verify import COPIED, verify_folder
from service.models import ChargeMemberRow, ChargeRow, PatientRow
from service.models_log import EntryRow
from service.repositories.charges import CHARGED, VOIDED, add_balances, crowd


@dataclass(slots=True)
class Later:
    """What happened after the backup, as its log entries tell.

    Attributes:
        charges: Id -> (units of rho, units of delta, hash of the tokens).
        marks: Keyed hashes of the patients who withdrew.
        entries: How many entries were put back.
    """

    charges: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    entries: int = 0

    def hear(self, entry: Entry) -> None:
        """Take one entry into account."""
        for said in _texts(entry, CHARGED):
            name, rho, delta, members = said.rsplit(":", 3)
            self.charges[name] = (int(rho), int(delta), members)
        for name in _texts(entry, VOIDED):
            self.charges.pop(name, None)
        self.marks |= set(_texts(entry, "marks"))


def unseal(facility: Facility, log: Path, note: bytes) -> dict[str, Any]:
    """Return what was done again; the facility is open afterwards.

    Args:
        log: The published log, as a mirror or the old machine's folder holds it.
        note: A signed checkpoint kept elsewhere, of the newest state that anybody knows.

    Raises:
        NotFound: the facility is not sealed.
        Tampered: the log is not whole, does not reach the checkpoint, or does not continue the backup's.
    """
    seal = facility.settings.home / SEALED
    if not seal.exists():
        raise NotFound("the facility is not sealed")
    verified = verify_folder(log, facility.log.vkey, note)
    later = _put_back(facility, log, verified.checkpoint.encode())
    charged = _charge(facility, later)
    taken = _take_out(facility, later.marks)
    facility.log.catch_up()
    seal.unlink()
    return {"entries": later.entries, "charges": charged, "patients": taken, "size": verified.size}


def _put_back(facility: Facility, folder: Path, note: bytes) -> Later:
    """Append the entries that the restored database lacks; its tree then is the published one."""
    published, later = open_checkpoint(note, facility.log.vkey), Later()
    with Session(facility.database) as session, session.begin():
        here = tree.head(session)
        if here.size > published.size or tiles.root_in(folder, here.size) != here.root:
            raise Tampered("the log does not continue the one in the backup")
        for number in range(here.size // tiles.WIDTH, -(-published.size // tiles.WIDTH)):
            begin = number * tiles.WIDTH
            bundle = tiles.read_bundle(folder, number, min(tiles.WIDTH, published.size - begin))
            for body in bundle[max(0, here.size - begin) :]:
                entry = decode(body)
                later.hear(entry)
                later.entries += 1
                session.add(EntryRow(**{name: getattr(entry, name) for name in COPIED}, body=body))
                session.flush()  # in this order, which becomes the order of the tree
        while tree.place(session):
            pass
        if tree.head(session) != tree.Head(published.size, published.root):
            raise Tampered("the entries put back do not give the published log")
    return later


def _charge(facility: Facility, later: Later) -> int:
    done = 0
    with unit_of_work(facility.database, facility.clock) as work:
        known = _crowds(work.session)
        everybody = frozenset().union(*known.values())
        for name, (rho, delta, members) in later.charges.items():
            if work.session.get(ChargeRow, name) is not None:
                continue
            tokens = known.get(members, everybody)
            work.session.add(
                ChargeRow(id=name, run=name.rpartition(".")[0] or name, state=ChargeState.SPENT, rho=rho, delta=delta,
                          vector=[], events=[], at=work.now())
            )  # fmt: skip
            work.session.flush()
            if tokens:
                rows = [{"charge": name, "token": token} for token in sorted(tokens)]
                work.session.execute(sa.insert(ChargeMemberRow), rows)
            add_balances(work.session, dict.fromkeys(tokens, Amount.of_units(rho, delta)))
            done += 1
        work.add(_entry(facility, "charges", done))
    return done


def _crowds(session: Session) -> dict[str, frozenset[str]]:
    """Return every set of patients that the backup knows, by the hash of its tokens."""
    sets: dict[tuple[str, str], set[str]] = {}
    for project, token in session.execute(sa.select(PatientRow.project, PatientRow.token)):
        sets.setdefault(("project", project), set()).add(token)
    for charge, token in session.execute(sa.select(ChargeMemberRow.charge, ChargeMemberRow.token)):
        sets.setdefault(("charge", charge), set()).add(token)
    return {crowd(one): frozenset(one) for one in sets.values()}


def _take_out(facility: Facility, marks: Iterable[str]) -> int:
    """Publish the next version of every dataset without those who withdrew, and destroy what held them."""
    gone, secret = frozenset(marks), facility.keystore.secret("tombstone", "facility")
    with reading(facility.database) as session:
        rows = session.execute(sa.select(PatientRow.project, PatientRow.pseudonym, PatientRow.token)).all()
    found: dict[str, set[str]] = {}
    for project, pseudonym, token in rows:
        if hmac.digest(secret, token.encode(), "sha256").hex() in gone:
            found.setdefault(project, set()).add(pseudonym)
    for dataset, patients in sorted(found.items()):
        live = facility.newest(dataset)
        if live is not None:
            entry = _entry(facility, "withdrawals", len(patients), dataset)
            manifest = facility.store.without(live, patients, entry)
            anchor = facility.store.commit(manifest)
            version = DatasetVersion(dataset, manifest.version, VersionState.PUBLISHED, anchor.digest, "service")
            facility.versions.put(version, entry)
            facility.store.forget(manifest, entry)
        with unit_of_work(facility.database, facility.clock) as work:
            for pseudonym in patients:
                work.session.delete(work.session.get_one(PatientRow, (dataset, pseudonym)))
            work.add(_entry(facility, "index", len(patients), dataset))
    return sum(map(len, found.values()))


def _texts(entry: Entry, name: str) -> tuple[str, ...]:
    found = entry.facts.get(name, ())
    return found if isinstance(found, tuple) else ()


def _entry(facility: Facility, stage: str, count: int, object_: str = "facility") -> Entry:
    at = stamp(facility.clock())
    return Entry(at, "service", "backup.replay", "facility", object_, "system", facts={"stage": stage, "count": count})
