"""Date shifts: one secret number of days for each patient and project, so intervals within a patient stay."""

import hmac
import re
from collections.abc import Callable
from datetime import date, timedelta

LARGEST = 364  # days, to either side
_MOMENT = re.compile(
    r"(\d{4})(-?)(\d{2})\2(\d{2})"
    r"((?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)|(?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,4})?)?)?)?(?:[+-]\d{4})?)"
)


def offsets(key: bytes, project: str) -> Callable[[str], int]:
    """Return the function from a patient's key to days in [-364, 364], never 0.

    It depends on the secret key, not on the visible pseudonym. The bias of the remainder is below 2⁻⁵⁴.

    >>> days = offsets(b"k" * 32, "p")
    >>> days("a") == days("a"), 0 < abs(days("a")) <= 364
    (True, True)
    """

    def days(patient: str) -> int:
        digest = hmac.digest(key, f"{project}\x1fdate\x1f{patient}".encode(), "sha256")
        drawn = int.from_bytes(digest[:8], "big") % (2 * LARGEST)
        return drawn - LARGEST if drawn < LARGEST else drawn - LARGEST + 1

    return days


def moved(value: str, days: int, dates: str) -> str:
    """Return an HL7 v2 or FHIR moment as it is published, "" where it names no full day.

    Args:
        dates: As in the profile: ``shift`` keeps the clock time, ``month`` and ``year`` cut it off.

    >>> moved("202002280830", 2, "shift"), moved("2020-02-28T08:30:00+08:00", -1, "shift")
    ('202003010830', '2020-02-27T08:30:00+08:00')
    >>> moved("20200228", 2, "month"), moved("2020-02-28", 2, "year"), moved("2020", 2, "shift")
    ('202003', '2020', '')
    """
    found = _MOMENT.fullmatch(value.strip())
    if found is None:
        return ""
    try:
        day = date(int(found[1]), int(found[3]), int(found[4]))
        day += timedelta(days=0 if dates == "year" else days)
    except (ValueError, OverflowError):
        return ""
    dash = found[2]
    if dates == "year":
        return f"{day:%Y}"
    return f"{day:%Y}{dash}{day:%m}" if dates == "month" else f"{day:%Y}{dash}{day:%m}{dash}{day:%d}{found[5]}"
