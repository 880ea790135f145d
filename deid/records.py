"""Where raw files come from, and what a reader makes of them.

File names may hold a patient's name, so nothing here puts one into a message.
"""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl

from policies.errors import BadInput


class Records(Protocol):
    """A set of named byte strings: a folder, or an upload that was decrypted in memory."""

    def names(self) -> tuple[str, ...]:
        """Return the names, sorted, with forward slashes."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of one name.

        Raises:
            BadInput: there is no such name.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """Return the content of one name, to be read piece by piece and closed.

        Raises:
            BadInput: there is no such name.
        """
        ...


class FolderRecords:
    """The regular files below a folder. Links and hidden files are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> tuple[str, ...]:
        if not self._root.is_dir():
            raise BadInput("the input folder does not exist")
        return tuple(sorted(_files(self._root, "")))

    def read(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        steps = [self._root.joinpath(*parts[: n + 1]) for n in range(len(parts))]
        if ".." in parts or any(step.is_symlink() for step in steps) or not steps[-1].is_file():
            raise BadInput("a file that was asked for is not in the input folder")
        return steps[-1]


class MemoryRecords:
    """Name -> bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise BadInput("a file that was asked for is not in the input")
        return self._files[name]

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name))


class SomeRecords:
    """A part of other records."""

    def __init__(self, whole: Records, names: tuple[str, ...]) -> None:
        self._whole, self._names = whole, names

    def names(self) -> tuple[str, ...]:
        return self._names

    def read(self, name: str) -> bytes:
        return self._whole.read(name)

    def open(self, name: str) -> BinaryIO:
        return self._whole.open(name)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row, message, resource or file that could not be used.

    Attributes:
        source: The mapping source's name, never a file name.
        file: Index of the file among the source's files, from 0.
        position: Row, message or resource number in the file, from 1; 0 is the whole file.
        reason: A stable code such as ``"row-too-long"``.
        raw: What was refused. It stays in the encrypted quarantine and out of every repr.
    """

    source: str
    file: int
    position: int
    reason: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one source.

    Attributes:
        tables: All columns String, plus ``_file`` and ``_position`` (UInt32).
        rejects: What could not be read.
        counted: Input units, counted independently of parsing.
    """

    tables: dict[str, pl.DataFrame] = field(repr=False)
    rejects: tuple[Reject, ...]
    counted: int


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the names below a folder; links and hidden entries are passed over."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield prefix + entry.name
