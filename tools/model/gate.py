"""Which two characters may begin a name: learned by counting made-up names against real clinical dialogue."""

import random
from collections import Counter
from itertools import islice
from math import log
from pathlib import Path

import numpy as np

from tools.model.corpora import Lexicons
from tools.model.notes import Notes

_NAMES = 120_000
_PRIOR = 0.002  # how many characters of a note begin a name, about
_LIMIT = -5.0  # let through what is not at least 150 times likelier to be an ordinary word
_ORDINARY = Path(__file__).with_name("ordinary.txt")
_NO_WORDS = "*×xX· "  # 张××, 买买提·艾力, and names spaced out


def learn(lexicons: Lexicons, vocabulary: dict[str, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the code points that begin names, and for each the packed bits of the characters that may follow."""
    notes = Notes(random.Random(seed), lexicons)
    pairs: Counter[str] = Counter()
    for shape in islice(_shapes(notes), _NAMES):
        text, spans = notes.fill(shape)
        text += notes.draw.choice(",。 \n")
        pairs.update(text[start : start + 2] for start, _, label in spans if label == "PER")
    firsts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for pair, count in pairs.items():
        firsts[pair[0]] += count
        seconds[pair[1]] += count
    ordinary, single = Counter[str](), Counter[str]()
    for line in lexicons.dialogue:
        ordinary.update(line[n : n + 2] for n in range(len(line) - 1))
        single.update(line)
    length = single.total()
    for words, often in ((lexicons.medical, 1), (lexicons.illnesses, 2), (_clinical(notes), 20)):
        for word in words:
            ordinary.update({word[n : n + 2]: often for n in range(len(word) - 1)})
    total = firsts.total()
    heads = [first for first, count in firsts.most_common() if count >= 3 and "\u4e00" <= first <= "\u9fff"]
    rows = np.zeros((len(heads), len(vocabulary) + 1), bool)
    for n, head in enumerate(heads):
        for second, row in vocabulary.items():
            alone = firsts[head] / total * (seconds[second] + 0.3) / total
            likely = _PRIOR * (0.5 * pairs[head + second] / total + 0.5 * alone)
            by_chance = 0.05 * single[head] * single[second] / length
            common = (ordinary[head + second] + by_chance + 1e-4) / length
            rows[n, row] = log(likely / common) > _LIMIT and ("\u4e00" <= second <= "\u9fff" or second in _NO_WORDS)
        rows[n, 0] = True  # a character the network does not know is still a character of somebody's name
    return np.array([ord(c) for c in heads], np.uint32), np.packbits(rows, axis=1)


def _clinical(notes: Notes) -> list[str]:
    kinds = ("drug", "herb", "epo", "lure", "sym", "plan", "op", "exam", "dept")
    return [
        *(word for kind in kinds for word in notes.words[kind]),
        *notes.shapes["nothing"],
        *_ORDINARY.read_text(encoding="utf-8").split("\n"),
    ]


def _shapes(notes: Notes):  # noqa: ANN202
    shapes = [shape for group in notes.shapes.values() for shape in group if any(f"{{{s}}}" in shape for s in "nsom")]
    while True:
        yield notes.draw.choice(shapes)
