"""The published log: C2SP tiles and entry bundles in a folder, which any static web server can hand out.

Bundles and tiles are written first and the checkpoint last, so that a reader never sees a checkpoint whose tiles are
missing. Source: C2SP tlog-tiles.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from policies.errors import Tampered
from policies.proof import HASH_BYTES, Frontier, leaf_hash

WIDTH = 256
CHECKPOINT = "checkpoint"


def tile_path(folder: Path, level: int | str, number: int, width: int = WIDTH) -> Path:
    """Return where a tile lies; ``level`` is ``"entries"`` for a bundle.

    >>> tile_path(Path("log"), 0, 1234067, 8).as_posix()
    'log/tile/0/x001/x234/067.p/8'
    """
    name, rest = f"{number % 1000:03d}", number // 1000
    while rest:
        name, rest = f"x{rest % 1000:03d}/{name}", rest // 1000
    return folder / "tile" / str(level) / (name if width == WIDTH else f"{name}.p/{width}")


def write_tile(folder: Path, level: int, number: int, hashes: Sequence[bytes]) -> None:
    """Write a tile of at most 256 hashes."""
    _write(tile_path(folder, level, number, len(hashes)), b"".join(hashes))


def write_bundle(folder: Path, number: int, entries: Sequence[bytes]) -> None:
    """Write a bundle of at most 256 entries."""
    _write(tile_path(folder, "entries", number, len(entries)), encode_bundle(entries))


def read_tile(folder: Path, level: int, number: int, width: int) -> list[bytes]:
    """Return the first ``width`` hashes of a tile.

    Raises:
        Tampered: it is missing, or not of that many hashes.
    """
    raw = _read(folder, level, number, width)
    found = [raw[begin : begin + HASH_BYTES] for begin in range(0, len(raw), HASH_BYTES)]
    if len(raw) % HASH_BYTES or len(found) < width:
        raise Tampered(f"tile {level}/{number} of the log is damaged")
    return found[:width]


def read_bundle(folder: Path, number: int, width: int) -> list[bytes]:
    """Return the first ``width`` entries of a bundle.

    Raises:
        Tampered: it is missing, or not of that many entries.
    """
    raw, at = _read(folder, "entries", number, width), 0
    found: list[bytes] = []
    size, take = len(raw), found.append
    while at < size - 1:
        begin = at + 2
        at = begin + (raw[at] << 8 | raw[at + 1])
        take(raw[begin:at])
    if at != size or len(found) < width:
        raise Tampered(f"bundle {number} of the log is damaged")
    return found[:width]


def narrower(folder: Path, level: int | str, number: int, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield (width, content) of what is still there of a tile from when it had at most ``width`` elements."""
    parts = tile_path(folder, level, number, 1).parent
    for path in parts.iterdir() if parts.is_dir() else ():
        if path.name.isdecimal() and int(path.name) <= width:
            yield int(path.name), path.read_bytes()


def drop_narrower(folder: Path, level: int | str, number: int) -> None:
    """Remove what a whole tile was when it was shorter. Who still asks for that is given the whole one."""
    shutil.rmtree(tile_path(folder, level, number, 1).parent, ignore_errors=True)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle: each entry behind its length."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def root_in(folder: Path, size: int) -> bytes:
    """Return the root of the first ``size`` entries of a published log that was verified.

    Raises:
        Tampered: a bundle is missing.
    """
    frontier = Frontier()
    for number in range(-(-size // WIDTH)):
        for entry in read_bundle(folder, number, min(WIDTH, size - number * WIDTH)):
            frontier.add(leaf_hash(entry))
    return frontier.root()


def read_checkpoint(folder: Path) -> bytes | None:
    """Return the published signed checkpoint, or nothing where the log was never published."""
    try:
        return (folder / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return None


def write_checkpoint(folder: Path, note: bytes) -> None:
    """Publish a signed checkpoint: what makes the tiles written before it part of the log."""
    _write(folder / CHECKPOINT, note)


@contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: one publisher at a time, over all processes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(folder: Path, level: int | str, number: int, width: int) -> bytes:
    whole = tile_path(folder, level, number)
    wider = range(width, WIDTH)  # a log that has grown since need not keep the narrower ones
    for path in (whole, *(tile_path(folder, level, number, one) for one in wider)):
        if path.is_file():
            return path.read_bytes()
    raise Tampered(f"{'bundle' if level == 'entries' else 'tile'} {number} of the log is missing")


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.tmp")
    with fresh.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
