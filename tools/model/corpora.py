"""Words and text of the corpora that may be trained on, with licences: nothing marked *measure only* is opened."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.detect.folding import fold
from deid.detect.surnames import SURNAMES

_HAN = re.compile("[\u4e00-\u9fff]+")
_NEEDED = ("zh_names", "std-divisions", "std-icd-cn", "thuocl_lexicons", "in-cn-dialogue", "presidio_research_en")
_EVERYDAY = ("IT", "food", "animal", "law", "caijing")


@dataclass(frozen=True, slots=True)
class Lexicons:
    """Words to write notes with.

    Attributes:
        given: What stands after the surname in historic Chinese names (zh_names, Apache-2.0).
        historic: Names without a Chinese surname in the same list.
        divisions: (province, city, district, streets) (std-divisions, MIT).
        illnesses: Names of illnesses (ICD-10-CN, MIT).
        medical: Medical words (THUOCL, MIT).
        words: Everyday words of two characters (THUOCL, MIT).
        places: Places (THUOCL, MIT).
        celebrities: Historic persons (THUOCL, MIT).
        english: English given names (zh_names, Apache-2.0).
        dialogue: Questions and answers of patients and doctors, a line each (in-cn-dialogue, MIT).
    """

    given: tuple[str, ...]
    historic: tuple[str, ...]
    divisions: tuple[tuple[str, str, str, tuple[str, ...]], ...]
    illnesses: tuple[str, ...]
    medical: tuple[str, ...]
    words: tuple[str, ...]
    places: tuple[str, ...]
    celebrities: tuple[str, ...]
    english: tuple[str, ...]
    dialogue: tuple[str, ...]


def read(folder: Path) -> Lexicons:
    """Return the words of a folder of corpora; ends the program with a sentence where the folder is absent."""
    missing = [name for name in _NEEDED if not (folder / name).is_dir()]
    if missing:
        sys.exit(f"{folder} lacks {', '.join(missing)}: the tagger cannot be trained here; the committed weights stay")
    historic = fold((folder / "zh_names/ancient_names_25w.txt").read_text(encoding="utf-8-sig")).text
    names = [line.strip() for line in historic.split("\n")]
    names = [name for name in names if _HAN.fullmatch(name) and 2 <= len(name) <= 4]
    return Lexicons(
        given=tuple(name[1:] for name in names if name[0] in SURNAMES and len(name) <= 3),
        historic=tuple(name for name in names if name[0] not in SURNAMES),
        divisions=tuple(_divisions(folder / "std-divisions")),
        illnesses=tuple(_illnesses(folder / "std-icd-cn/icd10cn_2017_disease.csv")),
        medical=tuple(_thuocl(folder, "medical", 2, 8)),
        words=tuple(word for name in _EVERYDAY for word in _thuocl(folder, name, 2, 2)),
        places=tuple(_thuocl(folder, "diming", 2, 6)),
        celebrities=tuple(_thuocl(folder, "lishimingren", 2, 4)),
        english=tuple(w for w in _lines(folder / "zh_names/english_names_2w.txt") if w.isascii() and w.isalpha()),
        dialogue=tuple(_dialogue(folder / "in-cn-dialogue/neike_5000-6000.csv")),
    )


def english_examples(folder: Path) -> Iterator[tuple[str, list[tuple[int, int]], str]]:
    """Yield (text, spans of people, template) of the synthetic English sentences (presidio_research_en, MIT)."""
    for name in ("synth_dataset_v2.json", "generated_large.json"):
        for row in json.loads((folder / "presidio_research_en" / name).read_text(encoding="utf-8")):
            people = [(s["start_position"], s["end_position"]) for s in row["spans"] if s["entity_type"] == "PERSON"]
            yield row["full_text"], people, row["masked"]


def _lines(path: Path) -> Iterator[str]:
    yield from (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _illnesses(path: Path) -> Iterator[str]:
    for line in list(_lines(path))[1:]:
        yield line.split("\t", 1)[1]


def _thuocl(folder: Path, name: str, least: int, most: int) -> Iterator[str]:
    for line in _lines(folder / f"thuocl_lexicons/THUOCL_{name}.txt"):
        word = line.split()[0]
        if _HAN.fullmatch(word) and least <= len(word) <= most:
            yield word


def _divisions(folder: Path) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    provinces = {row["code"]: row["name"] for row in _rows(folder / "provinces.csv")}
    cities = {row["code"]: row["name"] for row in _rows(folder / "cities.csv")}
    streets: dict[str, list[str]] = {}
    for row in _rows(folder / "streets.csv"):
        streets.setdefault(row["areaCode"], []).append(row["name"])
    for row in _rows(folder / "areas.csv"):
        city = cities.get(row["cityCode"], "")
        city = "" if city in ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划") else city
        yield provinces[row["provinceCode"]], city, row["name"], tuple(streets.get(row["code"], ["城关镇"]))


def _dialogue(path: Path) -> Iterator[str]:
    with path.open(encoding="gb18030", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            for column in ("title", "ask", "answer"):
                text = fold(row[column] or "").text.strip()
                if text:
                    yield text
