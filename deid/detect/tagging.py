"""The neural part of the tagger layer: which characters are read, in what windows, and how tags become spans.

Only places that can begin a name are read, each with the characters around it. What is found in a window depends on
that window alone: the weights are int8, the arithmetic is float, and no scale is taken over a batch. So a text gives
the same spans alone and among thousands.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.detect.cue_words import BOUND

FOLDER = Path(__file__).with_name("model")
KINDS = ("PER", "LOC", "ORG")  # the tags are 0 for nothing, then begin and inside of each

_BEFORE, _AFTER = 5, 10  # characters read to the left and right of where a name may begin
_WINDOW, _OVERLAP = 48, 16
_BATCH = 32
_NEVER = -1e4

Window = tuple[int, int]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """What the network marked in one text: offsets in code points, a kind out of ``KINDS``, how sure in (0, 1]."""

    start: int
    end: int
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class Network:
    """The weights and tables of ``deid/detect/model``.

    Attributes:
        session: Characters to log-probabilities of tags.
        rows: Row of the embedding of every code point.
        firsts: Row of the gate of every code point; 0 begins no name.
        gate: Whether a name may begin with these two characters, by row of the gate and row of the embedding.
    """

    session: Any
    rows: NDArray[np.int32]
    firsts: NDArray[np.uint16]
    gate: NDArray[np.bool_]


@cache
def network() -> Network:
    """Return the network, read from the files beside this module once in a process."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # widen the int8 weights once, at load
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(FOLDER / "chinese.onnx"), options, providers=["CPUExecutionProvider"])
    written = json.loads((FOLDER / "vocabulary.json").read_text(encoding="utf-8"))
    rows = np.zeros(0x110000, np.int32)
    for row, character in enumerate(written["characters"], 1):
        rows[ord(character)] = row
    for character, other in zip(written["written"], written["read"], strict=True):
        rows[ord(character)] = rows[ord(other)]
    with np.load(FOLDER / "gate.npz", allow_pickle=False) as stored:
        codes, packed, width = stored["firsts"], stored["gate"], len(written["characters"]) + 1
    firsts = np.zeros(0x110000, np.uint16)
    firsts[codes] = np.arange(1, len(codes) + 1)
    gate = np.unpackbits(packed, axis=1, count=width).astype(bool)
    return Network(session, rows, firsts, np.concatenate([np.zeros((1, width), bool), gate]))


def mark(texts: Sequence[str], settled: Sequence[Sequence[Window]], caution: float) -> list[list[Found]]:
    """Return what the network marks in every text.

    Args:
        texts: Folded texts.
        settled: For each text the stretches in which no name need be looked for.
        caution: How much the log-probability of "nothing" is lowered: more finds more, rightly and wrongly.
    """
    if not texts:
        return []
    net = network()
    joined = "\n".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    rows = net.rows[codes]
    open_ = np.ones(len(codes), bool)
    for first, stretches in zip(starts.tolist(), settled, strict=True):
        for start, end in stretches:
            open_[first + start : first + end] = False
    places = _places(net, codes, rows)
    places = places[open_[places]]
    places = places[[joined[place - 1 : place + 1] not in BOUND for place in places.tolist()]]
    windows = list(_windows(places, starts, ends))
    found: list[list[Found]] = [[] for _ in texts]
    for window, path, sure in _tagged(net, rows, windows, caution):
        of = int(np.searchsorted(ends, window[0], side="right"))
        first = int(starts[of])
        cut = (window[0] > first, window[1] < int(ends[of]))
        found[of] += _spans(path, sure, window[0] - first, cut)
    return [_distinct(spans) for spans in found]


def _places(net: Network, codes: NDArray[np.uint32], rows: NDArray[np.int32]) -> Ints:
    """Return the offsets where a name may begin."""
    firsts = net.firsts[codes]
    places = np.flatnonzero(firsts[:-1])
    chosen: Ints = places[net.gate[firsts[places], rows[places + 1]]]
    return chosen


