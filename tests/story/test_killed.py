"""kill -9 at seeded moments, some inside commits; played again, the demonstration ends in the same published state."""

import json
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.story.play import environment_of

ROOT = Path(__file__).resolve().parents[2]
KILLED = Path(__file__).with_name("killed.py")
SIGKILL = -9


def moments(seed: int = 7) -> list[str]:
    draw = random.Random(seed)
    times = [f"seconds:{draw.uniform(3.0, 12.0):.2f}" for _ in range(4)]
    inside = [f"commit:{draw.randint(2, 30)}" for _ in range(3)]
    behind = [f"after:{draw.randint(2, 30)}" for _ in range(3)]
    drawn = times + inside + behind
    draw.shuffle(drawn)
    return drawn


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory, played_on_sqlite: Any) -> tuple[Path, dict[str, Any], list[int]]:
    """Return (home, what the last play told, how the killed ones ended)."""
    home = tmp_path_factory.mktemp("killed") / "home"
    environment = environment_of(home, covered=False)
    ends = []
    for moment in moments():
        done = subprocess.run(
            [sys.executable, KILLED, moment, "demo", "--fast", "--json"],
            env=environment | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        ends.append(done.returncode)
    last = subprocess.run(
        [sys.executable, "-m", "service.cli.main", "demo", "--fast", "--json"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert last.returncode == 0, last.stderr
    return home, json.loads(last.stdout), ends


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(home / "medtrain.db") as connection:
        return connection.execute(query).fetchall()


def test_most_plays_were_really_killed(survived: Any) -> None:
    assert survived[2].count(SIGKILL) >= 8


def test_there_is_one_version_one_run_and_one_charge_of_each_kind(survived: Any) -> None:
    home, told, _ = survived
    assert rows(home, "select number, state from versions") == [(1, "published")]
    assert rows(home, "select id, state from runs") == [(told["run"], "released")]
    charges = rows(home, "select id, state from charges order by id")
    assert charges == [(f"{told['run']}.evaluate", "spent"), (f"{told['run']}.train", "spent")]


def test_the_published_rows_are_those_of_an_undisturbed_play(survived: Any, played_on_sqlite: Any) -> None:
    _, told, _ = survived
    tables = {table["name"]: table["rows"] for table in told["version"]["tables"]}
    undisturbed = {table["name"]: table["rows"] for table in played_on_sqlite.told["version"]["tables"]}
    assert tables == undisturbed
    assert told["report"] == played_on_sqlite.told["report"] | {"linkage": told["report"]["linkage"]}


def test_no_patient_was_charged_twice(survived: Any) -> None:
    home, _, _ = survived
    doubled = "select token from charge_members group by token having count(*) > 1"
    assert rows(home, doubled) == []


def test_the_log_has_every_entry_once_and_verifies(survived: Any) -> None:
    home, told, _ = survived
    assert rows(home, "select count(*) from entries") == rows(home, "select count(distinct id) from entries")
    assert told["certificate"]["verified"] is True
    issued = rows(home, "select count(*) from entries where action = 'release.issue'")
    assert issued == [(1,)]


def test_no_plaintext_is_left_outside_the_input_folder(survived: Any) -> None:
    home, _, _ = survived
    front_page = next((home / "demo").rglob("front_page.csv")).read_bytes().splitlines()[1:200]
    needles = [line.split(b",")[2] for line in front_page if len(line.split(b",")[2]) >= 8]
    assert needles
    for path in home.rglob("*"):
        if path.is_file() and "network" not in path.parts:
            raw = path.read_bytes()
            assert not any(needle in raw for needle in needles)
