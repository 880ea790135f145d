"""The demonstration as tests play it: in processes of its own, stopped on the way where a test begins there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.cli.connection import Connection
from service.holding import holder

ROOT = Path(__file__).resolve().parents[2]
SCENE = "demo-network-fast"


@dataclass(frozen=True)
class Played:
    """A finished play.

    Attributes:
        home: Its home folder.
        told: What it returned.
        again: What it returned when it was played again.
        environment: Of every process that goes on with it.
    """

    home: Path
    told: dict[str, Any]
    again: dict[str, Any]
    environment: dict[str, str] = field(repr=False)

    @property
    def stage(self) -> Path:
        return self.home / "demo" / SCENE

    @property
    def release(self) -> Path:
        return self.stage / "release"

    @property
    def trust(self) -> Path:
        return self.stage / "trust.json"

    def connection(self, who: str) -> Connection:
        """Return one of the four people's HTTP connection to the running server: quicker than a command."""
        address = holder(self.home)
        assert address, "no server holds the home folder"
        return Connection((self.home / "demo" / f"{who}.token").read_text("utf-8").strip(), server=address)

    def medtrain(
        self, *arguments: str | Path, who: str | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command as one of the four people."""
        return command(self.environment, *arguments, who=who, home=self.home, text=text)


def command(
    environment: dict[str, str],
    *arguments: str | Path,
    who: str | None = None,
    home: Path | None = None,
    text: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``medtrain`` in a process of its own."""
    token = {"MEDTRAIN_TOKEN_FILE": str(home / "demo" / f"{who}.token")} if who and home else {}
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *map(str, arguments)],
        env=environment | token,
        cwd=ROOT,
        capture_output=True,
        text=True,
        input=text,
        check=False,
        timeout=600,
    )


def environment_of(home: Path, database: str = "", *, covered: bool = True) -> dict[str, str]:
    """Return the environment of a facility in ``home``. Coverage is counted in one play: it doubles what one takes."""
    passed = [name for name in os.environ if name in ("PATH", "HOME", "LANG")]
    passed += [name for name in os.environ if covered and name.startswith("COVERAGE_")]
    made = {name: os.environ[name] for name in passed}
    made |= {"MEDTRAIN_HOME": str(home), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}
    return made | ({"MEDTRAIN_DATABASE": database} if database else {})


@dataclass(frozen=True)
class Way:
    """A play on SQLite that was killed twice on its way, with a copy of its home at each place.

    Attributes:
        home: The play itself; played again, it goes on.
        review: The officer's report waits to be read.
        release: The trained model waits for its two approvals.
    """

    home: Path
    review: Path
    release: Path


def play_on_the_way(folder: Path) -> Way:
    """Play to the two places where somebody must decide, and keep a copy of each."""
    way = Way(folder / "home", folder / "review", folder / "release")
    for line, copy in (("officer-zhou reads", way.review), ("compliance-wu approves the release", way.release)):
        play_until(way.home, line)
        shutil.copytree(way.home, copy)
    return way


def play(home: Path, database: str = "") -> Played:
    """Play the fast demonstration to its end, twice."""
    environment = environment_of(home, database, covered=not database)
    told = []
    for _ in range(2):
        done = command(environment, "demo", "--fast", "--json")
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    return Played(home, *told, environment)


def play_until(home: Path, line: str) -> None:
    """Play until it says that line, then kill it: played again, it goes on from there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "demo", "--fast"],
        env=environment_of(home), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = []
    for words in process.stderr:
        said.append(words)
        if words.startswith(line):
            process.kill()
            process.communicate()
            return
    raise AssertionError(f"it never said {line!r}: {said}")


@contextmanager
def serving(one: Played) -> Iterator[Played]:
    """Yield the play while a server holds its home folder: commands then are quick."""
    server = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve", "--port", "0"],
        env=one.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        assert "medtrain is at" in server.stderr.readline()
        yield one
    finally:
        server.terminate()
        server.communicate(timeout=60)
