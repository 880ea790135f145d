"""The DICOM file that goes out: its stamp of what was done, its file meta group, its bytes.

Source: DICOM PS3.10 7.1; PS3.5 7.1.2; the stamp PS3.15 2026c Annex E.1.1 and E.3.6.
"""

import io
import struct

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from deid.transform.dicom_header import new_uid
from deid.transform.dicom_options import FACES, MODIFIED_DATES, PIXEL_DATA

METHOD = "medtrain: PS3.15 2026c Annex E"
IMPLEMENTATION = UID("2.25.181467330513873468211340287119405862431")


def written(source: Dataset, clean: Dataset, pseudonym: str, key: bytes, done: list[tuple[str, str]]) -> bytes:
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
