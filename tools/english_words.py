"""Write ``deid/detect/english_words.txt``: what English text writes in small letters, and is therefore nobody's name.

    python -m tools.english_words DICTIONARY CORPORA

DICTIONARY is Debian's ``wamerican`` word list (made of SCOWL, permissive); CORPORA has in-synthea-csv (Apache-2.0),
in-fhir-r4-examples (CC0) and presidio_research_en (MIT), whose small-lettered words are added.
"""

import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

OUT = Path(__file__).parents[1] / "deid/detect/english_words.txt"
_SMALL = re.compile(r"(?<![A-Za-z0-9'-])[a-z]{3,}(?![A-Za-z0-9'])")
_LARGEST = 8_000_000


def main() -> None:
    """Read, merge and write."""
    dictionary, corpora = map(Path, sys.argv[1:])
    words = {word for word in dictionary.read_text("utf-8").split() if re.fullmatch("[a-z]{3,}", word)}
    often = Counter[str]()
    for text in _texts(corpora):
        often.update(_SMALL.findall(text))
    words |= {word for word, count in often.items() if count >= 2}
    OUT.write_text(" ".join(sorted(words)) + "\n", "utf-8")


def _texts(corpora: Path) -> Iterator[str]:
    for path in sorted((corpora / "in-synthea-csv").glob("*.csv")):
        if path.stem not in ("patients", "providers", "organizations"):
            yield path.read_text("utf-8", errors="replace")[:_LARGEST]
    for path in sorted((corpora / "in-fhir-r4-examples").glob("*.tgz")):
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file:
                    yield re.sub(r'"[a-zA-Z]+" ?:|<[^>]*>', " ", file.read().decode("utf-8", "replace"))
    for name in ("synth_dataset_v2.json", "generated_large.json"):
        yield (corpora / "presidio_research_en" / name).read_text("utf-8")


if __name__ == "__main__":
    main()
