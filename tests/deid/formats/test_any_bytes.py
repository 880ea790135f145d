"""Readers survive any bytes: what they cannot read is quarantined, and nothing is lost or misplaced."""

import io
import json
import warnings
from types import ModuleType
from typing import Any

import orjson
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from deid.mapping import Source
from deid.readers import dicom, fhir, hl7v2, notes
from deid.records import MemoryRecords, Reading
from deid.transform.dicom import ImageRefused, deidentify
from policies.errors import MedtrainError

READERS: dict[str, ModuleType] = {"hl7v2": hl7v2, "fhir": fhir, "dicom": dicom, "notes": notes}
MESSAGE = (
    "MSH|^~\\&|LIS|HB|F|SH|20200305||ORU^R01|C1|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||A1^^^H^MR||王^明||19600101|M\rPV1|1|I|W1||||||||||||||||V1\rOBR|1|||GLU\r"
    "OBX|1|NM|GLU^葡萄糖||5.1|mmol/L|||||F|||20200305\r"
).encode()
BUNDLE = json.dumps(
    {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "p1", "name": [{"text": "王明"}], "gender": "male"}},
            {
                "resource": {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"text": "葡萄糖"},
                    "subject": {"reference": "Patient/p1"},
                    "valueQuantity": {"value": 5.1},
                }
            },
        ],
    }
).encode()
WHOLE = {"hl7v2": MESSAGE, "fhir": BUNDLE, "notes": "患者王明，今日入院。\r\n".encode("gb18030")}
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def small_image() -> bytes:
    """Return a whole image with four pixels."""
    one = pydicom.dcmread(str(get_testdata_file("MR_small.dcm")))
    one.Rows, one.Columns, one.PixelData = 2, 2, bytes(8)
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.save_as(out)
    return out.getvalue()


WHOLE["dicom"] = small_image()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A whole file with some of its bytes changed, taken out or put in; or any bytes at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=300))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(whole)))
        whole = whole[:start] + draw(st.binary(max_size=6)) + whole[start + draw(st.integers(0, 12)) :]
    return whole


def read(name: str, *files: bytes) -> Reading:
    source = Source("s", "h", name, ("*",), ())
    reading: Reading = READERS[name].read(source, MemoryRecords({f"f{n}.x": raw for n, raw in enumerate(files)}))
    return reading


def parts(raw: bytes) -> set[bytes]:
    """Every value inside a JSON file, as a reader writes one that it refuses."""
    try:
        waiting = [orjson.loads(raw)]
    except ValueError:
        return set()
    found = set()
    while waiting:
        one = waiting.pop()
        found.add(orjson.dumps(one))
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return found


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_file_that_is_damaged_below_is_read_while_it_is_whole(name: str) -> None:
    reading = read(name, WHOLE[name])
    assert not reading.rejects
    assert sum(table.height for table in reading.tables.values())


@pytest.mark.parametrize("name", sorted(READERS))
@FEW
@given(data=st.data())
def test_a_damaged_file_beside_a_whole_one_is_read_or_refused_with_its_place(name: str, data: st.DataObject) -> None:
    raw = data.draw(damaged(WHOLE[name]))
    try:
        reading = read(name, raw, WHOLE[name])
    except MedtrainError:
        return  # the product's own refusal of the whole source
    places: list[Any] = [reject.file for reject in reading.rejects]
    for table in reading.tables.values():
        places += table["_file"].to_list()
        assert (table["_position"] >= 0).all()
    assert set(places) <= {0, 1}
    assert 1 in places
    assert reading.counted >= 2
    for reject in reading.rejects:
        assert reject.reason
        assert not reject.raw or reject.file == 1 or reject.raw in raw or reject.raw in parts(raw)


@FEW
@given(raw=damaged(WHOLE["dicom"]))
def test_a_damaged_image_is_cleaned_or_refused(raw: bytes) -> None:
    try:
        clean = deidentify(raw, pseudonym="P", shift_days=3, uid_key=bytes(32))
    except ImageRefused:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert str(pydicom.dcmread(io.BytesIO(clean)).PatientName) == "P"
