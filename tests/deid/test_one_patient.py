"""One patient in CSV, HL7 v2, FHIR, DICOM and notes: one pseudonym, one shift, one visit, everywhere."""

import io
import json
import re
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.mapping import Source, parse_mapping
from deid.pipeline import Outcome, process, write
from deid.policy import parse_profile
from deid.readers import fhir as fhir_reader
from deid.readers import hl7v2 as hl7v2_reader
from deid.records import MemoryRecords
from deid.streaming import stream
from deid.transform.hl7v2 import escape
from deid.transform.pseudonym import number
from deid.transform.subject import ALTERATION, CONFIDENTIALITY
from deid.verify import Identity, leaves, second_look
from policies.errors import BadMapping, LeakFound
from tests.deid.formats.test_dicom import image, written
from tests.deid.small_network import KEYS, resident

NAME, CARD, MRN, PHONE = "欧阳若霁", resident("31010419600101001"), "H10000007", "13812345678"
FIRST = date(2020, 3, 5)  # the day of everything, in every format
PROFILE = """
schema: medtrain.profile/1
name: one_patient
about: "One patient alone"
level: internal
images: []
k: 1
mean_risk: 1.0
l_diversity: null
t_closeness: null
max_suppressed: 0.1
dates: shift
age_step: 1
age_top: 89
place: district
rare_below: 0
conditions: full
text: rewrite
text_leak: null
"""
MAPPING = r"""
schema: medtrain.mapping/1
name: one
sources:
  - name: pages
    hospital: a
    format: csv
    files: ["pages.csv"]
    tables:
      row:
        columns:
          mrn: person.mrn
          name: person.name
          card: person.id_card
          phone: person.phone
          born: person.birth_date
          sex: person.sex
          visit: visit.id
          admitted: visit.start
  - name: lis
    hospital: a
    format: hl7v2
    files: ["*.hl7"]
    tables:
      patient:
        columns: {mrn: person.mrn, name: person.name, id_card: person.id_card, birth_date: person.birth_date}
      visit:
        columns: {mrn: person.mrn, id: visit.id, start: visit.start}
      observation:
        columns: {mrn: person.mrn, name_of_code: measurement.name, value: measurement.value, unit: measurement.unit,
                  date: measurement.date}
  - name: emr
    hospital: a
    format: fhir
    files: ["*.json"]
    tables:
      patient:
        columns: {mrn: person.mrn, name: person.name, id_card: person.id_card, birth_date: person.birth_date}
      encounter:
        columns: {mrn: person.mrn, id: visit.id, start: visit.start}
      condition:
        columns: {mrn: person.mrn, code: {to: condition.code, system: ICD-10-CN}, date: condition.date}
      observation:
        columns: {mrn: person.mrn, name_of_code: observation.name, value: observation.value, date: observation.date}
  - name: images
    hospital: a
    format: dicom
    files: ["*.dcm"]
    tables:
      image:
        columns: {PatientID: person.mrn, PatientName: person.name, bytes: image.bytes, StudyDate: image.date}
  - name: notes
    hospital: a
    format: notes
    files: ["*.txt"]
    tables:
      note:
        columns:
          text:
            - {to: note.text}
            - {to: person.mrn, pattern: "病案号：(\\w+)"}
"""
MESSAGE = "\r".join((
    "MSH|^~\\&|LIS|上海某院|F|SH|202003050930||ORU^R01^ORU_R01|C0001|P|2.5.1||||||UNICODE UTF-8",
    f"PID|1||{MRN}^^^H^MR~{CARD}^^^^NI||欧阳^若霁||19600101|M|||云锦桥路1弄2号^^上海^上海||{PHONE}",
    f"NK1|1|诸葛^楠|SPO|||{PHONE}",
    "PV1|1|I|内科^301^1||||0007^李^四光||||||||||||V0000001|||||||||||||||||||||||||20200305|20200312",
    f"OBR|1|ORD1|SPEC7|GLU^葡萄糖^L|||202003050900||||||{NAME}|||0007^李^四光",
    "OBX|1|NM|GLU^葡萄糖^L||5.6|mmol/L|3.9-6.1|N|||F|||202003050930||李四光",
    f"OBX|2|TX|NOTE^附注^L||患者{NAME}2020年3月5日空腹\\T\\复查||||||F",
    "OBX|3|XPN|DOC^医师^L||李^四光||||||F",
    "OBX|4|SN|TITRE^滴度^L||^1^:^128||||||F",
    "OBX|5|DT|DAY^日^L||20200305||||||F",
    "OBX|6|CWE|RES^结果^L||POS^阳性^L||||||F",
    "DG1|1||E11.900^2型糖尿病^I10||20200305",
    f"ZPI|1|{NAME}",
)) + "\r"  # fmt: skip


