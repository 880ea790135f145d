"""Permits: a partner applies, the hospital and compliance decide, both sides sign, and the permit ends by itself."""

from service.permits.application import amend, close, create, decimal, findings_of, precheck, renew, submit
from service.permits.decision import approve, declare_conflict, give_back, reject, review, revoke, sign
from service.permits.sight import activated, document, in_force, listing, resource_of, seen_as, show, way_of

__all__ = [
    "activated", "amend", "approve", "close", "create", "decimal", "declare_conflict", "document", "findings_of",
    "give_back", "in_force", "listing", "precheck", "reject", "renew", "resource_of", "review", "revoke", "seen_as",
    "show", "sign", "submit", "way_of",
]  # fmt: skip
