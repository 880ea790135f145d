"""DICOM: headers as strings with their real characters; nothing that names a person in what goes out."""

import base64
import io
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from deid.mapping import Source
from deid.policy import load_profile
from deid.readers import dicom as reader
from deid.records import MemoryRecords
from deid.transform import burned_in
from deid.transform.annex_e import annex_e
from deid.transform.dicom import ImageRefused, deidentify
from deid.transform.dicom_header import STRICTER, Cleaner, new_uid
from deid.transform.dicom_options import CODES, Options, options_of

CORPUS = Path(__file__).parents[4] / "shared/corpora/in-dicom"
SOURCE = Source("images", "c", "dicom", ("*",), ())
KEY = b"u" * 32
NAME, PHONE, CARD = "叶若霁", "13812345678", "310101196001011234"


def image(*, charset: str | None = "GB18030", **changes: Any) -> Dataset:
    one = Dataset()
    if charset:
        one.SpecificCharacterSet = charset
    one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3.4"
    one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = "1.2.3", "1.2.3.1", "1.2.3.9"
    one.StudyDate, one.StudyTime, one.AcquisitionDateTime = "20200305", "093000", "20200305093000+0800"
    one.Modality, one.AccessionNumber, one.StudyID = "CR", "ACC1", "S1"
    one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = NAME, "C1", "19600101", "M"
    one.PatientAge, one.OtherPatientIDs, one.PatientTelephoneNumbers = "060Y", CARD, PHONE
    one.ReferringPhysicianName, one.ImageComments = "李四光", f"患者{NAME}"
    one.Rows = one.Columns = 2
    one.SamplesPerPixel, one.PhotometricInterpretation, one.BitsAllocated = 1, "MONOCHROME2", 8
    one.BitsStored, one.HighBit, one.PixelRepresentation, one.PixelData = 8, 7, 0, b"\x01\x02\x03\x04"
    one.WindowCenter, one.ConvolutionKernel = "40", "B30f"
    block = one.private_block(0x0009, "VENDOR", create=True)
    block.add_new(1, "LO", NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these values are odd on purpose
        for name, value in changes.items():
            setattr(one, name, value)
    return one


def written(one: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.1"), UID("1.2.3.4")
    meta.TransferSyntaxUID, meta.SourceApplicationEntityTitle = ExplicitVRLittleEndian, "PACS_LISI"
    one.file_meta, one.preamble = meta, b"P" * 128
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.save_as(out, enforce_file_format=True)
    return out.getvalue()


def clear(raw: bytes, **changes: Any) -> bytes:
    return deidentify(raw, **({"pseudonym": "P0001", "shift_days": -17, "uid_key": KEY} | changes))


def parsed(raw: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(raw))


def row(raw: bytes) -> dict[str, Any]:
    return reader.read(SOURCE, MemoryRecords({"a": raw})).tables["image"].row(0, named=True)


# reading


def test_headers_are_strings_and_the_file_comes_along() -> None:
    raw = written(image())
    found = row(raw)
    assert (found["PatientName"], found["name"], found["PatientID"], found["charset"]) == (NAME, NAME, "C1", "declared")
    assert (found["WindowCenter"], found["StudyDate"]) == ("40", "20200305")
    assert base64.b64decode(found["bytes"]) == raw


@pytest.mark.parametrize(("encoding", "text"), [("gb18030", "张伟患者一般情况可"), ("utf-8", "张伟患者一般情况可")])
def test_text_in_an_undeclared_character_set_is_told_by_its_bytes_and_flagged(encoding: str, text: str) -> None:
    one = image(charset=None, ImageComments="", PatientName="", ReferringPhysicianName="")
    one.remove_private_tags()
    one.ImageComments = text.encode(encoding).decode("latin-1")
    found = row(written(one))
    assert (found["ImageComments"], found["charset"]) == (text, "guessed")


def test_latin_text_without_a_declaration_stays_as_it_is() -> None:
    one = image(charset=None, ImageComments="na\xefve", PatientName="M\xfcller", ReferringPhysicianName="")
    one.remove_private_tags()
    found = row(written(one))
    assert (found["PatientName"], found["charset"]) == ("M\xfcller", "default")


def test_plain_ascii_needs_no_character_set() -> None:
    one = image(charset=None, ImageComments="x", PatientName="A^B", ReferringPhysicianName="")
    one.remove_private_tags()
    assert row(written(one))["charset"] == "default"


def test_odd_values_are_not_written_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    raw = written(image(ContentDate="unknown", ConvolutionKernel=NAME * 9))
    caplog.clear()
    row(raw)
    clear(raw)
    assert caplog.text == ""


def test_several_values_are_joined_by_a_backslash() -> None:
    assert row(written(image(ImageType=["ORIGINAL", "PRIMARY"])))["ImageType"] == "ORIGINAL\\PRIMARY"


@pytest.mark.parametrize("raw", [b"", b"not dicom", written(image())[:400]])
def test_what_is_not_a_whole_dicom_file_is_refused_whole(raw: bytes) -> None:
    reading = reader.read(SOURCE, MemoryRecords({"a": raw}))
    if reading.rejects:
        assert [(r.position, r.reason, r.raw) for r in reading.rejects] == [(0, "not-dicom", raw)]
    assert reading.counted == reading.tables["image"].height + len(reading.rejects) == 1


def test_whatever_a_broken_file_makes_the_parser_raise_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(_: object) -> Dataset:
        raise ZeroDivisionError

    monkeypatch.setattr(pydicom, "dcmread", burst)
    reading = reader.read(SOURCE, MemoryRecords({"a": b"x"}))
    assert [r.reason for r in reading.rejects] == ["not-dicom"]


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs ../shared/corpora/in-dicom")
def test_every_character_set_file_is_read_with_its_own_letters() -> None:
    files = {p.name: p.read_bytes() for p in sorted((CORPUS / "charset_files").glob("*.dcm"))}
    table = reader.read(SOURCE, MemoryRecords(files)).tables["image"]
    names = set(table["name"].drop_nulls())
    assert len(files) == 17
    assert {"山田太郎", "洪吉洞", "王小東", "王小东", "Διονυσιος"} <= names


# de-identification


def test_nothing_that_names_the_patient_is_left() -> None:
    item = Dataset()
    item.RequestedProcedureDescription, item.RequestingPhysician = f"{NAME}复查", NAME
    odd = Dataset()
    odd.TextValue, odd.PersonName, odd.CodeValue, odd.CodeMeaning = PHONE, NAME, "T-1", NAME
    out = clear(written(image(RequestAttributesSequence=[item], ViewCodeSequence=[odd], BodyPartExamined="Ye Ruoji")))
    for value in (NAME, PHONE, CARD, "李四光", "PACS_LISI", "ACC1", "VENDOR", "060Y", "20200305", "1.2.3.4"):
        assert all(value.encode(e) not in out for e in ("utf-8", "gb18030")), value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = parsed(out)
    assert str(found.PatientName) == found.PatientID == "P0001"
    assert found.ViewCodeSequence[0].CodeMeaning == "T-1"
    assert "BodyPartExamined" not in found


def test_the_file_says_what_was_done_to_it() -> None:
    found = parsed(clear(written(image())))
    assert (found.PatientIdentityRemoved, found.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert "PS3.15" in found.DeidentificationMethod
    assert tuple((c.CodeValue, c.CodeMeaning) for c in found.DeidentificationMethodCodeSequence) == CODES


def test_pixels_and_what_describes_them_stay() -> None:
    found = parsed(clear(written(image())))
    assert found.PixelData == b"\x01\x02\x03\x04"
    assert (found.Rows, found.WindowCenter, found.ConvolutionKernel, found.Modality) == (2, 40, "B30f", "CR")


def test_days_move_and_clock_times_do_not() -> None:
    found = parsed(clear(written(image())))
    assert (found.StudyDate, found.StudyTime) == ("20200217", "093000")
    assert found.AcquisitionDateTime == "20200217093000+0800"


@pytest.mark.parametrize("day", ["2020", "20201301", "99991231", "unknown"])
def test_a_day_that_cannot_be_moved_is_emptied(day: str) -> None:
    assert not parsed(clear(written(image(ContentDate=day)), shift_days=9)).get("ContentDate")


def test_uids_stay_consistent_within_a_key_and_unlinkable_between_keys() -> None:
    first, again = parsed(clear(written(image()))), parsed(clear(written(image(SOPInstanceUID="1.2.3.5"))))
    assert first.StudyInstanceUID == again.StudyInstanceUID == new_uid("1.2.3", KEY)
    assert first.SOPInstanceUID != again.SOPInstanceUID
    assert first.SOPInstanceUID == first.file_meta.MediaStorageSOPInstanceUID
    assert new_uid("1.2.3", KEY) != new_uid("1.2.3", b"v" * 32)
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
    assert len(first.SOPInstanceUID) <= 64


def test_the_same_arguments_give_the_same_bytes() -> None:
    raw = written(image())
    assert clear(raw) == clear(raw) != clear(raw, shift_days=3)


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (image(BurnedInAnnotation="YES"), "burned-in-text"),
        (image(Modality="US"), "burned-in-text"),
        (image(SOPClassUID=""), "not-dicom"),
    ],
)
def test_an_image_that_a_header_profile_cannot_clear_is_refused(one: Dataset, code: str) -> None:
    with pytest.raises(ImageRefused) as refused:
        clear(written(one))
    assert refused.value.code == code


def test_a_device_that_writes_into_pixels_is_taken_when_it_denies_it() -> None:
    assert parsed(clear(written(image(Modality="US", BurnedInAnnotation="NO")))).Modality == "US"


def test_a_document_is_no_image() -> None:
    one = image()
    del one.PixelData
    with pytest.raises(ImageRefused) as refused:
        clear(written(one))
    assert refused.value.code == "not-an-image"


def test_bytes_that_are_not_dicom_are_refused() -> None:
    with pytest.raises(ImageRefused, match="not DICOM"):
        clear(b"x" * 300)


@pytest.mark.parametrize(
    ("name", "value", "stays"),
    [
        ("SeriesNumber", "7", True),
        ("SliceThickness", "1.5e0", True),
        ("RescaleType", "HU", True),
        ("ConvolutionKernel", NAME, False),
        ("ConvolutionKernel", "long kernel name that leaves room", False),
        ("Manufacturer", "ACME", False),
        ("SoftwareVersions", ["1", "2"], False),
        ("SmokingStatus", "NO", False),
    ],
)
def test_what_is_not_in_the_table_stays_only_in_a_shape_that_holds_no_name(name: str, value: Any, stays: bool) -> None:
    assert (name in parsed(clear(written(image(**{name: value}))))) is stays


def test_overlays_curves_and_unknown_elements_go() -> None:
    one = image()
    one.add_new(0x60003000, "OW", b"\1\0")
    one.add_new(0x00080000 + 0xFFF1, "UN", NAME.encode())
    tags = {element.tag for element in parsed(clear(written(one)))}
    assert not tags & {0x60003000, 0x0008FFF1}


def test_listed_attributes_exist() -> None:
    from pydicom.datadict import tag_for_keyword

    assert [name for name in sorted(STRICTER) if tag_for_keyword(name) is None] == []


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs ../shared/corpora/in-dicom")
def test_corpus_images_lose_names_and_private_elements_and_keep_their_pixels() -> None:
    cleared = 0
    for path in sorted(CORPUS.rglob("*.dcm")):
        raw = path.read_bytes()
        try:
            out = clear(raw)
        except ImageRefused:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before, after = parsed(raw), parsed(out)
            assert all(str(e.value) in {"", "P0001"} for e in after.iterall() if e.VR == "PN"), path.name
        assert not any(e.tag.is_private for e in after.iterall())
        assert after.get("PixelData") == before.get("PixelData")
        cleared += 1
    assert cleared >= 30


# options


def report() -> Dataset:
    one = image(Modality="SR")
    del one.PixelData
    words, number, who = Dataset(), Dataset(), Dataset()
    words.ValueType, words.TextValue = "TEXT", f"{NAME}复查"
    who.ValueType, who.PersonName = "PNAME", NAME
    number.ValueType, number.NumericValue = "NUM", "4.2"
    one.ContentSequence = [words, who, number]
    return one


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (report(), "structured-report"),
        (report(), "encapsulated-document"),
        (report(), "waveform"),
    ],
)
def test_what_holds_words_or_signals_is_refused_by_what_it_is(one: Dataset, code: str) -> None:
    if code == "encapsulated-document":
        one.EncapsulatedDocument = b"%PDF"
    elif code == "waveform":
        one.WaveformSequence = [Dataset()]
    with pytest.raises(ImageRefused) as refused:
        clear(written(one))
    assert refused.value.code == code


