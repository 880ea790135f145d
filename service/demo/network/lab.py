"""Hospital B's laboratory table: UTF-8 CSV with dirty units, comparators, mixed date forms and full-width digits."""

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from service.demo.network.people import START, TRAP_EVERY, Health, Person, full_name
from service.demo.network.truth import Book

FILE = "hospital_b/lab.csv"
COLUMNS = (
    "报告号", "标本号", "病历号", "姓名", "性别", "出生日期", "身份证号", "联系电话", "项目代码", "项目名称",
    "结果", "单位", "参考范围", "采样时间", "报告日期", "检验者",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Analyte:
    """One laboratory item.

    Attributes:
        field: The attribute of ``Health``.
        unit: UCUM unit of that attribute.
        dirty: Spellings of the same unit as laboratories write them.
        other: Another unit in use and its factor; "" if there is none.
    """

    code: str
    name: str
    loinc: str
    field: str
    unit: str
    dirty: tuple[str, ...]
    other: tuple[str, float] = ("", 1.0)
    reference: str = ""


ANALYTES = (
    Analyte(
        "GLU",
        "葡萄糖",
        "14749-6",
        "glucose",
        "mmol/L",
        ("mmol/L", "mmol/l", "ｍｍｏｌ／Ｌ", "MMOL/L"),
        ("mg/dL", 18.016),
        "3.9-6.1",
    ),
    Analyte("HBA1C", "糖化血红蛋白", "4548-4", "hba1c", "%", ("%", "％"), reference="4.0-6.0"),
    Analyte(
        "TG", "甘油三酯", "14927-8", "triglycerides", "mmol/L", ("mmol/L", "mmol/l", " mmol/L"), reference="0.45-1.70"
    ),
    Analyte(
        "CREA", "肌酐", "14682-9", "creatinine", "umol/L", ("umol/L", "μmol/L", "µmol/L", "umol/l"), reference="44-106"
    ),
    Analyte("LDL", "低密度脂蛋白胆固醇", "22748-8", "ldl", "mmol/L", ("mmol/L", "mmol/l"), reference="<3.37"),
    Analyte("ALT", "丙氨酸氨基转移酶", "1742-6", "alt", "U/L", ("U/L", "IU/L", "u/l"), reference="9-50"),
    Analyte("CRP", "C反应蛋白", "1988-5", "crp", "mg/L", ("mg/L", "mg/l", "MG/L"), reference="<5.0"),
    Analyte("BMI", "体重指数", "39156-5", "bmi", "kg/m2", ("kg/m2", "kg/m²", "Kg/㎡")),
)


def channels(person: Person, seed: int) -> frozenset[str]:
    """Return how his results reach the facility: one or two of csv, hl7, fhir."""
    rng = Random(f"{seed}/channels/{person.number}")
    first = "hl7" if person.number % TRAP_EVERY == 5 else rng.choices(("csv", "hl7", "fhir"), (50, 30, 20))[0]
    return frozenset({first, rng.choice(("csv", "hl7", "fhir"))} if rng.random() < 0.15 else {first})


def sampled(person: Person, seed: int) -> date:
    """Return the day of his blood sample, within the year before the first possible admission."""
    return START - timedelta(days=Random(f"{seed}/sampled/{person.number}").randrange(20, 300))


def value_text(analyte: Analyte, condition: Health) -> str:
    """Return the result as a laboratory prints it: below 0.5 mg/L CRP has a comparator.

    >>> value_text(ANALYTES[6], Health(24.0, 5.0, 5.5, 1.2, 70.0, 2.9, 20.0, 0.3, False))
    '<0.5'
    """
    value = float(getattr(condition, analyte.field))
    if analyte.field == "crp" and value < 0.5:
        return "<0.5"
    return f"{value:g}"


def write(people: list[Person], healths: list[Health], seed: int, book: Book) -> bytes:
    """Return the file: the rows of everybody whose results come as CSV."""
    staff = Random(f"{seed}/laboratory")
    checkers = [full_name(staff) for _ in range(6)]
    for name in checkers:
        book.identifier("NAME", name, -1, FILE)
    lines: list[list[str]] = [list(COLUMNS)]
    for person, condition in zip(people, healths, strict=True):
        if "csv" not in channels(person, seed):
            continue
        rng = Random(f"{seed}/lab/{person.number}")
        head = _head(rng, person, book)
        specimen = f"BB{rng.randrange(10**8):08d}"
        book.identifier("MRN", specimen, person.number, FILE)
        day = sampled(person, seed)
        for item, analyte in enumerate(ANALYTES):
            position = len(lines)
            book.record(person.number, FILE, position)
            report = f"R{person.number:05d}{item}{rng.randrange(10**6):06d}"
            book.identifier("MRN", report, person.number, FILE)
            result, unit = _result(rng, analyte, condition, position, book)
            lines.append(
                [report, specimen, *head, analyte.code, analyte.name, result, unit, analyte.reference,
                 _moment(rng, day), _day(rng, day), rng.choice(checkers)]
            )  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().encode()


def _head(rng: Random, person: Person, book: Book) -> list[str]:
    card = "" if rng.random() < 0.25 else person.id_card
    for kind, value in (("MRN", person.mrn("b")), ("NAME", person.name), ("ID_CARD", card), ("PHONE", person.phone)):
        book.identifier(kind, value, person.number, FILE)
    sex = rng.choice(("男", "M", "1")) if person.sex == 1 else rng.choice(("女", "F", "2"))
    return [person.mrn("b"), person.name, sex, _day(rng, person.birth), card, person.phone]


def _result(rng: Random, analyte: Analyte, condition: Health, position: int, book: Book) -> tuple[str, str]:
    result, unit = value_text(analyte, condition), analyte.unit
    chance = rng.random()
    if chance < 0.30:
        unit = rng.choice(analyte.dirty)
        book.spoiled(FILE, position, "单位", "unit-spelling")
    elif chance < 0.34 and analyte.other[0] and result[0] != "<":
        unit, factor = analyte.other
        result = f"{float(result) * factor:.1f}"
        book.spoiled(FILE, position, "单位", "other-unit")
    elif chance < 0.38:
        result = _full_width(result)
        book.spoiled(FILE, position, "结果", "full-width-digits")
    elif chance < 0.385:
        result = rng.choice(("溶血", "未做", "----"))
        book.spoiled(FILE, position, "结果", "not-a-number")
    return result, unit


def _day(rng: Random, day: date) -> str:
    """Return the day in one of the forms of the column; all have the order year, month, day."""
    return rng.choices(
        (f"{day:%Y-%m-%d}", f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日",
         f"{day:%Y.%m.%d}", f"{day:%Y%m%d}", _full_width(f"{day:%Y-%m-%d}")),
        (60, 14, 12, 6, 5, 3),
    )[0]  # fmt: skip


def _moment(rng: Random, day: date) -> str:
    return f"{day:%Y-%m-%d} {rng.randrange(6, 11):02d}:{rng.randrange(60):02d}:00"


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