def bundle() -> dict:
    patient = {
        "resourceType": "Patient", "id": "p1", "text": {"status": "generated", "div": f"<div>{NAME}</div>"},
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": CARD}, {"value": MRN}],
        "name": [{"text": NAME}], "gender": "male", "birthDate": "1960-01-01",
        "telecom": [{"system": "phone", "value": PHONE}], "extension": [{"url": "x", "valueString": NAME}],
    }  # fmt: skip
    encounter = {
        "resourceType": "Encounter", "id": "e1", "identifier": [{"value": "V0000001"}], "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2020-03-05T08:00:00+08:00", "end": "2020-03-12"},
        "participant": [{"individual": {"display": "李四光"}}],
    }  # fmt: skip
    observation = {
        "resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "http://some.hospital.cn/fhir/Encounter/e1"}, "effectiveDateTime": "2020-03-05",
        "performer": [{"display": "李四光"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "葡萄糖"}]},
        "note": [{"text": f"患者{NAME}，电话{PHONE}"}],
        "referenceRange": [{"low": {"value": 3.9}, "text": NAME}],
        "component": [
            {"code": {"text": "葡萄糖"}, "valueQuantity": {"value": 5.6, "comparator": "<", "unit": "mmol/L"}},
            {"code": {"text": "号"}, "valueQuantity": {"value": 9912345678}},
            {"code": {"text": "是"}, "valueBoolean": True}, {"code": {"text": "次"}, "valueInteger": 3},
            {"code": {"text": "结果"}, "valueCodeableConcept": {"text": "阳性"}},
            {"code": {"text": "文"}, "valueString": f"{NAME}复查"},
        ],
    }  # fmt: skip
    condition = {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://hospital.cn/icd", "code": "E11.900", "display": "2型糖尿病"}]},
        "encounter": {"reference": "Encounter/e1"}, "recordedDate": "2020-03-05", "abatementDateTime": "2020",
    }  # fmt: skip
    found = [patient, encounter, observation, condition]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in found]}


def records() -> dict[str, bytes]:
    return {
        "pages.csv": f"mrn,name,card,phone,born,sex,visit,admitted\n"
        f"{MRN},{NAME},{CARD},{PHONE},19600101,男,V0000001,20200305\n".encode(),
        "a.hl7": MESSAGE.encode(),
        "b.json": json.dumps(bundle(), ensure_ascii=False).encode(),
        "c.dcm": written(image(PatientID=MRN, PatientName=NAME)),
        "d.txt": f"病案号：{MRN}\n追问病史，{NAME}于2020年3月5日入院，胸闷。".encode(),
    }  # fmt: skip


def of(profile: str = PROFILE, content: dict[str, bytes] | None = None) -> Outcome:
    given = MemoryRecords(records() if content is None else content)
    rules = parse_profile(profile.encode())
    return process(given, parse_mapping(MAPPING), rules, KEYS, project="p", with_messages=True)


@cache
def outcome() -> Outcome:
    return of()


def hl7v2(made: Outcome) -> hl7v2_reader.Message:
    return hl7v2_reader.parse(made.messages.filter(pl.col("format") == "hl7v2")["text"].item())


def resources(made: Outcome) -> dict[str, dict]:
    found = map(json.loads, made.messages.filter(pl.col("format") == "fhir")["text"])
    return {one["resourceType"]: one for one in found}


def cells(made: Outcome) -> dict[str, str]:
    """SEGMENT-FIELD of the message -> its first component; observations by their number."""
    message = hl7v2(made)
    found = {}
    for segment in message.segments:
        name = segment.name + (message.text(segment, 1) if segment.name == "OBX" else "")
        found |= {f"{name}-{at}": message.text(segment, at) for at in range(1, len(segment.fields) + 1)}
    return found


