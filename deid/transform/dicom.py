"""DICOM headers: the Basic Application Level Confidentiality Profile, failing closed, with dates moved.

Listed attributes follow the published table. An attribute that is not listed is judged by its value representation:
names, free text, unknown and private elements go; UIDs outside the standard's own root are replaced; days are moved;
codes and numbers stay only where they are codes and numbers. This is stricter than the table, which keeps what it does
not list.

Source: DICOM PS3.15 Annex E, Table E.1-1 (Basic Prof. and "Rtn. Long. Modif. Dates Opt."); CID 7050; PS3.5 6.2.
"""

import hmac
import io
import re
from datetime import date, timedelta

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from deid.readers.dicom import parse, quietly
from policies.errors import BadInput

METHOD = "medtrain: PS3.15 Annex E Basic Profile, modified dates"
CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
STANDARD_ROOT = "1.2.840.10008."
IMPLEMENTATION = UID("2.25.181467330513873468211340287119405862431")

# Z and Z/D of the table: emptied, because images must carry them (type 2).
EMPTIED = frozenset(
    {
        "AccessionNumber", "ConsultingPhysicianName", "ContrastBolusAgent", "FillerOrderNumberImagingServiceRequest",
        "PatientBirthDate", "PatientSex", "PlacerOrderNumberImagingServiceRequest", "ReferringPhysicianName", "StudyID",
    }
)  # fmt: skip

# X, and X/Z, X/D, X/Z/D, X/Z/U* taken as X: attributes whose representation alone would let them
# stay. Curves (50xx) and overlays (60xx) go as groups.
REMOVED = frozenset(
    {
        "AcquisitionContextSequence", "ActualHumanPerformersSequence", "AdmittingDiagnosesCodeSequence",
        "AuthorObserverSequence", "ConsultingPhysicianIdentificationSequence",
        "ContentCreatorIdentificationCodeSequence", "ContributingEquipmentSequence",
        "CustodialOrganizationSequence", "DataSetTrailingPadding", "DigitalSignaturesSequence",
        "EncapsulatedDocument", "EncryptedAttributesSequence", "GPSLatitude", "GPSLatitudeRef", "GPSLongitude",
        "GPSLongitudeRef", "GPSAltitude", "GPSAltitudeRef", "GraphicAnnotationSequence", "IconImageSequence",
        "InstitutionCodeSequence", "InstitutionalDepartmentTypeCodeSequence",
        "IntendedRecipientsOfResultsIdentificationSequence", "IssuerOfAdmissionIDSequence",
        "IssuerOfPatientIDQualifiersSequence", "IssuerOfServiceEpisodeIDSequence", "LastMenstrualDate",
        "MACParametersSequence", "MedicalAlerts", "ModifiedAttributesSequence",
        "NonconformingModifiedAttributesSequence",
        "OperatorIdentificationSequence", "OriginalAttributesSequence", "OtherPatientIDsSequence",
        "ParticipantSequence", "PatientAge", "PatientBirthTime", "PatientInsurancePlanCodeSequence",
        "PatientPrimaryLanguageCodeSequence", "PatientPrimaryLanguageModifierCodeSequence", "PatientSexNeutered",
        "PatientSize", "PatientWeight", "PerformedProtocolCodeSequence", "PerformingPhysicianIdentificationSequence",
        "PersonIdentificationCodeSequence", "PhysiciansOfRecordIdentificationSequence",
        "PhysiciansReadingStudyIdentificationSequence", "PregnancyStatus", "ReferencedPatientAliasSequence",
        "ReferencedPatientPhotoSequence", "ReferencedPatientSequence", "ReferencedPerformedProcedureStepSequence",
        "ReferencedStudySequence", "ReferringPhysicianIdentificationSequence", "RequestAttributesSequence",
        "RequestedProcedureCodeSequence", "RequestingPhysicianIdentificationSequence",
        "ResponsiblePersonRole", "ResultsDistributionListSequence", "ScheduledHumanPerformersSequence",
        "ScheduledPerformingPhysicianIdentificationSequence", "ScheduledProcedureStepLocation", "SmokingStatus",
        "SpecimenDescriptionSequence", "UDISequence",
        "VerifyingObserverIdentificationCodeSequence", "VerifyingObserverSequence", "WaveformData",
    }
)  # fmt: skip

# Text that describes the machine or is a code, and only in a shape that leaves no room for a name.
KEPT_TEXT = frozenset(
    {"ConvolutionKernel", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "RescaleType"}
)
PIXELS = frozenset({"PixelData", "FloatPixelData", "DoubleFloatPixelData"})
BURNED_IN_LIKELY = frozenset({"US", "IVUS", "ES", "OT", "XC", "GM", "SC", "DOC"})

