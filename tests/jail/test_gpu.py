"""GPUs: one tenant, memory cleared between two. The code's own rules; no GPU is at hand to measure on."""

from pathlib import Path

import pytest
import torch

from policies.errors import JailTooWeak
from training_sandbox.jail import gpu, seccomp
from training_sandbox.jail import run as running
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.run import Ending, run
from training_sandbox.jail.tiers import Tier


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_job_gets_its_own_devices_and_no_others(devices: Path) -> None:
    words = gpu.options((1,), devices)
    assert str(devices / "nvidia1") in words
    assert str(devices / "nvidia0") not in words
    assert words[-3:] == ["--ro-bind", "/sys", "/sys"]


def test_a_device_that_is_not_there_is_named(devices: Path) -> None:
    with pytest.raises(JailTooWeak, match="no nvidia7"):
        gpu.options((7,), devices)


def test_two_jobs_never_share_a_gpu(tmp_path: Path) -> None:
    with gpu.tenancy((0, 1), tmp_path):
        with pytest.raises(JailTooWeak, match="another job is on GPU 1"), gpu.tenancy((1,), tmp_path):
            pass
        with gpu.tenancy((2,), tmp_path):
            pass
    with gpu.tenancy((1,), tmp_path):
        pass


def memory(cells: torch.Tensor):
    """Return a taker of consecutive parts of ``cells`` that fails when they are used up, as a GPU's allocator does."""
    used = 0

    def take(size: int) -> torch.Tensor:
        nonlocal used
        if used + size > len(cells):
            raise RuntimeError("out of memory")
        used += size
        return cells[used - size : used]

    return take


def test_all_memory_is_looked_at_and_cleared() -> None:
    cells = torch.zeros(5 << 20, dtype=torch.uint8)
    assert gpu.wipe(memory(cells), chunk=2 << 20) == 5 << 20


def test_what_an_earlier_job_left_is_cleared_and_no_success() -> None:
    cells = torch.zeros(5 << 20, dtype=torch.uint8)
    cells[-1] = 7
    with pytest.raises(JailTooWeak, match="earlier job"):
        gpu.wipe(memory(cells), chunk=2 << 20)
    assert not cells.any()


def folders(root: Path) -> Folders:
    made = Folders(root / "in", root / "out")
    made.data.mkdir()
    made.out.mkdir()
    return made


def test_memory_is_cleared_before_and_after_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def record(*_: object, program: str, **__: object) -> Ending:
        ran.append(program)
        return Ending("ok", Tier.T2)

    monkeypatch.setattr(running, "_run", record)
    monkeypatch.setattr(running.gpu, "tenancy", lambda numbers: gpu_tenancy(numbers, tmp_path))
    run(folders(tmp_path), b"k", Limits(gpus=(0,)), Tier.T2, program="job")
    assert ran == [gpu.WIPE, "job", gpu.WIPE]


gpu_tenancy = gpu.tenancy


def test_memory_that_cannot_be_cleared_stops_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_run", lambda *_, **__: Ending("failed", Tier.T2))
    monkeypatch.setattr(running.gpu, "tenancy", lambda numbers: gpu_tenancy(numbers, tmp_path))
    with pytest.raises(JailTooWeak, match="could not be cleared"):
        run(folders(tmp_path), b"k", Limits(gpus=(0,)), Tier.T2, program="job")


def test_a_gpu_needs_the_second_tier(tmp_path: Path) -> None:
    with pytest.raises(JailTooWeak, match="T2 only"):
        run(folders(tmp_path), b"", Limits(gpus=(0,)), Tier.T1, program="")


def test_the_filter_for_a_gpu_opens_its_driver_alone() -> None:
    assert seccomp.program(namespaces=True, gpu=True) != seccomp.program(namespaces=True)