def test_one_pseudonym_one_shift_and_one_visit_in_every_format() -> None:
    made = outcome()
    (who,) = made.tables["person"]["patient"]
    (days,) = {(day - FIRST).days for day in made.tables["visit_occurrence"]["visit_start_date"]}
    moved = FIRST + timedelta(days=days)
    assert days != 0
    told, shown = cells(made), resources(made)
    picture = pydicom.dcmread(io.BytesIO(made.tables["image_occurrence"]["dicom"].item()))
    assert {
        told["PID-3"], told["PID-5"], shown["Patient"]["id"], shown["Patient"]["identifier"][0]["value"],
        shown["Encounter"]["subject"]["reference"].removeprefix("Patient/"), str(picture.PatientID),
        *made.tables["note"]["patient"], *made.tables["measurement"]["patient"], *made.messages["patient"],
    } == {who}  # fmt: skip
    assert {
        told["PV1-44"], told["OBX1-14"][:8], told["OBR-7"][:8], told["MSH-7"][:8], told["OBX5-5"], told["DG1-5"],
        shown["Encounter"]["period"]["start"][:10].replace("-", ""), picture.StudyDate,
        shown["Observation"]["effectiveDateTime"].replace("-", ""), shown["Condition"]["recordedDate"].replace("-", ""),
    } == {f"{moved:%Y%m%d}"}  # fmt: skip
    note = made.tables["note"]["note_text"].item()
    assert f"{moved.year}年{moved.month}月{moved.day}日" in note
    assert set(made.tables["measurement"]["measurement_date"]) == {moved}
    visit = made.tables["visit_occurrence"]["visit_occurrence_id"].item()
    assert {number(told["PV1-19"]), number(shown["Encounter"]["identifier"][0]["value"])} == {visit}
    assert shown["Observation"]["encounter"] == shown["Condition"]["encounter"]
    assert shown["Observation"]["encounter"]["reference"] == f"Encounter/{shown['Encounter']['id']}"


def test_nothing_that_names_anybody_is_left_and_what_was_measured_is() -> None:
    made = outcome()
    whole = "".join(made.messages["text"])
    for gone in (NAME, "若霁", CARD, MRN, PHONE, "9912345678", "李", "四光", "楠", "云锦桥路", "某院", "C0001", "ZPI",
                 "NK1", "hospital.cn", "1960-01-01", "19600101", "V0000001", "ORD1"):  # fmt: skip
        assert gone not in whole, gone
    told, shown = cells(made), resources(made)
    assert (told["OBX1-5"], told["OBX1-6"], told["OBX1-7"], told.get("OBX3-5", "")) == (
        "5.6", "mmol/L", "3.9-6.1", "",
    )  # fmt: skip
    assert "空腹&复查" in told["OBX2-5"]
    assert hl7v2(made).field([*hl7v2(made).all("OBX")][3], 5) == [["", "1", ":", "128"]]
    assert (told["OBX6-5"], told["DG1-3"], told["PID-7"], told["PID-8"]) == ("POS", "E11.900", "1960", "M")
    parts = shown["Observation"]["component"]
    assert parts[0]["valueQuantity"] == {"value": 5.6, "comparator": "<", "unit": "mmol/L"}
    assert "valueQuantity" not in parts[1]
    assert (parts[2]["valueBoolean"], parts[3]["valueInteger"]) == (True, 3)
    assert (parts[4]["valueCodeableConcept"], parts[5]["valueString"]) == ({"text": "阳性"}, "[NAME]复查")
    assert shown["Patient"]["birthDate"] == "1960"
    assert "abatementDateTime" not in shown["Condition"]


def test_security_labels_are_written_on_every_message_resource_and_bundle(tmp_path: Path) -> None:
    made = outcome()
    wanted = [(CONFIDENTIALITY, "L"), (ALTERATION, "PSEUDED"), (ALTERATION, "REDACTED")]
    for one in [*resources(made).values(), {"meta": made.meta}]:
        assert [(label["system"], label["code"]) for label in one["meta"]["security"]] == wanted
    (head,) = hl7v2(made).all("MSH")
    assert hl7v2(made).field(head, 26) == [["L", "low", "v3-Confidentiality"]]
    assert [part[0] for part in hl7v2(made).field(head, 27)] == ["PSEUDED", "REDACTED"]
    assert hl7v2(made).text(head, 8) == "PSEUDED"
    write(made, tmp_path)
    whole = json.loads((tmp_path / "messages" / "emr.json").read_text("utf-8"))
    assert (whole["type"], len(whole["entry"]), whole["meta"]) == ("collection", 4, made.meta)
    assert made.report.as_dict()["messages"] == {"emr": 4, "lis": 1}


