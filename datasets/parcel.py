"""A parcel: files that leave together, sealed to one recipient's key and made while they are sent.

The files are a tar archive (POSIX.1-2001), encrypted chunk by chunk as the vault does it under a key of the parcel's
own; that key is sealed to the recipient by HPKE and stands in front. Nothing of a parcel is ever whole in memory but
one file, and a parcel that was cut off does not open.
"""

import io
import mmap
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from datasets.keys import KEY_BYTES, Random
from datasets.sealing import open_sealed, seal
from datasets.vault import CHUNK_BYTES, open_chunks, seal_chunks
from policies.errors import BadInput, Misuse, Tampered

MAGIC = b"medtrain.parcel/1\n"
LENGTH_BYTES = 2


def pack(
    files: Iterable[tuple[str, bytes]], recipient: bytes, info: str, random: Random = os.urandom
) -> Iterator[bytes]:
    """Yield the bytes of a parcel.

    Args:
        files: Name and content of each, in order; names are relative paths.
        recipient: An X25519 public key, 32 bytes.
        info: What the parcel is; who opens it names the same.

    Raises:
        Misuse: the recipient's key is none.
    """
    key = random(KEY_BYTES)
    sealed = seal(key, recipient, info)
    yield MAGIC + len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed
    yield from seal_chunks(_chunks(_archive(files)), key, info)


def unpack(parcel: Path, folder: Path, key: X25519PrivateKey, info: str) -> list[str]:
    """Return the names of the files that were written to a new folder.

    Raises:
        Misuse: the folder is there already.
        BadInput: the file is no parcel.
        Tampered: it was changed or cut off, or is another's.
    """
    if folder.exists():
        raise Misuse("name a folder that does not exist yet")
    with parcel.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BadInput("this file is no parcel")
        sealed = file.read(int.from_bytes(file.read(LENGTH_BYTES), "big"))
        inner, begin = open_sealed(sealed, key, info), file.tell()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole, memoryview(whole) as seen:
            body = seen[begin:]
            fresh = folder.with_name(f"{folder.name}.part")
            fresh.mkdir(mode=0o700, parents=True)
            try:
                names = _extract(open_chunks(body, inner, info), fresh)
            finally:
                body.release()
    fresh.rename(folder)
    return names


class _Stream(io.RawIOBase):
    """Chunks, read as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as many as asked for where there are so many."""
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        size = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _extract(chunks: Iterator[bytes], folder: Path) -> list[str]:
    stream, names = _Stream(chunks), []
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                archive.extract(member, folder, filter="data")
                names.append(member.name)
        stream.read()  # the last chunk says that there are no more
    except tarfile.TarError:
        raise Tampered("the parcel's files are not whole") from None
    return names


def _archive(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, raw in files:
        about = tarfile.TarInfo(name)
        about.size = len(raw)
        yield about.tobuf(tarfile.PAX_FORMAT)
        yield raw
        yield bytes(-len(raw) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks of ``CHUNK_BYTES``; only the last is shorter."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        whole = len(waiting) // CHUNK_BYTES * CHUNK_BYTES
        for begin in range(0, whole, CHUNK_BYTES):
            yield bytes(waiting[begin : begin + CHUNK_BYTES])
        del waiting[:whole]
    yield bytes(waiting)
