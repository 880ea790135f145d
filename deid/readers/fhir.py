"""FHIR R4 as JSON: bundles, single resources, and ndjson with one resource on each line.

The required bindings are checked here, because libraries accept ``Patient.gender = "男"``.

Source: HL7 FHIR R4 (4.0.1), the value sets bound as *required* to the elements of ``BINDINGS``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from deid.mapping import Source
from deid.readers.rows import Row, frame
from deid.records import Reading, Records, Reject

IDENTITY = ("mrn", "id_card", "insurance", "name", "birth_date", "sex", "phone", "email")
PATIENT = (*IDENTITY, "id", "address", "contact_name", "contact_phone", "resource")
ENCOUNTER = (*IDENTITY, "id", "class", "status", "start", "end", "department", "doctor", "resource")
OBSERVATION = (*IDENTITY, "code", "name_of_code", "system", "value", "unit", "status", "date", "resource")
CONDITION = (*IDENTITY, "code", "name_of_code", "system", "status", "date", "resource")

ID_CARD_SYSTEMS = frozenset({"urn:oid:2.16.156.10011.1.3", "urn:oid:2.16.156.112.1.3"})
INSURANCE_SYSTEMS = frozenset({"urn:oid:2.16.156.10011.1.19"})

_GENDER = frozenset({"male", "female", "other", "unknown"})
BINDINGS: dict[str, frozenset[str]] = {
    "Patient.gender": _GENDER,
    "Patient.contact.gender": _GENDER,
    "Patient.link.type": frozenset({"replaced-by", "replaces", "refer", "seealso"}),
    "Encounter.status": frozenset(
        {
            "planned",
            "arrived",
            "triaged",
            "in-progress",
            "onleave",
            "finished",
            "cancelled",
            "entered-in-error",
            "unknown",
        }
    ),
    "Encounter.location.status": frozenset({"planned", "active", "reserved", "completed"}),
    "Observation.status": frozenset(
        {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
    ),
    "Condition.clinicalStatus.coding.code": frozenset(
        {"active", "recurrence", "relapse", "inactive", "remission", "resolved"}
    ),
    "Condition.verificationStatus.coding.code": frozenset(
        {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"}
    ),
    "*.name.use": frozenset({"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"}),
    "*.identifier.use": frozenset({"usual", "official", "temp", "secondary", "old"}),
    "*.address.use": frozenset({"home", "work", "temp", "old", "billing"}),
    "*.address.type": frozenset({"postal", "physical", "both"}),
    "*.telecom.system": frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"}),
    "*.telecom.use": frozenset({"home", "work", "temp", "old", "mobile"}),
    "*.valueQuantity.comparator": frozenset({"<", "<=", ">=", ">"}),
    "*.component.valueQuantity.comparator": frozenset({"<", "<=", ">=", ">"}),
    "*.text.status": frozenset({"generated", "extensions", "additional", "empty"}),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "Patient": (),
    "Encounter": ("status", "class"),
    "Observation": ("status", "code"),
    "Condition": ("subject",),
}
_DATE = re.compile(
    r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?)?$"
)
_DATES = frozenset(
    {"birthDate", "effectiveDateTime", "onsetDateTime", "abatementDateTime", "recordedDate", "issued", "start", "end"}
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """One resource and where it stood. ``resource`` is None where the text is not one; ``raw`` then holds it."""

    file: int
    position: int
    url: str
    resource: Json | None
    raw: bytes


def read(source: Source, records: Records) -> Reading:
    """Return the tables ``patient``, ``encounter``, ``observation`` and ``condition`` of one source.

    Rows repeat the identity of the patient they refer to, whichever file of the source he is in. A column ``resource``
    holds the whole resource. Components of an observation are rows of their own. Resources are counted by another
    parser than the one that reads them.

    Rejected: ``not-json``, ``no-resource-type``, ``unsupported-resource``, ``missing-element``, ``bad-code``,
    ``bad-date``, ``no-patient`` (it refers to none that was accepted).
    """
    found: list[_Found] = []
    counted = 0
    for index, name in enumerate(source.pick(records.names())):
        raw = records.read(name)
        lines = name.endswith(".ndjson")
        counted += _count(raw, lines=lines)
        found += _resources(index, raw, lines=lines)
    rejects = [Reject(source.name, f.file, f.position, reason, f.raw) for f in found if (reason := _refused(f))]
    good = [(f, f.resource) for f in found if f.resource is not None and not _refused(f)]
    people = _people(good)
    rows: dict[str, list[tuple[int, int, Row]]] = {kind: [] for kind in REQUIRED}
    for place, resource in good:
        kind = str(resource["resourceType"])
        who = people.get(f"{place.file}#{place.position}") if kind == "Patient" else _subject(resource, people)
        if who is None:
            rejects.append(Reject(source.name, place.file, place.position, "no-patient", _dump(resource)))
            continue
        whole = {"resource": _dump(resource).decode()}
        rows[kind] += [(place.file, place.position, who | row | whole) for row in _ROWS[kind](resource)]
    tables = {
        "patient": frame(PATIENT, rows["Patient"]),
        "encounter": frame(ENCOUNTER, rows["Encounter"]),
        "observation": frame(OBSERVATION, rows["Observation"]),
        "condition": frame(CONDITION, rows["Condition"]),
    }
    return Reading(tables, tuple(sorted(rejects, key=lambda reject: (reject.file, reject.position))), counted)


def problem(resource: Json) -> str | None:
    """Return why a resource cannot be used, as a stable code, or None.

    >>> problem({"resourceType": "Patient", "gender": "男"})
    'bad-code'
    """
    kind = resource.get("resourceType")
    if not isinstance(kind, str):
        return "no-resource-type"
    if kind not in REQUIRED:
        return "unsupported-resource"
    if any(not resource.get(name) for name in REQUIRED[kind]):
        return "missing-element"
    for path, allowed in BINDINGS.items():
        first, *steps = path.split(".")
        if first in {kind, "*"} and any(value not in allowed for value in _values(resource, steps)):
            return "bad-code"
    return None if _dates_fit(resource) else "bad-date"


def _values(node: Any, steps: list[str]) -> Iterator[str]:
    """Yield what stands at the end of a path; a list is every one of its entries."""
    if isinstance(node, list):
        for entry in node:
            yield from _values(entry, steps)
    elif not steps:
        yield node if isinstance(node, str) else ""
    elif isinstance(node, dict) and steps[0] in node:
        yield from _values(node[steps[0]], steps[1:])


def _dates_fit(node: Any, name: str = "") -> bool:
    if isinstance(node, dict):
        return all(_dates_fit(value, key) for key, value in node.items())
    if isinstance(node, list):
        return all(_dates_fit(value, name) for value in node)
    return name not in _DATES or not isinstance(node, str) or _DATE.match(node) is not None


def _refused(found: _Found) -> str | None:
    return "not-json" if found.resource is None else problem(found.resource)


def _count(raw: bytes, *, lines: bool) -> int:
    if lines:
        return sum(1 for line in raw.splitlines() if line.strip())
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return 1
    return (
        len(content.get("entry") or ()) if isinstance(content, dict) and content.get("resourceType") == "Bundle" else 1
    )


def _resources(file: int, raw: bytes, *, lines: bool) -> Iterator[_Found]:
    if lines:
        texts = (line for line in raw.splitlines() if line.strip())
        for position, line in enumerate(texts, 1):
            yield _found(file, position, "", _load(line), line)
        return
    content = _load(raw)
    if not (isinstance(content, dict) and content.get("resourceType") == "Bundle"):
        yield _found(file, 1 if isinstance(content, dict) else 0, "", content, raw)
        return
    for position, entry in enumerate(content.get("entry") or (), 1):
        inside = entry if isinstance(entry, dict) else {}
        resource = inside.get("resource")
        yield _found(file, position, str(inside.get("fullUrl", "")), resource, _dump(entry))


def _found(file: int, position: int, url: str, resource: Any, raw: bytes) -> _Found:
    return _Found(file, position, url, resource if isinstance(resource, dict) else None, raw)


def _load(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _dump(content: Any) -> bytes:
    return orjson.dumps(content)


def _people(good: list[tuple[_Found, Json]]) -> dict[str, Row]:
    """Return each accepted patient's identity by every name he can be referred to with, and by his place."""
    people: dict[str, Row] = {}
    for found, resource in good:
        if resource["resourceType"] == "Patient":
            identity = _identity(resource)
            for name in (
                found.url,
                f"Patient/{resource['id']}" if "id" in resource else "",
                f"{found.file}#{found.position}",
            ):
                if name:
                    people[name] = identity
    return people


