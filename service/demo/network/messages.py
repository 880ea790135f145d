"""Hospital B's interface engine: HL7 v2 files of ORU^R01 and ADT^A01 messages in three encodings."""

from dataclasses import dataclass
from datetime import date
from random import Random

from service.demo.network import lexicon as words
from service.demo.network.lab import ANALYTES, Analyte, channels, sampled, value_text
from service.demo.network.people import Health, Person, full_name
from service.demo.network.truth import Book

FOLDER = "hospital_b/hl7"
PEOPLE_PER_FILE = 20
_ENCODINGS = (("UNICODE UTF-8", "utf-8"), ("GB 18030-2000", "gb18030"), ("", "gb18030"))  # MSH-18, codec; "" undeclared


@dataclass(frozen=True, slots=True)
class _Event:
    """What one message is about."""

    person: Person
    condition: Health
    day: date
    doctor: str
    file: str
    declared: str

    def head(self, kind: str, control: str) -> str:
        sent = f"{self.day:%Y%m%d}083000"
        return f"MSH|^~\\&|LIS|HB|FACILITY|SH|{sent}||{kind}|{control}|P|2.5.1||||||{self.declared}"

    def note(self, book: Book, *numbers: str) -> None:
        book.identifier("NAME", self.doctor, -1, self.file)
        for number in numbers:
            book.identifier("MRN", number, self.person.number, self.file)


def write(people: list[Person], healths: list[Health], seed: int, book: Book) -> dict[str, bytes]:
    """Return the message files by name. Segments end with a carriage return; a few messages are broken."""
    staff = Random(f"{seed}/hl7-staff")
    doctors = [full_name(staff) for _ in range(6)]
    here = [(p, h) for p, h in zip(people, healths, strict=True) if "hl7" in channels(p, seed)]
    files = {}
    for index in range(0, len(here), PEOPLE_PER_FILE):
        number = index // PEOPLE_PER_FILE
        declared, codec = _ENCODINGS[number % len(_ENCODINGS)]
        file = f"{FOLDER}/{number:04d}.hl7"
        messages: list[str] = []
        for person, condition in here[index : index + PEOPLE_PER_FILE]:
            rng = Random(f"{seed}/hl7/{person.number}")
            event = _Event(person, condition, sampled(person, seed), rng.choice(doctors), file, declared)
            for build in (_admission, _results) if rng.random() < 0.5 else (_results,):
                position = len(messages) + 1
                book.record(person.number, file, position)
                segments = build(rng, event, book)
                if rng.random() < 0.02:
                    segments = _break(rng, segments, file, position, book)
                messages.append("".join(segment + "\r" for segment in segments))
        files[file] = "".join(messages).encode(codec)
    return files


def _patient(event: _Event, book: Book) -> list[str]:
    person, file = event.person, event.file
    name = words.TRAP_SURNAME[1] + person.name[1:] if person.name[0] == words.TRAP_SURNAME[0] else person.name
    for kind, value in (("NAME", name), ("ID_CARD", person.id_card), ("MRN", person.mrn("b")), ("PHONE", person.phone),
                        ("NAME", person.contact), ("PHONE", person.contact_phone)):  # fmt: skip
        book.identifier(kind, value, person.number, file)
    book.identifier("ADDRESS", person.street, person.number, file)
    sex = "M" if person.sex == 1 else "F"
    identity = f"{person.mrn('b')}^^^HB^MR~{person.id_card}^^^CN^NI||{name}||{person.birth:%Y%m%d}|{sex}"
    return [
        f"PID|1||{identity}|||{person.street}^^{person.district[1]}^上海市||{person.phone}",
        f"NK1|1|{person.contact}|{person.relation[0]}^{person.relation[1]}||{person.contact_phone}",
    ]


def _admission(rng: Random, event: _Event, book: Book) -> list[str]:
    visit, control = f"V{rng.randrange(10**8):08d}", f"A{event.person.number:06d}{rng.randrange(10**4):04d}"
    event.note(book, visit, control)
    stay = f"||||||||||||{visit}{'|' * 25}{event.day:%Y%m%d}080000"
    return [
        event.head("ADT^A01", control),
        f"EVN|A01|{event.day:%Y%m%d}083000",
        *_patient(event, book),
        f"PV1|1|O|OPD^^^HB||||{rng.randrange(1000, 9999)}^{event.doctor}{stay}",
    ]


def _results(rng: Random, event: _Event, book: Book) -> list[str]:
    order, control = f"L{rng.randrange(10**9):09d}", f"R{event.person.number:06d}{rng.randrange(10**4):04d}"
    event.note(book, order, control)
    moment = f"{event.day:%Y%m%d}0{rng.randrange(6, 10)}{rng.randrange(60):02d}"
    return [
        event.head("ORU^R01", control),
        *_patient(event, book),
        f"OBR|1|{order}||CHEM^生化全套^L|||{moment}|||||||||{rng.randrange(1000, 9999)}^{event.doctor}",
        *(_observation(n, analyte, event.condition, moment) for n, analyte in enumerate(ANALYTES, 1)),
    ]


def _observation(number: int, analyte: Analyte, condition: Health, moment: str) -> str:
    value = value_text(analyte, condition)
    kind, value = ("SN", f"{value[0]}^{value[1:]}") if value[0] == "<" else ("NM", value)
    result = f"{analyte.loinc}^{analyte.name}^LN||{value}|{analyte.unit}|{analyte.reference}"
    return f"OBX|{number}|{kind}|{result}||||F|||{moment}"


def _break(rng: Random, segments: list[str], file: str, position: int, book: Book) -> list[str]:
    """Return the message with its patient segment broken in two by a stray line end, or without it."""
    how = rng.choice(("broken-segment", "no-patient"))
    book.spoiled(file, position, "", how)
    if how == "no-patient":
        return [segment for segment in segments if not segment.startswith("PID")]
    return [part for s in segments for part in ((s[:9], s[9:]) if s.startswith("PID") else (s,))]
