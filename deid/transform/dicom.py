"""DICOM headers: the Basic Application Level Confidentiality Profile, failing closed, with dates moved.

Listed attributes follow the published table, of its choices the strictest. An attribute that is not listed is judged
by its value representation:
names, free text, unknown and private elements go; UIDs outside the standard's own root are replaced; days are moved;
codes and numbers stay only where they are codes and numbers. This is stricter than the table, which keeps what it does
not list.

Source: DICOM PS3.15 2026c Annex E, Table E.1-1 and its options; CID 7050; PS3.5 6.2.
"""

import hmac
import io
import re
import struct
import subprocess
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Protocol

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from deid.policy import Dates, Profile
from deid.readers.dicom import quietly, skim
from deid.transform import burned_in
from deid.transform.annex_e import annex_e, removed
from policies.errors import BadInput

METHOD = "medtrain: PS3.15 2026c Annex E"
BASIC = ("113100", "Basic Application Confidentiality Profile")
PIXEL_DATA = ("113101", "Clean Pixel Data Option")
FACES = ("113102", "Clean Recognizable Visual Features Option")
STRUCTURED = ("113104", "Clean Structured Content Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
DEVICE = ("113109", "Retain Device Identity Option")
SAFE_PRIVATE = ("113111", "Retain Safe Private Option")
CODES = (BASIC, MODIFIED_DATES)
STANDARD_ROOT = "1.2.840.10008."
IMPLEMENTATION = UID("2.25.181467330513873468211340287119405862431")

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
HEAD = re.compile(r"HEAD|BRAIN|SKULL|FACE|SINUS|NECK|ORBIT|JAW|EAR")

# Text that describes the machine or is a code, and only in a shape that leaves no room for a name.
KEPT_TEXT = frozenset(
    {"ConvolutionKernel", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "RescaleType"}
)
PIXELS = frozenset({"PixelData", "FloatPixelData", "DoubleFloatPixelData"})
BURNED_IN_LIKELY = frozenset({"US", "IVUS", "ES", "OT", "XC", "GM", "SC", "DOC"})

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


class ImageRefused(BadInput):
    """An image cannot be made safe by its header alone. ``code`` says why."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


class FaceRemover(Protocol):
    """The seam for taking the face out of a CT or MR of the head. None ships: a facility brings a validated one."""

    def __call__(self, image: Dataset) -> Dataset | None:
        """Return the image without a recognisable face, None where that could not be done."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What is done beyond, or instead of, the Basic Profile.

    Attributes:
        dates: ``shift`` and ``month`` (113107) as in the profile; ``year``: days go.
        characteristics, device, safe_private: 113108, 113109, 113111: what the table lists for them is retained.
        structured: 113104: structured reports pass with their codes and numbers, without their words.
        pixels: 113101: text is looked for in the pixels and blanked.
        faces: 113102 is asked for: a head passes only through ``remover``.
    """

    dates: Dates = "shift"
    characteristics: bool = False
    device: bool = False
    safe_private: bool = False
    structured: bool = False
    pixels: bool = False
    faces: bool = False
    remover: FaceRemover | None = field(default=None, repr=False)


def options_of(profile: Profile, remover: FaceRemover | None = None) -> Options:
    """Return the options that a profile asks for."""
    asked = frozenset(profile.images)
    return Options(
        dates=profile.dates,
        characteristics="retain-patient-characteristics" in asked,
        device="retain-device-identity" in asked,
        safe_private="retain-safe-private" in asked,
        structured="clean-structured-content" in asked,
        pixels="clean-pixel-data" in asked,
        faces="clean-recognizable-visual-features" in asked,
        remover=remover,
    )


def deidentify(
    raw: bytes,
    *,
    pseudonym: str,
    shift_days: int,
    uid_key: bytes,
    options: Options = Options(),  # frozen
) -> bytes:
    """Return the image with a clean header; the same arguments give the same bytes.

    Args:
        raw: A DICOM file.
        pseudonym: Stands for the patient's name and number; ASCII.
        shift_days: Added to every day.
        uid_key: 32 bytes. The same UID under the same key gives the same new UID, in every file.

    Raises:
        ImageRefused: ``not-dicom``; ``encapsulated-document``, ``structured-report`` (without the option),
            ``waveform``, ``not-an-image`` (text or signals that a header profile does not clean); ``burned-in-text``
            (the file says that its pixels hold text, or comes from a kind of device that writes it and does not deny
            it, and it could not be blanked); ``recognizable-face`` (a head, and no remover that could deal with it).
    """
    try:
        return _deidentified(raw, pseudonym, shift_days, uid_key, options)
    except ImageRefused:
        raise
    except Exception:  # noqa: BLE001  # a broken file makes pydicom raise almost anything
        raise ImageRefused("not-dicom", "a file is not DICOM or is broken") from None


def _deidentified(raw: bytes, pseudonym: str, shift_days: int, uid_key: bytes, options: Options) -> bytes:
    source = skim(raw)
    if not (source.get("SOPClassUID") and source.get("SOPInstanceUID") and "TransferSyntaxUID" in source.file_meta):
        raise ImageRefused("not-dicom", "a DICOM file does not say what it is or how it is encoded")
    done = [BASIC]
    if not any(name in source for name in PIXELS):
        _check_report(source, options)
        done.append(STRUCTURED)
    elif options.faces and _shows_head(source):
        without = options.remover(source) if options.remover is not None else None
        if without is None:
            raise ImageRefused("recognizable-face", "a head may be recognised, and no face remover took the face out")
        source = without
        done.append(FACES)
    with quietly():
        if any(name in source for name in PIXELS) and _clear_pixels(source, options):
            done.append(PIXEL_DATA)
        done += [code for code, asked in (
            (MODIFIED_DATES, options.dates != "year"), (CHARACTERISTICS, options.characteristics),
            (DEVICE, options.device), (SAFE_PRIVATE, options.safe_private),
        ) if asked]  # fmt: skip
        clean = _Cleaner(shift_days, uid_key, options).clean(source)
        return _written(source, clean, pseudonym, uid_key, sorted(done))


def _check_report(source: Dataset, options: Options) -> None:
    """Let a structured report pass where the option is on; nothing else without pixels passes."""
    if "EncapsulatedDocument" in source:
        raise ImageRefused("encapsulated-document", "a DICOM file wraps a document, which no header profile cleans")
    if "WaveformSequence" in source:
        raise ImageRefused("waveform", "a DICOM file holds a waveform; only images are accepted")
    if "ContentSequence" not in source:
        raise ImageRefused("not-an-image", "a DICOM file holds no pixels; only images are accepted")
    if not options.structured:
        raise ImageRefused("structured-report", "a structured report is accepted only where the profile cleans reports")


def _shows_head(source: Dataset) -> bool:
    where = f"{source.get('BodyPartExamined', '')} {source.get('StudyDescription', '')}".upper()
    return source.get("Modality") in {"CT", "MR", "PT"} and HEAD.search(where) is not None


def _clear_pixels(source: Dataset, options: Options) -> bool:
    """Blank text in the pixels where that is asked for, and return whether it was looked for.

    Raises:
        ImageRefused: there may be text, and nothing could be done about it.
    """
    burned = str(source.get("BurnedInAnnotation", "")).strip()
    likely = burned == "YES" or (burned != "NO" and source.get("Modality") in BURNED_IN_LIKELY)
    look = options.pixels and burned != "NO" and burned_in.available()
    found = 0
    if look:
        try:
            found = burned_in.blank(source)
        except (burned_in.StillThere, OSError, subprocess.SubprocessError):
            raise ImageRefused("burned-in-text", "an image may show text that could not be blanked") from None
    if (likely and not look) or (burned == "YES" and not found):
        raise ImageRefused(
            "burned-in-text", "an image may show text in its pixels; remove it and set (0028,0301) to NO"
        )
    return look


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


class _Cleaner:
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


def _written(source: Dataset, clean: Dataset, pseudonym: str, key: bytes, done: list[tuple[str, str]]) -> bytes:
    """Return the file: stamped, with a new file meta group and an empty preamble."""
    clean.PatientID = clean.PatientName = pseudonym
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = METHOD
    clean.DeidentificationMethodCodeSequence = [_code(value, meaning) for value, meaning in done]
    clean.LongitudinalTemporalInformationModified = "MODIFIED" if MODIFIED_DATES in done else "REMOVED"
    if PIXEL_DATA in done:
        clean.BurnedInAnnotation = "NO"
    if FACES in done:
        clean.RecognizableVisualFeatures = "NO"
    clean.SpecificCharacterSet = "ISO_IR 192"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(str(source.get("SOPClassUID", "")))
    meta.MediaStorageSOPInstanceUID = UID(new_uid(str(source.get("SOPInstanceUID", "")), key))
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "MEDTRAIN"
    if source.original_encoding == (False, True) and meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        return _encoded(clean, meta)
    clean.file_meta, clean.preamble = meta, bytes(128)
    out = io.BytesIO()
    clean.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _encoded(clean: Dataset, meta: FileMetaDataset) -> bytes:
    """Return what ``save_as`` writes in explicit little endian (PS3.5 7.1.2), raw elements as they stand."""
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    out.write(bytes(128) + b"DICM")
    write_file_meta_info(out, meta)
    for tag in sorted(clean.keys(), key=int):
        element = clean.get_item(tag)
        if isinstance(element, RawDataElement) and element.VR is not None and element.value is not None:
            number, kind, length = int(tag), element.VR.encode(), len(element.value)
            form, gap = ("<HH2sHL", (0,)) if element.VR in EXPLICIT_VR_LENGTH_32 else ("<HH2sH", ())
            out.write(struct.pack(form, number >> 16, number & 0xFFFF, kind, *gap, length))
            out.write(element.value)
        else:
            write_data_element(out, element, "ISO_IR 192")
    return out.getvalue()


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
