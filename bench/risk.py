"""k, l, t and the three attackers over a million patients, and the solver over the same; seconds.

python bench/risk.py [PATIENTS]
"""

import random
import sys
import time

import polars as pl

from deid.lattice import lower
from deid.policy import load_profile
from deid.risk import measure

CITIES = ("南京", "苏州", "无锡")


def people(count: int) -> pl.DataFrame:
    rng = random.Random(7)
    districts = [
        f"江苏省{city}市{chr(0x4E00 + n)}{chr(0x5000 + n)}区" for city in ("南京", "苏州", "无锡") for n in range(12)
    ]
    return pl.DataFrame(
        {
            "patient": [str(n) for n in range(count)],
            "sex": rng.choices(["male", "female"], k=count),
            "age": [min(int(rng.gauss(55, 18)) % 100, 99) for _ in range(count)],
            "age_width": [1] * count,
            "race": rng.choices(["01", "02", "03"], [95, 4, 1], k=count),
            "address": rng.choices(districts, k=count),
            "sensitive": rng.choices([f"{letter}{n:02d}" for letter in "EIJKN" for n in range(8)], k=count),
        }
    )


def main(count: int) -> None:
    table = people(count)
    shown = table.with_columns(
        (pl.col("age") // 5 * 5).cast(pl.String).alias("age_band"), pl.col("address").alias("region")
    )
    start = time.perf_counter()
    risk = measure(shown)
    measured = time.perf_counter() - start
    print(f"measure: {count} patients in {measured:.2f} s wall: {risk.as_dict()}")
    for name in ("cn_enclave", "cn_controlled", "cn_open"):
        start = time.perf_counter()
        found = lower(table, load_profile(name))
        print(
            f"{name}: {found.tried} nodes in {time.perf_counter() - start:.2f} s, lost {found.loss:.3f}, "
            f"suppressed {found.after.suppressed}, {found.node}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
