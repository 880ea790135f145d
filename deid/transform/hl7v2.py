r"""HL7 v2 messages written out: rebuilt from the fields that may stay, labelled in MSH-8, MSH-26 and MSH-27.

Only the segments and fields of ``PLAN`` are written; every other one is left out, known or not. Who the patient is
comes from the table ``person``: his pseudonym as PID-3, as name with type S ("coded pseudo-name to ensure anonymity",
table 0200), his sex and year of birth as far as they are published.

Source: HL7 v2.9 chapter 2 (MSH-26 security classification tag, MSH-27 security handling instructions), chapters 3 and
7; receivers of older versions ignore fields they do not know (2.5.1, 2.6.2) and read MSH-8.
"""

from collections.abc import Callable

from deid.policy import Profile
from deid.readers.hl7v2 import Field, Message, Segment, serialise
from deid.transform.subject import CONFIDENTIALITY, SEX_OF, Subject, Withheld, Wording, labels

SEPARATORS = "|^~\\&"
ENCODING = "UNICODE UTF-8"
FIELDS = 27  # of the header
PLAN: dict[str, dict[int, str]] = {
    "PV1": {1: "code", 2: "code", 14: "rare", 19: "visit", 36: "rare", 44: "day", 45: "day"},
    "OBR": {1: "code", 2: "order", 3: "order", 4: "coded", 7: "day", 8: "day", 15: "coded", 22: "day"}
    | {24: "code", 25: "code"},
    "OBX": {1: "code", 2: "code", 3: "coded", 4: "code", 5: "value", 6: "coded", 7: "word", 8: "code"}
    | {11: "code", 14: "day", 19: "day"},
    "DG1": {1: "code", 3: "diagnosis", 5: "day", 6: "code"},
    "NTE": {1: "code", 2: "code", 3: "text"},
}  # fmt: skip  # segment -> field -> how it is said
CODED = frozenset({"CE", "CWE", "CNE", "ID", "IS"})
MOMENTS = frozenset({"DT", "TS", "DTM"})
TEXTS = frozenset({"ST", "TX", "FT"})
_TABLES = {CONFIDENTIALITY: "v3-Confidentiality"}


def rewritten(message: Message, subject: Subject, wording: Wording, hospital: str) -> str:
    r"""Return the message as it may be published, segments ended by a carriage return.

    Raises:
        Withheld: the policy restricts what stands in it, or it is about ``several-patients``.
    """
    if sum(segment.name == "PID" for segment in message.segments) > 1:
        raise Withheld("several-patients")
    segments = []
    for segment in message.segments:
        if segment.name == "MSH":
            segments.append(_header(message, segment, subject, wording))
        elif segment.name == "PID":
            segments.append(_patient(subject))
        elif segment.name in PLAN:
            segments.append(_planned(message, segment, subject, wording, hospital))
    return serialise(Message(tuple(segments), SEPARATORS))


def escape(text: str) -> str:
    r"""Return a component's text as it is written between the separators.

    >>> escape("5&6\na|b")
    '5\\T\\6\\.br\\a\\F\\b'
    """
    signs = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\n": "\\.br\\", "\r": "\\.br\\"}
    return "".join(signs.get(char, char) for char in text)


def _header(message: Message, segment: Segment, subject: Subject, wording: Wording) -> Segment:
    kind = [wording.code(part) for part in message.field(segment, 9)[0]]
    cells: dict[int, Field] = {
        3: [["MEDTRAIN"]],
        7: [[wording.day(message.text(segment, 7), subject)]],
        9: [kind],
        10: [[wording.name("hl7v2-message", message.text(segment, 10))[:20]]],  # MSH-10 has 20 characters before 2.6
        11: [[wording.code(message.text(segment, 11))]],
        12: [[wording.code(message.text(segment, 12))]],
        18: [[ENCODING]],
    } | _labels(wording.profile)
    return _segment("MSH", cells, FIELDS)


def _labels(profile: Profile) -> dict[int, Field]:
    """Return MSH-8, MSH-26 and MSH-27."""
    first, *done = labels(profile)
    coded: Field = [[one.code, one.display, _TABLES.get(one.system, "v3-ObservationValue")] for one in (first, *done)]
    return {8: [[done[0].code]], 26: coded[:1], 27: coded[1:]}


def _patient(subject: Subject) -> Segment:
    born = "" if subject.birth_year is None else str(subject.birth_year)
    name = [subject.pseudonym, "", "", "", "", "", "S"]
    number = [subject.pseudonym, "", "", "MEDTRAIN", "PI"]
    return _segment("PID", {1: [["1"]], 3: [number], 5: [name], 7: [[born]], 8: [[SEX_OF.get(subject.sex or "", "U")]]})


def _planned(message: Message, segment: Segment, subject: Subject, wording: Wording, hospital: str) -> Segment:
    said: dict[str, Callable[[str], str]] = {
        "code": wording.code,
        "word": wording.word,
        "rare": lambda value: "" if wording.profile.rare_below > 1 else wording.code(value),
        "day": lambda value: wording.day(value, subject),
        "visit": lambda value: wording.visit(hospital, subject, value),
        "order": lambda value: wording.name("hl7v2-order", value),
    }
    kind = message.text(segment, 2) if segment.name == "OBX" else ""
    cells: dict[int, Field] = {}
    for number, how in PLAN[segment.name].items():
        found = message.field(segment, number)
        if how == "value":
            cells[number] = _value(found, kind, subject, wording)
        elif how == "text":
            cells[number] = [[wording.text("^".join(part), subject)] for part in found]
        elif how in {"coded", "diagnosis"}:
            cells[number] = [_coded(part, wording, sick=how == "diagnosis") for part in found]
        else:
            cells[number] = [[said[how](found[0][0])]]
    return _segment(segment.name, cells)


def _value(found: Field, kind: str, subject: Subject, wording: Wording) -> Field:
    """Return OBX-5 by the type that OBX-2 gives it; names, numbers of people, documents and unknown types go."""
    if kind == "NM":
        return [[wording.number(found[0][0])]]
    if kind == "SN":
        return [[wording.word(part) if _structured(part) else "" for part in found[0][:4]]]
    if kind in CODED:
        return [_coded(part, wording) for part in found]
    if kind in MOMENTS:
        return [[wording.day(part[0], subject)] for part in found]
    if kind in TEXTS:
        return [[wording.text("^".join(part), subject)] for part in found]
    return [[""]]


def _structured(part: str) -> bool:
    return len(part) <= 10 and not any(char.isalpha() for char in part)


def _coded(part: list[str], wording: Wording, *, sick: bool = False) -> list[str]:
    """Return code, text and coding system, and the same of the alternate code; of a cut diagnosis no text."""
    said = wording.diagnosis if sick else wording.code
    text = (lambda _: "") if sick and wording.profile.conditions == "category" else wording.word
    made = [(said, text, wording.code)[at % 3](value) for at, value in enumerate(part[:6])]
    while made and not made[-1]:
        made.pop()
    return made or [""]


def _segment(name: str, cells: dict[int, Field], length: int = 0) -> Segment:
    fields: list[Field] = [[[""]] for _ in range(max([length, *cells]))]
    for number, found in cells.items():
        fields[number - 1] = [[escape(part) for part in repetition] for repetition in found]
    if name == "MSH":
        fields[0], fields[1] = [[SEPARATORS[0]]], [[SEPARATORS[1:]]]
    while len(fields) > 1 and not any(any(part) for part in fields[-1]):
        fields.pop()
    return Segment(name, tuple(fields), "\r")
