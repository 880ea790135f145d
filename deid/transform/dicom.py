"""DICOM headers: the Basic Application Level Confidentiality Profile, failing closed, with dates moved.

Listed attributes follow the published table, of its choices the strictest. An attribute that is not listed is judged
by its value representation:
names, free text, unknown and private elements go; UIDs outside the standard's own root are replaced; days are moved;
codes and numbers stay only where they are codes and numbers. This is stricter than the table, which keeps what it does
not list.

Source: DICOM PS3.15 2026c Annex E, Table E.1-1 and its options; CID 7050; PS3.5 6.2.
"""

import re
import subprocess

from pydicom.dataset import Dataset

from deid.readers.dicom import quietly, skim
from deid.transform import burned_in
from deid.transform.dicom_file import written
from deid.transform.dicom_header import PIXELS, Cleaner
from deid.transform.dicom_options import (
    BASIC,
    CHARACTERISTICS,
    DEVICE,
    FACES,
    MODIFIED_DATES,
    PIXEL_DATA,
    SAFE_PRIVATE,
    STRUCTURED,
    Options,
)
from policies.errors import BadInput

PLAIN = Options()  # the Basic Profile, days moved
HEAD = re.compile(r"HEAD|BRAIN|SKULL|FACE|SINUS|NECK|ORBIT|JAW|EAR")
BURNED_IN_LIKELY = frozenset({"US", "IVUS", "ES", "OT", "XC", "GM", "SC", "DOC"})


class ImageRefused(BadInput):
    """An image cannot be made safe by its header alone. ``code`` says why."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


def deidentify(
    raw: bytes,
    *,
    pseudonym: str,
    shift_days: int,
    uid_key: bytes,
    options: Options = PLAIN,
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
        clean = Cleaner(shift_days, uid_key, options).clean(source)
        return written(source, clean, pseudonym, uid_key, sorted(done))


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
