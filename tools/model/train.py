"""Train the tagger again: ``make model``, or ``python -m tools.model.train CORPORA``; writes ``deid/detect/model``."""

import argparse
import random
import re
from pathlib import Path

import numpy as np

from tools.model import chinese, corpora, export, gate, lac
from tools.model.notes import Notes

SEED = 20261125
MODEL = Path(__file__).parents[2] / "deid/detect/model"


def main() -> None:
    """Read the corpora, train, and write the files and their digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--out", type=Path, default=MODEL)
    said = parser.parse_args()
    lexicons = corpora.read(said.corpora)
    said.out.mkdir(parents=True, exist_ok=True)
    tables = lac.load()[0]

    def keep(tables: lac.Lac, model: lac.Tagger) -> None:
        (said.out / "chinese.onnx").write_bytes(export.network(tables, model))

    keep(tables, chinese.train(lexicons, said.steps, SEED, keep))
    (said.out / "vocabulary.json").write_text(export.vocabulary(tables), encoding="utf-8")
    (said.out / "terms.txt").write_text(export.terms(Notes(random.Random(SEED), lexicons)), encoding="utf-8")
    firsts, table = gate.learn(lexicons, tables.vocabulary, SEED)
    np.savez_compressed(said.out / "gate.npz", firsts=firsts, gate=table)
    write_digests(said.out)


def write_digests(folder: Path) -> None:
    """Write the digest of every file into the card."""
    card = folder / "model-card.md"
    rows = "".join(f"| `{name}` | `{digest}` |\n" for name, digest in export.digests(folder).items())
    text = card.read_text(encoding="utf-8") if card.exists() else "| file | SHA-256 |\n|---|---|\n"
    text = re.sub(r"^\| `[\w.]+` \| `[0-9a-f]{64}` \|\n", "", text, flags=re.MULTILINE)
    head = "| file | SHA-256 |\n|---|---|\n"
    card.write_text(text.replace(head, head + rows), encoding="utf-8")


if __name__ == "__main__":
    main()
