"""The database's tables. Documents are JSON columns, what is searched is a proper column; the same on both databases.

Moments are ISO 8601 text in UTC (``policies.entry.stamp``), so that text order is time order. A JSON value is replaced,
never changed in place. File names and values of records have no place in any column.
"""

from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

from policies.states import (
    ChargeState,
    ExtractState,
    IncidentState,
    PermitState,
    RightsState,
    RunState,
    State,
    SubmissionState,
    VersionState,
    check_transition,
)

Document = dict[str, Any]
S = TypeVar(
    "S",
    SubmissionState,
    VersionState,
    ExtractState,
    PermitState,
    RunState,
    ChargeState,
    RightsState,
    IncidentState,
)

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
ID = sa.String(64)
MOMENT = sa.String(32)
DIGEST = sa.String(64)


class Base(DeclarativeBase):
    """Every table."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {Document: JSON, list[str]: JSON, list[Document]: JSON}  # noqa: RUF012  # SQLAlchemy's own form

    def __repr__(self) -> str:
        """Show the identity only: a row's other values are nobody's business in a log line."""
        key = sa.inspect(self).identity
        return f"{type(self).__name__}({key})"


class Governed(Base):
    """A table that no transaction may change without a log entry."""

    __abstract__ = True


class Stateful(Governed):
    """A governed table whose ``state`` moves only along ``policies.states.TRANSITIONS``."""

    __abstract__ = True

    @validates("state")
    def _checked(self, _name: str, wanted: State) -> State:
        now = getattr(self, "state", None)
        if now is not None and now is not wanted:
            check_transition(now, wanted)
        return wanted


def state_column(kind: type[S]) -> Mapped[S]:
    """Return a column that holds a state of a kind by its value."""
    names = sa.Enum(kind, native_enum=False, length=32, values_callable=lambda states: [s.value for s in states])
    return mapped_column(names, index=True)


class OrganisationRow(Governed):
    """A hospital, a partner or the facility itself."""

    __tablename__ = "organisations"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    kind: Mapped[str] = mapped_column(sa.String(16))


class PersonRow(Governed):
    """Somebody who signs in; ``roles`` are values of ``policies.people.Role``."""

    __tablename__ = "people"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    roles: Mapped[list[str]]
    active: Mapped[bool]
    created_at: Mapped[str] = mapped_column(MOMENT)


class TokenRow(Governed):
    """A bearer token: its SHA-256 only. ``scopes`` are roles, at most the person's own."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person: Mapped[str] = mapped_column(sa.ForeignKey("people.id"), index=True)
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[str] = mapped_column(MOMENT)
    expires_at: Mapped[str] = mapped_column(MOMENT)
    revoked_at: Mapped[str | None] = mapped_column(MOMENT)


