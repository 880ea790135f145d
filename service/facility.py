"""One facility, opened: its database, keys, objects, access log and clock, wired from the settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.keys import Keystore
from datasets.keystore import FileKeystore, root_key
from datasets.objects import LocalObjects, Objects
from policies import access
from policies.entry import Clock
from policies.errors import Misuse
from policies.thresholds import budget
from service import identity
from service.database import engine, upgrade
from service.log.log import Log
from service.log.sequencer import Sequencer
from service.models import FreezeRow
from service.repositories.charges import SqlCharges
from service.repositories.keys import SqlWrappedKeys
from service.repositories.permits import SqlPermits
from service.repositories.place import OnEngine, Place
from service.repositories.versions import SqlDatasets, SqlVersions
from service.settings import Settings


def wall_clock() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Repositories:
    """What ``datasets`` asks for, kept in the database: each write a transaction, or all in one open unit of work."""

    wrapped_keys: SqlWrappedKeys
    datasets: SqlDatasets
    versions: SqlVersions
    permits: SqlPermits
    charges: SqlCharges


def repositories(place: Place) -> Repositories:
    """Return the repositories on a place: ``OnEngine(database, clock)`` or ``InWork(work)``."""
    return Repositories(
        SqlWrappedKeys(place), SqlDatasets(place), SqlVersions(place), SqlPermits(place), SqlCharges(place, budget())
    )


@dataclass(frozen=True, slots=True)
class Facility:
    """An open facility. ``store`` has a transaction for each write."""

    settings: Settings
    clock: Clock
    database: sa.Engine
    keystore: Keystore
    objects: Objects
    log: Log
    sequencer: Sequencer
    store: Repositories

    def close(self) -> None:
        """Bring the log up to date and let go of the database."""
        self.sequencer.stop()
        self.database.dispose()


def open_facility(settings: Settings, clock: Clock = wall_clock) -> Facility:
    """Return the facility that the settings describe; its database is brought to this program's schema.

    The first opening makes the home folder, the keys and the first security-admin, whose token lies in
    ``security-admin.token`` below the home folder.

    Raises:
        BadRules: the access rules do not fit their schema.
        Misuse: the store is of a kind that this program does not know.
        Tampered: the keystore does not open.
    """
    access.rules()
    logging.getLogger("medtrain").setLevel(settings.log_level.upper())
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    objects = _objects(settings.store)
    root = settings.passphrase.get_secret_value() or root_key(settings.home / "root.key")
    keystore = FileKeystore(settings.home / "keystore", root)
    key = keystore.signing_key("checkpoint")
    database = engine(settings.database)
    upgrade(database)
    identity.bootstrap(database, settings.home, clock)
    log = Log(database, settings.home / "log", settings.log_origin, key)
    sequencer = Sequencer(log, settings.log_interval)
    sequencer.start()
    place = OnEngine(database, clock)
    return Facility(settings, clock, database, keystore, objects, log, sequencer, repositories(place))


@contextmanager
def opened(settings: Settings, clock: Clock = wall_clock) -> Iterator[Facility]:
    """Yield the facility, and close it at the end."""
    facility = open_facility(settings, clock)
    try:
        yield facility
    finally:
        facility.close()


def is_frozen(session: Session) -> bool:
    """Return whether an emergency stop is on."""
    return session.scalar(sa.select(FreezeRow.id).where(FreezeRow.thawed_at.is_(None)).limit(1)) is not None


def _objects(store: str) -> Objects:
    if "://" in store:
        raise Misuse("the object store is a local folder; other kinds are not built in yet")
    return LocalObjects(Path(store))
