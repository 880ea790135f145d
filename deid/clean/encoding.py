"""Which encoding a text file is in, decided over the whole file and before anything is split.

Order: byte-order mark; strict UTF-8; the declared encoding; chardet; the other candidates. A decoding counts only if
it is strict, free of control characters, and enough of its hanzi are common ones: Big5 read as GB18030 raises no
error, but gives rare characters.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

import chardet

from policies.errors import BadInput

SAMPLE_BYTES = 65536
PLAUSIBLE = 0.5  # share of common hanzi: right decodings have about 0.95, Big5 read as GB18030 about 0.25
CANDIDATES = ("gb18030", "big5", "utf-16-le", "utf-16-be")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FAMILY = {"gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "gb18030": "gb18030", "cp949": "gb18030"}
_FAMILY |= {"big5": "big5", "big5-hkscs": "big5", "cp950": "big5", "big5hkscs": "big5"}


class NotText(BadInput):
    """The bytes are not text in an encoding that can be told with confidence."""

    code = "not-text"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the encoding it was in, and whether that had to be guessed."""

    text: str = field(repr=False)
    encoding: str
    guessed: bool


def decode(raw: bytes, declared: str = "auto") -> Decoded:
    """Return the text of a whole file.

    Raises:
        NotText: no encoding fits the whole file.

    >>> decode("姓名,病案号,诊断".encode("gb18030")).encoding
    'gb18030'
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return _mark(raw, name)
    if (text := _strict(raw, "utf-8")) is not None:
        return Decoded(text, "utf-8", guessed=False)
    if (
        declared != "auto"
        and (text := _strict(raw, declared)) is not None
        and plausibility(text, declared) >= PLAUSIBLE
    ):
        return Decoded(text, declared, guessed=False)
    told = _FAMILY.get((chardet.detect(raw[:SAMPLE_BYTES])["encoding"] or "").lower())
    if told is not None and (text := _strict(raw, told)) is not None and plausibility(text, told) >= PLAUSIBLE:
        return Decoded(text, told, guessed=True)
    found = [(plausibility(text, name), name, text) for name in CANDIDATES if (text := _strict(raw, name)) is not None]
    score, name, text = max(found, default=(0.0, "", ""))
    if score < PLAUSIBLE:
        raise NotText("a file is not text in UTF-8, UTF-16, GB18030 or Big5")
    return Decoded(text, name, guessed=True)


def tell(opened: Callable[[], BinaryIO], declared: str = "auto") -> str:
    """Return the codec that ``decode`` would choose for a file of any size, read piece by piece.

    Args:
        opened: Gives the file from its beginning, every time it is called.

    Raises:
        NotText: no encoding fits the whole file.
    """
    with opened() as stream:
        head = stream.read(8 * SAMPLE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            if not _holds(opened, name):
                raise NotText("a file has a byte-order mark but does not follow it to its end")
            return name
    if _holds(opened, "utf-8"):
        return "utf-8"
    told = _FAMILY.get((chardet.detect(head[:SAMPLE_BYTES])["encoding"] or "").lower())
    for likely in (declared, told or "auto"):
        if likely != "auto" and _score(head, likely) >= PLAUSIBLE and _holds(opened, likely):
            return likely
    found = [(_score(head, name), name) for name in CANDIDATES if _holds(opened, name)]
    score, name = max(found, default=(0.0, ""))
    if score < PLAUSIBLE:
        raise NotText("a file is not text in UTF-8, UTF-16, GB18030 or Big5")
    return name


def _pieces(opened: Callable[[], BinaryIO], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with opened() as stream:
        while raw := stream.read(16 * SAMPLE_BYTES):
            yield decoder.decode(raw)
        yield decoder.decode(b"", final=True)


def _holds(opened: Callable[[], BinaryIO], encoding: str) -> bool:
    """Return whether a file is strictly in an encoding to its end, without control characters."""
    try:
        return not any(_CONTROL.search(piece) for piece in _pieces(opened, encoding))
    except UnicodeDecodeError:
        return False


def _score(head: bytes, encoding: str) -> float:
    text = codecs.getincrementaldecoder(encoding)("ignore").decode(head)
    return plausibility(text, encoding)


def plausibility(text: str, encoding: str) -> float:
    """Return the share of common hanzi among the characters above ASCII, in [0, 1]; 0 where there are none."""
    common = _common("big5" if encoding == "big5" else "gb2312")
    foreign = [char for char in text[: 4 * SAMPLE_BYTES] if char > "\x7f" and unicodedata.category(char)[0] in "LCS"]
    return sum(char in common for char in foreign) / len(foreign) if foreign else 0.0


def _mark(raw: bytes, name: str) -> Decoded:
    text = _strict(raw, name)
    if text is None:
        raise NotText("a file has a byte-order mark but does not follow it to its end")
    return Decoded(text, name.removesuffix("-sig"), guessed=False)


def _strict(raw: bytes, encoding: str) -> str | None:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x1f]")


@cache
def _common(charset: str) -> frozenset[str]:
    """The first level of GB 2312 (3,755 hanzi) or of Big5 (5,401): both standards put common characters first."""
    first, last, trails = (0xB0, 0xD7, range(0xA1, 0xFF)) if charset == "gb2312" else (0xA4, 0xC6, range(0x40, 0xFF))
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in trails)
    return frozenset(char for pair in pairs for char in pair.decode(charset, "ignore") if char > "\x7f")