def test_what_is_written_is_read_again_by_the_readers(tmp_path: Path) -> None:
    write(outcome(), tmp_path)
    folder = MemoryRecords({path.name: path.read_bytes() for path in (tmp_path / "messages").iterdir()})
    mine = hl7v2_reader.read(Source("s", "a", "hl7v2", ("*.hl7",), ()), folder)
    theirs = fhir_reader.read(Source("s", "a", "fhir", ("*.json",), ()), folder)
    (who,) = outcome().tables["person"]["patient"]
    assert (mine.rejects, theirs.rejects) == ((), ())
    assert {*mine.tables["patient"]["mrn"], *theirs.tables["condition"]["mrn"]} == {who}


def test_a_profile_that_cuts_cuts_in_messages_too_and_says_so() -> None:
    open_ = PROFILE.replace("dates: shift", "dates: month").replace("conditions: full", "conditions: category")
    made = of(open_.replace("text: rewrite", "text: drop").replace("rare_below: 0", "rare_below: 5"))
    told, shown = cells(made), resources(made)
    start = made.tables["visit_occurrence"]["visit_start_date"].item()
    assert (told["PV1-44"], shown["Encounter"]["period"]["start"]) == (f"{start:%Y%m}", f"{start:%Y-%m}")
    assert (told["DG1-3"], shown["Condition"]["code"]) == ("E11", {"coding": [{"code": "E11"}]})
    assert told["OBX2-5"] == ""
    assert "note" not in shown["Observation"]
    assert made.meta["security"][-1]["code"] == "ABSTRED"
    assert cells(of(PROFILE.replace("dates: shift", "dates: year")))["PV1-44"] == "2020"


def test_the_stream_writes_the_same_messages(tmp_path: Path) -> None:
    write(outcome(), tmp_path / "whole")
    made = stream(MemoryRecords(records()), parse_mapping(MAPPING), parse_profile(PROFILE.encode()), KEYS, project="p",
                  out=tmp_path / "stream", size=1 << 30, rows=2, with_messages=True)  # fmt: skip
    assert made.report.as_dict() == outcome().report.as_dict()
    for name in ("lis.hl7", "emr.json"):
        paths = [tmp_path / way / "messages" / name for way in ("whole", "stream")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("空腹", "自96604部队转入"), "military-unit"),
        (("ZPI|1|", f"PID|1||{MRN}^^^H^MR||欧阳^若霁\rZPI|1|"), "several-patients"),
    ],
)
def test_what_is_restricted_or_about_several_people_is_not_written(change: tuple[str, str], reason: str) -> None:
    content = records() | {"a.hl7": MESSAGE.replace(*change).encode()}
    counts = of(content=content).report.as_dict()["messages"]
    assert counts == {"emr": 4, f"withheld:{reason}": 1}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hl7v2", f"MSH|^~\\&|X\rOBX|1|ST|a||病人{NAME}\r"),
        ("hl7v2", "OBX|1|ST|a||138-1234-5678\r"),
        ("fhir", json.dumps({"component": [{"valueString": f"卡{CARD}"}]})),
        ("fhir", json.dumps({"id": MRN.lower()})),
    ],
)
def test_the_second_look_goes_over_every_leaf_of_a_message(form: str, text: str) -> None:
    table = pl.DataFrame([("w", leaf) for leaf in leaves(form, text)], schema=["patient", "message_text"], orient="row")
    who = Identity("w", ((NAME, "NAME"), (MRN, "MRN")))
    with pytest.raises(LeakFound, match="message_text"):
        second_look({"message": table}, [who])
    assert second_look({"message": table.with_columns(pl.lit("[NAME]").alias("message_text"))}, [who])


@given(st.text(max_size=40).filter(lambda text: "\r" not in text))
@settings(max_examples=100, deadline=None)
def test_a_text_comes_out_of_a_message_as_it_was_put_in(text: str) -> None:
    assert hl7v2_reader.unescape(escape(text), "|^~\\&") == text
    assert not re.search(r"[|^&~\n]", escape(text))


def test_an_own_profile_is_read_as_it_says_and_refused_by_the_name_of_what_is_wrong() -> None:
    assert parse_profile(PROFILE.encode()).k == 1
    for line, wrong, said in (
        ("k: 1\n", "", "'k' is a required property"),
        ("k: 1\n", "k: 0\n", "value out of range: k"),
        ("dates: shift\n", "dates: forget-me\n", "value out of range: dates"),
        ("text: rewrite\n", "text: rewrite\nhashes: plain\n", "'hashes' was unexpected"),
    ):
        with pytest.raises(BadMapping, match=said) as refused:
            parse_profile(PROFILE.replace(line, wrong).encode())
        assert "forget-me" not in str(refused.value)
