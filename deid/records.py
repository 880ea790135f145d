"""Where raw files come from, and what a reader makes of them.

File names may hold a patient's name, so nothing here puts one into a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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


class FolderRecords:
    """The regular files below a folder. Links and hidden files are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> tuple[str, ...]:
        if not self._root.is_dir():
            raise BadInput("the input folder does not exist")
        found = (path for path in self._root.rglob("*") if path.is_file())
        relative = (path.relative_to(self._root) for path in found if not _leads_away(path, self._root))
        return tuple(sorted(path.as_posix() for path in relative if not any(p.startswith(".") for p in path.parts)))

    def read(self, name: str) -> bytes:
        path = self._root / name
        if not path.is_file() or _leads_away(path, self._root):
            raise BadInput("a file that was asked for is not in the input folder")
        return path.read_bytes()


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


def _leads_away(path: Path, root: Path) -> bool:
    """Return whether a link is on the way or the path leaves the folder."""
    return not path.resolve().is_relative_to(root.resolve()) or any(
        part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(root) and part != root
    )
