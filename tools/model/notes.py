"""Training notes that are made up: clauses of many genres, filled with made-up people, places and clinical words."""

# a list of words or a pattern is one line each

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deid.detect.words import NOT_NAMES
from tools.model import people, places
from tools.model.corpora import Lexicons

Marked = tuple[str, list[tuple[int, int, str]]]  # a text and its (start, end, PER | LOC | ORG)

_HERE = Path(__file__).parent
_SLOT = re.compile(r"\{([a-z]+)\}")
_NAME_SLOTS = "nfsomle"
_PLACES = ("places and organisations", "places in passing")
_SENTENCE = re.compile(r"[^,。;!?]+[,。;!?]?")
_KIN = re.compile(
    r"(?<=我)(?:妈妈|爸爸|爷爷|奶奶|外婆|外公|妈|爸|老公|老婆|女儿|儿子|孩子|朋友|同事|妹妹|哥哥|姐姐|弟弟|父亲|母亲)"
)
_ONE = re.compile(
    r"患者(?=[有无的自近今曾出因入在])|病人(?=[有的自近今])|(?<![其])他(?=[的说有现今去])|她(?=[的说有现今去])"
)
_DOCTOR = re.compile(r"(?<!主治)(?<!责任)(?<!位)(?:医生|大夫|主任|教授|医师)")


@dataclass(slots=True)
class Notes:
    """Writes notes. The same seed writes the same notes."""

    draw: random.Random
    lexicons: Lexicons
    words: dict[str, list[str]] = field(init=False)
    shapes: dict[str, list[str]] = field(init=False)
    lures: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.words = dict(_words(_HERE / "words.txt"))
        self.shapes = _shapes(_HERE / "shapes.txt")
        self.lures = [word for word in sorted(NOT_NAMES) if len(word) > 1] + self.words["lure"] * 2

    def note(self, least: int = 60) -> Marked:
        """Return one note of at least so many characters."""
        out, spans = "", list[tuple[int, int, str]]()
        genres = self.draw.sample(sorted(self.shapes), 2)
        gaps = self.draw.choice([",,,。", ",。;", "  \n", "。", ",,。\n", "\n", ";", ", ", "\u3000\n", "…。", "/|"])
        while len(out) < least:
            at = self.draw.random()
            genre = "nothing" if at < 0.33 else self.draw.choice(_PLACES) if at < 0.42 else self.draw.choice(genres)
            clause, found = self.dialogue() if at > 0.93 else self.fill(self.draw.choice(self.shapes[genre]))
            spans += [(len(out) + a, len(out) + b, label) for a, b, label in found]
            out += clause + ("" if self.draw.random() < 0.04 else self.draw.choice(gaps))
        return out, spans

    def fill(self, shape: str) -> Marked:
        """Return one clause made of a shape."""
        out, spans, at = "", list[tuple[int, int, str]](), 0
        for slot in _SLOT.finditer(shape):
            out += shape[at : slot.start()]
            value, label = self.value(slot[1])
            if label:
                spans.append((len(out), len(out) + len(value), label))
            out += value
            at = slot.end()
        return out + shape[at:], spans

    def value(self, slot: str) -> tuple[str, str]:
        """Return what fills a slot, and its label or nothing."""
        draw = self.draw
        if slot in _NAME_SLOTS:
            return self._person(slot), "PER"
        if slot in ("r", "a"):
            return (places.region if slot == "r" else places.address)(draw, self.lexicons), "LOC"
        if slot in ("h", "g"):
            return (places.hospital if slot == "h" else places.employer)(draw, self.lexicons), "ORG"
        return self._word(slot), ""

    def _person(self, slot: str) -> str:
        draw = self.draw
        if slot == "n":
            name = people.full(draw, self.lexicons)
            if draw.random() < 0.02 and len(name) < 5:
                return draw.choice([" ", "  ", "\n"]).join(name)
            return name
        if slot == "s":
            return people.surname(draw)
        if slot == "l":
            return people.latin(draw, self.lexicons)
        return {"o": people.familiar, "m": people.masked, "f": people.foreign, "e": people.nickname}[slot](draw)

    def _word(self, slot: str) -> str:
        draw = self.draw
        if slot == "neg":
            return _cut(draw, draw.choice(self.lexicons.dialogue))
        if slot == "dis":
            return draw.choice(self.lexicons.illnesses if draw.random() < 0.5 else self.lexicons.medical)
        if slot == "word":
            return draw.choice(self.lexicons.words if draw.random() < 0.5 else self.lexicons.medical)
        if slot == "lure":
            return draw.choice(self.lures)
        if slot == "t":
            return draw.choice(self.words["t"] if draw.random() < 0.8 else self.words["tt"])
        return draw.choice(self.words[slot]).replace("_", " ") if slot in self.words else places.figure(draw, slot)

    def dialogue(self) -> Marked:
        """Return a piece of real dialogue in which a doctor, a relative or whoever is spoken of has got a name."""
        text = _cut(self.draw, self.draw.choice(self.lexicons.dialogue))
        kin, doctor, one = _KIN.search(text), _DOCTOR.search(text), _ONE.search(text)
        if kin:
            return _put(text, kin.end(), self._called())
        if doctor:
            both = self.draw.random() < 0.5
            return _put(text, doctor.start(), self._called() if both else people.surname(self.draw))
        if one:  # 患者 or 他 becomes somebody
            return _put(text[: one.start()] + text[one.end() :], one.start(), self._called())
        if self.draw.random() < 0.3:  # a name before a sentence: who speaks, or who is spoken to
            name = self._called()
            return _put(self.draw.choice([":", ",", ",您好,", "你好,"]) + text, 0, name)
        return text, []

    def _called(self) -> str:
        at = self.draw.random()
        if at < 0.86:
            return people.full(self.draw, self.lexicons)
        return (people.familiar if at < 0.93 else people.nickname)(self.draw)


def _put(text: str, at: int, name: str) -> Marked:
    return text[:at] + name + text[at:], [(at, at + len(name), "PER")]


def _cut(draw: random.Random, text: str) -> str:
    """Return one to three sentences of a text."""
    parts = _SENTENCE.findall(text)
    if not parts:
        return text
    at = draw.randrange(len(parts))
    return "".join(parts[at : at + draw.randint(1, 3)]).rstrip(",。;")


def _shapes(path: Path) -> dict[str, list[str]]:
    shapes: dict[str, list[str]] = {}
    genre = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            genre = line[3:]
        elif line and not line.startswith("# "):
            shapes.setdefault(genre, []).append(line)
    return shapes


def _words(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, words = line.partition(":")
            yield name, words.split()


def tags(length: int, spans: Sequence[tuple[int, int, str]], labels: Sequence[str]) -> list[int]:
    """Return for every character 0, or the number of its B or I tag.

    >>> tags(4, [(1, 3, "PER")], ["PER", "LOC"])
    [0, 1, 2, 0]
    """
    out = [0] * length
    for start, end, label in spans:
        first = 1 + 2 * labels.index(label)
        out[start:end] = [first, *[first + 1] * (end - start - 1)]
    return out
