"""How long a search over 1,000 datasets takes over HTTP, on SQLite. Arguments: requests a second, seconds."""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
WORDS = ["糖尿病", "高血压", "冠心病", "肺炎", "脑卒中", "肿瘤", "影像", "检验", "出院小结", "病理"]
WORDS += ["门诊", "住院", "儿童", "老年", "随访", "用药", "手术", "麻醉", "急诊", "护理"]
ENGLISH = ["diabetes", "hypertension", "stroke", "pneumonia", "tumour", "imaging", "laboratory", "discharge"]


def fill(home: Path, count: int) -> str:
    """Return the bearer token of a partner of a facility with so many described, published datasets."""
    sys.path.insert(0, str(ROOT))
    from policies.entry import stamp
    from policies.people import Role
    from policies.states import VersionState
    from service import describing, staff
    from service.acts import system_entry
    from service.database import unit_of_work
    from service.facility import opened
    from service.identity import FIRST
    from service.models import DatasetRow, VersionRow
    from service.settings import read

    draw = random.Random(1)
    with opened(read(home=home, database="")) as facility:
        token = str(staff.add(facility, FIRST, "lin", "ai", frozenset({Role.PARTNER}))["token"])
        with unit_of_work(facility.database) as work:
            for number in range(count):
                name = f"d-{number:04d}"
                text = " ".join(draw.sample(WORDS, 6)) + " " + " ".join(draw.sample(ENGLISH, 3))
                about = {"title_zh": text[:12], "description_zh": text, "keywords": draw.sample(WORDS, 3)}
                row = DatasetRow(
                    id=name,
                    org=f"h-{number % 40}",
                    title=name,
                    data_class="sensitive",
                    created_at=stamp(facility.clock()),
                )
                row.document = {"declared_patients": 1000, "purposes": ["DUO:0000042"], "about": about}
                work.session.add(row)
                work.session.flush()
                work.session.add(
                    VersionRow(dataset=name, number=1, state=VersionState.PUBLISHED, digest=None, envelope=None,
                               created_at=stamp(facility.clock()), document={})
                )  # fmt: skip
                describing.index(work.session, row)
            work.add(system_entry(facility, "bench.fill", "facility", "bench", datasets=count))
    return token


async def drive(url: str, token: str, rate: float, seconds: float) -> list[float]:
    """Return how long each request took, sent at a fixed rate whatever the answers do."""
    draw, took = random.Random(2), list[float]()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:

        async def one(due: float) -> None:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = draw.choice(WORDS) if draw.random() < 0.6 else f"{draw.choice(WORDS)} {draw.choice(ENGLISH)}"
            answer = await client.get("/api/v1/search", params={"q": asked})
            assert answer.status_code == 200
            took.append(time.perf_counter() - due)

        began = time.perf_counter() + 0.5
        await asyncio.gather(*(one(began + place / rate) for place in range(int(rate * seconds))))
    return sorted(took)


def alone(home: Path, searches: int = 400) -> dict[str, float]:
    """Return how much processor time one search takes in the service, without HTTP: the machine may be busy."""
    from policies.people import Person, Role
    from service import describing
    from service.facility import opened
    from service.settings import read

    draw, lin = random.Random(3), Person("lin", "ai", frozenset({Role.PARTNER}))
    with opened(read(home=home, database="")) as facility:
        took = []
        for _ in range(searches):
            asked = draw.choice(WORDS) if draw.random() < 0.6 else f"{draw.choice(WORDS)} {draw.choice(ENGLISH)}"
            began = time.process_time()
            describing.find(facility, lin, describing.Wanted(text=asked))
            took.append(time.process_time() - began)
    took.sort()
    return {"p50": round(1000 * took[len(took) // 2], 1), "p99": round(1000 * took[int(0.99 * len(took))], 1)}


def processor(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


def main(rate: float = 100.0, seconds: float = 20.0, count: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        token = fill(home, count)
        print(json.dumps({"datasets": count, "processor_milliseconds_alone": alone(home)}), flush=True)
        server = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "serve", "--port", "0"],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
            env={"MEDTRAIN_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": folder},
        )  # fmt: skip
        try:
            assert server.stderr is not None
            url = server.stderr.readline().split()[-1]
            asyncio.run(drive(url, token, 20, 3))
            before = processor(server.pid)
            took = asyncio.run(drive(url, token, rate, seconds))
            spent = processor(server.pid) - before
        finally:
            server.terminate()
            server.wait(timeout=30)
    at = {
        name: round(1000 * took[min(len(took) - 1, int(share * len(took)))], 1)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    each = round(1000 * spent / len(took), 2)
    print(
        json.dumps(
            {"datasets": count, "requests_a_second": rate, "requests": len(took), "milliseconds": at,
             "processor_milliseconds_a_request": each, "load": round(os.getloadavg()[0], 1)}
        )
    )  # fmt: skip


if __name__ == "__main__":
    asked = [float(one) for one in sys.argv[1:3]] or [100.0, 20.0]
    main(rate=asked[0], seconds=asked[1])
