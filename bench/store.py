"""The encrypted store against plain polars, in one run: write, read, and the withdrawal of one patient.

.venv/bin/python bench/store.py --rows 5000000
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    frame = rows_of(asked.rows)
    print(f"{frame.height:,} rows, {frame.estimated_size() / 1e6:,.0f} MB; load {os.getloadavg()[0]:.1f}, 2 cores")
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(asked.rounds):
            plain = root / f"plain{number}.parquet"
            clock = Clock()
            frame.write_parquet(plain, compression="zstd")
            with plain.open("rb") as file:
                os.fsync(file.fileno())
            told("plain write", clock, best)
            clock = Clock()
            pl.read_parquet(plain)
            told("plain read", clock, best)
            plain.unlink()
            keys, keystore = MemoryWrappedKeys(), FileKeystore(root / f"keystore{number}", bytes(32))
            store = Store(LocalObjects(root / f"store{number}"), keystore, keys)
            clock = Clock()
            sources = Sources("a" * 64, "b" * 64, "c" * 64, ("s-1",))
            manifest = store.write(
                "bench", {"visit": frame}, data_class=DataClass.SENSITIVE, sources=sources, entry=ENTRY
            )
            store.commit(manifest)
            told("encrypted write", clock, best)
            clock = Clock()
            assert store.scan(manifest, "visit").collect().height == frame.height
            told("encrypted read", clock, best)
        for what in ("write", "read"):
            ratio = best[f"encrypted {what}"] / best[f"plain {what}"]
            print(f"encrypted {what} / plain {what}: {ratio:.2f} (best of each)")
        withdraw(store, keystore, manifest, frame["patient"][0])


def told(what: str, clock: Clock, best: dict[str, float]) -> None:
    print(f"  {what:16} {clock}")
    best[what] = min(best.get(what, float("inf")), clock.spent)


def withdraw(store: Store, keystore: FileKeystore, manifest: Manifest, patient: str) -> None:
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
