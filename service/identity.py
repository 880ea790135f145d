"""Who is asking: people, their organisations and their bearer tokens.

A token is 256 random bits; the database holds its SHA-256 only. ``authenticate`` turns a bearer token into a
``Person``; single sign-on will be another function of that shape.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.entry import Clock, Entry, stamp
from policies.errors import Conflict, Misuse, NotFound, NotSignedIn
from policies.people import Person, Role
from service.database import Work, unit_of_work
from service.models import OrganisationRow, PersonRow, TokenRow
from service.repositories.place import take_turns

PREFIX = "mt_"
SECRET_BYTES = 32
LIFETIME = timedelta(days=90)
FIRST = Person("security-admin", "facility", frozenset({Role.SECURITY_ADMIN}))
TOKEN_FILE = "security-admin.token"  # noqa: S105  # a file's name
_BOOTSTRAP = 0x626F6F74  # any fixed number: one first start at a time

Random: TypeAlias = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token. ``secret`` is shown once, to its owner; no repr shows it."""

    id: str
    secret: str = field(repr=False)
    expires_at: str


def authenticate(session: Session, bearer: str, now: datetime) -> Person:
    """Return the person a bearer token stands for, with the roles that the token's scopes leave.

    Raises:
        NotSignedIn: the token is unknown, expired or revoked, or its owner has left. It does not say which.
    """
    row = session.execute(
        sa.select(TokenRow, PersonRow)
        .join(PersonRow, PersonRow.id == TokenRow.person)
        .where(TokenRow.digest == _digest(bearer))
    ).one_or_none()
    if row is None or row.TokenRow.revoked_at or row.TokenRow.expires_at <= stamp(now) or not row.PersonRow.active:
        raise NotSignedIn("the bearer token is not valid")
    roles = frozenset(map(Role, row.PersonRow.roles)) & frozenset(map(Role, row.TokenRow.scopes))
    if not roles:
        raise NotSignedIn("the bearer token is not valid")
    return Person(row.PersonRow.id, row.PersonRow.org, roles)


def people(session: Session) -> tuple[Person, ...]:
    """Return everybody who may sign in, by id."""
    rows = session.scalars(sa.select(PersonRow).where(PersonRow.active)).all()
    return tuple(_person(row) for row in sorted(rows, key=lambda row: row.id))


def add_person(work: Work, person: Person, entry: Entry) -> None:
    """Register a person, and the organisation where it is new.

    Raises:
        Conflict: the id is taken. An id is never used again, because the log speaks of people by it.
    """
    if work.session.get(PersonRow, person.id) is not None:
        raise Conflict("a person of this id exists, or existed")
    if work.session.get(OrganisationRow, person.org) is None:
        work.session.add(OrganisationRow(id=person.org, name=person.org, kind=_kind(person)))
        work.session.flush()
    roles = sorted(person.roles)
    work.session.add(PersonRow(id=person.id, org=person.org, roles=roles, active=True, created_at=work.now()))
    work.add(entry)


def retire_person(work: Work, person_id: str, entry: Entry) -> None:
    """Let a person sign in no more: the tokens are revoked with him.

    Raises:
        NotFound: there is nobody of that id.
    """
    row = work.session.get(PersonRow, person_id)
    if row is None or not row.active:
        raise NotFound("there is nobody of this id")
    row.active = False
    held = sa.update(TokenRow).where(TokenRow.person == person_id, TokenRow.revoked_at.is_(None))
    work.session.execute(held.values(revoked_at=work.now()))
    work.add(entry)


def issue_token(
    work: Work,
    person_id: str,
    entry: Entry,
    *,
    scopes: frozenset[Role] | None = None,
    lifetime: timedelta = LIFETIME,
    random: Random = secrets.token_bytes,
) -> Issued:
    """Return a new token of a person; ``scopes`` narrow what it may do, and are all of his roles by default.

    Raises:
        NotFound: there is nobody of that id.
        Misuse: a scope is not one of the person's roles, or the lifetime is not positive.
    """
    row = work.session.get(PersonRow, person_id)
    if row is None or not row.active:
        raise NotFound("there is nobody of this id")
    wanted = frozenset(map(Role, row.roles)) if scopes is None else scopes
    if not wanted or not wanted <= frozenset(map(Role, row.roles)) or lifetime <= timedelta(0):
        raise Misuse("a token has at least one scope, no role its person lacks, and a lifetime above zero")
    secret = PREFIX + base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()
    issued = Issued(f"t-{random(8).hex()}", secret, stamp(work.clock() + lifetime))
    work.session.add(
        TokenRow(
            id=issued.id,
            person=person_id,
            digest=_digest(secret),
            scopes=sorted(wanted),
            created_at=work.now(),
            expires_at=issued.expires_at,
        )
    )
    work.add(entry)
    return issued


def revoke_token(work: Work, token_id: str, entry: Entry) -> None:
    """Make a token worthless at once. Revoking it again changes nothing but the log.

    Raises:
        NotFound: there is no such token.
    """
    row = work.session.get(TokenRow, token_id)
    if row is None:
        raise NotFound("there is no such token")
    row.revoked_at = row.revoked_at or work.now()
    work.add(entry)


def bootstrap(database: sa.Engine, home: Path, clock: Clock, random: Random = secrets.token_bytes) -> Path | None:
    """Make the first security-admin of an empty facility; return the file with the token, or nothing if people exist.

    The file has mode 0600 and is written before the commit: a crash in between leaves a file that the next start
    replaces, never a person whose token nobody has.
    """
    with unit_of_work(database, clock) as work:
        take_turns(work.session, _BOOTSTRAP)
        if work.session.scalar(sa.select(sa.func.count()).select_from(PersonRow)):
            return None
        add_person(work, FIRST, _system_entry(work, "person.add", "person", FIRST.id))
        issued = issue_token(work, FIRST.id, _system_entry(work, "token.issue", "person", FIRST.id), random=random)
        return _write_secret(home / TOKEN_FILE, issued.secret)


def _system_entry(work: Work, action: str, kind: str, name: str) -> Entry:
    return Entry(work.now(), "service", action, kind, name, "system")


def _write_secret(path: Path, secret: str) -> Path:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    return fresh.replace(path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _person(row: PersonRow) -> Person:
    return Person(row.id, row.org, frozenset(map(Role, row.roles)))


def _kind(person: Person) -> str:
    if Role.PARTNER in person.roles:
        return "partner"
    return "hospital" if Role.DATA_OFFICER in person.roles else "facility"
