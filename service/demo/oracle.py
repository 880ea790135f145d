"""The leak oracle: given the truth of a generated network, what of it can be found in anything the facility puts out.

A value is searched as bytes in UTF-8, GB18030, UTF-16, JSON and percent escapes and base64, and as text after NFKC and
case folding, with and without separators. What only proves something in a patient's own notes (dates, ages, short
names) is searched only there. Results hold numbers of identifiers, never values.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import polars as pl

from service.demo.network.truth import Identifier, Scope, Truth

_SEPARATORS = re.compile(r"[ \-_./·‐-―]+")
_ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
_ALONE = 15  # an ASCII word shorter than this must stand alone: it could be part of a longer number or hash
_ALONE_RAW = 11  # the same for digits in raw bytes, where fields of a database touch each other
_PIECE = 1 << 24  # characters searched at a time
_OVERLAP = 512


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that leave the facility or lie in it outside the input.

    Attributes:
        where: What it is; no value of a record.
        person: Whose note it is, where it is one.
    """

    where: str
    content: bytes = field(repr=False)
    person: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One identifier found. ``identifier`` is its number in ``Truth.identifiers``."""

    kind: str
    identifier: int
    where: str


def hits(truth: Truth, blobs: Iterable[Blob]) -> list[Hit]:
    """Return what was found, each identifier once for each place, in the order of the blobs.

    The same value held by several persons is reported for the first of them.
    """
    everywhere = {i.value: n for n, i in reversed(list(enumerate(truth.identifiers))) if i.scope is Scope.EVERYWHERE}
    raw_needles = _needles(everywhere, _raw_forms)
    text_needles = _needles(everywhere, _text_forms)
    own: dict[int, list[tuple[int, Identifier]]] = {}
    for number, identifier in enumerate(truth.identifiers):
        if identifier.scope is Scope.OWN_NOTES:
            own.setdefault(identifier.person, []).append((number, identifier))
    found: list[Hit] = []
    for batch in _batches(blobs):
        seen: list[set[int]] = [set() for _ in batch]
        views = [list(_views(blob.content)) for blob in batch]
        for at, number in _search([[blob.content.decode("latin-1")] for blob in batch], raw_needles, raw=True):
            seen[at].add(number)
        for at, number in _search([[*texts, *map(compact, texts)] for texts in views], text_needles, raw=False):
            seen[at].add(number)
        for at, blob in enumerate(batch):
            for number, identifier in own.get(blob.person, ()) if blob.person is not None else ():
                forms = _text_forms(identifier.value)
                if any(form in text for view in views[at] for text in (view, compact(view)) for form in forms):
                    seen[at].add(number)
            found += [Hit(truth.identifiers[number].kind, number, blob.where) for number in sorted(seen[at])]
    return found


def whose(truth: Truth, texts: Iterable[str]) -> list[int | None]:
    """Return whose note each text is, by the clinical text that only his notes hold; None for a text that has none."""
    prints = {compact(fold(text)): person.number for person in truth.people for text in person.fingerprints}
    series = pl.Series([compact(fold(text)) for text in texts], dtype=pl.String)
    if not prints or not len(series):
        return [None] * len(series)
    return [prints[found[0]] if found else None for found in series.str.extract_many(list(prints)).to_list()]


def tables(
    truth: Truth, frames: Mapping[str, pl.DataFrame], notes: tuple[str, str] = ("note", "note_text")
) -> list[Blob]:
    """Return the blobs of tables: the texts of each, every binary cell, and each note with its owner.

    Args:
        notes: The table and column that hold note text.
    """
    blobs = []
    for name, frame in frames.items():
        binary = [column for column, kind in frame.schema.items() if kind == pl.Binary]
        blobs.append(Blob(f"table {name}", frame.drop(binary).cast(pl.String, strict=False).write_csv().encode()))
        for column in binary:
            cells = enumerate(frame[column].to_list())
            blobs += [Blob(f"table {name}, {column} {row}", cell) for row, cell in cells if cell is not None]
    table, column = notes
    if table in frames:
        texts = frames[table][column].fill_null("").to_list()
        owners = whose(truth, texts)
        blobs += [
            Blob(f"note {n}", text.encode(), owner) for n, (text, owner) in enumerate(zip(texts, owners, strict=True))
        ]
    return blobs


def folder(root: Path, label: str) -> Iterator[Blob]:
    """Yield every file below a folder, its name included in what is searched; it is called by its number."""
    for number, path in enumerate(sorted(path for path in root.rglob("*") if path.is_file())):
        name = path.relative_to(root).as_posix().encode("utf-8", "surrogateescape")
        yield Blob(f"{label}, file {number}", name + b"\n" + path.read_bytes())


def fold(text: str) -> str:
    """Return text in NFKC, case folded.

    >>> fold("ＡＢ１２")
    'ab12'
    """
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def compact(text: str) -> str:
    """Return text without the signs that people put between digits and characters; line ends stay.

    >>> compact("138-1234 5678")
    '13812345678'
    """
    return _SEPARATORS.sub("", text)


def _batches(blobs: Iterable[Blob]) -> Iterator[list[Blob]]:
    """Yield the blobs in lists of about ``_PIECE`` bytes: the search is prepared once for each list."""
    batch: list[Blob] = []
    size = 0
    for blob in blobs:
        batch.append(blob)
        size += len(blob.content)
        if size >= _PIECE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _views(content: bytes) -> Iterator[str]:
    """Yield the content as folded text: what of it is UTF-8, and the whole of it in every encoding it may be in."""
    yield fold(content.decode("utf-8", "ignore"))
    try:
        content.decode("utf-8")
        others: tuple[str, ...] = _ENCODINGS[2:] if b"\0" in content else ()  # valid UTF-8 is no GB18030 text
    except UnicodeDecodeError:
        others = _ENCODINGS[1:]
    for name in others:
        try:
            yield fold(content.decode(name))
        except UnicodeDecodeError:  # bytes that are not text as a whole are searched as bytes, at every position
            continue


def _raw_forms(value: str) -> set[str]:
    """Return the value's bytes in every encoding and escape, as Latin-1 text."""
    forms = {value.encode(name).decode("latin-1") for name in _ENCODINGS}
    if not value.isascii():
        escaped, percent = json.dumps(value)[1:-1], quote(value)
        forms |= {escaped, escaped.upper().replace("\\U", "\\u"), percent, percent.lower()}
    for lead in range(3):  # the three ways a value can lie across base64's groups; its edges depend on its neighbours
        coded = base64.b64encode(bytes(lead) + value.encode()).decode()
        middle = coded[(0, 2, 3)[lead] : len(coded) - (0, 3, 2)[(lead + len(value.encode())) % 3] or None]
        if len(middle) >= _ALONE:
            forms.add(middle)
    return forms


