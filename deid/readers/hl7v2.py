r"""HL7 v2 files: any number of messages in a file, each decoded before it is split.

464 characters of GBK have a trail byte that is one of ``\ ^ | ~``, so splitting bytes cuts names in two. 0x0D is
never a trail byte: messages and their first segment can be cut out of the bytes, everything else only out of the text.

Source: HL7 v2.5.1 chapter 2 (2.5 delimiters, 2.7 escape sequences, MSH-18); field positions chapters 3 and 7.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from deid.clean import encoding
from deid.mapping import Source
from deid.readers.rows import Row, frame
from deid.records import Reading, Records, Reject
from policies.errors import BadInput

CHARACTER_SETS = {
    "ASCII": "ascii", "8859/1": "latin-1", "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8", "UNICODE": "utf-8",
    "GB 18030-2000": "gb18030", "GB18030": "gb18030", "GBK": "gb18030", "GB2312": "gb18030", "BIG-5": "big5",
}  # fmt: skip  # spellings of MSH-18 seen in the field
IDENTITY = ("mrn", "id_card", "insurance", "name", "birth_date", "sex", "phone")
PATIENT = (*IDENTITY, "address", "email", "contact_name", "contact_phone", "message_type", "control_id", "message")
VISIT = (*IDENTITY, "id", "class", "department", "doctor", "start", "end", "admission_source", "discharge_to")
OBSERVATION = (
    *IDENTITY, "order", "code", "name_of_code", "system", "value", "value_type", "unit", "range", "flag", "status",
    "date", "specimen",
)  # fmt: skip

_START = re.compile(rb"(?:^|(?<=[\r\n\x0b]))MSH")
_END = re.compile(r"(\r\n|\r|\n)")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}$")
_ESCAPE = re.compile(r"\\([^\\]*)\\")
_MARKS = {"MR": "mrn", "PI": "mrn", "PT": "mrn", "": "mrn", "NI": "id_card", "NNCHN": "id_card", "HC": "insurance"}

_STANDARD = """
    ABS ACC ADD AFF AIG AIL AIP AIS AL1 APR ARQ AUT BHS BLC BLG BPO BPX BTS BTX CDM CER CM0 CM1 CM2 CNS CON CSP CSR CSS
    CTD CTI DB1 DG1 DMI DRG DSC DSP ECD ECR EDU EQL EQP EQU ERQ ERR EVN FAC FHS FT1 FTS GOL GP1 GP2 GT1 IAM IIM ILT IN1
    IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MCP MFA MFE MFI MRG MSA MSH NCK NDS NK1 NPU NSC NST NTE
    OBR OBX ODS ODT OM1 OM2 OM3 OM4 OM5 OM6 OM7 ORC ORG OVR PAC PCE PCR PD1 PDA PDC PEO PES PID PKG PMT PR1 PRA PRB PRC
    PRD PRT PSG PSH PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI ROL RQ1 RQD RXA RXC
    RXD RXE RXG RXO RXR RXV SAC SCD SCH SCP SDD SFT SID SLT SPM SPR STF STZ TCC TCD TQ1 TQ2 TXA UAC UB1 UB2 URD URS VAR
    VND VTQ
"""
SEGMENTS = frozenset(_STANDARD.split())
"""Names of the standard (HL7 v2.3 to v2.8); a hospital's own begin with Z. Any other is a damaged one, and a result in
it would be lost without a word."""

Field = list[list[str]]  # repetitions of components


class NotAMessage(BadInput):
    """A message that cannot be taken apart. ``code`` is the reason for the quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a message cannot be taken apart: {reason}")
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a message.

    Attributes:
        fields: From 1; MSH-1 and MSH-2 are kept whole.
        end: The line end that followed it, for writing it back as it was.
    """

    name: str
    fields: tuple[Field, ...]
    end: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message taken apart. ``separators`` are field, component, repetition, escape, subcomponent."""

    segments: tuple[Segment, ...] = field(repr=False)
    separators: str
    before: str = ""

    def all(self, name: str) -> Iterator[Segment]:
        """Yield the segments of one kind, in order."""
        return (segment for segment in self.segments if segment.name == name)

    def field(self, segment: Segment | None, number: int) -> Field:
        """Return a field's repetitions of unescaped components; ``[[""]]`` where it is absent."""
        if segment is None or number > len(segment.fields):
            return [[""]]
        return [[unescape(part, self.separators) for part in repetition] for repetition in segment.fields[number - 1]]

    def text(self, segment: Segment | None, number: int, component: int = 1) -> str:
        """Return one component of a field's first repetition, unescaped; "" where it is absent."""
        first = self.field(segment, number)[0]
        return first[component - 1] if component <= len(first) else ""