def _subject(resource: Json, people: dict[str, Row]) -> Row | None:
    reference = str(_at(resource, "subject", "reference"))
    for name in (reference, "/".join(reference.split("/")[-2:])):
        if name in people:
            return people[name]
    return None


def _identity(patient: Json) -> Row:
    row: Row = {"mrn": "", "id_card": "", "insurance": ""}
    for identifier in _dicts(patient.get("identifier")):
        system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
        kind = "id_card" if system in ID_CARD_SYSTEMS else "insurance" if system in INSURANCE_SYSTEMS else "mrn"
        row[kind] = row[kind] or value
    return row | {
        "name": _name(patient.get("name")),
        "birth_date": str(patient.get("birthDate", "")),
        "sex": str(patient.get("gender", "")),
        "phone": _telecom(patient.get("telecom"), "phone"),
        "email": _telecom(patient.get("telecom"), "email"),
    }


def _patient(resource: Json) -> Iterator[Row]:
    contact = next(iter(_dicts(resource.get("contact"))), {})
    address = next(iter(_dicts(resource.get("address"))), {})
    parts = [address.get(name) for name in ("state", "city", "district")] + list(address.get("line") or ())
    yield {
        "id": str(resource.get("id", "")),
        "address": str(address.get("text") or "".join(str(part) for part in parts if part)),
        "contact_name": _name(contact.get("name")),
        "contact_phone": _telecom(contact.get("telecom"), "phone"),
    }