class SubmissionRow(Stateful):
    """Files a data officer hands in."""

    __tablename__ = "submissions"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    author: Mapped[str] = mapped_column(sa.ForeignKey("people.id"))
    project: Mapped[str] = mapped_column(ID, index=True)
    state: Mapped[SubmissionState] = state_column(SubmissionState)
    created_at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class UploadRow(Governed):
    """One encrypted file of a submission; its name is inside the encrypted object."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    submission: Mapped[str] = mapped_column(sa.ForeignKey("submissions.id"), index=True)
    object: Mapped[str | None] = mapped_column(sa.String(200))
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[str] = mapped_column(MOMENT)
    expires_at: Mapped[str | None] = mapped_column(MOMENT)
    document: Mapped[Document]


class DatasetRow(Governed):
    """A governed collection of records; the document holds ``purposes`` (GA4GH DUO codes) and public bounds."""

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(ID, index=True)
    title: Mapped[str] = mapped_column(sa.String(200))
    data_class: Mapped[str] = mapped_column(sa.String(32))
    created_at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class VersionRow(Stateful):
    """A numbered snapshot; ``digest`` is its committed manifest's hash: the anchor against rollback."""

    __tablename__ = "versions"
    dataset: Mapped[str] = mapped_column(sa.ForeignKey("datasets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[VersionState] = state_column(VersionState)
    digest: Mapped[str | None] = mapped_column(DIGEST)
    envelope: Mapped[bytes | None]
    created_at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class WrappedKeyRow(Governed):
    """The data key of one stored object, encrypted under its scope's key. Deleting the row shreds the object."""

    __tablename__ = "wrapped_keys"
    object: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    generation: Mapped[int]
    wrapped: Mapped[bytes]
    at: Mapped[str] = mapped_column(MOMENT)


class PatientRow(Governed):
    """Which patient of the facility's index a pseudonym stands for. Never leaves the service."""

    __tablename__ = "patients"
    project: Mapped[str] = mapped_column(ID, primary_key=True)
    pseudonym: Mapped[str] = mapped_column(ID, primary_key=True)
    token: Mapped[str] = mapped_column(ID, index=True)


class PermitRow(Stateful):
    """A partner's application and what was granted; the terms are the document."""

    __tablename__ = "permits"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(ID, index=True)
    author: Mapped[str] = mapped_column(ID)
    dataset: Mapped[str] = mapped_column(ID, index=True)
    state: Mapped[PermitState] = state_column(PermitState)
    not_before: Mapped[str | None] = mapped_column(MOMENT)
    not_after: Mapped[str | None] = mapped_column(MOMENT, index=True)
    document: Mapped[Document]


class ApprovalRow(Governed):
    """One person's verdict on a permit, a release or a thaw: ``kind`` and ``object`` say on which."""

    __tablename__ = "approvals"
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    object: Mapped[str] = mapped_column(ID, primary_key=True)
    person: Mapped[str] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    verdict: Mapped[str] = mapped_column(sa.String(16))
    at: Mapped[str] = mapped_column(MOMENT)


class ExtractRow(Stateful):
    """The slice of one version that a permit allows."""

    __tablename__ = "extracts"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    permit: Mapped[str] = mapped_column(sa.ForeignKey("permits.id"), index=True)
    dataset: Mapped[str] = mapped_column(ID)
    version: Mapped[int]
    state: Mapped[ExtractState] = state_column(ExtractState)
    created_at: Mapped[str] = mapped_column(MOMENT)
    expires_at: Mapped[str | None] = mapped_column(MOMENT)
    document: Mapped[Document]
    __table_args__ = (sa.ForeignKeyConstraint(["dataset", "version"], ["versions.dataset", "versions.number"]),)


class RunRow(Stateful):
    """One training job under a permit; plan and hashes are the document."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    permit: Mapped[str] = mapped_column(sa.ForeignKey("permits.id"), index=True)
    org: Mapped[str] = mapped_column(ID, index=True)
    author: Mapped[str] = mapped_column(ID)
    extract: Mapped[str | None] = mapped_column(sa.ForeignKey("extracts.id"))
    state: Mapped[RunState] = state_column(RunState)
    created_at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class ReleaseRow(Governed):
    """What may leave after a run: hashes, certificate and where the encrypted model lies. Its state is the run's."""

    __tablename__ = "releases"
    run: Mapped[str] = mapped_column(sa.ForeignKey("runs.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST)
    object: Mapped[str | None] = mapped_column(sa.String(200))
    certificate: Mapped[bytes | None]
    created_at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class ChargeRow(Stateful):
    """One entry of the privacy-budget ledger: what ``datasets.ledger.Charge`` says, without its patients.

    ``rho`` and ``delta`` are whole numbers of 1e-12 and 1e-18, so that sums are exact on every database.
    """

    __tablename__ = "charges"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    run: Mapped[str] = mapped_column(ID, index=True)
    state: Mapped[ChargeState] = state_column(ChargeState)
    rho: Mapped[int] = mapped_column(sa.BigInteger)
    delta: Mapped[int] = mapped_column(sa.BigInteger)
    vector: Mapped[list[str]]
    events: Mapped[list[Document]]
    at: Mapped[str] = mapped_column(MOMENT)


class ChargeMemberRow(Governed):
    """A patient that a charge hits, by facility index token."""

    __tablename__ = "charge_members"
    charge: Mapped[str] = mapped_column(sa.ForeignKey("charges.id"), primary_key=True)
    token: Mapped[str] = mapped_column(ID, primary_key=True)


class BalanceRow(Governed):
    """What a patient has reserved and spent in all: the sum of his live charges, kept with them."""

    __tablename__ = "balances"
    token: Mapped[str] = mapped_column(ID, primary_key=True)
    rho: Mapped[int] = mapped_column(sa.BigInteger)
    delta: Mapped[int] = mapped_column(sa.BigInteger)


class MergedTokenRow(Governed):
    """A token that turned out to be another one's patient; ``kept`` is always a token that was not merged itself."""

    __tablename__ = "merged_tokens"
    gone: Mapped[str] = mapped_column(ID, primary_key=True)
    kept: Mapped[str] = mapped_column(ID, index=True)


class FreezeRow(Governed):
    """An emergency stop; it holds until ``thawed_at`` is set."""

    __tablename__ = "freezes"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    by: Mapped[str] = mapped_column(ID)
    at: Mapped[str] = mapped_column(MOMENT)
    thawed_at: Mapped[str | None] = mapped_column(MOMENT, index=True)
    document: Mapped[Document]


class IdempotencyRow(Base):
    """The answer already given to one person's request, so that a repeated request repeats the answer."""

    __tablename__ = "idempotency_keys"
    person: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    request: Mapped[str] = mapped_column(DIGEST)
    status: Mapped[int]
    answer: Mapped[Document]
    at: Mapped[str] = mapped_column(MOMENT, index=True)