def _windows(places: Ints, starts: Ints, ends: Ints) -> Iterator[Window]:
    """Yield what is read: the surroundings of every place, joined where they touch, cut where they grow long."""
    if not len(places):
        return
    of = np.searchsorted(ends, places, side="right")
    low = np.maximum(places - _BEFORE, starts[of])
    high = np.minimum(places + _AFTER, ends[of])
    apart = np.flatnonzero(low[1:] > high[:-1]) + 1
    for start, end in zip(
        low[np.concatenate([[0], apart])].tolist(),
        high[np.concatenate([apart - 1, [len(high) - 1]])].tolist(),
        strict=True,
    ):
        last = max(start, end - _OVERLAP - 1)
        for at in range(start, last + 1, _WINDOW - _OVERLAP):
            yield at, min(at + _WINDOW, end)


def _tagged(
    net: Network, rows: NDArray[np.int32], windows: Sequence[Window], caution: float
) -> Iterator[tuple[Window, list[int], Floats]]:
    """Yield each window with its tags and the probability that each character is no ordinary one."""
    order = sorted(windows, key=lambda window: (window[1] - window[0], window))
    for at in range(0, len(order), _BATCH):
        batch = order[at : at + _BATCH]
        lengths = np.array([end - start for start, end in batch], np.int32)
        read = np.zeros((len(batch), int(lengths.max())), np.int32)
        for n, (start, end) in enumerate(batch):
            read[n, : end - start] = rows[start:end]
        scores: Floats = net.session.run(None, {"characters": read, "lengths": lengths})[0].transpose(1, 0, 2)
        sure: Floats = -np.expm1(scores[:, :, 0])  # one minus the probability of "nothing"
        scores[:, :, 0] -= caution
        paths = best_paths(scores, lengths)
        for n, window in enumerate(batch):
            yield window, paths[n, : lengths[n]].tolist(), sure[n, : lengths[n]]


def best_paths(scores: Floats, lengths: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return the best tags, shape (windows, length), where inside follows only begin or inside of its kind.

    The decoding of Viterbi 1967, all windows at once; what lies beyond a window's length is meaningless.

    Args:
        scores: Log-probabilities, shape (windows, length, tags).
        lengths: Number of characters of each window.
    """
    count, length, tags = scores.shape
    allowed = _allowed(tags)
    best = scores[:, 0].copy()
    best[:, 2::2] += _NEVER
    back = np.empty((length, count, tags), np.int8)
    same = np.arange(tags, dtype=np.int8)
    for n in range(1, length):
        total = best[:, None, :] + allowed
        chosen = total.argmax(2)
        live = (n < lengths)[:, None]
        back[n] = np.where(live, chosen, same)
        best = np.where(live, np.take_along_axis(total, chosen[:, :, None], 2)[:, :, 0] + scores[:, n], best)
    paths = np.empty((count, length), np.int8)
    at = best.argmax(1).astype(np.int8)
    paths[:, -1] = at
    each = np.arange(count)
    for n in range(length - 1, 0, -1):
        at = back[n][each, at]
        paths[:, n - 1] = at
    return paths


@cache
def _allowed(tags: int) -> Floats:
    """Return the score of each tag (row) after each tag (column): 0 or never."""
    table = np.zeros((1, tags, tags), np.float32)
    for inside in range(2, tags, 2):
        table[0, inside] = _NEVER
        table[0, inside, inside - 1 : inside + 1] = 0.0
    return table


def _spans(path: Sequence[int], sure: Floats, offset: int, cut: tuple[bool, bool]) -> Iterator[Found]:
    """Yield the spans of one window; one that touches an edge where the text was cut is left to the next window."""
    at = 0
    while at < len(path):
        if not path[at]:
            at += 1
            continue
        begin = path[at] | 1
        end = at + 1
        while end < len(path) and path[end] == begin + 1:
            end += 1
        if not (cut[0] and at == 0) and not (cut[1] and end == len(path)):
            yield Found(offset + at, offset + end, KINDS[(begin - 1) // 2], float(sure[at:end].mean()))
        at = end


def _distinct(spans: Sequence[Found]) -> list[Found]:
    """Return the spans in order, each once: windows overlap."""
    return sorted(set(spans), key=lambda span: (span.start, span.end, span.kind, span.score))
