"""FHIR R4 resources written out: rebuilt from the elements that may stay, labelled in ``meta.security``.

Only the elements named here are written; narrative, extensions, contained resources, performers and every element that
is not known are left out. Ids and references are replaced alike, so that what belonged together still does. Who the
patient is comes from the table ``person``.

Source: HL7 FHIR R4 (4.0.1), security labels (meta.security), resources Patient, Encounter, Observation, Condition.
"""

from typing import Any

from deid.policy import Profile
from deid.readers.fhir import BINDINGS
from deid.transform.subject import PSEUDONYM_SYSTEM, Subject, Wording, labels

Json = dict[str, Any]
LARGEST = 1e9
_NONE: tuple[Any, ...] = ("", None, [], {})


def rewritten(resource: Json, subject: Subject, wording: Wording, hospital: str, visit: str = "") -> Json:
    """Return the resource as it may be published.

    Args:
        visit: The visit's own number, of an encounter.

    Raises:
        Withheld: the policy restricts what stands in it.
    """
    kind = str(resource["resourceType"])
    cleaner = _Cleaner(subject, wording)
    if kind == "Patient":
        body = cleaner.patient()
    elif kind == "Encounter":
        body = cleaner.encounter(resource, wording.visit(hospital, subject, visit))
    elif kind == "Observation":
        body = cleaner.observation(resource)
    else:
        body = cleaner.condition(resource)
    own = subject.pseudonym if kind == "Patient" else wording.name("fhir", f"{kind}/{resource.get('id', '')}")
    if not resource.get("id") and kind != "Patient":
        own = ""
    made: Json = filled({"resourceType": kind, "id": own, "meta": security(wording.profile), **body})
    return made


def security(profile: Profile) -> Json:
    """Return the ``meta`` of everything that is written under a profile."""
    found = [{"system": one.system, "code": one.code, "display": one.display} for one in labels(profile)]
    return {"security": found}


def filled(node: Any) -> Any:
    """Return JSON without empty values, at every depth."""
    if isinstance(node, dict):
        made = {name: filled(value) for name, value in node.items()}
        return {name: value for name, value in made.items() if value not in _NONE}
    if isinstance(node, list):
        return [value for value in map(filled, node) if value not in _NONE]
    return node


