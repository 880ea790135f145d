"""One job in a jail: how it ends, what it can use up, and that nothing of it stays."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from policies.errors import JailTooWeak, Misuse
from training_sandbox.jail import bubblewrap, cgroups, landlock, seccomp
from training_sandbox.jail import probe as probing
from training_sandbox.jail import run as running
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.probe import probe
from training_sandbox.jail.run import Ending, run
from training_sandbox.jail.tiers import Tier, check_tier

ROOT = Path(__file__).parents[2]
SMALL = {"memory": 128 << 20, "pids": 24, "wall_seconds": 20.0, "output_bytes": 4 << 20, "scratch_bytes": 4 << 20}


@pytest.fixture(scope="session")
def proved() -> dict[Tier, str]:
    """Return tier -> why it does not hold here; empty where it does."""
    findings = probe().findings
    return {f.tier: "" if f.held else f.problem or f"escaped: {f.escaped}" for f in findings}


@pytest.fixture(params=[Tier.T2, Tier.T1])
def tier(request: pytest.FixtureRequest, proved: dict[Tier, str]) -> Tier:
    if proved[request.param]:
        pytest.skip(f"this machine has no {request.param.value}: {proved[request.param]}")
    return request.param


Job = Callable[..., Ending]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "in", tmp_path / "out")
    made.data.mkdir()
    made.out.mkdir()
    return made


@pytest.fixture
def job(folders: Folders, tier: Tier) -> Job:
    """Return a function that runs Python source in a small jail."""

    def start(
        program: str, keys: bytes = b"", heard: Callable[[str], None] = lambda _: None, **limits: float
    ) -> Ending:
        return run(folders, keys, Limits(**(SMALL | limits)), tier, program=program, heard=heard)

    return start


def test_a_job_reads_its_keys_and_writes_its_output(job: Job, folders: Folders, tier: Tier) -> None:
    program = "import sys; open(sys.argv[2] + '/result.json', 'wb').write(sys.stdin.buffer.readline())"
    assert job(program, b'{"data_key":"00"}\n') == Ending("ok", tier)
    assert (folders.out / "result.json").read_bytes() == b'{"data_key":"00"}\n'


def test_only_two_packages_of_ours_can_be_imported(job: Job) -> None:
    program = """
import importlib, sys
import policies.errors, training_sandbox.jail.tiers
for name in ("service", "deid", "datasets", "client", "medtrain_client"):
    try: importlib.import_module(name)
    except ImportError: continue
    sys.exit(1)
"""
    assert job(program).outcome == "ok"


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "ok"), (1, "failed"), (2, "failed"), (77, "failed"), (128, "failed")]
)
def test_an_exit_code_carries_one_bit(job: Job, tier: Tier, code: int, outcome: str) -> None:
    assert job(f"import os; os._exit({code})") == Ending(outcome, tier)


def test_a_crash_shows_nothing_of_its_message(job: Job, tier: Tier, capfd: pytest.CaptureFixture[str]) -> None:
    assert job("raise ValueError('patient 7')") == Ending("failed", tier)
    assert capfd.readouterr() == ("", "")


def test_words_of_the_vocabulary_are_heard_and_no_others(job: Job) -> None:
    heard: list[str] = []
    said = ["started", "patient 7", "tenth 11", "tenth 10", "finished ", "finished"]
    program = f"for word in {said}: print(word)"
    assert job(program, heard=heard.append).outcome == "ok"
    assert heard == ["started", "tenth 10", "finished"]


def test_a_flood_of_words_is_cut_off(job: Job) -> None:
    heard: list[str] = []
    program = """
import os
try:
    while True: os.write(1, b"started\\n" * 1000)
except OSError: pass
"""
    assert job(program, heard=heard.append).outcome == "ok"
    assert 0 < len(heard) <= (64 << 10) // 8


def test_a_job_that_closes_its_output_is_still_waited_for(job: Job, folders: Folders) -> None:
    program = "import os, sys, time; os.close(1); time.sleep(0.3); open(sys.argv[2] + '/late', 'w').close()"
    assert job(program).outcome == "ok"
    assert (folders.out / "late").exists()


def test_sleeping_for_ever_ends_at_the_wall_clock(job: Job, tier: Tier) -> None:
    before = time.monotonic()
    assert job("import time; time.sleep(600)", wall_seconds=0.7) == Ending("timeout", tier, "wall-clock")
    assert time.monotonic() - before < 5


def test_ignoring_signals_does_not_help(job: Job, tier: Tier) -> None:
    program = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU): signal.signal(number, signal.SIG_IGN)
time.sleep(600)
"""
    assert job(program, wall_seconds=0.7) == Ending("timeout", tier, "wall-clock")


