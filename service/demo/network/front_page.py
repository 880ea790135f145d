"""Hospital A's front pages (病案首页): GB18030 CSV with the pinyin-initial columns, one row for each discharge."""

import csv
import io
from random import Random

from service.demo.network import lexicon as words
from service.demo.network.people import Health, Person, Visit, long_name
from service.demo.network.truth import Book

FILE = "hospital_a/front_page.csv"
COLUMNS = (
    "USERNAME", "YLFKFS", "JKKH", "ZYCS", "BAH", "XM", "XB", "CSRQ", "NL", "GJ", "MZ", "SFZH", "ZY", "HY", "XZZ",
    "DH", "XZZYB", "GZDWJDZ", "DWDH", "LXRXM", "GX", "LXRDZ", "LXRDH", "RYTJ", "RYSJ", "RYSJS", "RYKB", "CYSJ",
    "CYSJS", "CYKB", "SJZYTS", "ZYZD", "JBDM", "QTZD1", "JBDM1", "YWGM", "XX", "RH", "KZR", "ZRYS", "ZZYS", "ZYYS",
    "ZRHS", "BMY", "LYFS", "ZFY",
)  # fmt: skip
STAFF = ("KZR", "ZRYS", "ZZYS", "ZYYS", "ZRHS", "BMY")
Row = dict[str, str]


def staff(seed: int) -> list[str]:
    """Return the people who sign front pages. They never write the notes."""
    rng = Random(f"{seed}/staff")
    return [long_name(rng) for _ in range(24)]


def write(people: list[Person], healths: list[Health], stays: list[list[Visit]], seed: int, book: Book) -> bytes:
    """Return the file; every 40th row or so is spoiled in one of the ways of ``_SPOIL``."""
    signers = staff(seed)
    lines = [list(COLUMNS)]
    for name in signers:
        book.identifier("NAME", name, -1, FILE)
    for person, condition, his in zip(people, healths, stays, strict=True):
        rng = Random(f"{seed}/front/{person.number}")
        for visit in his:
            row = _row(rng, person, condition, visit, signers)
            position = len(lines)
            book.record(person.number, FILE, position)
            _note(person, row, book)
            fields = [row[column] for column in COLUMNS]
            if rng.random() < 0.03:
                fields = _spoil(rng, row, position, book)
            lines.append(fields)
            if rng.random() < 0.006:
                book.record(person.number, FILE, len(lines))
                book.spoiled(FILE, len(lines), "", "duplicate-row")
                lines.append(fields)
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(lines)
    return out.getvalue().encode("gb18030")


def _row(rng: Random, person: Person, condition: Health, visit: Visit, signers: list[str]) -> Row:
    signed = dict(zip(STAFF, rng.sample(signers, len(STAFF)), strict=True))
    return signed | {
        "USERNAME": words.HOSPITAL_A,
        "YLFKFS": rng.choice(("1", "2", "3", "7")),
        "JKKH": person.insurance,
        "ZYCS": str(visit.number),
        "BAH": person.mrn("a"),
        "XM": person.name,
        "XB": str(person.sex),
        "CSRQ": f"{person.birth:%Y%m%d}",
        "NL": str(person.age(visit.admitted)),
        "GJ": "CHN",
        "MZ": "05" if "·" in person.name else "01",
        "SFZH": "" if rng.random() < 0.06 else person.id_card,
        "ZY": rng.choice(words.OCCUPATIONS),
        "HY": "2" if person.relation[0] == "1" else rng.choice("1249"),
        "XZZ": person.address,
        "DH": person.phone,
        "XZZYB": f"20{rng.randrange(100):02d}00",
        "GZDWJDZ": person.employer,
        "DWDH": "021" + f"{rng.randrange(5 * 10**7, 7 * 10**7)}",
        "LXRXM": person.contact,
        "GX": person.relation[0],
        "LXRDZ": person.address,
        "LXRDH": person.contact_phone,
        "RYTJ": rng.choice("129"),
        "RYSJ": f"{visit.admitted:%Y%m%d}",
        "RYSJS": f"{rng.randrange(24):02d}",
        "RYKB": visit.ward[0],
        "CYSJ": f"{visit.discharged:%Y%m%d}",
        "CYSJS": f"{rng.randrange(8, 18):02d}",
        "CYKB": visit.ward[0],
        "SJZYTS": str((visit.discharged - visit.admitted).days),
        "ZYZD": visit.main[1],
        "JBDM": visit.main[0],
        "QTZD1": visit.other[1],
        "JBDM1": visit.other[0],
        "YWGM": "2" if rng.random() < 0.1 else "1",
        "XX": rng.choice("12346"),
        "RH": "2",
        "LYFS": "1",
        "ZFY": f"{4000 + 900 * (visit.discharged - visit.admitted).days + 40 * condition.glucose:.2f}",
    }


def _note(person: Person, row: Row, book: Book) -> None:
    kinds = {"XM": "NAME", "SFZH": "ID_CARD", "DH": "PHONE", "BAH": "MRN", "JKKH": "INSURANCE", "GZDWJDZ": "ORG",
             "DWDH": "PHONE", "LXRXM": "NAME", "LXRDH": "PHONE"}  # fmt: skip
    for column, kind in kinds.items():
        book.identifier(kind, row[column], person.number, FILE)
    book.identifier("ADDRESS", person.street, person.number, FILE)


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _impossible(day: str) -> str:
    return day[:4] + "0230"


def _spoil(rng: Random, row: Row, position: int, book: Book) -> list[str]:
    how = rng.choice(("full-width-digits", "impossible-date", "sex-in-words", "code-without-dot", "blanks-in-name",
                      "row-too-long", "row-too-short", "zero-date", "age-not-of-birth"))  # fmt: skip
    changed = {
        "full-width-digits": ("SFZH", _full_width(row["SFZH"])),
        "impossible-date": ("RYSJ", _impossible(row["RYSJ"])),
        "sex-in-words": ("XB", "男" if row["XB"] == "1" else "女"),
        "code-without-dot": ("JBDM", row["JBDM"].replace(".", "").lower()),
        "blanks-in-name": ("XM", "\u3000".join(row["XM"])),
        "zero-date": ("CYSJ", "00000000"),
        "age-not-of-birth": ("NL", str(int(row["NL"]) + 40)),
    }.get(how, ("", ""))
    book.spoiled(FILE, position, changed[0], how)
    fields = [changed[1] if column == changed[0] else row[column] for column in COLUMNS]
    if how == "row-too-long":
        return [*fields[:20], "", *fields[20:]]
    return fields[:23] if how == "row-too-short" else fields
