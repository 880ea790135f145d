"""The bubblewrap profile of tier T2: an empty world with one process in it.

Source: bubblewrap 0.8 manual. The environment is emptied before bubblewrap starts and the job is process 1, because
``--clearenv`` alone leaves the launcher's environment readable in ``/proc/1/environ``.
"""

import shutil
from pathlib import Path

from policies.errors import JailTooWeak
from training_sandbox.jail import gpu
from training_sandbox.jail.interpreter import LINKER_CACHE, PACKAGES, SYSTEM, Interpreter, command
from training_sandbox.jail.limits import Folders, Limits

DATA, OUT, CODE, SCRATCH = Path("/data"), Path("/out"), Path("/code"), Path("/tmp")  # noqa: S108  # a tmpfs of the job's own
_SHARED_MEMORY = 64 << 20

_NAMESPACES = """--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup
--disable-userns --uid 65534 --gid 65534 --hostname sandbox --as-pid-1 --die-with-parent --new-session
--cap-drop ALL --clearenv"""

# Tell about the host, not about the job. /dev/null over them reads as EACCES.
_MASKED = """cmdline keys key-users kallsyms modules version mounts timer_list interrupts softirqs loadavg uptime stat
diskstats vmstat partitions sysrq-trigger kcore kmsg kpagecount kpageflags kpagecgroup swaps devices misc iomem ioports
consoles crypto dma execdomains fb latency_stats locks mtrr pagetypeinfo sched_debug schedstat slabinfo vmallocinfo
zoneinfo buddyinfo cgroups config.gz"""
_EMPTIED = ("sys", "fs", "irq", "bus", "acpi", "asound", "driver", "scsi", "tty", "pressure", "sysvipc")


def binary() -> Path:
    """Return bubblewrap's path.

    Raises:
        JailTooWeak: it is not installed.
    """
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found is None:
        raise JailTooWeak("bubblewrap is not installed on this machine")
    return Path(found)


def options(python: Interpreter, folders: Folders, limits: Limits, environment: dict[str, str]) -> list[str]:
    """Return the profile, for ``--args``: nothing but the interpreter, two packages, input, output and scratch."""
    words = _NAMESPACES.split()
    for name, value in environment.items():
        words += ["--setenv", name, value]
    for folder in SYSTEM:
        if folder.is_symlink():
            words += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            words += _read_only(folder, folder)
    for path in (*python.libraries, python.executable):
        words += _read_only(path, path)
    words += ["--ro-bind-try", str(LINKER_CACHE), str(LINKER_CACHE)]
    for inside, outside in zip(_site(python), python.site, strict=True):
        words += _read_only(outside, inside)
    for name in PACKAGES:
        words += _read_only(python.code / name, CODE / name)
    words += _read_only(folders.data, DATA)
    words += ["--bind", str(folders.out), str(OUT)]
    words += ["--size", str(limits.scratch_bytes), "--tmpfs", str(SCRATCH), "--proc", "/proc"]
    # --dev alone is writable and as large as the machine's memory.
    words += ["--dev", "/dev", "--size", str(min(_SHARED_MEMORY, limits.scratch_bytes)), "--tmpfs", "/dev/shm"]  # noqa: S108
    words += gpu.options(limits.gpus) if limits.gpus else []
    words += ["--remount-ro", "/dev"]
    for name in _MASKED.split():
        path = Path("/proc", name)
        if path.is_file() and not path.is_symlink():
            words += _read_only(Path("/dev/null"), path)
    for name in _EMPTIED:
        if Path("/proc", name).is_dir():
            words += ["--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}"]
    return [*words, "--remount-ro", "/", "--chdir", str(SCRATCH)]


def jailed(python: Interpreter, program: str) -> list[str]:
    """Return the command as it reads inside."""
    return command(python.executable, _site(python), CODE, program)


def _site(python: Interpreter) -> tuple[Path, ...]:
    return tuple(Path("/site", str(number)) for number in range(len(python.site)))


def _read_only(outside: Path, inside: Path) -> list[str]:
    return ["--ro-bind", str(outside), str(inside)]