def read(source: Source, records: Records) -> Reading:
    """Return the tables ``patient``, ``visit`` and ``observation`` of all messages of one source.

    Rows of visits and observations repeat the identity of their message's patient. ``patient.message`` is the whole
    message. Messages are counted in the bytes; a file without any counts as one.

    Rejected: ``not-text``, ``bad-segment``, ``bad-separators``, ``no-patient``; for a whole file ``no-message``.
    """
    patients: list[tuple[int, int, Row]] = []
    visits: list[tuple[int, int, Row]] = []
    observations: list[tuple[int, int, Row]] = []
    rejects: list[Reject] = []
    counted = 0
    for index, name in enumerate(source.pick(records.names())):
        raw = records.read(name).removeprefix(codecs.BOM_UTF8)
        pieces = split(raw)
        told = _told(raw, source.encoding)
        counted += max(len(_START.findall(raw)), 1)
        if not pieces:
            rejects.append(Reject(source.name, index, 0, "no-message", raw))
        for position, piece in enumerate(pieces, 1):
            try:
                text = decode(piece, told)
                message = parse(text)
                _check_names(message)
                identity = _identity(message)
            except (encoding.NotText, NotAMessage) as problem:
                rejects.append(Reject(source.name, index, position, problem.code, piece))
                continue
            patients.append((index, position, identity | _patient(message) | {"message": text}))
            visits += [(index, position, _shared(identity) | row) for row in _visits(message)]
            observations += [(index, position, _shared(identity) | row) for row in _observations(message)]
    tables = {
        "patient": frame(PATIENT, patients),
        "visit": frame(VISIT, visits),
        "observation": frame(OBSERVATION, observations),
    }
    return Reading(tables, tuple(rejects), counted)


def split(raw: bytes) -> list[bytes]:
    """Return the messages of a file, which begin where a line begins with MSH; batch and transport frames go."""
    starts = [match.start() for match in _START.finditer(raw)]
    return [raw[a:b].strip(b"\x0b\x1c") for a, b in zip(starts, [*starts, len(raw)][1:], strict=True)]


def decode(raw: bytes, told: str = "") -> str:
    """Return the text of one message: by MSH-18 where it holds for every byte, else UTF-8, else what its file tells.

    Args:
        told: The encoding of the file as a whole; a message alone can be too short to tell. "" for unknown.

    Raises:
        NotText: no encoding fits.
    """
    head = raw.split(b"\r", 1)[0].split(b"\n", 1)[0]
    for candidate in ("utf-8", "gb18030", "latin-1"):
        fields = _try(head, candidate)
        cells = fields.split(fields[3]) if fields and len(fields) > 3 else []
        wanted = CHARACTER_SETS.get(cells[17].split("~")[0].strip().upper()) if len(cells) > 17 else None
        text = _try(raw, wanted) if wanted else None
        if text is not None:
            return text
    for candidate in ("utf-8", told):
        text = _try(raw, candidate) if candidate else None
        if text is not None:
            return text
    return encoding.decode(raw).text


def parse(text: str) -> Message:
    r"""Return a message taken apart; ``serialise`` gives the same text back.

    Raises:
        NotAMessage: ``bad-separators``: MSH-1 and MSH-2 are not five different signs (the fifth may be missing);
            ``bad-segment``: a line does not begin with the name of a segment.

    >>> message = parse("MSH|^~\\&|LIS\rPID|1||A1^^^H^MR||王^明")
    >>> message.field(next(message.all("PID")), 5)
    [['王', '明']]
    """
    start = text[3:4]
    encoded = text[4:9].partition(start or "|")[0]
    separators = start + encoded[:4]
    if len(encoded) < 3 or len(set(separators)) != len(separators) or any(c.isalnum() for c in separators):
        raise NotAMessage("bad-separators")
    pieces = _END.split(text)
    segments = []
    for line, end in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        name, *cells = line.split(start)
        if not line.strip():
            segments.append(Segment("", ([[line]],), end))
            continue
        if not _SEGMENT.match(name):
            raise NotAMessage("bad-segment")
        fields: list[Field] = [[part.split(separators[1]) for part in cell.split(separators[2])] for cell in cells]
        if name == "MSH":
            fields = [[[start]], [[cells[0]]], *fields[1:]]
        segments.append(Segment(name, tuple(fields), end))
    return Message(tuple(segments), separators)


def _check_names(message: Message) -> None:
    if any(s.name and s.name[0] != "Z" and s.name not in SEGMENTS for s in message.segments):
        raise NotAMessage("bad-segment")


def serialise(message: Message) -> str:
    """Return the text that ``parse`` took apart, sign by sign."""
    start, component, repetition = tuple(message.separators)[:3]
    lines = []
    for segment in message.segments:
        cells = [repetition.join(component.join(part) for part in cell) for cell in segment.fields]
        if segment.name == "MSH":
            cells = cells[1:]
        lines.append(start.join([segment.name, *cells] if segment.name else cells) + segment.end)
    return "".join(lines)


