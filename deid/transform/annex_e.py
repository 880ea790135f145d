"""The published table of what happens to each DICOM attribute, as data: PS3.15 Annex E, Table E.1-1.

``annex_e.json`` holds the column of the Basic Profile, the attributes that three of its options keep, and the safe
private attributes, with the edition they were taken from.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydicom.datadict import dictionary_has_tag, dictionary_VR

FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class AnnexE:
    """The table.

    Attributes:
        actions: Tag -> ``X`` remove, ``Z`` empty, ``D`` dummy, ``U`` new UID, or a choice between them.
        characteristics, device: Tags that 113108 and 113109 retain.
        safe_private: (private creator, group, last byte of the element) that 113111 retains.
    """

    actions: dict[int, str] = field(repr=False)
    characteristics: frozenset[int]
    device: frozenset[int]
    safe_private: frozenset[tuple[str, int, int]]


@cache
def removed() -> frozenset[int]:
    """Return the tags that the Basic Profile removes and that are no dates or times: gone without being looked at."""
    timed = {"DA", "DT", "TM"}
    gone = (tag for tag, action in annex_e().actions.items() if action.startswith("X"))
    return frozenset(tag for tag in gone if not (dictionary_has_tag(tag) and dictionary_VR(tag) in timed))


@cache
def annex_e() -> AnnexE:
    """Return the table; read once."""
    raw = json.loads(FILE.read_text("utf-8"))
    return AnnexE(
        actions={int(tag, 16): action for action, tags in raw["actions"].items() for tag in tags},
        characteristics=frozenset(int(tag, 16) for tag in raw["retain_patient_characteristics"]),
        device=frozenset(int(tag, 16) for tag in raw["retain_device_identity"]),
        safe_private=frozenset((name, int(group, 16), int(last, 16)) for name, group, last in raw["safe_private"]),
    )
