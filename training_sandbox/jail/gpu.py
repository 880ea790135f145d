"""One tenant at a time on a GPU, and memory that the next tenant reads as zeros.

A job gets whole devices, or MIG slices, under a lock that the kernel drops when the service dies; no MPS, no sharing.
Before it and after it a process of the same jail takes all free memory, looks whether anything but zeros is in it,
writes zeros and ends. Written from NVIDIA's documents and reports of others; NOT MEASURED ON A GPU.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from policies.errors import JailTooWeak

DEVICES = Path("/dev")
LOCKS = Path("/run/lock")
CHUNK = 256 << 20
WIPE = """
import torch
from training_sandbox.jail.gpu import wipe
for number in range(torch.cuda.device_count()):
    place = torch.device("cuda", number)
    wipe(lambda size: torch.empty(size, dtype=torch.uint8, device=place))
"""
"""Source of the program that clears the memory; it ends with an error where it found anything."""


def nodes(numbers: tuple[int, ...], devices: Path = DEVICES) -> tuple[Path, ...]:
    """Return the device files that a job on these GPUs needs.

    Raises:
        JailTooWeak: one of them is not there.
    """
    wanted = [devices / f"nvidia{number}" for number in numbers] + [devices / n for n in ("nvidiactl", "nvidia-uvm")]
    if missing := [path.name for path in wanted if not path.exists()]:
        raise JailTooWeak(f"this machine has no {missing[0]}")
    return tuple(wanted)


def options(numbers: tuple[int, ...], devices: Path = DEVICES) -> list[str]:
    """Return bubblewrap's words for these GPUs: the device files, and a /sys to read, without which CUDA does not
    start.
    """
    words = []
    for path in nodes(numbers, devices):
        words += ["--dev-bind", str(path), f"/dev/{path.name}"]
    return [*words, "--ro-bind", "/sys", "/sys"]


@contextmanager
def tenancy(numbers: tuple[int, ...], locks: Path = LOCKS) -> Iterator[None]:
    """Hold these GPUs alone.

    Raises:
        JailTooWeak: another job holds one of them.
    """
    held = []
    try:
        for number in sorted(numbers):
            file = os.open(locks / f"medtrain-gpu-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            held.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JailTooWeak(f"another job is on GPU {number}") from None
        yield
    finally:
        for file in held:
            os.close(file)


def wipe(take: Callable[[int], Any], chunk: int = CHUNK) -> int:
    """Fill all memory that ``take`` gives with zeros; return how many bytes there were.

    Args:
        take: Returns a tensor of that many uninitialised bytes, or raises ``RuntimeError`` when there are no more.

    Raises:
        JailTooWeak: something of an earlier tenant was left in it.
    """
    held, total, dirty = [], 0, False
    while chunk >= 1 << 20:
        try:
            part = take(chunk)
        except RuntimeError:
            chunk //= 2
            continue
        dirty = dirty or bool(part.any())
        part.zero_()
        held.append(part)
        total += chunk
    if dirty:
        raise JailTooWeak("the memory of a GPU held something of an earlier job; it is cleared now")
    return total
