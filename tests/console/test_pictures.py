"""The pictures in the documents: each that is referred to exists, and each that exists is referred to."""

import re
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"


def referred() -> set[Path]:
    found = set()
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text("utf-8")):
            found.add((page.parent / link).resolve())
    return found


def test_every_picture_is_used_and_none_is_missing() -> None:
    assert referred() == {path.resolve() for path in IMAGES.iterdir()}


def test_pictures_are_of_a_reasonable_size() -> None:
    for path in IMAGES.iterdir():
        raw = path.read_bytes()
        assert raw.startswith(b"\x89PNG")
        assert len(raw) < 300_000
        width, height = struct.unpack(">II", raw[16:24])
        assert (width, height) == (1280, 900)
