"""Check digits of the numbers that carry one."""

# tables, patterns and their source stay one line each

import re

from deid.detect.lexicon import listed

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = tuple(pow(3, n, 31) for n in range(17))
_BIRTH = re.compile(r"(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


def check_digit(body: str) -> str:
    """Return the check digit of an 18-character resident identity number.

    Args:
        body: The first 17 characters, ASCII digits only.

    Returns:
        One character, ``"0"``-``"9"`` or ``"X"``.

    Raises:
        ValueError: ``body`` is not 17 ASCII digits.

    Source: GB 11643-1999 section 5, ISO 7064 MOD 11-2.

    >>> check_digit("11010519491231002")
    'X'
    """
    if len(body) != 17 or not (body.isascii() and body.isdigit()):
        raise ValueError("expected 17 ASCII digits")
    total = sum(w * int(d) for w, d in zip(_WEIGHTS, body, strict=True))
    return "10X98765432"[total % 11]


def is_resident_id(number: str) -> bool:
    """Return whether the 18 characters are a resident identity number with the right check digit.

    >>> is_resident_id("11010519491231002x"), is_resident_id("110105194912310021")
    (True, False)
    """
    return has_resident_shape(number) and len(number) == 18 and check_digit(number[:17]) == number[17].upper()


def has_resident_shape(number: str) -> bool:
    """Return whether region and birth date of a 15 or 18 character number are possible; the check digit may be wrong.

    >>> has_resident_shape("110105194912310021"), has_resident_shape("110105491231002"), has_resident_shape("1" * 18)
    (True, True, False)
    """
    if not re.fullmatch(r"[1-9][0-9]{14}(?:[0-9]{2}[0-9Xx])?", number):
        return False
    birth = number[6:14] if len(number) == 18 else "19" + number[6:12]
    return number[:2] in _PROVINCES and _BIRTH.fullmatch(birth) is not None


_PROVINCES = listed(
    """
11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83
"""
)


def luhn(digits: str) -> bool:
    """Return whether the digits pass the Luhn check of bank cards and IMEI numbers (ISO/IEC 7812-1 annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for n, d in enumerate(reversed(digits)):
        value = int(d) * (1 + n % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_credit_code(code: str) -> bool:
    """Return whether the 18 characters are a unified social credit code of an organisation (GB 32100-2015).

    >>> is_credit_code("91350100M000100Y43"), is_credit_code("91350100M000100Y44")
    (True, False)
    """
    if len(code) != 18 or any(c not in _USCC_ALPHABET for c in code):
        return False
    total = sum(w * _USCC_ALPHABET.index(c) for w, c in zip(_USCC_WEIGHTS, code[:17], strict=True))
    return _USCC_ALPHABET[(31 - total % 31) % 31] == code[17]


def is_nhs_number(digits: str) -> bool:
    """Return whether ten digits pass the MOD 11 check of an NHS number (NHS Data Dictionary).

    >>> is_nhs_number("9434765919"), is_nhs_number("9434765918")
    (True, False)
    """
    total = sum((10 - n) * int(d) for n, d in enumerate(digits[:9]))
    return len(digits) == 10 and (11 - total % 11) % 11 == int(digits[9])
