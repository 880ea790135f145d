"""A generated CSV of any size through the streaming pipeline under a limit of memory.

    python bench/soak.py [MEGABYTES [LIMIT_MEGABYTES [PATIENTS]]]

Rows are as wide as those of a front page: the mapped columns, and forty that nobody mapped. The limit is RLIMIT_DATA of
a child process: everything it may write to; the peak of what was resident is printed too. Arrow takes its memory from
the system there: its own allocator reserves 1 GiB of addresses at once, which count whether they are used or not.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDTH = 40
MAPPING = """
schema: medtrain.mapping/1
name: soak
sources:
  - name: lab
    hospital: b
    format: csv
    files: ["lab.csv"]
    tables:
      row:
        columns:
          id: person.mrn
          name: person.name
          sex: person.sex
          born: person.birth_date
          address: person.address
          visit: visit.id
          admitted: visit.start
          item: measurement.name
          result: measurement.value
          unit: measurement.unit
          day: measurement.date
"""


def generate(path: Path, size: int, patients: int) -> int:
    """Write about ``size`` bytes and return the number of rows."""
    filler = ",".join(f"一般情况可，第{n}项未见异常" for n in range(WIDTH)).replace("，", "；")
    rows = 0
    with path.open("w", encoding="utf-8") as out:
        extra = ",".join(f"x{n}" for n in range(WIDTH))
        out.write(f"id,name,sex,born,address,visit,admitted,item,result,unit,day,{extra}\n")
        while rows % 1024 or out.tell() < size:
            who = rows * 7919 % patients
            name = chr(0x4E00 + who % 5000) + chr(0x6000 + who % 3001)
            born = f"19{30 + who % 60}-0{1 + who % 9}-1{who % 9}"
            day = f"202{rows % 4}-0{1 + rows % 9}-2{rows % 8}"
            out.write(
                f"B{who:08d},{name},{'男女'[who % 2]},{born},江苏省南京市鼓楼区路{who}号,{rows % 5},{day},葡萄糖,"
                f"{4 + rows % 97 / 10:.1f},mmol/L,{day},{filler}\n"
            )
            rows += 1
    return rows


CHILD = """
import resource, sys, time
from pathlib import Path
limit = int(sys.argv[2]) << 20
from deid.keys import ProjectKeys
from deid.mapping import parse_mapping
from deid.policy import load_profile
from deid.records import FolderRecords
from deid.streaming import stream
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
folder = Path(sys.argv[1])
made = stream(FolderRecords(folder / "in"), parse_mapping((folder / "mapping.yaml").read_bytes()),
              load_profile("cn_enclave"), ProjectKeys(b"i" * 32, b"p" * 32, b"s" * 32), project="soak",
              out=folder / "out", size=(folder / "in" / "lab.csv").stat().st_size)
print(made.report.totals(), dict(made.report.tables))
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"peak resident {used.ru_maxrss / 1024:.0f} MB, processor {used.ru_utime + used.ru_stime:.0f} s")
"""


def main(megabytes: int, limit: int, patients: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        (root / "mapping.yaml").write_text(MAPPING, "utf-8")
        rows = generate(root / "in" / "lab.csv", megabytes << 20, patients)
        size = (root / "in" / "lab.csv").stat().st_size
        print(f"{size / 2**20:.0f} MB, {rows} rows, {patients} patients, limit {limit} MB", flush=True)
        start = time.perf_counter()
        surroundings = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
        ended = subprocess.run([sys.executable, "-c", CHILD, folder, str(limit)], check=False, env=surroundings)
        print(f"{time.perf_counter() - start:.0f} s wall, exit {ended.returncode}")
        return ended.returncode


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [2048, 1500, 20_000][len(given) :])))