class _Cleaner:
    """Says the elements of one patient's resources."""

    def __init__(self, subject: Subject, wording: Wording) -> None:
        self._subject, self._say = subject, wording

    def patient(self) -> Json:
        who = self._subject
        return {
            "identifier": [{"system": PSEUDONYM_SYSTEM, "value": who.pseudonym}],
            "gender": who.sex or "unknown",
            "birthDate": "" if who.birth_year is None else str(who.birth_year),
        }

    def encounter(self, resource: Json, visit: str) -> Json:
        return {
            "identifier": [{"system": PSEUDONYM_SYSTEM, "value": visit}] if visit else [],
            "status": resource["status"],
            "class": self._coding(resource.get("class")),
            "subject": self._patient(),
            "period": self._period(resource.get("period")),
        }

    def observation(self, resource: Json) -> Json:
        parts = [self._measured(part) for part in _dicts(resource.get("component"))]
        return {
            "status": resource["status"],
            "category": [self._concept(one) for one in _dicts(resource.get("category"))],
            "subject": self._patient(),
            "encounter": self._reference(resource.get("encounter")),
            "effectiveDateTime": self._day(resource.get("effectiveDateTime")),
            "effectivePeriod": self._period(resource.get("effectivePeriod")),
            "issued": self._day(resource.get("issued")),
            **self._measured(resource),
            "note": self._notes(resource.get("note")),
            "component": parts,
        }

    def condition(self, resource: Json) -> Json:
        code = resource.get("code")
        return {
            "clinicalStatus": self._concept(resource.get("clinicalStatus")),
            "verificationStatus": self._concept(resource.get("verificationStatus")),
            "category": [self._concept(one) for one in _dicts(resource.get("category"))],
            "code": self._sick(code),
            "subject": self._patient(),
            "encounter": self._reference(resource.get("encounter")),
            "onsetDateTime": self._day(resource.get("onsetDateTime")),
            "onsetPeriod": self._period(resource.get("onsetPeriod")),
            "abatementDateTime": self._day(resource.get("abatementDateTime")),
            "recordedDate": self._day(resource.get("recordedDate")),
            "note": self._notes(resource.get("note")),
        }

    def _measured(self, node: Json) -> Json:
        """Return what was measured, its code and its limits."""
        text, flag = node.get("valueString"), node.get("valueBoolean")
        ranges = [
            {"low": self._quantity(one.get("low")), "high": self._quantity(one.get("high"))}
            for one in _dicts(node.get("referenceRange"))
        ]
        whole = node.get("valueInteger")
        return {
            "code": self._concept(node.get("code")),
            "valueQuantity": self._quantity(node.get("valueQuantity")),
            "valueCodeableConcept": self._concept(node.get("valueCodeableConcept")),
            "valueString": self._say.text(text, self._subject) if isinstance(text, str) else "",
            "valueBoolean": flag if isinstance(flag, bool) else None,
            "valueInteger": whole if _amount(whole) else None,
            "valueDateTime": self._day(node.get("valueDateTime")),
            "interpretation": [self._concept(one) for one in _dicts(node.get("interpretation"))],
            "referenceRange": ranges,
        }

    def _sick(self, concept: Any) -> Json:
        if self._say.profile.conditions != "category" or not isinstance(concept, dict):
            return self._concept(concept)
        found = _dicts(concept.get("coding"))
        return {
            "coding": [{"system": self._uri(c), "code": self._say.diagnosis(str(c.get("code", "")))} for c in found]
        }

    def _concept(self, concept: Any) -> Json:
        if not isinstance(concept, dict):
            return {}
        text = concept.get("text")
        return {
            "coding": [self._coding(coding) for coding in _dicts(concept.get("coding"))],
            "text": self._say.word(text) if isinstance(text, str) else "",
        }

    def _coding(self, coding: Any) -> Json:
        if not isinstance(coding, dict):
            return {}
        return {
            "system": self._uri(coding),
            "code": self._say.code(str(coding.get("code", ""))),
            "display": self._say.word(str(coding.get("display", ""))),
        }

    def _uri(self, node: Json) -> str:
        return self._say.uri(str(node.get("system", "")))

    def _quantity(self, quantity: Any) -> Json:
        if not isinstance(quantity, dict):
            return {}
        value, sign = quantity.get("value"), quantity.get("comparator")
        return {
            "value": value if _amount(value) else None,
            "comparator": sign if sign in BINDINGS["*.valueQuantity.comparator"] else "",
            "unit": self._say.word(str(quantity.get("unit", ""))),
            "system": self._uri(quantity),
            "code": self._say.word(str(quantity.get("code", ""))),
        }

    def _day(self, value: Any) -> str:
        return self._say.day(value, self._subject) if isinstance(value, str) else ""

    def _period(self, period: Any) -> Json:
        found = period if isinstance(period, dict) else {}
        return {name: self._day(found.get(name)) for name in ("start", "end")}

    def _notes(self, notes: Any) -> list[Json]:
        return [{"text": self._say.text(str(note.get("text", "")), self._subject)} for note in _dicts(notes)]

    def _patient(self) -> Json:
        return {"reference": f"Patient/{self._subject.pseudonym}"}

    def _reference(self, node: Any) -> Json:
        """Return a reference to an encounter that was written as another; any other reference goes."""
        said = str(node.get("reference", "")) if isinstance(node, dict) else ""
        last = "/".join(said.split("/")[-2:])
        return {"reference": f"Encounter/{self._say.name('fhir', last)}"} if last.startswith("Encounter/") else {}


def _amount(value: Any) -> bool:
    """Return whether it is a number, and none as long as those that people are called by."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _dicts(node: Any) -> list[Json]:
    return [entry for entry in node if isinstance(entry, dict)] if isinstance(node, list) else []
