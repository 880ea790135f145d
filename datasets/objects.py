"""Where blobs live: content-addressed objects, and named ones that are written once.

Everything stored here is ciphertext or signed text. An object's name is the SHA-256 of its bytes, so it can be put
twice, in any order, by anybody, and is the same object. A named object (a manifest) can be created once: the second
creation is a conflict. That is the compare-and-swap on which versions rest; on S3 it is ``If-None-Match: *``.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from policies.errors import Conflict, Misuse, NotFound, Tampered

CHUNK = 1 << 20
SYNCING = 8
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Staged:
    """Bytes that are written and safe, but not yet an object: they have a name to be, and nobody can read them.

    Attributes:
        name: SHA-256 of the bytes, hexadecimal: the object's name once it is settled.
        size: Bytes.
        token: The store's own mark for where they wait.
    """

    name: str
    size: int
    token: str


class Objects(Protocol):
    """Content-addressed blobs. Every method is idempotent and durable when it returns.

    Writing has two steps, so that a data key can be committed between them: ``stage`` makes the bytes durable and
    tells their name, ``settle`` makes them an object. What is staged and never settled is swept.
    """

    def stage(self, chunks: Iterable[bytes]) -> Staged: ...
    def settle(self, *staged: Staged) -> None: ...
    def put(self, raw: bytes) -> str: ...
    def get(self, name: str) -> bytes: ...
    def source(self, name: str) -> Path | bytes: ...
    def delete(self, name: str) -> None: ...
    def names(self) -> Iterator[str]: ...
    def sweep(self, live: Collection[str], before: datetime) -> int: ...
    def put_named(self, name: str, raw: bytes) -> None: ...
    def get_named(self, name: str) -> bytes: ...
    def named(self, folder: str) -> tuple[str, ...]: ...


class LocalObjects:
    """Objects in one folder: ``objects/`` by digest, ``named/`` by name, ``staged/`` on their way.

    All three lie in one file system, so that a rename is atomic. Files are readable by their owner only.
    """

    def __init__(self, root: Path) -> None:
        self._objects, self._named, self._staged = root / "objects", root / "named", root / "staged"
        for folder in (self._objects, self._named, self._staged):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def stage(self, chunks: Iterable[bytes]) -> Staged:
        """Return the durable bytes under the name they will have; nobody can read them yet."""
        token, digest, size = secrets.token_hex(16), hashlib.sha256(), 0
        descriptor = os.open(self._staged / token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        return Staged(digest.hexdigest(), size, token)

    def settle(self, *staged: Staged) -> None:
        """Make staged bytes objects. Settling again, after a crash, changes nothing.

        Raises:
            NotFound: what was staged has been swept, and the object is not there either.
        """
        folders = {self._objects}
        for one in staged:
            target = self._path(one.name)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                os.replace(self._staged / one.token, target)  # noqa: PTH105  # one seam for the fault-injection tests
            except FileNotFoundError:
                if not target.exists():
                    raise NotFound("the staged object is gone: stage it again") from None
            folders.add(target.parent)
        with ThreadPoolExecutor(SYNCING) as pool:  # a file system writes what is asked of it at once in one go
            list(pool.map(_sync_folder, sorted(folders, reverse=True)))

    def put(self, raw: bytes) -> str:
        """Return the name of ``raw``, which is now an object."""
        staged = self.stage((raw,))
        self.settle(staged)
        return staged.name

    def get(self, name: str) -> bytes:
        """Return the bytes of an object, compared with its name.

        Raises:
            NotFound: there is no such object.
            Tampered: the bytes are not those of that name.
        """
        try:
            raw = self._path(name).read_bytes()
        except FileNotFoundError:
            raise NotFound("there is no such object") from None
        check_digest(raw, name)
        return raw

    def source(self, name: str) -> Path:
        """Return the file of an object for a lazy reader; its bytes have just been compared with its name.

        Raises:
            NotFound: there is no such object.
            Tampered: the bytes are not those of that name.
        """
        path = self._path(name)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise NotFound("there is no such object") from None
        if found != name:
            raise Tampered("an object's bytes do not fit its name")
        return path

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def names(self) -> Iterator[str]:
        """Yield the name of every object, in order."""
        yield from sorted(path.name for path in self._objects.glob("??/*"))

    def sweep(self, live: Collection[str], before: datetime) -> int:
        """Return how many orphans were removed: staged bytes and objects not in ``live``, written before a moment.

        A crash leaves such files; they are ciphertext without a key. The moment protects writers still at work.
        """
        kept, removed = frozenset(live), 0
        for path in (*self._staged.iterdir(), *self._objects.glob("??/*")):
            with suppress(FileNotFoundError):
                if path.name not in kept and datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    path.unlink()
                    removed += 1
        return removed

    def put_named(self, name: str, raw: bytes) -> None:
        """Create a named object, once.

        Raises:
            Conflict: the name is taken by other bytes. The same bytes again change nothing.
        """
        target = self._path_of(name)
        missing = [folder for folder in target.relative_to(self._named).parents if not (self._named / folder).exists()]
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            _sync_folder((self._named / folder).parent)
        staged = self._staged / self.stage((raw,)).token
        try:
            os.link(staged, target)  # atomic, and fails where the name exists; replace would not
        except FileExistsError:
            if target.read_bytes() != raw:
                raise Conflict("this name is taken: another change came first") from None
        finally:
            staged.unlink()
        _sync_folder(target.parent)

    def get_named(self, name: str) -> bytes:
        """Return the bytes of a named object, which its reader must verify.

        Raises:
            NotFound: there is no such name.
        """
        try:
            return self._path_of(name).read_bytes()
        except FileNotFoundError:
            raise NotFound("nothing of that name is stored") from None

    def named(self, folder: str) -> tuple[str, ...]:
        """Return the full names in a folder, in order."""
        root = self._path_of(folder)
        return tuple(f"{folder}/{path.name}" for path in sorted(root.iterdir())) if root.is_dir() else ()

    def _path(self, name: str) -> Path:
        return self._objects / check_name(name)[:2] / name

    def _path_of(self, name: str) -> Path:
        return self._named / check_path(name)


def check_name(name: str) -> str:
    """Return an object's name.

    Raises:
        Misuse: it is not one, and must not become part of a path.
    """
    if not _DIGEST.fullmatch(name):
        raise Misuse("an object's name is a SHA-256 in hexadecimal")
    return name


def check_path(name: str) -> str:
    """Return the name of a named object.

    Raises:
        Misuse: it is not one, and could leave its folder.
    """
    if not _NAME.fullmatch(name):
        raise Misuse("a stored name is lower-case letters, digits, dots and dashes between slashes")
    return name


def check_digest(raw: bytes, name: str) -> None:
    """Refuse bytes that are not those of a name.

    Raises:
        Tampered: they are not.
    """
    if hashlib.sha256(raw).hexdigest() != name:
        raise Tampered("an object's bytes do not fit its name")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
