"""Codes: (code, system, version) triples in one spelling. No terminology is shipped, so no meaning is looked up."""

import re
import unicodedata

_ICD10 = re.compile(r"^([A-Z]\d[0-9A-Z])\.?([0-9A-Z]*)([*+†]?)$")
_DECIMAL = re.compile(r"^[VE]?\d{1,4}(\.\d{1,2})?$")
_SHAPE = re.compile(r"^[0-9A-Za-z.+*†/_-]{1,24}$")
ICD10_SYSTEMS = frozenset({"ICD-10", "ICD-10-CN", "2.16.156.10011.2.3.3.11.3", "http://hl7.org/fhir/sid/icd-10"})


def normalise(raw: str, system: str | None) -> str | None:
    """Return a code in its system's spelling, or None if it cannot be a code of that system.

    >>> normalise("e11900", "ICD-10-CN"), normalise("Ｉ10.x00", "ICD-10-CN"), normalise("250.83", "ICD-9-CM")
    ('E11.900', 'I10.X00', '250.83')
    >>> normalise("张三", None) is None
    True
    """
    text = re.sub(r"\s+", "", unicodedata.normalize("NFKC", raw))
    if system in ICD10_SYSTEMS:
        found = _ICD10.match(text.upper())
        if found is None:
            return None
        return f"{found[1]}.{found[2]}{found[3]}" if found[2] else found[1] + found[3]
    if system == "ICD-9-CM":
        return text.upper() if _DECIMAL.match(text.upper()) else None
    return text if _SHAPE.match(text) else None


def category(code: str) -> str:
    """Return the category of a diagnosis code: what stands before the dot.

    >>> category("E11.900"), category("250.83")
    ('E11', '250')
    """
    return code.partition(".")[0]
