"""DICOM files: header elements as strings, and the original bytes.

Source: DICOM PS3.10 (file format), PS3.5 6.2 (value representations), PS3.3 C.12.1.1.2 (Specific Character Set).
"""

import base64
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom
from pydicom.charset import decode_element
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from deid.clean import encoding
from deid.mapping import Source
from deid.readers.rows import Row, frame
from deid.records import Reading, Records, Reject

COLUMNS = (
    "PatientID", "PatientName", "name", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate", "Modality",
    "BodyPartExamined", "charset", "bytes",
)  # fmt: skip
TEXT = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_NATIONAL = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))


def read(source: Source, records: Records) -> Reading:
    """Return the table ``image`` of one source, one row for each file.

    A column for every text element at the top level, by keyword, several values joined by a backslash; ``name`` is the
    patient's name as it is spoken; ``charset`` is ``declared``, ``default`` or ``guessed`` (the file says nothing and
    holds more than ASCII: the text is then GB18030 or UTF-8 by its bytes); ``bytes`` is the file in base64.

    Rejected: ``not-dicom``.
    """
    rows: list[tuple[int, int, Row]] = []
    rejects: list[Reject] = []
    names = source.pick(records.names())
    for index, name in enumerate(names):
        raw = records.read(name)
        row = _row(raw)
        if row is None:
            rejects.append(Reject(source.name, index, 0, "not-dicom", raw))
        else:
            rows.append((index, 1, row))
    return Reading({"image": frame(COLUMNS, rows)}, tuple(rejects), len(names))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep pydicom from saying which values it finds odd: its warnings and log lines hold record values."""
    logging.getLogger("pydicom").disabled = True  # for good: there is no line of it that we could want
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def parse(raw: bytes) -> Dataset:
    """Return a file's elements, all of them read and decoded where the file says how.

    Raises:
        InvalidDicomError: not a DICOM file, or broken in its middle.
    """
    dataset = skim(raw)
    with quietly():
        try:
            for _ in dataset.iterall():
                pass
        except Exception:  # noqa: BLE001  # a broken file makes pydicom raise almost anything
            raise InvalidDicomError("a file is broken") from None
    return dataset


def skim(raw: bytes) -> Dataset:
    """Return a file's elements, each of them decoded when it is asked for, which may then raise almost anything.

    Raises:
        InvalidDicomError: not a DICOM file.
    """
    with quietly():
        try:
            return pydicom.dcmread(io.BytesIO(raw))
        except InvalidDicomError:
            raise
        except Exception:  # noqa: BLE001  # as above
            raise InvalidDicomError("a file is broken") from None


def _row(raw: bytes) -> Row | None:
    try:
        dataset = parse(raw)
    except InvalidDicomError:
        return None
    with quietly():
        charset = _settle(dataset)
    row: Row = {element.keyword: _text(element.value) for element in dataset if element.VR in TEXT and element.keyword}
    return row | {
        "name": spoken(row.get("PatientName", "")),
        "charset": charset,
        "bytes": base64.b64encode(raw).decode(),
    }


def spoken(name: str) -> str:
    """Return a person name as it is spoken: the ideographic group where there is one.

    >>> spoken("Zhang^San=张^三="), spoken("Yamada^Tarou")
    ('张三', 'Tarou Yamada')
    """
    groups = [*name.split("="), ""]
    family, _, rest = (groups[1] or groups[0]).partition("^")
    given = rest.split("^")[0]
    return family + given if any(char > "\u2e7f" for char in family + given) else f"{given} {family}".strip()


def _settle(dataset: Dataset) -> str:
    """Decode the text of a file that does not say how, in place, and return how its character set was found."""
    if dataset.get("SpecificCharacterSet"):
        return "declared"
    foreign = [_original(e.value) for e in dataset if e.VR in _NATIONAL and not _text(e.value).isascii()]
    if not foreign:
        return "default"
    try:
        told = encoding.decode(b"\n".join(foreign)).encoding
    except encoding.NotText:
        return "default"
    name = {"utf-8": "ISO_IR 192", "gb18030": "GB18030"}.get(told)
    if name is None:
        return "default"
    for element in dataset:
        if element.VR in _NATIONAL and not _text(element.value).isascii():
            element.value = _original(element.value)
            decode_element(element, [name])
    return "guessed"


def _original(value: object) -> bytes:
    """Return the bytes behind a value that was read as Latin-1, DICOM's default."""
    return _text(value).encode("latin-1", "replace")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        return "\\".join(str(part) for part in value)
    return str(value)
