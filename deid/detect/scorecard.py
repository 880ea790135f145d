"""What the detector is known to leak: the measured bound that ships with it, compared with a profile's limit.

``scorecard.json`` is written by ``make scorecard`` from the notes of ``tests/gold`` that are looked
at only when a version
is judged. It names the detector it measured by a digest of its rules and tables; another one is unmeasured.
"""

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

SCHEMA = "medtrain.scorecard/1"
FOLDER = Path(__file__).parent
FILE = FOLDER / "scorecard.json"


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The measured leak of identifier characters, in [0, 1].

    Attributes:
        leak: Share that leaked, of both languages the worse.
        leak_upper: Upper end of its 95 % interval.
        notes: How many judged notes it stands on.
        detector: Digest of the detector that was measured.
    """

    leak: float
    leak_upper: float
    notes: int
    detector: str

    def verdict(self, limit: float | None) -> str:
        """Return why free text is withheld under a limit of the leak, or nothing when it is not.

        >>> Scorecard(0.01, 0.02, 60, detector_digest()).verdict(0.005)
        'leak-bound-over-limit'
        >>> Scorecard(0.01, 0.02, 60, "another").verdict(0.05)
        'detector-unmeasured'
        """
        if limit is None:
            return ""
        if self.detector != detector_digest():
            return "detector-unmeasured"
        return "leak-bound-over-limit" if self.leak_upper > limit else ""


@cache
def detector_digest() -> str:
    """Return the digest of every rule, table and weight of the detector, in the order of their names."""
    digest = sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path != FILE and path.suffix in (".py", ".txt", ".json", ".onnx", ".npz", ".bin"):
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def shipped() -> Scorecard:
    """Return the scorecard that ships with this detector."""
    raw = json.loads(FILE.read_text("utf-8"))
    return Scorecard(
        max(raw["languages"][lang]["phi_char_leak"] for lang in raw["languages"]),
        max(raw["languages"][lang]["phi_char_leak_upper"] for lang in raw["languages"]),
        sum(raw["languages"][lang]["notes"] for lang in raw["languages"]),
        raw["detector"],
    )
