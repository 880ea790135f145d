"""Text that was burned into pixels: found by Tesseract and blanked; what cannot be read again afterwards may pass.

Found is what Tesseract reads in the first frame and in the brightest of all frames, as it is and inverted. Every box is
blanked in every frame, and the result is read again: while something is still read, nothing is let through.

Source: DICOM PS3.15 E.3.1 (Clean Pixel Data Option, 113101).
"""

import os
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

PROGRAM = "tesseract"
LANGUAGES = "chi_sim+eng"
SECONDS = 120  # for one reading
ROUNDS = 4
SCALE_TO = 1200  # pixels of the longer side: small letters are read better when enlarged
SURE = 35.0  # of 100: from which a word counts
_ENVIRONMENT = {"OMP_THREAD_LIMIT": "1"}

Pixels = npt.NDArray[np.generic]
Grey = npt.NDArray[np.uint8]


class StillThere(Exception):  # a statement about the image, not a defect
    """Text remains, or the pixels cannot be read. No record value is in it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A stretch of text, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def available() -> bool:
    """Return whether text can be looked for on this machine."""
    return shutil.which(PROGRAM) is not None


def blank(dataset: Dataset) -> int:
    """Blank all text in the pixels, in place, and return how many boxes; an image without any stays as it is.

    Raises:
        StillThere: the pixels cannot be decoded, or text is still read after several rounds.
    """
    try:
        pixels = np.array(dataset.pixel_array)
    except Exception:  # noqa: BLE001  # a broken image makes the decoders raise almost anything
        raise StillThere from None
    frames = _frames(dataset, pixels)
    total = 0
    for _ in range(ROUNDS):
        boxes = [box for view in _views(frames) for box in find(view)]
        if not boxes:
            if total:
                _put_back(dataset, pixels)
            return total
        for box in boxes:
            frames[:, box.top : box.bottom, box.left : box.right] = frames.min()
        total += len(boxes)
    raise StillThere


def find(view: Grey) -> list[Box]:
    """Return the boxes of the words in one grey image, ``(rows, columns)``, with a margin."""
    scale = max(1, min(4, round(SCALE_TO / max(view.shape))))
    large = np.repeat(np.repeat(view, scale, 0), scale, 1)
    head = f"P5 {large.shape[1]} {large.shape[0]} 255\n".encode()
    said = subprocess.run(  # noqa: S603  # a fixed program with fixed arguments; pixels go in on standard input
        [PROGRAM, "stdin", "stdout", "-l", LANGUAGES, "--psm", "11", "--dpi", "150", "tsv"],
        input=head + large.tobytes(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env=os.environ | _ENVIRONMENT,
    )
    if said.returncode:
        raise StillThere
    return [box for line in said.stdout.decode("utf-8", "replace").splitlines()[1:] if (box := _box(line, view, scale))]


def _box(line: str, view: Grey, scale: int) -> Box | None:
    cells = line.split("\t")
    if len(cells) < 12 or cells[0] != "5" or float(cells[10]) < SURE:
        return None
    letters = [char for char in cells[11] if char.isalnum()]
    if len(letters) < 2 and not any(char > "\u2e7f" for char in letters):
        return None
    left, top, wide, high = (int(cell) // scale for cell in cells[6:10])
    beside, above = 3 * high, max(high // 2, 2)  # a neighbour that was not read is most often on the same line
    return Box(
        max(left - beside, 0),
        max(top - above, 0),
        min(left + wide + 1 + beside, view.shape[1]),
        min(top + high + 1 + above, view.shape[0]),
    )


def _frames(dataset: Dataset, pixels: Pixels) -> Pixels:
    """Return a view ``(frames, rows, columns[, samples])`` of the pixels."""
    single = int(dataset.get("NumberOfFrames") or 1) == 1
    return pixels[None] if single and pixels.shape[0] != 1 or pixels.ndim == 2 else pixels  # noqa: RUF021


def _views(frames: Pixels) -> list[Grey]:
    grey = frames.mean(axis=-1) if frames.ndim == 4 else frames.astype(np.float64)
    shown = [grey[0]] if len(grey) == 1 else [grey[0], grey.max(axis=0)]
    views = []
    for one in shown:
        low, high = float(one.min()), float(one.max())
        scaled = ((one - low) * (255.0 / (high - low)) if high > low else np.zeros_like(one)).astype(np.uint8)
        views += [scaled, (255 - scaled).astype(np.uint8)]
    return views


def _put_back(dataset: Dataset, pixels: Pixels) -> None:
    """Store pixels as they now are, uncompressed."""
    dataset.PixelData = pixels.tobytes() + bytes(pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if dataset.get("SamplesPerPixel", 1) == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
