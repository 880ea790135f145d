"""The elements of a DICOM header that may stay, cleaned: by the published table, or by what their values look like.

Source: DICOM PS3.15 2026c Annex E, Table E.1-1, of its choices the strictest; PS3.5 6.2 for the shapes of values.
"""

import hmac
import re
from datetime import date, timedelta
from functools import cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from deid.transform.annex_e import annex_e, removed
from deid.transform.dicom_options import Options

STANDARD_ROOT = "1.2.840.10008."

# Sequences and groups that the table keeps, empties or fills with dummies, and that go here: they hold who did what.
STRICTER = frozenset(
    {
        "ContributingEquipmentSequence", "EncapsulatedDocument", "EncryptedAttributesSequence",
        "GraphicAnnotationSequence", "IssuerOfPatientIDQualifiersSequence", "MACParametersSequence",
        "PerformedProtocolCodeSequence", "PersonIdentificationCodeSequence", "RequestedProcedureCodeSequence",
        "RequestingPhysicianIdentificationSequence", "ResponsiblePersonRole", "SpecimenDescriptionSequence",
        "VerifyingObserverIdentificationCodeSequence", "VerifyingObserverSequence", "WaveformData",
    }
)  # fmt: skip
NEVER_SHIFTED = frozenset({"PatientBirthDate", "PatientBirthTime", "LastMenstrualDate"})
SPOKEN = frozenset({"TEXT", "PNAME"})  # value types of content items that hold words

# Text that describes the machine or is a code, and only in a shape that leaves no room for a name.
KEPT_TEXT = frozenset(
    {"ConvolutionKernel", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "RescaleType"}
)
PIXELS = frozenset({"PixelData", "FloatPixelData", "DoubleFloatPixelData"})

OLDEST = 89
DUMMIES = dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "AE", "CS"), "REMOVED")

_AGE = re.compile(r"(\d{3})([DWMY])\Z")
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}\Z")
_SHORT = re.compile(r"[A-Za-z0-9._\- ]{1,16}\Z")
_NUMBER = re.compile(r"\s*[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?\s*\Z")
_DAY = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)\Z", re.DOTALL)
_CLOCK = re.compile(r"(?:\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?\s*\Z")
_WIDTHS = {
    "FL": 4, "FD": 8, "SL": 4, "SS": 2, "UL": 4, "US": 2, "SV": 8, "UV": 8, "AT": 4, "OW": 2, "OF": 4, "OD": 8, "OL": 4,
}  # fmt: skip
_BINARY = frozenset(_WIDTHS)  # by value representation the bytes of one value
_WORDS = frozenset({"AE", "AS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"})
# The same shapes over the bytes of a whole value, several joined by backslashes, padded at its end.
_ENCODED = {
    "CS": re.compile(rb"[A-Z0-9_ ]{0,16}(?:\\[A-Z0-9_ ]{0,16})*[ \0]?\Z"),
    "DS": re.compile(rb" *[+-]?\d+\.?\d*(?:[eE][+-]?\d+)? *(?:\\ *[+-]?\d+\.?\d*(?:[eE][+-]?\d+)? *)*\Z"),
    "IS": re.compile(rb" *[+-]?\d{1,9} *(?:\\ *[+-]?\d{1,9} *)*\Z"),
}


def new_uid(uid: str, key: bytes) -> str:
    """Return the UID that stands for another; the standard's own UIDs stand for themselves.

    >>> new_uid("1.2.840.10008.1.2", bytes(32))
    '1.2.840.10008.1.2'
    >>> new_uid("1.2.3", bytes(32)) == new_uid("1.2.3", bytes(32)) != new_uid("1.2.4", bytes(32))
    True
    """
    if uid.startswith(STANDARD_ROOT) or not uid:
        return uid
    number = int.from_bytes(hmac.digest(key, b"dicom-uid\x1f" + uid.encode(), "sha256")[:16])
    return f"2.25.{number}"


def shifted(value: str, days: int) -> str:
    """Return a DA or DT value moved by ``days``, its clock time unchanged; "" where it names no full day.

    >>> shifted("20200228", 2), shifted("20200228083000+0800", -1), shifted("2020", 5)
    ('20200301', '20200227083000+0800', '')
    """
    found = _DAY.match(value.strip())
    if found is None or not _CLOCK.match(found[4]):
        return ""
    try:
        moved = date(int(found[1]), int(found[2]), int(found[3])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved:%Y%m%d}{found[4]}"


