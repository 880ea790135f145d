"""What is done to images beyond, or instead of, the Basic Profile, by the names and codes of the standard.

Source: DICOM PS3.15 2026c Annex E.1 and E.3; the codes are those of CID 7050 (PS3.16).
"""

from dataclasses import dataclass, field
from typing import Protocol

from pydicom.dataset import Dataset

from deid.policy import Dates, Profile

BASIC = ("113100", "Basic Application Confidentiality Profile")
PIXEL_DATA = ("113101", "Clean Pixel Data Option")
FACES = ("113102", "Clean Recognizable Visual Features Option")
STRUCTURED = ("113104", "Clean Structured Content Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
DEVICE = ("113109", "Retain Device Identity Option")
SAFE_PRIVATE = ("113111", "Retain Safe Private Option")
CODES = (BASIC, MODIFIED_DATES)


class FaceRemover(Protocol):
    """The seam for taking the face out of a CT or MR of the head. None ships: a facility brings a validated one."""

    def __call__(self, image: Dataset) -> Dataset | None:
        """Return the image without a recognisable face, None where that could not be done."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What is done beyond, or instead of, the Basic Profile.

    Attributes:
        dates: ``shift`` and ``month`` (113107) as in the profile; ``year``: days go.
        characteristics, device, safe_private: 113108, 113109, 113111: what the table lists for them is retained.
        structured: 113104: structured reports pass with their codes and numbers, without their words.
        pixels: 113101: text is looked for in the pixels and blanked.
        faces: 113102 is asked for: a head passes only through ``remover``.
    """

    dates: Dates = "shift"
    characteristics: bool = False
    device: bool = False
    safe_private: bool = False
    structured: bool = False
    pixels: bool = False
    faces: bool = False
    remover: FaceRemover | None = field(default=None, repr=False)


def options_of(profile: Profile, remover: FaceRemover | None = None) -> Options:
    """Return the options that a profile asks for."""
    asked = frozenset(profile.images)
    return Options(
        dates=profile.dates,
        characteristics="retain-patient-characteristics" in asked,
        device="retain-device-identity" in asked,
        safe_private="retain-safe-private" in asked,
        structured="clean-structured-content" in asked,
        pixels="clean-pixel-data" in asked,
        faces="clean-recognizable-visual-features" in asked,
        remover=remover,
    )