def _encounter(resource: Json) -> Iterator[Row]:
    doctor = next(iter(_dicts(resource.get("participant"))), {})
    number = next((str(entry["value"]) for entry in _dicts(resource.get("identifier")) if "value" in entry), "")
    yield {
        "id": number or str(resource.get("id", "")),
        "class": str(_at(resource, "class", "code")),
        "status": str(resource["status"]),
        "start": str(_at(resource, "period", "start")),
        "end": str(_at(resource, "period", "end")),
        "department": str(_at(resource, "serviceType", "text")),
        "doctor": str(_at(doctor, "individual", "display")),
    }


def _observation(resource: Json) -> Iterator[Row]:
    shared = {
        "status": str(resource["status"]),
        "date": _when(resource, "effectiveDateTime", "effectivePeriod", "issued"),
    }
    components = list(_dicts(resource.get("component")))
    if not components or any(name.startswith("value") for name in resource):
        yield shared | _code(resource.get("code")) | _value(resource)
    for component in components:
        yield shared | _code(component.get("code")) | _value(component)


def _condition(resource: Json) -> Iterator[Row]:
    yield _code(resource.get("code")) | {
        "status": next(iter(_values(resource, ["clinicalStatus", "coding", "code"])), ""),
        "date": _when(resource, "onsetDateTime", "onsetPeriod", "recordedDate"),
    }


_ROWS = {"Patient": _patient, "Encounter": _encounter, "Observation": _observation, "Condition": _condition}


def _code(concept: Any) -> Row:
    coding = next(iter(_dicts(_at(concept, "coding"))), {})
    name = _at(concept, "text") or coding.get("display", "")
    return {"code": str(coding.get("code", "")), "name_of_code": str(name), "system": str(coding.get("system", ""))}


def _value(node: Json) -> Row:
    """Return the value as one text, a comparator in front of a number, and its unit."""
    quantity = node.get("valueQuantity")
    if isinstance(quantity, dict):
        number = quantity.get("value")
        text = "" if number is None else f"{quantity.get('comparator', '')}{number}"
        return {"value": text, "unit": str(quantity.get("code") or quantity.get("unit") or "")}
    if "valueCodeableConcept" in node:
        named = _code(node["valueCodeableConcept"])
        return {"value": named["name_of_code"] or named["code"]}
    plain = next((node[name] for name in sorted(node) if name.startswith("value") and name[-1:] != "_"), "")
    return {"value": plain if isinstance(plain, str) else _dump(plain).decode()}


def _when(resource: Json, *names: str) -> str:
    """Return the first of these that is there; of a period its beginning."""
    for name in names:
        value = resource.get(name)
        if value:
            return str(_at(value, "start") if isinstance(value, dict) else value)
    return ""


def _name(names: Any) -> str:
    """Return the first name: its text, else family and given name, joined without a blank for Chinese."""
    first = names if isinstance(names, dict) else next(iter(_dicts(names)), {})
    if first.get("text"):
        return str(first["text"])
    family, given = str(first.get("family", "")), [str(part) for part in first.get("given") or ()]
    return family + "".join(given) if "\u3400" <= family[:1] <= "\u9fff" else " ".join([*given, family]).strip()


def _telecom(contacts: Any, system: str) -> str:
    return next((str(c.get("value", "")) for c in _dicts(contacts) if c.get("system") == system), "")


def _dicts(node: Any) -> Iterator[Json]:
    return (entry for entry in node if isinstance(entry, dict)) if isinstance(node, list) else iter(())


def _at(node: Any, *steps: str) -> Any:
    """Return what stands at the end of a path of objects, "" where it ends early."""
    for step in steps:
        node = node.get(step, "") if isinstance(node, dict) else ""
    return node
