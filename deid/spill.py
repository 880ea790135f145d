"""Frames that do not fit into memory: appended on disk under a key, read back a key at a time in their order.

What is spilled are raw records, so the folder is made for the owner alone and removed at the end; the caller puts it
where the facility keeps such things (an encrypted or memory-backed volume).
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

Key = tuple[int, ...]
OPEN_FILES = 256


class Spill:
    """A folder of Arrow streams, one for each key. Frames of one key have one schema."""

    def __init__(self, under: Path) -> None:
        under.mkdir(parents=True, exist_ok=True)
        self._root = Path(tempfile.mkdtemp(prefix=".spill-", dir=under))
        self._open: dict[Key, tuple[pa.OSFile, pa.RecordBatchStreamWriter]] = {}
        self._files: dict[Key, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        shutil.rmtree(self._root, ignore_errors=True)

    def append(self, key: Key, frame: pl.DataFrame) -> None:
        """Add rows behind those that the key has."""
        if not frame.height:
            return
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if key not in self._open:
            if len(self._open) >= OPEN_FILES:
                self.flush()
            self._files[key] = self._files.get(key, 0) + 1
            sink = pa.OSFile(str(self._path(key, self._files[key])), "wb")
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._open[key] = sink, pa.ipc.new_stream(sink, table.schema, options=options)
        self._open[key][1].write_table(table)

    def take(self, key: Key) -> pl.DataFrame | None:
        """Return the rows of a key in the order they were added, None where there are none."""
        self.flush()
        parts = []
        for number in range(1, self._files.get(key, 0) + 1):
            with pa.OSFile(str(self._path(key, number)), "rb") as source:
                parts.append(pl.DataFrame(pa.ipc.open_stream(source).read_all()))
        return pl.concat(parts) if parts else None

    def drop(self, key: Key) -> None:
        """Remove what a key has."""
        self.flush()
        for number in range(1, self._files.pop(key, 0) + 1):
            self._path(key, number).unlink()

    def folder(self, name: str) -> Path:
        """Return a folder for finished files, which whoever wants to keep them moves away."""
        folder = self._root / "made" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def flush(self) -> None:
        """Close every file that is being written."""
        for sink, writer in self._open.values():
            writer.close()
            sink.close()
        self._open.clear()

    def _path(self, key: Key, number: int) -> Path:
        return self._root / f"{'-'.join(map(str, key))}.{number}.arrow"