def test_a_memory_bomb_dies_alone(job: Job, tier: Tier) -> None:
    ending = job("hoard = [bytearray(b'x' * (8 << 20)) for _ in range(100)]")
    # Where cgroups are at hand the kernel kills; rlimits alone make the allocation fail.
    assert (ending.outcome, ending.reason) in {("killed", "memory"), *([("failed", "")] if tier is Tier.T1 else [])}


def test_a_fork_bomb_ends_at_the_cap(job: Job, folders: Folders, tier: Tier) -> None:
    program = """
import os, sys, time
made, name = 0, "none"
try:
    while made < 200:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        made += 1
except OSError as problem: name = type(problem).__name__
open(sys.argv[2] + "/made", "w").write(f"{made} {name}")
"""
    assert job(program).outcome == "ok"
    made, name = (folders.out / "made").read_text().split()
    assert (int(made) < 24, name) == (True, "BlockingIOError" if tier is Tier.T2 else "PermissionError")


def test_spinning_gets_its_share_of_the_processor(folders: Folders, proved: dict[Tier, str]) -> None:
    if proved[Tier.T2]:
        pytest.skip(f"this machine has no T2: {proved[Tier.T2]}")
    program = """
import sys, time
end = time.monotonic() + 1.5
while time.monotonic() < end: pass
open(sys.argv[2] + "/used", "w").write(str(time.process_time()))
"""
    assert run(folders, b"", Limits(**SMALL, cpus=0.2), Tier.T2, program=program).outcome == "ok"
    assert float((folders.out / "used").read_text()) < 0.2 * 1.5 + 0.4


def test_filling_the_output_folder_ends_the_job(job: Job, tier: Tier) -> None:
    program = """
import sys, time
for number in range(64): open(f"{sys.argv[2]}/{number}", "wb").write(bytes(1 << 20))
time.sleep(60)
"""
    assert job(program) == Ending("killed", tier, "output")


def test_output_that_is_too_large_at_the_very_end_counts_as_well(job: Job, tier: Tier) -> None:
    program = "import sys\nfor number in range(6): open(f'{sys.argv[2]}/{number}', 'wb').write(bytes(1 << 20))"
    assert job(program) == Ending("killed", tier, "output")


def running_with(marker: str) -> list[int]:
    """Return the processes whose command line holds ``marker``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def test_a_daemon_does_not_survive_its_job(job: Job, tmp_path: Path) -> None:
    marker = f"daemon-{tmp_path.name}-{os.getpid()}"
    program = f"""
import os, time  # {marker}
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(600)
        os._exit(0)
except PermissionError: pass
"""
    assert job(program).outcome == "ok"
    assert eventually(lambda: not running_with(marker))


def test_the_job_dies_with_the_service(folders: Folders, tier: Tier, tmp_path: Path) -> None:
    marker = f"orphan-{tmp_path.name}-{os.getpid()}"
    service = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.run import run
from training_sandbox.jail.tiers import Tier
mark = "".join({list(marker)!r})
program = "import sys, time; open(sys.argv[2] + '/up', 'w'); time.sleep(600)  # " + mark
folders = Folders(Path({str(folders.data)!r}), Path({str(folders.out)!r}))
run(folders, b"", Limits(memory=128 << 20), Tier({tier.value!r}), program=program)
"""
    parent = subprocess.Popen([sys.executable, "-c", service])
    assert eventually(lambda: (folders.out / "up").exists() and bool(running_with(marker)), 15)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not running_with(marker))


