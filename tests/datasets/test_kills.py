"""kill -9 at random moments of publish, withdraw, reserve and append; ``make soak`` does 200 on each database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_plain_after_kills_at_random_moments(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "bench/kills.py", "--kills", "4", "--seed", "11", "--url", database_url],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "POLARS_MAX_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 4
    assert told["acknowledged"]["withdrawn"] >= 2