def unescape(text: str, separators: str) -> str:
    r"""Return a component's text with escape sequences resolved; unknown ones are left as they are.

    >>> unescape("5\\T\\6\\.br\\a", "|^~\\&")
    '5&6\na'
    """
    escape = separators[3:4]
    if not escape or escape not in text:
        return text
    signs = dict(zip("FSRET", separators, strict=False))
    found = _ESCAPE if escape == "\\" else re.compile(_ESCAPE.pattern.replace("\\\\", re.escape(escape)))
    return found.sub(lambda match: _meaning(match[1], signs, match[0]), text)


def _meaning(code: str, signs: dict[str, str], original: str) -> str:
    if code in signs:
        return signs[code]
    if code.startswith((".br", ".sp")):
        return "\n"
    if code in {"H", "N"}:
        return ""
    if code.startswith("X") and re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
        return bytes.fromhex(code[1:]).decode("latin-1")
    return original


def _told(raw: bytes, declared: str) -> str:
    try:
        return encoding.decode(raw, declared).encoding
    except encoding.NotText:
        return ""


def _try(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except UnicodeDecodeError:
        return None


def _identity(message: Message) -> Row:
    """Return who the message is about.

    Raises:
        NotAMessage: ``no-patient``.
    """
    pid = next(message.all("PID"), None)
    if pid is None:
        raise NotAMessage("no-patient")
    row: Row = {}
    for repetition in message.field(pid, 3):
        kind = _MARKS.get(repetition[4] if len(repetition) > 4 else "")
        if kind and repetition[0]:
            row.setdefault(kind, repetition[0])
    if message.text(pid, 19):
        row.setdefault("id_card", message.text(pid, 19))
    return row | {
        "name": _person(message.field(pid, 5)[0]),
        "birth_date": message.text(pid, 7),
        "sex": message.text(pid, 8),
        "phone": message.text(pid, 13) or message.text(pid, 13, 12) or message.text(pid, 14),
    }


def _shared(identity: Row) -> Row:
    return {name: identity.get(name, "") for name in IDENTITY}


def _patient(message: Message) -> Row:
    head, pid, kin = (next(message.all(name), None) for name in ("MSH", "PID", "NK1"))
    region = [message.text(pid, 11, part) for part in (4, 3, 1, 2)]  # province, city, street, other: the written order
    return {
        "address": "".join(region) if _han(region) else " ".join(part for part in reversed(region) if part),
        "email": message.text(pid, 13, 4),
        "contact_name": _person(message.field(kin, 2)[0]),
        "contact_phone": message.text(kin, 5),
        "message_type": "^".join(message.field(head, 9)[0]),
        "control_id": message.text(head, 10),
    }


def _visits(message: Message) -> Iterator[Row]:
    for segment in message.all("PV1"):
        yield {
            "id": message.text(segment, 19),
            "class": message.text(segment, 2),
            "department": message.text(segment, 3),
            "doctor": _person(message.field(segment, 7)[0][1:] or [""]),
            "start": message.text(segment, 44),
            "end": message.text(segment, 45),
            "admission_source": message.text(segment, 14),
            "discharge_to": message.text(segment, 36),
        }


def _observations(message: Message) -> Iterator[Row]:
    order: Segment | None = None
    for segment in message.segments:
        if segment.name == "OBR":
            order = segment
        if segment.name != "OBX":
            continue
        kind = message.text(segment, 2)
        yield {
            "order": message.text(order, 3) or message.text(order, 2),
            "code": message.text(segment, 3),
            "name_of_code": message.text(segment, 3, 2),
            "system": message.text(segment, 3, 3),
            "value": _value(kind, message.field(segment, 5)),
            "value_type": kind,
            "unit": message.text(segment, 6),
            "range": message.text(segment, 7),
            "flag": message.text(segment, 8),
            "status": message.text(segment, 11),
            "date": message.text(segment, 14) or message.text(order, 7),
            "specimen": message.text(order, 15),
        }


def _value(kind: str, repetitions: Field) -> str:
    """Return a value as one text: a structured number as "<0.5" or "1:128", a code as its text, else as it is."""
    if kind == "SN":
        return "".join(repetitions[0])
    if kind in {"CE", "CWE", "CNE"}:
        return "; ".join((part[1:2] or [""])[0] or part[0] for part in repetitions)
    return "\n".join("^".join(part) for part in repetitions)


def _person(parts: list[str]) -> str:
    """Return family and given name in the order they are spoken: joined for Chinese, given name first otherwise."""
    family, given = parts[0].split("&")[0], parts[1] if len(parts) > 1 else ""
    return family + given if _han([family, given]) else f"{given} {family}".strip()


def _han(parts: list[str]) -> bool:
    return any("\u3400" <= char <= "\u9fff" for part in parts for char in part)
