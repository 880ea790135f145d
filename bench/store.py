"""The encrypted store against plain polars, in one run: write, read, and the withdrawal of one patient.

.venv/bin/python bench/store.py --rows 5000000
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))

from datasets import parquet
from datasets.buckets import AHEAD, BUCKETS, Rows, cut
from datasets.keys import MemoryWrappedKeys
from datasets.keystore import FileKeystore
from datasets.manifest import Manifest, Sources
from datasets.objects import LocalObjects
from datasets.store import Store
from datasets.versions import DataClass
from policies.entry import Entry
from policies.errors import MedtrainError

ENTRY = Entry("2026-01-02T03:04:05.000000Z", "bench", "dataset.publish", "dataset", "bench", "system")
DEPARTMENTS = ["心内科", "呼吸科", "神经内科", "骨科", "儿科", "急诊科"]
NOTES = [f"患者因反复咳嗽{n}天入院，既往体健，查体未见明显异常，予对症治疗后好转出院。" for n in range(200)]


def rows_of(count: int) -> pl.DataFrame:
    """Return ``count`` rows of ten rows a patient, ids, age, sex, department, code, two numbers and a note."""
    draw = np.random.default_rng(7)
    patients = draw.integers(0, max(1, count // 10), count)
    return pl.DataFrame(
        {
            "patient": pl.Series(patients).cast(pl.String).str.zfill(8).str.replace("^", "p"),
            "visit": pl.Series(np.arange(count)),
            "age": draw.integers(0, 90, count).astype(np.int16),
            "sex": pl.Series(draw.integers(0, 2, count)).replace_strict([0, 1], ["M", "F"]),
            "department": pl.Series(np.array(DEPARTMENTS, dtype=object)[draw.integers(0, 6, count)], dtype=pl.String),
            "code": pl.Series("I" + pl.Series(draw.integers(10, 99, count)).cast(pl.String)),
            "value": draw.normal(5.5, 1.2, count),
            "other": draw.normal(120, 15, count),
            "note": pl.Series(np.array(NOTES, dtype=object)[draw.integers(0, 200, count)], dtype=pl.String),
        }
    )


class Clock:
    """Wall time, and the time of all the process's cores."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        return f"{self.spent:.3f} s ({time.process_time() - self.cpu:.3f} s of CPU)"

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.wall


def plain_buckets(frame: pl.DataFrame, folder: Path) -> None:
    """Write with plain polars what the store writes: the same buckets, compression, threads and durability."""
    folder.mkdir()

    def one(what: tuple[str, int, Rows]) -> None:
        path = folder / f"{what[1]}.parquet"
        what[2]().write_parquet(path, compression="zstd", compression_level=parquet.LEVEL)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    with ThreadPoolExecutor(AHEAD) as pool:
        list(pool.map(one, cut({"visit": frame}, BUCKETS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    frame = rows_of(asked.rows)
    print(f"{frame.height:,} rows, {frame.estimated_size() / 1e6:,.0f} MB; load {os.getloadavg()[0]:.1f}, 2 cores")
    best: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(asked.rounds):
            one, many = root / f"plain{number}.parquet", root / f"plain{number}"
            with timed("plain write, one file", best):
                frame.write_parquet(one, compression="zstd")
                with one.open("rb") as file:
                    os.fsync(file.fileno())
            with timed("plain write, buckets", best):
                plain_buckets(frame, many)
            keys, keystore = MemoryWrappedKeys(), FileKeystore(root / f"keystore{number}", bytes(32))
            store = Store(LocalObjects(root / f"store{number}"), keystore, keys)
            sources = Sources("a" * 64, "b" * 64, "c" * 64, ("s-1",))
            with timed("encrypted write", best):
                manifest = store.write(
                    "bench", {"visit": frame}, data_class=DataClass.SENSITIVE, sources=sources, entry=ENTRY
                )
                store.commit(manifest)
            with timed("plain read, one file", best):
                assert pl.read_parquet(one).height == frame.height
            with timed("plain read, buckets", best):
                assert pl.read_parquet(sorted(many.iterdir())).height == frame.height
            with timed("encrypted read", best):
                assert store.rows(manifest, "visit").height == frame.height
            sizes = [one.stat().st_size, *(sum(p.stat().st_size for p in f.rglob("*") if p.is_file())
                     for f in (many, root / f"store{number}"))]  # fmt: skip
            one.unlink()
            shutil.rmtree(many)
        print("MB of one plain file, plain buckets, the store:", *(round(size / 1e6) for size in sizes))
        for what in ("write", "read"):
            for against in ("one file", "buckets"):
                ours, other = best[f"encrypted {what}"], best[f"plain {what}, {against}"]
                print(f"encrypted {what} / plain {what}, {against}: {ours[0] / other[0]:.2f} in wall time, "
                      f"{ours[1] / other[1]:.2f} in CPU (best of each)")  # fmt: skip
        for _ in range(3):
            manifest = withdraw(store, keystore, manifest, frame["patient"][0])
            frame = frame.filter(pl.col("patient") != frame["patient"][0])


@contextmanager
def timed(what: str, best: dict[str, tuple[float, float]]) -> Iterator[None]:
    """Keep the shortest wall time and the least processor time of what is done inside."""
    clock = Clock()
    yield
    wall, cpu = clock.spent, time.process_time() - clock.cpu
    print(f"  {what:22} {wall:.3f} s ({cpu:.3f} s of CPU)", flush=True)
    least = best.get(what, (wall, cpu))
    best[what] = (min(least[0], wall), min(least[1], cpu))


def withdraw(store: Store, keystore: FileKeystore, manifest: Manifest, patient: str) -> Manifest:
    clock = Clock()
    later = store.without(manifest, [patient], ENTRY)
    rewritten = str(clock)
    store.commit(later)
    clock = Clock()
    gone = store.forget(later, ENTRY)
    print(f"withdrawal of one patient: rewriting {rewritten}, rewrapping {clock}, {gone} objects shredded")
    for part in manifest.parts:
        if part not in later.parts:
            try:
                store.read("bench", part)
            except MedtrainError as refused:
                print(f"his old rows: {refused.code}; generations of the key held: {held(keystore)}")
    return later


def held(keystore: FileKeystore) -> list[int]:
    newest = keystore.scope_key("dataset/bench").generation
    found = []
    for number in range(1, newest + 1):
        try:
            keystore.scope_key("dataset/bench", number)
            found.append(number)
        except MedtrainError:
            pass
    return found


if __name__ == "__main__":
    main()
