"""One facility, opened: its database, keys, objects, access log and clock, wired from the settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.keys import Keystore
from datasets.keystore import FileKeystore, root_key
from datasets.kms import HttpKms
from datasets.manifest import Anchor, Manifest, from_dict
from datasets.objects import LocalObjects, Objects
from datasets.pkcs11 import Pkcs11Seal
from datasets.recipes import Recipe, load
from datasets.roots import Seal, sealed_root
from datasets.s3 import Account, S3Objects
from datasets.store import Store
from datasets.vault import Vault
from policies import access
from policies.entry import Clock
from policies.errors import Misuse, NotFound, Sealed
from policies.people import Person
from policies.thresholds import FOLDER, budget
from service import identity
from service.database import Work, engine, upgrade, wall_clock
from service.log.log import Log
from service.log.sequencer import Sequencer
from service.models import FreezeRow
from service.repositories.charges import SqlCharges
from service.repositories.keys import SqlWrappedKeys
from service.repositories.permits import SqlPermits
from service.repositories.place import InWork, OnEngine
from service.repositories.versions import SqlDatasets, SqlVersions
from service.settings import Settings

SEALED = "sealed.json"
RECIPES = FOLDER / "recipes"


@dataclass(frozen=True, slots=True)
class Facility:
    """An open facility. Each write of a repository is a transaction; those of ``…_in(work)`` join a unit of work."""

    settings: Settings
    clock: Clock
    database: sa.Engine
    keystore: Keystore
    objects: Objects
    log: Log
    sequencer: Sequencer

    @property
    def wrapped_keys(self) -> SqlWrappedKeys:
        """The wrapped data keys."""
        return SqlWrappedKeys(self._place)

    @property
    def datasets(self) -> SqlDatasets:
        """The registered datasets."""
        return SqlDatasets(self._place)

    @property
    def versions(self) -> SqlVersions:
        """The registered versions."""
        return SqlVersions(self._place)

    @property
    def permits(self) -> SqlPermits:
        """The permits."""
        return SqlPermits(self._place)

    @property
    def charges(self) -> SqlCharges:
        """The privacy-budget ledger."""
        return SqlCharges(self._place, budget())

    @property
    def store(self) -> Store:
        """The encrypted versions."""
        return Store(self.objects, self.keystore, self.wrapped_keys)

    @property
    def vault(self) -> Vault:
        """The encrypted uploads, quarantines and other blobs."""
        return Vault(self.objects, self.keystore, self.wrapped_keys, scope="vault")

    def permits_in(self, work: Work) -> SqlPermits:
        """Return the permits, written in an open unit of work."""
        return SqlPermits(InWork(work))

    def charges_in(self, work: Work) -> SqlCharges:
        """Return the ledger, written in an open unit of work."""
        return SqlCharges(InWork(work), budget())

    def may(self, person: Person, action: access.Action, resource: access.Resource) -> bool:
        """Return whether the rules allow it, for lists and buttons; what is done is decided again, and logged."""
        return access.allows(person, action, replace(resource, id=""))

    def recipe(self, name: str) -> Recipe:
        """Return a feature recipe that ships with the program, or one of the facility's own in ``recipes`` of its home.

        Raises:
            NotFound: there is none of that name.
        """
        for folder in (RECIPES, self.settings.home / "recipes"):
            path = folder / f"{name}.yaml"
            if path.parent == folder and path.is_file():
                return load(path)
        raise NotFound("there is no such feature recipe")

    def recipes(self) -> list[Recipe]:
        """Return all feature recipes, by name."""
        folders = (RECIPES, self.settings.home / "recipes")
        return [self.recipe(name) for name in sorted({path.stem for one in folders for path in one.glob("*.yaml")})]

    def manifest_of(self, dataset: str, version: int) -> Manifest:
        """Return the manifest of a committed version, compared with what the database remembers of it.

        Raises:
            NotFound: there is no such version, or it is a draft.
            Tampered: the object store holds another one.
        """
        found = self.versions.get(dataset, version)
        if not found.digest:
            raise NotFound("this version is a draft: it has not been committed")
        return self.store.load(dataset, version, Anchor(version, found.digest))

    def manifest(self, body: dict[str, Any]) -> Manifest:
        """Return the manifest that its ``as_dict`` wrote, such as a draft's, which has no envelope yet."""
        return from_dict(body)

    def newest(self, dataset: str) -> Manifest | None:
        """Return the manifest of the newest committed version, or nothing before the first."""
        numbers = [version.number for version in self.versions.of(dataset) if version.digest]
        return self.manifest_of(dataset, max(numbers)) if numbers else None

    def close(self) -> None:
        """Bring the log up to date and let go of the database."""
        self.sequencer.stop()
        self.database.dispose()

    @property
    def _place(self) -> OnEngine:
        return OnEngine(self.database, self.clock)