def codes(found: Dataset) -> set[str]:
    return {item.CodeValue for item in found.DeidentificationMethodCodeSequence}


def test_a_structured_report_passes_without_its_words_where_the_profile_says_so() -> None:
    found = parsed(clear(written(report()), options=Options(structured=True)))
    assert [(item.ValueType, item.NumericValue) for item in found.ContentSequence] == [("NUM", 4.2)]
    assert codes(found) == {"113100", "113104", "113107"}


@pytest.mark.parametrize(("dates", "day", "stamp"), [
    ("shift", "20200217", "MODIFIED"), ("month", "20200201", "MODIFIED"), ("year", "", "REMOVED"),
])  # fmt: skip
def test_days_follow_the_profile(dates: str, day: str, stamp: str) -> None:
    found = parsed(clear(written(image()), options=Options(dates=dates)))
    assert ((found.StudyDate or ""), found.LongitudinalTemporalInformationModified) == (day, stamp)
    assert ("113107" in codes(found)) is (dates != "year")


@pytest.mark.parametrize(("age", "shown"), [("060Y", "060Y"), ("093Y", "090Y"), ("old", None)])
def test_characteristics_stay_where_retained_and_the_old_are_pooled(age: str, shown: str | None) -> None:
    found = parsed(clear(written(image(PatientAge=age)), options=Options(characteristics=True)))
    assert (found.get("PatientAge"), found.PatientSex, "113108" in codes(found)) == (shown, "M", True)