def test_no_group_and_no_scratch_folder_stays_behind(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(running.tempfile, "tempdir", str(scratch))
    assert job("import os; open(os.environ['TMPDIR'] + '/left', 'w').close()").outcome == "ok"
    assert list(scratch.iterdir()) == []
    mine = f"medtrain-{os.getpid()}-*"
    assert [path for place in cgroups.places() for path in place.parent.glob(mine)] == []


def test_a_call_of_the_x32_interface_kills(job: Job, tier: Tier) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("only x86-64 has the x32 interface")
    ending = job("import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))")
    assert ending == Ending("killed", tier, "signal")


def test_a_jail_that_cannot_be_built_is_an_error_and_not_a_failed_job(
    folders: Folders, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tier is Tier.T2:
        monkeypatch.setattr(bubblewrap, "binary", lambda: Path("/bin/false"))
    else:
        monkeypatch.setattr(running, "_readable", lambda _: ())
    with pytest.raises(JailTooWeak, match="could not build"):
        run(folders, b"", Limits(**SMALL), tier, program="")


def test_an_input_folder_that_is_not_there_is_no_failed_job(folders: Folders, proved: dict[Tier, str]) -> None:
    if proved[Tier.T2]:
        pytest.skip(f"this machine has no T2: {proved[Tier.T2]}")
    folders.data.rmdir()
    with pytest.raises(JailTooWeak, match="could not build"):
        run(folders, b"", Limits(**SMALL), Tier.T2, program="")


def test_a_process_that_cannot_be_ended_is_no_success(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cgroups.Group.remove
    monkeypatch.setattr(cgroups.Group, "remove", lambda group: real(group) and False)
    with pytest.raises(JailTooWeak, match="could not be ended"):
        job("")


def test_a_job_that_does_not_want_its_keys_may_end_without_them(job: Job, tier: Tier) -> None:
    assert job("import os; os._exit(0)", b"{}\n") == Ending("ok", tier)


def test_a_jail_that_dies_before_taking_the_keys_is_an_error(
    folders: Folders, proved: dict[Tier, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if proved[Tier.T1]:
        pytest.skip(f"this machine has no T1: {proved[Tier.T1]}")
    monkeypatch.setattr(running, "_LAUNCHER", "import sys; sys.exit(1)")
    with pytest.raises(JailTooWeak, match="could not build"):
        run(folders, b"k" * (1 << 20), Limits(**SMALL), Tier.T1, program="")


def test_a_file_that_vanishes_while_it_is_counted_counts_nothing(tmp_path: Path, monkeypatch) -> None:
    class Gone:
        def stat(self, *, follow_symlinks: bool) -> None:
            raise FileNotFoundError

    monkeypatch.setattr(running.os, "scandir", lambda _: nullcontext([Gone()]))
    assert running._full({tmp_path: 1}) is False


def test_without_cgroups_there_is_no_second_tier(folders: Folders) -> None:
    with pytest.raises(JailTooWeak, match="memory, pids, cpu"):
        run(folders, b"", Limits(), Tier.T2, program="", places=())


def test_without_cgroups_the_first_tier_says_what_is_not_capped(folders: Folders, proved: dict[Tier, str]) -> None:
    if proved[Tier.T1]:
        pytest.skip(f"this machine has no T1: {proved[Tier.T1]}")
    ending = run(folders, b"", Limits(**SMALL), Tier.T1, program="", places=())
    assert ending == Ending("ok", Tier.T1, uncapped=("memory", "pids", "cpu"))


def test_the_probe_falls_to_the_next_tier_and_says_why(
    proved: dict[Tier, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if proved[Tier.T1]:
        pytest.skip(f"this machine has no T1: {proved[Tier.T1]}")

    def missing() -> Path:
        raise JailTooWeak("bubblewrap is not installed on this machine")

    monkeypatch.setattr(bubblewrap, "binary", missing)
    found = probe()
    assert found.tier is Tier.T1
    assert found.as_dict()["findings"][0] == {
        "tier": "T2",
        "tried": 0,
        "escaped": [],
        "problem": "bubblewrap is not installed on this machine",
    }


def test_the_probe_lets_no_tier_pass_that_one_attempt_escaped(
    proved: dict[Tier, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = probing.answers
    monkeypatch.setattr(probing, "answers", lambda tier: real(tier) | {53: ("leaked",)})
    found = probe((Tier.T1,))
    assert (found.tier, found.findings[0].escaped) == (Tier.T0, (53,))


def test_the_probe_lets_no_tier_pass_that_does_not_cap_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_bomb", lambda tier: Ending("ok", tier))
    assert probe((Tier.T1,)).tier is Tier.T0


def test_without_libseccomp_no_tier_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert probe().tier is Tier.T0


@pytest.mark.parametrize("names", ["DENIED", "ALLOWED"])
def test_the_filter_is_not_built_when_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    monkeypatch.setattr(seccomp, names, "ptrace no_such_call")
    with pytest.raises(JailTooWeak, match="no_such_call"):
        seccomp.program(namespaces=True)


def test_an_old_landlock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 2)
    with pytest.raises(OSError, match="too old"):
        landlock.confine([], [])


def test_bubblewrap_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda *_, **__: None)
    with pytest.raises(JailTooWeak, match="bubblewrap"):
        bubblewrap.binary()


@pytest.mark.parametrize(
    ("has", "needs", "enough"), [("T2", "T1", True), ("T1", "T1", True), ("T0", "T1", False), ("T1", "T2", False)]
)
def test_the_policy_needs_a_tier_at_least(has: str, needs: str, enough: bool) -> None:
    if enough:
        check_tier(Tier(has), Tier(needs))
    else:
        with pytest.raises(JailTooWeak, match=f"{needs}.*{has}"):
            check_tier(Tier(has), Tier(needs))


@pytest.mark.parametrize("limit", ["memory", "pids", "cpus", "wall_seconds", "output_bytes", "scratch_bytes"])
def test_every_limit_is_above_zero(limit: str) -> None:
    with pytest.raises(Misuse, match="above zero"):
        Limits(**{limit: 0})
