"""Write ``deid/detect/grams.txt``: short runs of characters that ordinary medical text is full of.

    python tools/grams.py CORPORA

CORPORA holds ``in-cn-dialogue`` (Toyhom/Chinese-medical-dialogue-data, MIT), questions and answers without names. What
comes often there is a word or the seam of two, and so no name: 平常, not 单平. First line: pairs, second line: triples
that begin with a surname.
"""

import re
import sys
from collections import Counter
from pathlib import Path

from deid.detect.folding import fold
from deid.detect.surnames import SURNAMES

PAIRS_FROM, TRIPLES_FROM = 5, 4


def main(corpora: Path) -> None:
    """Count, and write what comes often."""
    folder = corpora / "in-cn-dialogue"
    text = "\n".join(path.read_bytes().decode("gb18030", "replace") for path in sorted(folder.glob("neike*")))
    pairs, triples = Counter[str](), Counter[str]()
    for run in re.findall("[\u4e00-\u9fff]+", fold(text).text):
        pairs.update(run[n : n + 2] for n in range(len(run) - 1))
        triples.update(run[n : n + 3] for n in range(len(run) - 2) if run[n] in SURNAMES)
    lines = (
        "".join(sorted(gram for gram, times in counted.items() if times >= least))
        for counted, least in ((pairs, PAIRS_FROM), (triples, TRIPLES_FROM))
    )
    target = Path(__file__).parents[1] / "deid" / "detect" / "grams.txt"
    target.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
