"""Hospital C's images: small radiographs of noise, with identifiers in public and private header elements."""

import io
from datetime import date
from random import Random

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from service.demo.network import lexicon as words
from service.demo.network.lab import sampled
from service.demo.network.people import Person, long_name
from service.demo.network.truth import Book, Scope

FOLDER = "hospital_c/dicom"
SIDE = 32  # pixels
PRIVATE_GROUP, PRIVATE_CREATOR = 0x0009, "PUXI PACS 1.0"


def write(people: list[Person], seed: int, book: Book) -> dict[str, bytes]:
    """Return the image files by name: one image for one person in forty, at least four."""
    files: dict[str, bytes] = {}
    for person in people[:: max(min(40, len(people) // 4), 1)]:
        file = f"{FOLDER}/IM{len(files):05d}.dcm"
        rng = Random(f"{seed}/dicom/{person.number}")
        files[file] = _image(rng, person, sampled(person, seed), file, book)
        book.record(person.number, file, 1)
    return files


def _image(rng: Random, person: Person, day: date, file: str, book: Book) -> bytes:
    doctor, accession = long_name(rng), f"ACC{rng.randrange(10**8):08d}"
    study, series, instance = (UID(f"2.25.{rng.getrandbits(112)}") for _ in range(3))
    for kind, value in (
        ("NAME", person.name),
        ("NAME", doctor),
        ("ID_CARD", person.id_card),
        ("MRN", person.mrn("c")),
        ("MRN", accession),
        ("PHONE", person.phone),
        ("ORG", person.employer),
        ("ADDRESS", person.street),
        ("UID", study),
        ("UID", series),
        ("UID", instance),
    ):
        book.identifier(kind, value, person.number, file)
    book.identifier("HOSPITAL", words.HOSPITAL_C, -1, file, scope=Scope.NOWHERE)

    image = FileDataset("", {}, preamble=b"\0" * 128)
    image.file_meta = _meta(instance)
    image.SpecificCharacterSet = "GB18030"
    image.ImageType = ["ORIGINAL", "PRIMARY"]
    image.SOPClassUID, image.SOPInstanceUID = ComputedRadiographyImageStorage, instance
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.StudyDate = image.SeriesDate = image.ContentDate = f"{day:%Y%m%d}"
    image.StudyTime, image.Modality, image.BodyPartExamined, image.ViewPosition = "093000", "CR", "CHEST", "PA"
    image.AccessionNumber, image.StudyID, image.SeriesNumber, image.InstanceNumber = accession, accession[-6:], "1", "1"
    image.InstitutionName, image.InstitutionAddress = words.HOSPITAL_C, person.address
    image.ReferringPhysicianName = image.OperatorsName = doctor
    image.StudyDescription = f"{person.name} 胸部正位"
    image.PatientName, image.PatientID = person.name, person.mrn("c")
    image.PatientBirthDate, image.PatientSex = f"{person.birth:%Y%m%d}", "M" if person.sex == 1 else "F"
    image.PatientAge = f"{person.age(day):03d}Y"
    image.OtherPatientIDs = person.id_card
    image.PatientAddress, image.PatientTelephoneNumbers = person.address, person.phone
    image.ImageComments = f"患者{person.name}，就职于{person.employer}，电话{person.phone}"
    image.DeviceSerialNumber, image.BurnedInAnnotation = f"SN{rng.randrange(10**6):06d}", "NO"
    block = image.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "LO", person.name)
    block.add_new(0x02, "LO", person.id_card)
    image.RequestAttributesSequence = [_request(person, doctor)]
    _pixels(rng, image)
    out = io.BytesIO()
    image.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _meta(instance: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ComputedRadiographyImageStorage, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _request(person: Person, doctor: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureDescription = f"{person.name}复查"
    item.RequestingPhysician = doctor
    item.ScheduledProcedureStepID = "1"
    return item


def _pixels(rng: Random, image: FileDataset) -> None:
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = SIDE
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = rng.randbytes(SIDE * SIDE)
