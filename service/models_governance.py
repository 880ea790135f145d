"""The tables of the governed catalogue: what was measured and charged, drafts, notices, patients' rights, incidents."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from policies.states import IncidentState, RightsState
from service.models import DIGEST, ID, MOMENT, Base, Document, Governed, Stateful, state_column


class MeasurementRow(Governed):
    """A charged release about a version: statistics, a preview, a feasibility count. Made once, then given again."""

    __tablename__ = "measurements"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    dataset: Mapped[str] = mapped_column(sa.ForeignKey("datasets.id"), index=True)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(16))
    question: Mapped[str] = mapped_column(DIGEST)
    org: Mapped[str] = mapped_column(ID, index=True)
    at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]
    __table_args__ = (sa.UniqueConstraint("dataset", "version", "kind", "question"),)


class DraftRow(Base):
    """What a partner has typed into an application so far. His own notes: governed once he hands them in."""

    __tablename__ = "drafts"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person: Mapped[str] = mapped_column(sa.ForeignKey("people.id"), index=True)
    saved_at: Mapped[str] = mapped_column(MOMENT, index=True)
    answers: Mapped[Document]


class TermRow(Base):
    """The index of the catalogue's words: written with the description it is made from."""

    __tablename__ = "catalogue_terms"
    term: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    dataset: Mapped[str] = mapped_column(sa.ForeignKey("datasets.id"), primary_key=True)
    weight: Mapped[int]


class ChangesRow(Base):
    """How often a dataset, its versions or its words changed; the database counts by itself."""

    __tablename__ = "catalogue_changes"
    dataset: Mapped[str] = mapped_column(ID, primary_key=True)
    changes: Mapped[int]


class NoticeRow(Governed):
    """Something an organisation was told: a permit that ends soon, an incident, a withdrawal."""

    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(ID, index=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    object: Mapped[str] = mapped_column(ID)
    at: Mapped[str] = mapped_column(MOMENT)
    document: Mapped[Document]


class RightsRow(Stateful):
    """What a patient asked through his hospital. Who he is stands nowhere: tokens are keyed."""

    __tablename__ = "rights"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    org: Mapped[str] = mapped_column(ID, index=True)
    author: Mapped[str] = mapped_column(ID)
    kind: Mapped[str] = mapped_column(sa.String(16))
    state: Mapped[RightsState] = state_column(RightsState)
    created_at: Mapped[str] = mapped_column(MOMENT)
    due_at: Mapped[str] = mapped_column(MOMENT, index=True)
    document: Mapped[Document]


class TombstoneRow(Governed):
    """A patient who has withdrawn: his rows never come back, whatever is handed in again. A keyed hash of his token."""

    __tablename__ = "tombstones"
    mark: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    org: Mapped[str] = mapped_column(ID, primary_key=True)
    request: Mapped[str] = mapped_column(ID)
    at: Mapped[str] = mapped_column(MOMENT)


class ObjectionRow(Governed):
    """A purpose for which a patient's data are not used. A keyed hash of his token; an empty purpose means research."""

    __tablename__ = "objections"
    mark: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    purpose: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    request: Mapped[str] = mapped_column(ID)
    at: Mapped[str] = mapped_column(MOMENT)


class IncidentRow(Stateful):
    """A leak, tampering or loss, with what PIPL article 57 wants to be told."""

    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    by: Mapped[str] = mapped_column(ID)
    state: Mapped[IncidentState] = state_column(IncidentState)
    at: Mapped[str] = mapped_column(MOMENT, index=True)
    document: Mapped[Document]