_CODE = re.compile(r"[A-Z0-9_ ]{0,16}\Z")
_SHORT = re.compile(r"[A-Za-z0-9._\- ]{1,16}\Z")
_NUMBER = re.compile(r"\s*[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?\s*\Z")
_DAY = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)\Z", re.DOTALL)
_CLOCK = re.compile(r"(?:\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?\s*\Z")
_BINARY = frozenset({"FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "AT", "OW", "OF", "OD", "OL"})


class ImageRefused(BadInput):
    """An image cannot be made safe by its header alone. ``code`` says why."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


def deidentify(raw: bytes, *, pseudonym: str, shift_days: int, uid_key: bytes) -> bytes:
    """Return the image with a clean header; the same arguments give the same bytes.

    Args:
        raw: A DICOM file.
        pseudonym: Stands for the patient's name and number; ASCII.
        shift_days: Added to every day.
        uid_key: 32 bytes. The same UID under the same key gives the same new UID, in every file.

    Raises:
        ImageRefused: ``not-dicom``; ``not-an-image`` (documents, reports and waveforms hold text or signals that a
            header profile does not clean); ``burned-in-text`` (the file says that its pixels hold text, or comes from
            a kind of device that writes it and does not deny it).
    """
    try:
        source = parse(raw)
    except InvalidDicomError:
        raise ImageRefused("not-dicom", "a file is not DICOM or is broken") from None
    if not (source.get("SOPClassUID") and source.get("SOPInstanceUID") and "TransferSyntaxUID" in source.file_meta):
        raise ImageRefused("not-dicom", "a DICOM file does not say what it is or how it is encoded")
    if not any(name in source for name in PIXELS):
        raise ImageRefused("not-an-image", "a DICOM file holds no pixels; only images are accepted")
    burned = str(source.get("BurnedInAnnotation", "")).strip()
    if burned == "YES" or (burned != "NO" and source.get("Modality") in BURNED_IN_LIKELY):
        raise ImageRefused(
            "burned-in-text", "an image may show text in its pixels; remove it and set (0028,0301) to NO"
        )
    with quietly():
        return _written(source, _clean(source, shift_days, uid_key), pseudonym, uid_key)


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


def _clean(source: Dataset, days: int, key: bytes) -> Dataset:
    """Return a new dataset of the elements that may stay, cleaned, at every depth."""
    clean = Dataset()
    for element in source:
        name = element.keyword
        if element.tag.is_private or not name or name in REMOVED or element.tag.group & 0xFF00 in {0x5000, 0x6000}:
            continue
        if name in EMPTIED:
            clean.add(DataElement(element.tag, element.VR, None))
        elif element.VR == "SQ":
            items = [_clean(item, days, key) for item in element.value]
            clean.add(DataElement(element.tag, "SQ", [item for item in items if len(item)]))
        elif (value := _kept(element, days, key)) is not None:
            clean.add(DataElement(element.tag, element.VR, value))
    if "CodeValue" in clean:
        clean.CodeMeaning = clean.CodeValue  # the meaning is free text; the code says the same
    return clean


def _kept(element: DataElement, days: int, key: bytes) -> object:
    """Return the value that may stand in the clean element, or None where the element has to go."""
    name, kind, value = element.keyword, element.VR, element.value
    if kind in _BINARY or (kind == "OB" and name in PIXELS):
        return value
    if kind not in {"UI", "DA", "DT", "TM", "CS", "DS", "IS"} and name not in KEPT_TEXT:
        return None
    texts = [str(part) for part in value] if element.VM > 1 else [str(value if value is not None else "")]
    if kind == "UI":
        return [new_uid(text, key) for text in texts]
    if kind in {"DA", "DT"}:
        return [shifted(text, days) for text in texts]
    shape = {"CS": _CODE, "DS": _NUMBER, "IS": _NUMBER, "TM": _CLOCK}.get(kind, _SHORT)
    return value if all(shape.match(text) for text in texts) else None


def _written(source: Dataset, clean: Dataset, pseudonym: str, key: bytes) -> bytes:
    """Return the file: stamped, with a new file meta group and an empty preamble."""
    clean.PatientID = clean.PatientName = pseudonym
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = METHOD
    clean.DeidentificationMethodCodeSequence = [_code(value, meaning) for value, meaning in CODES]
    clean.LongitudinalTemporalInformationModified = "MODIFIED"
    clean.SpecificCharacterSet = "ISO_IR 192"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(str(source.get("SOPClassUID", "")))
    meta.MediaStorageSOPInstanceUID = UID(new_uid(str(source.get("SOPInstanceUID", "")), key))
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "MEDTRAIN"
    clean.file_meta, clean.preamble = meta, bytes(128)
    out = io.BytesIO()
    clean.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
