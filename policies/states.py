"""The states of every governed object and the steps between them, as data.

The diagrams in ``docs/states.md`` are generated from ``TRANSITIONS``.
"""

from enum import StrEnum

from policies.errors import IllegalTransition


class SubmissionState(StrEnum):
    """Files a data officer hands in."""

    RECEIVED = "received"
    PROFILED = "profiled"
    MAPPED = "mapped"
    PROCESSING = "processing"
    NEEDS_REVIEW = "needs-review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class VersionState(StrEnum):
    """A numbered, immutable snapshot of a dataset."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class ExtractState(StrEnum):
    """The slice of a version that a permit allows."""

    PREPARED = "prepared"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    SHREDDED = "shredded"


class PermitState(StrEnum):
    """A partner's application and what was granted."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"
    REJECTED = "rejected"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"


class RunState(StrEnum):
    """One training job under a permit."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    AUDITING = "auditing"
    AWAITING_RELEASE = "awaiting-release"
    RELEASED = "released"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChargeState(StrEnum):
    """A privacy-budget entry. Voided only before the data key reaches the worker."""

    RESERVED = "reserved"
    SPENT = "spent"
    VOIDED = "voided"


class RightsState(StrEnum):
    """What a patient asks through his hospital: to withdraw, to object, to see or to correct his data."""

    RECEIVED = "received"
    FULFILLED = "fulfilled"
    REFUSED = "refused"


class IncidentState(StrEnum):
    """A leak, tampering or loss, from its discovery to the lesson drawn (PIPL article 57)."""

    OPEN = "open"
    CONTAINED = "contained"
    NOTIFIED = "notified"
    CLOSED = "closed"


State = (
    SubmissionState | VersionState | ExtractState | PermitState | RunState | ChargeState | RightsState | IncidentState
)

_S, _V, _E, _P, _R, _C = SubmissionState, VersionState, ExtractState, PermitState, RunState, ChargeState
_Q, _I = RightsState, IncidentState

# Keyed by kind first: members of two kinds with the same word are equal as text.
TRANSITIONS: dict[type[State], dict[State, frozenset[State]]] = {
    _S: {
        _S.RECEIVED: frozenset({_S.PROFILED, _S.REJECTED}),
        _S.PROFILED: frozenset({_S.MAPPED, _S.REJECTED}),
        _S.MAPPED: frozenset({_S.PROCESSING, _S.REJECTED}),
        _S.PROCESSING: frozenset({_S.NEEDS_REVIEW, _S.REJECTED}),
        _S.NEEDS_REVIEW: frozenset({_S.ACCEPTED, _S.REJECTED}),
        _S.ACCEPTED: frozenset(),
        _S.REJECTED: frozenset({_S.RECEIVED}),  # only what was held back, readmitted by the secrecy officer
    },
    _V: {
        _V.DRAFT: frozenset({_V.PUBLISHED, _V.WITHDRAWN}),
        _V.PUBLISHED: frozenset({_V.WITHDRAWN}),
        _V.WITHDRAWN: frozenset(),
    },
    _E: {
        _E.PREPARED: frozenset({_E.DELIVERED, _E.EXPIRED, _E.SHREDDED}),
        _E.DELIVERED: frozenset({_E.EXPIRED, _E.SHREDDED}),
        _E.EXPIRED: frozenset({_E.SHREDDED}),
        _E.SHREDDED: frozenset(),
    },
    _P: {
        _P.DRAFT: frozenset({_P.SUBMITTED, _P.CLOSED}),
        _P.SUBMITTED: frozenset({_P.RETURNED, _P.APPROVED, _P.REJECTED}),
        _P.RETURNED: frozenset({_P.SUBMITTED, _P.CLOSED}),
        _P.APPROVED: frozenset({_P.ACTIVE, _P.REVOKED, _P.EXPIRED}),
        _P.REJECTED: frozenset(),
        _P.ACTIVE: frozenset({_P.EXPIRED, _P.REVOKED, _P.CLOSED}),
        _P.EXPIRED: frozenset({_P.CLOSED}),
        _P.REVOKED: frozenset({_P.CLOSED}),
        _P.CLOSED: frozenset(),
    },
    _R: {
        _R.QUEUED: frozenset({_R.PREPARING, _R.CANCELLED, _R.REFUSED}),
        _R.PREPARING: frozenset({_R.TRAINING, _R.CANCELLED, _R.REFUSED, _R.FAILED}),
        _R.TRAINING: frozenset({_R.AUDITING, _R.CANCELLED, _R.FAILED}),
        _R.AUDITING: frozenset({_R.AWAITING_RELEASE, _R.REFUSED, _R.FAILED}),
        _R.AWAITING_RELEASE: frozenset({_R.RELEASED, _R.REFUSED}),
        _R.RELEASED: frozenset(),
        _R.REFUSED: frozenset(),
        _R.FAILED: frozenset(),
        _R.CANCELLED: frozenset(),
    },
    _C: {
        _C.RESERVED: frozenset({_C.SPENT, _C.VOIDED}),
        _C.SPENT: frozenset(),
        _C.VOIDED: frozenset(),
    },
    _Q: {
        _Q.RECEIVED: frozenset({_Q.FULFILLED, _Q.REFUSED}),
        _Q.FULFILLED: frozenset(),
        _Q.REFUSED: frozenset(),
    },
    _I: {
        _I.OPEN: frozenset({_I.CONTAINED}),
        _I.CONTAINED: frozenset({_I.NOTIFIED, _I.CLOSED}),
        _I.NOTIFIED: frozenset({_I.CLOSED}),
        _I.CLOSED: frozenset(),
    },
}


def check_transition(now: State, wanted: State) -> None:
    """Refuse a step that ``TRANSITIONS`` does not list.

    Raises:
        IllegalTransition: naming both states.

    >>> check_transition(RunState.QUEUED, RunState.RELEASED)
    Traceback (most recent call last):
    policies.errors.IllegalTransition: a queued run cannot become released
    """
    if type(wanted) is not type(now) or wanted not in TRANSITIONS[type(now)][now]:
        what = type(now).__name__.removesuffix("State").lower()
        raise IllegalTransition(f"a {now.value} {what} cannot become {wanted.value}")


def diagrams() -> str:
    """Return the Markdown page with one Mermaid diagram for each kind of object."""
    page = ["# States", "", "Generated from `policies/states.py` by `make docs`; a test compares them."]
    for kind in TRANSITIONS:
        page += ["", f"## {kind.__name__.removesuffix('State')}", "", "```mermaid", "stateDiagram-v2"]
        page.append(f"    [*] --> {_word(next(iter(kind)))}")
        for state in kind:
            targets = TRANSITIONS[kind][state]
            page += [f"    {_word(state)} --> {_word(t)}" for t in kind if t in targets]
            if not targets:
                page.append(f"    {_word(state)} --> [*]")
        page.append("```")
    return "\n".join(page) + "\n"


def _word(state: StrEnum) -> str:
    return state.value.replace("-", "_")