class Cleaner:
    """Builds the elements that may stay, cleaned, at every depth."""

    def __init__(self, days: int, key: bytes, options: Options) -> None:
        self._days, self._key, self._options, self._table = days, key, options, annex_e()
        kept = self._table.characteristics if options.characteristics else frozenset()
        self._removed = removed()
        self._free = _unlisted()
        self._safe = {(group, last) for _, group, last in self._table.safe_private}
        self._retained = kept | (self._table.device if options.device else frozenset())
        if self._retained:
            self._free -= self._retained

    def clean(self, source: Dataset) -> Dataset:
        """Return the cleaned elements of a data set or of an item of a sequence."""
        clean = Dataset()
        for tag in sorted(source.keys(), key=int):
            if self._gone(int(tag)):
                continue
            raw = source.get_item(tag)
            if isinstance(raw, RawDataElement):
                if self._as_it_stands(raw):
                    clean[tag] = raw
                    continue
                if raw.VR in _WORDS and int(tag) in self._free and keyword_for_tag(tag) not in KEPT_TEXT:
                    continue  # words that nothing asks for go unread
            made = self._one(source[tag], clean)
            if made is not None:
                clean.add(made)
        if "CodeValue" in clean:
            clean.CodeMeaning = clean.CodeValue  # the meaning is free text; the code says the same
        return clean

    def _gone(self, tag: int) -> bool:
        """Return whether an element goes whatever its value is: most do, and are not even decoded."""
        if tag >> 16 & 1:
            return not self._options.safe_private or (tag >> 16, tag & 0xFF) not in self._safe or not tag & 0xF000
        return (tag in self._removed and tag not in self._retained) or tag >> 16 & 0xFF00 in {0x5000, 0x6000}

    def _as_it_stands(self, raw: RawDataElement) -> bool:
        """Return whether ``_one`` would keep the value of an element: numbers and codes pass without being decoded."""
        tag, kind, value = raw.tag, raw.VR, raw.value
        if kind is None or not value or len(value) & 1 or raw.length != len(value) or int(tag) not in self._free:
            return False
        width = _WIDTHS.get(kind)
        if width is not None:
            return len(value) % width == 0
        shape = _ENCODED.get(kind)
        return shape is not None and shape.match(value) is not None

    def _one(self, element: DataElement, clean: Dataset) -> DataElement | None:
        tag, name, kind = element.tag, element.keyword, element.VR
        if tag.is_private:
            return self._private(element, clean)
        if not name or name in STRICTER:
            return None
        action = self._table.actions.get(tag, "")
        if kind in {"DA", "DT", "TM"} and name not in NEVER_SHIFTED:
            return DataElement(tag, kind, self._times(element))
        if tag in self._retained:
            kept = _retained(element)
            return None if kept is None else DataElement(tag, kind, kept)
        if name == "ContentSequence" and self._options.structured:
            action = ""
        if action.startswith("Z"):
            return DataElement(tag, kind, [] if kind == "SQ" else None)
        if action.startswith("X") or (action == "D" and kind in {"SQ", "OB", "OW", "UN"}):
            return None
        if action == "D" and kind in DUMMIES:
            return DataElement(tag, kind, DUMMIES[kind])
        if kind == "SQ":
            items = [self.clean(item) for item in element.value if item.get("ValueType") not in SPOKEN]
            return DataElement(tag, "SQ", [item for item in items if len(item)])
        value = self._kept(element)
        return None if value is None else DataElement(tag, kind, value)

    def _kept(self, element: DataElement) -> object:
        """Return the value that may stand in the clean element, or None where the element has to go."""
        name, kind, value = element.keyword, element.VR, element.value
        if kind in _BINARY or (kind == "OB" and name in PIXELS):
            return value
        if kind not in {"UI", "CS", "DS", "IS"} and name not in KEPT_TEXT:
            return None
        texts = _texts(element)
        if kind == "UI":
            return [new_uid(text, self._key) for text in texts]
        shape = {"CS": _CODE, "DS": _NUMBER, "IS": _NUMBER}.get(kind, _SHORT)
        return value if all(shape.match(text) for text in texts) else None

    def _times(self, element: DataElement) -> object:
        """Return days moved, cut to the month or gone; clock times stay."""
        texts = _texts(element)
        if element.VR == "TM":
            return element.value if all(_CLOCK.match(text) for text in texts) else None
        if self._options.dates == "year":
            return None
        moved = [shifted(text, self._days) for text in texts]
        return moved if self._options.dates == "shift" else [f"{day[:6]}01{day[8:]}" if day else "" for day in moved]

    def _private(self, element: DataElement, clean: Dataset) -> DataElement | None:
        creator = element.private_creator
        if (creator, element.tag.group, element.tag.element & 0xFF) not in self._table.safe_private:
            return None
        kinds = {"DS": _NUMBER, "IS": _NUMBER, "CS": _CODE}
        shape = kinds.get(element.VR)
        if element.VR not in _BINARY and (shape is None or not all(shape.match(text) for text in _texts(element))):
            return None
        clean.add(DataElement((element.tag.group << 16) + (element.tag.element >> 8), "LO", creator))
        return DataElement(element.tag, element.VR, element.value)


@cache
def _unlisted() -> frozenset[int]:
    """Return the public attributes that neither the table nor this module names: judged by their value alone."""
    listed = annex_e().actions
    return frozenset(
        tag
        for tag, (_, _, _, _, name) in DicomDictionary.items()
        if name and tag not in listed and name not in STRICTER and name != "PixelData"
    )


def _texts(element: DataElement) -> list[str]:
    value = element.value
    return [str(part) for part in value] if element.VM > 1 else [str(value if value is not None else "")]


def _retained(element: DataElement) -> object:
    """Return a retained value in a shape that leaves no room for a name; ages over 89 are pooled."""
    texts = _texts(element)
    if element.VR == "AS":
        found = _AGE.match(texts[0])
        years = found is not None and found[2] == "Y" and int(found[1]) > OLDEST
        return (f"{OLDEST + 1:03d}Y" if years else element.value) if found else None
    if element.VR == "UI":
        return None
    shape = _NUMBER if element.VR in {"DS", "IS"} else _SHORT
    return element.value if all(shape.match(text) for text in texts) else None