def open_facility(settings: Settings, clock: Clock = wall_clock, *, sealed: bool = False) -> Facility:
    """Return the facility that the settings describe; its database is brought to this program's schema.

    The first opening makes the home folder, the keys and the first security-admin, whose token lies in
    ``security-admin.token`` below the home folder.

    Raises:
        BadRules: the access rules do not fit their schema.
        Sealed: it was restored from a backup, and is not opened for unsealing (``sealed``).
        Misuse: the store is of a kind that this program does not know.
        Tampered: the keystore does not open.
    """
    access.rules()
    logging.getLogger("medtrain").setLevel(settings.log_level.upper())
    logging.getLogger("absl").setLevel(logging.ERROR)  # the accountant names every order it leaves out
    if (settings.home / SEALED).exists() and not sealed:
        raise Sealed("restored from a backup: unseal it with the witnessed log first (medtrain backup unseal)")
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    objects = objects_of(settings)
    keystore = keystore_of(settings)
    key = keystore.signing_key("checkpoint")
    database = engine(settings.database)
    upgrade(database)
    identity.bootstrap(database, settings.home, clock)
    log = Log(database, settings.home / "log", settings.log_origin, key)
    sequencer = Sequencer(log, settings.log_interval)
    sequencer.start()
    return Facility(settings, clock, database, keystore, objects, log, sequencer)


@contextmanager
def opened(settings: Settings, clock: Clock = wall_clock, *, sealed: bool = False) -> Iterator[Facility]:
    """Yield the facility, and close it at the end."""
    facility = open_facility(settings, clock, sealed=sealed)
    try:
        yield facility
    finally:
        facility.close()


def is_frozen(session: Session) -> bool:
    """Return whether an emergency stop is on."""
    return session.scalar(sa.select(FreezeRow.id).where(FreezeRow.thawed_at.is_(None)).limit(1)) is not None


def keystore_of(settings: Settings) -> FileKeystore:
    """Return the keystore that the settings name: its root key from a passphrase, a seal, or a file beside it.

    Raises:
        Misuse: the seal is of a kind that this program does not know, or cannot be used.
        Tampered: the seal does not open.
    """
    root: bytes | str = settings.passphrase.get_secret_value()
    if settings.seal:
        root = sealed_root(settings.home / "root.sealed", _seal(settings.seal, settings.seal_secret.get_secret_value()))
    return FileKeystore(settings.home / "keystore", root or root_key(settings.home / "root.key"), suite=settings.suite)


def _seal(address: str, secret: str) -> Seal:
    parts = urlsplit(address)
    asked = dict(parse_qsl(parts.query))
    if parts.scheme == "pkcs11" and {"token", "key"} <= asked.keys():
        return Pkcs11Seal(parts.path, asked["token"], asked["key"], secret)
    if parts.scheme in ("http", "https") and "key" in asked:
        return HttpKms(f"{parts.scheme}://{parts.netloc}{parts.path}", asked["key"], secret)
    raise Misuse("a seal is pkcs11:MODULE?token=T&key=K or the address of a key service with ?key=K")


def objects_of(settings: Settings) -> Objects:
    """Return the object store that the settings name.

    Raises:
        Misuse: it is of a kind that this program does not know.
    """
    if "://" not in settings.store:
        return LocalObjects(Path(settings.store))
    account = Account(
        settings.store_endpoint,
        settings.store_region,
        settings.store_access_key.get_secret_value(),
        settings.store_secret_key.get_secret_value(),
    )
    return S3Objects(settings.store, account)
