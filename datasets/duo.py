"""Whether a purpose fits what the patients of a dataset agreed to, in the words of the GA4GH data use ontology.

A dataset carries one or more permissions (what their data may be used for) and any number of conditions; a request
states what it is for and what it undertakes. What is not allowed is refused, and each unmet condition is named.

Source: GA4GH DUO (EBISPOT/DUO, duo.csv), the permission branch (DUO:0000001), the modifiers (DUO:0000017) and the
investigations (DUO:0000029 and children).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NO_RESTRICTION = "DUO:0000004"
GENERAL_RESEARCH = "DUO:0000042"
HEALTH = "DUO:0000006"
DISEASE = "DUO:0000007"
ANCESTRY = "DUO:0000011"

# What a permission covers besides itself: the narrower purposes.
COVERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        NO_RESTRICTION: frozenset({GENERAL_RESEARCH, HEALTH, DISEASE, ANCESTRY}),
        GENERAL_RESEARCH: frozenset({HEALTH, DISEASE, ANCESTRY}),
        HEALTH: frozenset({DISEASE}),
        DISEASE: frozenset(),
        ANCESTRY: frozenset(),
    }
)
NOT_FOR_PROFIT_NON_COMMERCIAL = "DUO:0000018"
PUBLICATION = "DUO:0000019"
COLLABORATION = "DUO:0000020"
ETHICS = "DUO:0000021"
GEOGRAPHY = "DUO:0000022"
TIME_LIMIT = "DUO:0000025"
NAMED_USERS = "DUO:0000026"
RETURN = "DUO:0000029"
NOT_FOR_PROFIT_ORGANISATION = "DUO:0000045"
NON_COMMERCIAL = "DUO:0000046"
CONDITIONS = (
    NOT_FOR_PROFIT_NON_COMMERCIAL,
    PUBLICATION,
    COLLABORATION,
    ETHICS,
    GEOGRAPHY,
    TIME_LIMIT,
    NAMED_USERS,
    RETURN,
    NOT_FOR_PROFIT_ORGANISATION,
    NON_COMMERCIAL,
)
HOME = "CN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody wants data for, and what he undertakes.

    Attributes:
        purpose: A DUO permission code.
        diseases: ICD-10 prefixes, where the purpose is disease-specific.
        commercial: Whether the result is sold.
        for_profit: Whether the organisation is run for profit.
        ethics: Whether an ethics committee has approved.
        country: ISO 3166 code of where it happens.
        undertakes: Conditions he promises to keep, such as publication.
    """

    purpose: str
    diseases: frozenset[str] = frozenset()
    commercial: bool = False
    for_profit: bool = False
    ethics: bool = True
    country: str = HOME
    undertakes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether an intent fits; ``unmet`` names the DUO codes it fails, the permission's first."""

    fits: bool
    unmet: tuple[str, ...] = ()


def covers(consent: frozenset[str], purpose: str) -> bool:
    """Return whether one of the permissions covers a purpose.

    >>> covers(frozenset({"DUO:0000006"}), "DUO:0000007"), covers(frozenset({"DUO:0000006"}), "DUO:0000042")
    (True, False)
    """
    if GENERAL_RESEARCH in consent or NO_RESTRICTION in consent:
        return True  # narrower codes that this table does not know are research all the same
    return purpose in consent or any(purpose in COVERS.get(code, ()) for code in consent)


def match(consent: frozenset[str], diseases: frozenset[str], intent: Intent) -> Fit:
    """Return whether an intent fits a dataset's consent.

    Args:
        consent: The dataset's permissions and conditions.
        diseases: ICD-10 prefixes that its disease-specific permission is about; none means every disease.
        intent: What is wanted.
    """
    unmet = [] if covers(consent, intent.purpose) else [min(consent & COVERS.keys(), default=DISEASE)]
    wide = consent & {NO_RESTRICTION, GENERAL_RESEARCH, HEALTH}
    if not unmet and not wide and DISEASE in consent and diseases and not _within(intent.diseases, diseases):
        unmet.append(DISEASE)
    kept = {
        NOT_FOR_PROFIT_NON_COMMERCIAL: not intent.commercial and not intent.for_profit,
        NON_COMMERCIAL: not intent.commercial,
        NOT_FOR_PROFIT_ORGANISATION: not intent.for_profit,
        ETHICS: intent.ethics,
        GEOGRAPHY: intent.country == HOME,
        TIME_LIMIT: True,  # every permit ends by itself
        NAMED_USERS: True,  # and names its people
    }
    unmet += [code for code in CONDITIONS if code in consent and not kept.get(code, code in intent.undertakes)]
    return Fit(not unmet, tuple(unmet))


def _within(asked: frozenset[str], allowed: frozenset[str]) -> bool:
    return bool(asked) and all(any(one.startswith(prefix) for prefix in allowed) for one in asked)