def test_a_device_keeps_its_number_only_where_it_is_retained() -> None:
    raw = written(image(DeviceSerialNumber="SN-12", StationName=f"{NAME}"))
    assert "DeviceSerialNumber" not in parsed(clear(raw))
    found = parsed(clear(raw, options=Options(device=True)))
    assert (found.DeviceSerialNumber, "StationName" in found) == ("SN-12", False)


# From PS3.15 2026c Table E.1-1: (column Rtn. Pat. Chars. Opt., column Rtn. Dev. Id. Opt.), K keep, C clean, "" neither;
# attributes that pydicom's dictionary does not have yet by their tags.
PUBLISHED = {
    "PatientSex": ("K", ""), "PatientAge": ("K", ""), "PatientSize": ("K", ""), "PatientWeight": ("K", ""),
    "EthnicGroup": ("K", ""), "SmokingStatus": ("K", ""), "PregnancyStatus": ("K", ""), "PatientSexNeutered": ("K", ""),
    "Allergies": ("C", ""), "SpecialNeeds": ("C", ""), "PatientState": ("C", ""), "PreMedication": ("C", ""),
    "DeviceSerialNumber": ("", "K"), "StationName": ("", "K"), "DeviceUID": ("", "K"), "CassetteID": ("", "K"),
    "GantryID": ("", "K"), "PlateID": ("", "K"), "GeneratorID": ("", "K"), "DetectorID": ("", "K"),
    "DateOfLastCalibration": ("", "K"), "StationAETitle": ("", "C"), "NetworkID": ("", "C"),
    "SecondaryCaptureDeviceID": ("", "K"), "HardcopyCreationDeviceID": ("", "K"), "ModifyingDeviceID": ("", "K"),
    "ModifyingSystem": ("", "K"), "CalibrationDate": ("", "K"), "BeamHoldTransitionDateTime": ("", "K"),
    "ScheduledStationAETitle": ("", "C"), "PerformedStationAETitle": ("", "C"), "DestinationAE": ("", "C"),
    "ScheduledStudyLocationAETitle": ("", "C"), "DeviceAlternateIdentifier": ("", ""), "SelectorASValue": ("K", ""),
    "EthnicGroupCodeSequence": ("K", ""), "00102162": ("K", ""), "00100043": ("K", ""), "00100046": ("K", ""),
    "00100047": ("K", ""), "00100042": ("C", ""), "00100041": ("", ""), "LongDeviceDescription": ("", ""),
    "InstructionPerformedDateTime": ("", ""), "CountsAccumulated": ("", ""), "AccessionNumber": ("", ""),
    "PatientBirthDate": ("", ""), "InstitutionName": ("", ""), "OperatorsName": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_options_retain_is_what_the_published_table_keeps(name: str) -> None:
    tag, table = tag_for_keyword(name) or int(name, 16), annex_e()
    assert (tag in table.characteristics, tag in table.device) == tuple(mark == "K" for mark in PUBLISHED[name])


def test_options_retain_only_what_the_table_lists_and_two_attributes_of_the_device_that_it_does_not() -> None:
    table = annex_e()
    assert table.characteristics <= table.actions.keys()
    assert table.device - table.actions.keys() == {Tag("ManufacturerModelName"), Tag("SoftwareVersions")}


def test_the_number_of_a_capturing_device_stays_where_devices_are_retained_and_an_ae_title_never() -> None:
    raw = written(image(SecondaryCaptureDeviceID="SC-7", PerformedStationAETitle="CT_2"))
    assert "SecondaryCaptureDeviceID" not in parsed(clear(raw))
    found = parsed(clear(raw, options=Options(device=True)))
    assert (found.SecondaryCaptureDeviceID, "PerformedStationAETitle" in found) == ("SC-7", False)


def test_a_retained_day_of_calibration_still_moves_and_a_retained_age_is_still_pooled() -> None:
    raw = written(image(DateOfLastCalibration="20200305", SelectorASValue="093Y"))
    found = parsed(clear(raw, options=Options(device=True, characteristics=True)))
    assert (found.DateOfLastCalibration, found.SelectorASValue) == ("20200217", "090Y")


@pytest.mark.parametrize(
    ("name", "kind", "value", "passes"),
    [
        ("WindowCenter", "DS", b"40\\50 ", True), ("WindowCenter", "DS", b"4O", False),
        ("EchoTime", "DS", b"1.5e3 ", True), ("WindowCenter", "DS", b"\\\\", False),
        ("InstanceNumber", "IS", b"12", True), ("InstanceNumber", "IS", b"1x", False),
        ("ImageType", "CS", b"ORIGINAL\\PRIMARY", True), ("ImageType", "CS", b"Wang Li ", False),
        ("ImageType", "CS", "王力".encode(), False), ("ImageType", "CS", b"A\0B\0", False),
        ("Rows", "US", b"\2\0", True), ("EchoTime", "FL", b"\2\0", False), ("StudyDate", "DA", b"20200305", False),
    ],
)  # fmt: skip
def test_only_a_value_that_would_pass_decoded_passes_undecoded(
    name: str, kind: str, value: bytes, passes: bool
) -> None:
    tag, cleaner, one = Tag(name), Cleaner(1, KEY, Options()), Dataset()
    one[tag] = raw = RawDataElement(tag, kind, len(value), value, 0, False, True)
    assert cleaner._as_it_stands(raw) is passes
    if passes:
        decoded = cleaner._one(one[tag], Dataset())
        assert decoded is not None
        assert decoded.value == one[tag].value


def test_private_elements_stay_only_from_the_safe_list_and_only_as_numbers() -> None:
    one = image()
    block = one.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x27, "DS", "1.375")
    block.add_new(0x39, "LO", NAME)
    block.add_new(0x01, "SS", 3)
    raw = written(one)
    assert not [e for e in parsed(clear(raw)) if e.tag.is_private]
    found = parsed(clear(raw, options=Options(safe_private=True)))
    kept = found.private_block(0x0043, "GEMS_PARM_01")
    assert [0x27 in kept, 0x39 in kept, 0x01 in kept] == [True, False, False]
    assert "113111" in codes(found)


