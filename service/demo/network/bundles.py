"""Hospital C, an internet hospital: FHIR R4 bundles, one for each of its patients."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from service.demo.network import lexicon as words
from service.demo.network.lab import ANALYTES, Analyte, channels, sampled, value_text
from service.demo.network.people import Health, Person, long_name
from service.demo.network.truth import Book

FOLDER = "hospital_c/fhir"
_UCUM = "http://unitsofmeasure.org"
Resource = dict[str, Any]
Note = Callable[[str, str], None]  # kind, value


def write(people: list[Person], healths: list[Health], seed: int, book: Book) -> dict[str, bytes]:
    """Return the bundle files by name; a few resources break a required binding."""
    files: dict[str, bytes] = {}
    for person, condition in zip(people, healths, strict=True):
        if "fhir" not in channels(person, seed):
            continue
        rng = Random(f"{seed}/fhir/{person.number}")
        file = f"{FOLDER}/bundle-{len(files):05d}.json"

        def note(kind: str, value: str, person: Person = person, file: str = file) -> None:
            book.identifier(kind, value, person.number, file)

        resources = _resources(rng, person, condition, sampled(person, seed), note)
        if rng.random() < 0.02:
            _spoil(resources, file, book)
        for position in range(1, len(resources) + 1):
            book.record(person.number, file, position)
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"fullUrl": f"urn:uuid:{_uuid(rng)}", "resource": resource} for resource in resources],
        }
        files[file] = json.dumps(bundle, ensure_ascii=False, indent=1).encode()
    return files


def _resources(rng: Random, person: Person, condition: Health, day: date, note: Note) -> list[Resource]:
    doctor, visit, key = long_name(rng), f"W{rng.randrange(10**9):09d}", f"p{rng.randrange(10**9):09d}"
    for kind, value in (
        ("NAME", person.name),
        ("NAME", person.contact),
        ("NAME", doctor),
        ("ID_CARD", person.id_card),
        ("MRN", person.mrn("c")),
        ("MRN", visit),
        ("MRN", key),
        ("PHONE", person.phone),
        ("PHONE", person.contact_phone),
        ("EMAIL", person.email),
        ("ADDRESS", person.street),
    ):
        note(kind, value)
    subject = {"reference": f"Patient/{key}", "display": person.name}
    encounter = {
        "resourceType": "Encounter",
        "id": f"e{key}",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.12", "value": visit}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
        "subject": subject,
        "participant": [{"individual": {"display": doctor}}],
        "period": {"start": f"{day}T09:00:00+08:00", "end": f"{day}T09:20:00+08:00"},
    }
    return [
        _patient(person, key),
        encounter,
        *(_observation(analyte, condition, subject, str(day)) for analyte in ANALYTES),
        *_conditions(condition, subject, str(day + timedelta(days=1))),
    ]


def _patient(person: Person, key: str) -> Resource:
    return {
        "resourceType": "Patient",
        "id": key,
        "identifier": [
            {"system": "urn:oid:2.16.156.10011.1.3", "value": person.id_card},
            {"use": "usual", "system": "urn:oid:2.16.156.10011.1.12", "value": person.mrn("c")},
        ],
        "name": [{"use": "official", "text": person.name}],
        "telecom": [{"system": "phone", "value": person.phone}, {"system": "email", "value": person.email}],
        "gender": "male" if person.sex == 1 else "female",
        "birthDate": str(person.birth),
        "address": [
            {"text": person.address, "city": "上海市", "district": person.district[1], "line": [person.street]}
        ],
        "contact": [
            {"name": {"text": person.contact}, "telecom": [{"system": "phone", "value": person.contact_phone}]}
        ],
    }


def _observation(analyte: Analyte, condition: Health, subject: Resource, day: str) -> Resource:
    text = value_text(analyte, condition)
    quantity: Resource = {"value": float(text.lstrip("<")), "unit": analyte.unit, "system": _UCUM, "code": analyte.unit}
    if text.startswith("<"):
        quantity["comparator"] = "<"
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": analyte.loinc, "display": analyte.name}],
            "text": analyte.name,
        },
        "subject": subject,
        "effectiveDateTime": f"{day}T08:30:00+08:00",
        "valueQuantity": quantity,
    }


def _conditions(condition: Health, subject: Resource, day: str) -> list[Resource]:
    if not condition.diabetic:
        return []
    code, name = words.DIABETES
    return [
        {
            "resourceType": "Condition",
            "clinicalStatus": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
            },
            "code": {
                "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code, "display": name}],
                "text": name,
            },
            "subject": subject,
            "recordedDate": day,
        }
    ]


def _spoil(resources: list[Resource], file: str, book: Book) -> None:
    resources[0]["gender"] = "男"
    book.spoiled(file, 1, "gender", "binding-broken")


def _uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