def _text_forms(value: str) -> set[str]:
    return {fold(value), compact(fold(value))}


def _needles(values: Mapping[str, int], forms: Callable[[str], set[str]]) -> dict[str, int]:
    return {form: number for value, number in values.items() for form in forms(value)}


def _search(texts: list[list[str]], needles: Mapping[str, int], *, raw: bool) -> Iterator[tuple[int, int]]:
    """Yield (place, number) for every needle that is in one of the texts of a place."""
    pieces = [
        (place, text[at : at + _PIECE + _OVERLAP])
        for place, several in enumerate(texts)
        for text in several
        for at in range(0, len(text), _PIECE)
    ]
    if not needles or not pieces:
        return
    series = pl.Series([piece for _, piece in pieces], dtype=pl.String)
    lists = series.str.extract_many(list(needles), overlapping=True).to_list()
    for (place, piece), matches in zip(pieces, lists, strict=True):
        for form in set(matches):
            if _stands(form, piece, raw=raw):
                yield place, needles[form]


def _stands(form: str, text: str, *, raw: bool) -> bool:
    """Return whether the form is there by itself, where it could also be part of a longer number or hash."""
    if raw and (len(form) >= _ALONE_RAW or not form.isdigit()):
        return True
    if not raw and (len(form) >= _ALONE or not (form.isascii() and form.isalnum())):
        return True
    return re.search(rf"(?<![0-9a-z]){re.escape(form)}(?![0-9a-z])", text) is not None