def test_a_head_passes_only_through_a_face_remover_where_the_profile_asks() -> None:
    raw = written(image(Modality="CT", BodyPartExamined="HEAD"))
    with pytest.raises(ImageRefused) as refused:
        clear(raw, options=Options(faces=True))
    assert refused.value.code == "recognizable-face"
    found = parsed(clear(raw, options=Options(faces=True, remover=lambda one: one)))
    assert ("113102" in codes(found), found.RecognizableVisualFeatures) == (True, "NO")
    assert parsed(clear(written(image(Modality="CT", BodyPartExamined="CHEST")), options=Options(faces=True)))


def test_the_table_has_its_edition_and_all_its_actions() -> None:
    table = annex_e()
    assert len(table.actions) > 640
    assert {"X", "Z", "D", "U"} <= set(table.actions.values())
    assert options_of(load_profile("cn_open")) == Options(dates="year", pixels=True, faces=True)


# text in pixels

OCR = pytest.mark.skipif(not burned_in.available(), reason="tesseract is not here: text in pixels is not looked for")
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc")


def drawn(text: str, font: Any, *, frames: int = 1, **changes: Any) -> Dataset:
    """An image that shows text on a grey gradient."""
    canvas = Image.new("L", (512, 256))
    canvas.putdata([60 + (x + y) // 16 for y in range(256) for x in range(512)])
    ImageDraw.Draw(canvas).text((20, 30), text, fill=255, font=font)
    plain = Image.new("L", (512, 256), 60).tobytes()
    one = image(Rows=256, Columns=512, **changes)
    one.PixelData = plain * (frames - 1) + canvas.tobytes()
    if frames > 1:
        one.NumberOfFrames = frames
    return one


@OCR
@pytest.mark.parametrize("frames", [1, 3])
def test_text_in_pixels_is_blanked_and_the_rest_stays(frames: int) -> None:
    one = drawn("Zhang San 1960-03-05", ImageFont.load_default(28), frames=frames, Modality="US")
    before = one.PixelData
    found = parsed(clear(written(one), options=Options(pixels=True)))
    assert (found.BurnedInAnnotation, "113101" in codes(found)) == ("NO", True)
    last = found.PixelData[-512 * 256 :]
    assert max(last[30 * 512 : 60 * 512]) < 120
    assert last[128 * 512 :] == before[-512 * 256 :][128 * 512 :]


@OCR
@pytest.mark.skipif(not FONT.is_file(), reason="needs a Chinese font to draw with: fonts-noto-cjk")
def test_chinese_text_in_pixels_is_blanked() -> None:
    one = drawn("姓名：张建国  男", ImageFont.truetype(str(FONT), 32), BurnedInAnnotation="YES")
    found = parsed(clear(written(one), options=Options(pixels=True)))
    assert max(found.PixelData[35 * 512 : 60 * 512]) < 120


@OCR
def test_an_image_that_says_it_holds_text_is_refused_where_none_can_be_read() -> None:
    with pytest.raises(ImageRefused) as refused:
        clear(written(image(BurnedInAnnotation="YES")), options=Options(pixels=True))
    assert refused.value.code == "burned-in-text"


def test_without_the_reader_images_that_may_carry_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burned_in, "PROGRAM", "no-such-program")
    with pytest.raises(ImageRefused) as refused:
        clear(written(image(Modality="US")), options=Options(pixels=True))
    assert refused.value.code == "burned-in-text"


def test_pixels_that_cannot_be_decoded_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burned_in, "available", lambda: True)
    with pytest.raises(ImageRefused) as refused:
        clear(written(image(Modality="US", PixelData=b"\1\2")), options=Options(pixels=True))
    assert refused.value.code == "burned-in-text"
