"""Keyed pseudonyms of columns: cells for each second of processor time, beside the usual ways, in one run.

python bench/columns.py [ROWS]
"""

import hmac
import sys
import time
from collections.abc import Callable
from hashlib import blake2b

import polars as pl

from deid.transform.pseudonym import pseudonyms

KEY = bytes(range(32))


def columns(rows: int) -> dict[str, pl.Series]:
    given = [
        chr(0x4E00 + n % 5000) + chr(0x5000 + n % 777) + (chr(0x6000 + n % 333) if n % 3 else "") for n in range(rows)
    ]
    return {
        "resident number, all different": pl.Series([f"31010419{n:010d}" for n in range(rows)]),
        "name of two or three hanzi": pl.Series(given),
        "record number, each ten times": pl.Series([f"H{n // 10:08d}" for n in range(rows)]),
        "address of 20 to 25 hanzi": pl.Series(
            [f"上海市徐汇区云锦桥路{n}弄{n % 40}号{n % 999}室一单元" for n in range(rows)]
        ),
    }


def ours(values: pl.Series) -> pl.Series:
    return pseudonyms(values, KEY, "bench", "mrn")


def distinct_hmac(values: pl.Series) -> pl.Series:
    distinct = values.unique(maintain_order=True)
    made = [hmac.digest(KEY, value.encode(), "sha256")[:12].hex() for value in distinct]
    return values.replace_strict(distinct, pl.Series(made))


def one_by_one(values: pl.Series) -> pl.Series:
    base = blake2b(key=KEY, digest_size=12)

    def one(value: str) -> str:
        state = base.copy()
        state.update(value.encode())
        return state.hexdigest()

    return pl.Series([one(value) for value in values.to_list()])


WAYS: dict[str, Callable[[pl.Series], pl.Series]] = {
    "medtrain": ours, "keyed BLAKE2b, value by value": one_by_one, "distinct values, HMAC-SHA256": distinct_hmac,
}  # fmt: skip


def main(rows: int) -> None:
    print("| column | " + " | ".join(WAYS) + " |\n|---|" + "---|" * len(WAYS))
    for name, values in columns(rows).items():
        rates = []
        for way in WAYS.values():
            best = 0.0
            for _ in range(3):
                start = time.process_time()
                made = way(values)
                best = max(best, rows / (time.process_time() - start))
            assert made.n_unique() == values.n_unique()
            rates.append(best)
        print(f"| {name} | " + " | ".join(f"{rate / 1e6:.2f} M ({rate / rates[-1]:.1f}x)" for rate in rates) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
