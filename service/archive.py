"""Unpacking an uploaded zip archive in memory, within limits that a bomb cannot pass."""

import io
import stat
import zipfile
import zlib
from dataclasses import dataclass

from policies.errors import BadArchive

CHUNK = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The methods that are unpacked chunk by chunk; the others give a whole block, however large, before it is counted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        entries: Files.
        total_bytes: Bytes of all files once unpacked.
        ratio: Unpacked over packed size of one file larger than a mebibyte.
    """

    entries: int = 100_000
    total_bytes: int = 4 << 30
    ratio: int = 200


def unpack(raw: bytes, limits: Limits | None = None) -> dict[str, bytes]:
    """Return name -> content of a zip archive. Sizes are counted while unpacking; no claim of the archive is believed.

    Raises:
        BadArchive: it is broken, encrypted, too large once unpacked, or holds links, absolute or climbing names.
    """
    limit = limits or Limits()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_names(entries, limit)
            found: dict[str, bytes] = {}
            left = limit.total_bytes
            for entry in entries:
                found[entry.filename] = _content(archive, entry, left, limit.ratio)
                left -= len(found[entry.filename])
            return found
    except (
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        zlib.error,
    ) as problem:
        if isinstance(problem, BadArchive):
            raise
        raise BadArchive("the upload is not a zip archive that can be read") from None


def _check_names(entries: list[zipfile.ZipInfo], limit: Limits) -> None:
    if not entries:
        raise BadArchive("the archive holds no files")
    if len(entries) > limit.entries:
        raise BadArchive(f"the archive holds more than {limit.entries} files")
    if len({entry.filename for entry in entries}) != len(entries):
        raise BadArchive("the archive holds one name twice")
    for number, entry in enumerate(entries, 1):
        parts = entry.filename.split("/")
        kind = entry.external_attr >> 16
        if ".." in parts or "" in parts[:1] or "\\" in entry.filename or "\0" in entry.filename:
            raise BadArchive(f"file {number} of the archive has a name that leads out of it")
        if kind and not stat.S_ISREG(kind) and stat.S_IFMT(kind):
            raise BadArchive(f"file {number} of the archive is not a plain file")
        if entry.flag_bits & 1:
            raise BadArchive(f"file {number} of the archive is encrypted")
        if entry.compress_type not in METHODS:
            raise BadArchive(f"file {number} of the archive is packed by another method than deflate")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int, ratio: int) -> bytes:
    out = bytearray()
    allowed = max(CHUNK, entry.compress_size * ratio)
    with archive.open(entry) as stream:
        while chunk := stream.read(CHUNK):
            out += chunk
            if len(out) > left:
                raise BadArchive("the archive is too large once unpacked")
            if len(out) > allowed:
                raise BadArchive("the archive holds a file that unpacks to far more than its size: a zip bomb")
    return bytes(out)
