"""Who acts: people, their organisation and their roles."""

from dataclasses import dataclass
from enum import StrEnum

from policies.errors import Misuse


class Role(StrEnum):
    """What a person may be. Nobody holds two of the last five."""

    DATA_OFFICER = "data-officer"
    PARTNER = "partner"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"
    SECRECY_OFFICER = "secrecy-officer"
    SYSTEM_ADMIN = "system-admin"
    SECURITY_ADMIN = "security-admin"


EXCLUSIVE = frozenset({Role.COMPLIANCE, Role.AUDITOR, Role.SECRECY_OFFICER, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in.

    Attributes:
        id: Stable and pseudonymous: it is what the access log shows.
        org: The organisation the person acts for.
        roles: What the person may do.
    """

    id: str
    org: str
    roles: frozenset[Role]

    def __post_init__(self) -> None:
        check_roles(self.roles)


def check_roles(roles: frozenset[Role]) -> None:
    """Refuse an empty set of roles and two roles that control each other.

    Raises:
        Misuse: naming the rule.
    """
    if not roles:
        raise Misuse("a person needs at least one role")
    if len(roles & EXCLUSIVE) > 1:
        raise Misuse("nobody holds two of compliance, auditor, secrecy-officer, system-admin and security-admin")
    if Role.PARTNER in roles and len(roles) > 1:
        raise Misuse("a partner holds no other role")
