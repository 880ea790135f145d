"""Making a backup, and laying one out as a facility that is sealed.

A backup holds the database (encrypted), the keystore file (encrypted as it always is), the objects (ciphertext), and
the published log. It does not hold the root key: that is kept apart, or is under a seal of its own.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from datasets.objects import LocalObjects
from policies.entry import Clock, stamp
from policies.envelope import seal, statement, unseal
from policies.errors import Conflict, NotFound, Tampered
from service.backup import dump
from service.backup.copying import copy, folders_in
from service.database import engine, upgrade, wall_clock
from service.facility import SEALED, Facility, keystore_of, objects_of
from service.settings import Settings

TYPE = "urn:medtrain:backup:1"
STATEMENT, DATABASE, KEYSTORE, OBJECTS, LOG = "backup.json", "database.sealed", "keystore", "objects", "log"


def create(facility: Facility, folder: Path) -> dict[str, Any]:
    """Return what was backed up into a new folder: the objects too, whether they lie in a folder or in a bucket.

    Raises:
        Conflict: the folder is there already.
    """
    if folder.exists():
        raise Conflict("the folder for the backup exists already")
    facility.keystore.secret("tombstone", "facility")  # made now at the latest: the log will speak of patients by it
    checkpoint = facility.log.catch_up()
    fresh = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    raw = b"".join(dump.sealed(facility.database, facility.keystore.secret("backup", "facility")))
    _write(fresh / DATABASE, raw)
    shutil.copy2(facility.settings.home / "keystore", fresh / KEYSTORE)
    shutil.copytree(facility.log.folder, fresh / LOG)
    if isinstance(facility.objects, LocalObjects):  # after the database: what it names is there, a surplus is swept
        shutil.copytree(facility.settings.store, fresh / OBJECTS, copy_function=_link_or_copy)
    else:
        manifests = [f"manifests/{dataset.id}" for dataset in facility.datasets.all()]
        copy(facility.objects, LocalObjects(fresh / OBJECTS), manifests)
    said = {"at": stamp(facility.clock()), "size": checkpoint.size, "root": checkpoint.root.hex(), "objects": True}
    subjects = {DATABASE: _digest(fresh / DATABASE), KEYSTORE: _digest(fresh / KEYSTORE)}
    _write(fresh / STATEMENT, seal(statement(subjects, TYPE, said), facility.keystore.signing_key("manifest")))
    fresh.rename(folder)
    return {"folder": str(folder), **said}


def restore(settings: Settings, folder: Path, clock: Clock = wall_clock) -> dict[str, Any]:
    """Return what was restored into an empty home. The facility is sealed: nothing in it can be asked for anything.

    Raises:
        NotFound: there is no backup in that folder.
        Conflict: the home folder or the database is not empty.
        Tampered: a file of the backup was changed, or the root key does not open its keystore.
    """
    try:
        envelope = (folder / STATEMENT).read_bytes()
    except FileNotFoundError:
        raise NotFound("there is no whole backup in this folder") from None
    home = settings.home
    if (home / KEYSTORE).exists():
        raise Conflict("the home folder holds a facility already")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(
        home / SEALED, json.dumps({"from": stamp(clock())}).encode()
    )  # first: a half restored facility is sealed too
    shutil.copy2(folder / KEYSTORE, home / KEYSTORE)
    keystore = keystore_of(settings)
    said = _checked(envelope, folder, keystore.signing_key("manifest").public_key())
    if "://" in settings.store:
        copy(LocalObjects(folder / OBJECTS), objects_of(settings), folders_in(folder / OBJECTS))
    else:
        shutil.copytree(folder / OBJECTS, settings.store, dirs_exist_ok=True)
    shutil.copytree(folder / LOG, home / LOG, dirs_exist_ok=True)
    database = engine(settings.database)
    try:
        upgrade(database)
        dump.load(database, (folder / DATABASE).read_bytes(), keystore.secret("backup", "facility"))
    finally:
        database.dispose()
    return {**said, "sealed": True}


def _checked(envelope: bytes, folder: Path, key: Ed25519PublicKey) -> dict[str, Any]:
    payload = unseal(envelope, key)
    if payload.get("predicateType") != TYPE:
        raise Tampered("the signed statement is not a backup's")
    for subject in payload["subject"]:
        if _digest(folder / subject["name"]) != subject["digest"]["sha256"]:
            raise Tampered("a file of the backup is not the one that was backed up")
    said: dict[str, Any] = payload["predicate"]
    return said


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, raw: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)  # objects never change, so one copy of the bytes serves both
    except OSError:
        shutil.copy2(source, target)
