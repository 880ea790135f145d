"""FHIR R4: required bindings are checked, references resolved, nothing lost."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deid.mapping import Source
from deid.readers import fhir
from deid.records import MemoryRecords, Reading

CORPUS = Path(__file__).parents[4] / "shared/corpora/in-fhir-r4-examples/hl7.fhir.r4.examples-4.0.1-clinical.tgz"
SOURCE = Source("bundles", "c", "fhir", ("*",), ())
Json = dict[str, Any]


def patient(**changes: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "310101"}, {"system": "x", "value": "C1"}],
        "name": [{"text": "王明"}],
        "gender": "male",
        "birthDate": "1960-01-01",
        "telecom": [{"system": "phone", "value": "139"}, {"system": "email", "value": "a@b.example"}],
    } | changes


def observation(**changes: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "14749-6", "display": "葡萄糖"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2020-03-05T08:00:00+08:00",
        "valueQuantity": {"value": 5.1, "code": "mmol/L", "comparator": "<"},
    } | changes


def encounter(**changes: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "VR"},
        "subject": {"reference": "urn:uuid:1"},
        "period": {"start": "2020-03-05", "end": "2020-03-06"},
        "participant": [{"individual": {"display": "李四"}}],
    } | changes


def condition(**changes: Any) -> Json:
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"code": "E11.900"}], "text": "2型糖尿病"},
        "subject": {"reference": "https://h.example/fhir/Patient/p1"},
        "onsetPeriod": {"start": "2019-01"},
    } | changes


def bundle(*resources: Any) -> bytes:
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": r} for n, r in enumerate(resources, 1)]
    return json.dumps({"resourceType": "Bundle", "entry": entries}, ensure_ascii=False).encode()


def read(**files: bytes) -> Reading:
    return fhir.read(SOURCE, MemoryRecords({name.replace("_", "."): raw for name, raw in files.items()}))


def reasons(reading: Reading) -> list[tuple[int, int, str]]:
    return [(r.file, r.position, r.reason) for r in reading.rejects]


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.is_file(), reason="needs ../shared/corpora/in-fhir-r4-examples")
def test_every_published_example_is_accepted_or_of_another_kind() -> None:
    seen = {True: 0, False: 0}
    with tarfile.open(CORPUS) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".json"):
                content = archive.extractfile(member)
                assert content is not None
                found = fhir.problem(json.load(io.TextIOWrapper(content, "utf-8")))
                assert found in {None, "unsupported-resource"}, member.name
                seen[found is None] += 1
    assert sum(seen.values()) == 320
    assert seen[True] > 100


def put(resource: Json, path: list[str], value: str) -> Json:
    """Return the resource with one value at a path, through lists where the element repeats."""
    step, *rest = path
    lists = {"contact", "link", "location", "coding", "name", "identifier", "address", "telecom", "component"}
    inner: Any = value if not rest else put({}, rest, value)
    if step == "contact" and rest == ["name", "use"]:
        inner = {"name": {"use": value}}
    return resource | {step: [inner] if step in lists else inner}


@pytest.mark.parametrize("path", sorted(fhir.BINDINGS))
def test_every_required_binding_refuses_a_code_that_is_not_its(path: str) -> None:
    kind, *steps = path.split(".")
    make = {"Patient": patient, "Encounter": encounter, "Observation": observation, "Condition": condition}
    resource = make.get(kind, patient)()
    assert fhir.problem(put(resource, steps, "男")) == "bad-code"
    assert fhir.problem(put(resource, steps, min(fhir.BINDINGS[path]))) is None


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (patient(birthDate="1960-13-01"), "bad-date"),
        (patient(birthDate="19600101"), "bad-date"),
        (observation(status=""), "missing-element"),
        ({"resourceType": "Observation", "status": "final"}, "missing-element"),
        ({"resourceType": "Claim"}, "unsupported-resource"),
        ({"id": "x"}, "no-resource-type"),
        (patient(gender=1), "bad-code"),
    ],
)
def test_a_bad_resource_has_a_reason(resource: Json, reason: str) -> None:
    reading = read(a_json=bundle(patient(), resource))
    assert reasons(reading) == [(0, 2, reason)]
    assert reading.counted == 2


def test_rows_carry_the_identity_of_the_patient_they_refer_to() -> None:
    reading = read(a_json=bundle(patient(), encounter(), observation(), condition()))
    for name, table in reading.tables.items():
        row = table.row(0, named=True)
        assert (row["id_card"], row["mrn"], row["name"], row["phone"]) == ("310101", "C1", "王明", "139"), name
    assert reading.rejects == ()


def test_a_patient_in_another_file_is_found() -> None:
    reading = read(a_json=bundle(observation()), b_json=bundle(patient()))
    assert reading.tables["observation"]["name"].to_list() == ["王明"]


def test_what_refers_to_nobody_is_refused_and_keeps_its_bytes() -> None:
    reading = read(a_json=bundle(patient(gender="男"), observation()))
    assert reasons(reading) == [(0, 1, "bad-code"), (0, 2, "no-patient")]
    assert "葡萄糖" in reading.rejects[1].raw.decode()
    assert all(not table.height for table in reading.tables.values())


def test_two_patients_without_a_name_to_refer_to_are_not_mixed_up() -> None:
    first, second = patient(birthDate="1950"), patient(birthDate="1970")
    del first["id"], second["id"]
    entries = json.dumps({"resourceType": "Bundle", "entry": [{"resource": first}, {"resource": second}]}).encode()
    assert read(a_json=entries).tables["patient"]["birth_date"].to_list() == ["1950", "1970"]


def test_ndjson_is_read_line_by_line() -> None:
    lines = b"\n".join([json.dumps(patient()).encode(), b"{broken", b"", json.dumps(observation()).encode()])
    reading = read(a_ndjson=lines)
    assert reasons(reading) == [(0, 2, "not-json")]
    assert (reading.counted, reading.tables["observation"]["_position"].to_list()) == (3, [3])


def test_a_single_resource_is_a_file_too() -> None:
    reading = read(a_json=json.dumps(patient()).encode())
    assert (reading.counted, reading.tables["patient"].height) == (1, 1)


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_resource_is_refused_whole(raw: bytes) -> None:
    reading = read(a_json=raw)
    assert reasons(reading) == [(0, 0, "not-json")]
    assert reading.counted == 1


def test_an_entry_without_a_resource_is_refused() -> None:
    raw = json.dumps({"resourceType": "Bundle", "entry": ["x", {"fullUrl": "u"}]}).encode()
    assert reasons(read(a_json=raw)) == [(0, 1, "not-json"), (0, 2, "not-json")]


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, "<5.1"),
        ({"valueQuantity": {"unit": "mmol/L"}}, None),
        ({"valueQuantity": None, "valueString": "阴性"}, "阴性"),
        ({"valueQuantity": None, "valueCodeableConcept": {"coding": [{"code": "P", "display": "阳性"}]}}, "阳性"),
        ({"valueQuantity": None, "valueCodeableConcept": {"coding": [{"code": "P"}]}}, "P"),
        ({"valueQuantity": None, "valueInteger": 7}, "7"),
    ],
)
def test_values_become_one_text(changes: Json, value: str | None) -> None:
    resource = {name: part for name, part in observation(**changes).items() if part is not None}
    assert read(a_json=bundle(patient(), resource)).tables["observation"]["value"].to_list() == [value]


def test_components_are_rows_of_their_own() -> None:
    parts = [
        {"code": {"text": "收缩压"}, "valueQuantity": {"value": 120}},
        {"code": {"text": "舒张压"}, "valueQuantity": {"value": 80}},
    ]
    resource = observation(component=parts)
    del resource["valueQuantity"]
    table = read(a_json=bundle(patient(), resource)).tables["observation"]
    assert table.select("name_of_code", "value", "_position").rows() == [("收缩压", "120", 2), ("舒张压", "80", 2)]


def test_a_period_counts_from_its_beginning() -> None:
    reading = read(a_json=bundle(patient(), condition()))
    assert reading.tables["condition"].select("code", "date", "status").row(0) == ("E11.900", "2019-01", "active")


def test_a_row_without_any_date_has_none() -> None:
    resource = condition()
    del resource["onsetPeriod"]
    assert read(a_json=bundle(patient(), resource)).tables["condition"]["date"].to_list() == [None]


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ({"family": "王", "given": ["明"]}, "王明"),
        ({"family": "Smith", "given": ["John", "Q"]}, "John Q Smith"),
        ({}, None),
    ],
)
def test_names_are_put_together_as_they_are_spoken(name: Json, spoken: str | None) -> None:
    assert read(a_json=bundle(patient(name=[name]))).tables["patient"]["name"].to_list() == [spoken]


def test_addresses_contacts_and_insurance_have_columns() -> None:
    one = patient(
        address=[{"city": "上海市", "district": "浦东新区", "line": ["甲路1号"]}],
        contact=[{"name": {"text": "李四"}, "telecom": [{"system": "phone", "value": "138"}]}],
        identifier=[{"system": "urn:oid:2.16.156.10011.1.19", "value": "C9"}],
    )
    row = read(a_json=bundle(one)).tables["patient"].row(0, named=True)
    assert (row["address"], row["contact_name"], row["contact_phone"], row["insurance"]) == (
        "上海市浦东新区甲路1号",
        "李四",
        "138",
        "C9",
    )


def test_the_number_of_a_visit_comes_before_its_technical_id() -> None:
    numbered = encounter(identifier=[{"system": "x", "value": "W1"}])
    table = read(a_json=bundle(patient(), encounter(), numbered)).tables["encounter"]
    assert table["id"].to_list() == ["e1", "W1"]
