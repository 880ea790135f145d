"""Factories for the tests of the pipeline."""

from collections.abc import Callable

from deid.keys import ProjectKeys
from deid.pipeline import Outcome

EVERYONE = range(40)
KEYS = ProjectKeys(b"i" * 32, b"p" * 32, b"s" * 32)
MAPPING = """
schema: medtrain.mapping/1
name: small
sources:
  - name: pages
    hospital: a
    format: csv
    files: ["a/*.csv"]
    tables:
      row:
        key: [BAH, ZYCS]
        columns:
          BAH: person.mrn
          ZYCS: visit.id
          XM: person.name
          SFZH: person.id_card
          DH: person.phone
          CSRQ: person.birth_date
          XB: {to: person.sex, values: {"1": male, "2": female}, otherwise: quarantine}
          XZZ: person.address
          LXRXM: person.contact_name
          RYSJ: visit.start
          CYSJ: visit.end
          JBDM: {to: condition.code, group: primary, system: ICD-10-CN}
          RH: {to: observation.value, item: rh}
          FY: drop
  - name: notes
    hospital: a
    format: notes
    files: ["a/notes/*.txt"]
    tables:
      note:
        columns:
          text:
            - {to: note.text}
            - {to: person.mrn, pattern: "住院号：(\\\\w+)"}
            - {to: visit.id, pattern: "第(\\\\d+)次"}
          name: drop
          folder: drop
  - name: lab
    hospital: b
    format: csv
    files: ["b/lab.csv"]
    tables:
      row:
        columns:
          id: person.mrn
          name: person.name
          phone: person.phone
          born: person.birth_date
          card: person.id_card
          item: measurement.name
          result: measurement.value
          unit: measurement.unit
          day: measurement.date
"""
PAGE_COLUMNS = ("BAH", "ZYCS", "XM", "SFZH", "DH", "CSRQ", "XB", "XZZ", "LXRXM", "RYSJ", "CYSJ", "JBDM", "RH", "FY")
LAB_COLUMNS = ("id", "name", "phone", "born", "card", "item", "result", "unit", "day")


def resident(body: str) -> str:
    """Complete 17 digits to a resident number with a right check digit."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]


def page(number: int = 0, **changes: str) -> dict[str, str]:
    """One front page of invented patient ``number``; patients differ only in what identifies them."""
    row = {
        "BAH": f"H{10_000_000 + number}",
        "ZYCS": "1",
        "XM": f"欧阳琬{chr(0x7400 + number)}",
        "SFZH": resident(f"31010419600305{number:03d}"),
        "DH": f"138{number:08d}",
        "CSRQ": "19600305",
        "XB": "2",
        "XZZ": f"上海市徐汇区云锦桥路{100 + number}弄2号301室",
        "LXRXM": f"诸葛楠{chr(0x7500 + number)}",
        "RYSJ": "20210310",
        "CYSJ": "20210315",
        "JBDM": "E11.900",
        "RH": "2",
        "FY": "1",
    }
    return row | changes


def lab(number: int = 0, **changes: str) -> dict[str, str]:
    """One laboratory row of the same invented patient in hospital b."""
    same = page(number)
    row = {
        "id": f"B{20_000_000 + number}",
        "name": same["XM"],
        "phone": same["DH"],
        "born": "1960-03-05",
        "card": same["SFZH"],
        "item": "葡萄糖",
        "result": "5.6",
        "unit": "mmol/L",
        "day": "2021-03-10",
    }
    return row | changes


def note(number: int = 0, **changes: str) -> str:
    """One note of the same invented patient."""
    row = page(number, **changes)
    return f"住院号：{row['BAH']} 第1次住院\n追问病史，{row['XM']}自诉胸闷，由{row['LXRXM']}陪同，2021年3月10日入院。"


def table(columns: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    """CSV text."""
    return "\n".join([",".join(columns), *(",".join(row[column] for column in columns) for row in rows)]) + "\n"


def files(
    pages: list[dict[str, str]] | None = None,
    labs: list[dict[str, str]] | None = None,
    notes: list[str] | None = None,
) -> dict[str, bytes]:
    """The files of a small network; forty equal patients unless told otherwise."""
    pages = [page(n) for n in EVERYONE] if pages is None else pages
    found = {"a/pages.csv": table(PAGE_COLUMNS, pages).encode("gb18030")}
    if labs is not None:
        found["b/lab.csv"] = table(LAB_COLUMNS, labs).encode()
    for number, text in enumerate(notes or []):
        found[f"a/notes/{number:03d}.txt"] = text.encode()
    return found


Run = Callable[..., Outcome]
