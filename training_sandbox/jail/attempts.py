"""Attempts to break out, made from inside the jail. Numbered as in the escape suite of the documentation.

The probe makes them when the service starts, the tests make them one by one: a tier is what withstood them. Standard
library only. An attempt returns what happened as one word: the name of an errno, or what it got hold of. None of them
does harm where nothing stops it.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ENVIRONMENT = {"HOME", "TMPDIR", "LANG", "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "PWD", "LC_CTYPE"}
REPORT = "attempts.json"
ORDERS = "orders.json"

# Every call an attempt makes by number; the host looks the numbers up, since they differ between processors.
CALLS = """ptrace process_vm_readv pidfd_open pidfd_getfd bpf perf_event_open userfaultfd io_uring_setup keyctl add_key
request_key unshare clone setns mount umount2 fsopen pivot_root chroot open_by_handle_at init_module kexec_load
personality memfd_secret shmget syslog socket prctl ioctl"""

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_USER = 0x10000000


@dataclass(frozen=True, slots=True)
class World:
    """What an attempt may know: its folders, and where things lie on the host outside.

    Attributes:
        data, out, scratch: The job's folders as seen inside.
        neighbour: A file of another job, on the host.
        listener: The name of an abstract socket a host daemon listens on.
        numbers: System call name -> number.
    """

    data: Path
    out: Path
    scratch: Path
    neighbour: Path
    listener: str
    numbers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out.

    Attributes:
        number: In the escape suite.
        what: In words.
        t2, t1: The answers that mean the tier held.
        make: Returns the answers of the attempt's variants; all must be expected ones.
    """

    number: int
    what: str
    t2: frozenset[str]
    t1: frozenset[str]
    make: Callable[[World], Iterable[str]]


def _answer(act: Callable[[], Any], got: str = "leaked") -> str:
    try:
        act()
    except OSError as problem:
        return errno.errorcode.get(problem.errno or 0, type(problem).__name__)
    return got


def _read(*paths: str) -> Callable[[World], Iterable[str]]:
    return lambda _: [_answer(partial(_open, path, os.O_RDONLY)) for path in paths]


def _open(path: str | Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    with contextlib.suppress(IsADirectoryError):
        os.read(descriptor, 1)
    os.close(descriptor)


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    path.unlink()


def _call(world: World, name: str | int, *arguments: Any) -> str:
    number = name if isinstance(name, int) else world.numbers[name]
    padded = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments] + [ctypes.c_long(0)] * (
        6 - len(arguments)
    )
    if _LIBC.syscall(ctypes.c_long(number), *padded) < 0:
        return errno.errorcode.get(ctypes.get_errno(), "unknown")
    return "leaked"


def _calls(*calls: tuple[Any, ...]) -> Callable[[World], Iterable[str]]:
    return lambda world: [_call(world, *call) for call in calls]


def _socket(*kinds: tuple[int, int]) -> Callable[[World], Iterable[str]]:
    return lambda _: [_answer(partial(_connectable, *kind)) for kind in kinds]


def _connectable(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _write_inputs(world: World) -> Iterable[str]:
    yield _answer(lambda: _open(world.data / ORDERS, os.O_WRONLY))
    yield _answer(lambda: _create(world.data / "new"))


def _write_code(_: World) -> Iterable[str]:
    here = Path(__file__)
    for folder in (here.parent, here.parents[2], Path(json.__file__).parent, Path("/usr/lib"), Path("/")):
        yield _answer(partial(_create, folder / "attempt"))


def _hard_link(world: World) -> Iterable[str]:
    yield _answer(lambda: os.link(world.data / ORDERS, world.out / "link"))


def _sparse(world: World) -> Iterable[str]:
    path = world.out / "sparse"
    with path.open("wb") as file:
        yield _answer(lambda: os.ftruncate(file.fileno(), 1 << 40))
    path.unlink()


def _fill(folder: Path) -> str:
    path = folder / "fill"
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(128):
                file.write(bytes(1 << 20))
    except OSError as problem:
        return errno.errorcode[problem.errno or 0]
    finally:
        path.unlink(missing_ok=True)
    return "leaked"


def _shared_files(_: World) -> Iterable[str]:
    """What two jobs both can read, neither may write: its cached pages would be a blackboard between them."""
    for path in (sys.executable, json.__file__, __file__):
        yield _answer(partial(_open, path, os.O_WRONLY))


def _mounts(world: World) -> Iterable[str]:
    """The own mounts' names are readable, the neighbour's must not be among them."""
    try:
        said = Path("/proc/self/mountinfo").read_bytes()
    except OSError as problem:
        yield errno.errorcode[problem.errno or 0]
    else:
        yield "leaked" if os.fsencode(world.neighbour.parent) in said else "own"


def _fill_scratch(world: World) -> Iterable[str]:
    yield _fill(world.scratch)


def _fill_devices(_: World) -> Iterable[str]:
    yield _answer(lambda: _create(Path("/dev/attempt")))
    yield _answer(lambda: _create(Path("/dev/shm/attempt")), _fill(Path("/dev/shm")))  # noqa: S108  # the attempt itself


def _make_devices(world: World) -> Iterable[str]:
    for folder in (world.out, world.scratch):
        yield _answer(partial(os.mknod, folder / "device", 0o020600, os.makedev(1, 1)))


def _reopen(world: World) -> Iterable[str]:
    with (world.data / ORDERS).open("rb") as file:
        yield _answer(lambda: _open(f"/proc/self/fd/{file.fileno()}", os.O_RDWR))


def _environment_of_others(_: World) -> Iterable[str]:
    for pid in {1, os.getppid()} - {0}:
        try:
            names = {
                word.split(b"=")[0].decode() for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if word
            }
        except OSError as problem:
            yield errno.errorcode[problem.errno or 0]
        else:
            yield "ours" if names <= ENVIRONMENT else "leaked"


def _commands_of_others(world: World) -> Iterable[str]:
    for pid in {1, os.getppid()} - {0}:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError as problem:
            yield errno.errorcode[problem.errno or 0]
        else:
            yield "leaked" if os.fsencode(world.neighbour.parent.parent) in words else "none"


def _neighbour(world: World) -> Iterable[str]:
    yield _answer(lambda: _open(world.neighbour, os.O_RDONLY))
    yield _answer(lambda: list(world.neighbour.parent.iterdir()))


def _host_scratch(world: World) -> Iterable[str]:
    """The neighbour lies in the host's folder for temporary files; the job's own must not be the same one."""
    names: set[str] = set()
    got = _answer(lambda: names.update(path.name for path in world.neighbour.parents[3].iterdir()), "read")
    yield "leaked" if world.neighbour.parents[2].name in names else "private" if got == "read" else got


def _newer_calls(world: World) -> Iterable[str]:
    return [_call(world, number, 0, 0, 0) for number in (449, 451, 460, 600, 1023)]


def _namespaces(world: World) -> Iterable[str]:
    yield _call(world, "clone", _NEW_USER | 17)
    yield _call(world, 435, 0, 0)  # clone3


def _allow_everything(world: World) -> Iterable[str]:
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000), 8)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(code)), 16)
    _LIBC.prctl(22, ctypes.c_ulong(2), head, ctypes.c_ulong(0), ctypes.c_ulong(0))
    yield _call(world, "ptrace", 0)


def _powers(_: World) -> Iterable[str]:
    _LIBC.prctl(38, 0, 0, 0, 0)  # would clear no_new_privs, if that could be done
    with contextlib.suppress(OSError):
        os.setuid(0)
    facts = dict(line.split(":\t") for line in _status().splitlines() if line.startswith(("CapEff", "CapBnd")))
    yield "none" if _LIBC.prctl(39, 0, 0, 0, 0) == 1 and all(int(v, 16) == 0 for v in facts.values()) else "leaked"


def _status() -> str:
    try:
        return Path("/proc/self/status").read_text("utf-8")
    except OSError:
        header, sets = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
        number = {"x86_64": 125, "aarch64": 90}[os.uname().machine]
        _LIBC.syscall(number, header, sets)
        return "CapEff:\t" + "".join(f"{word:08x}" for word in struct.unpack("6I", sets.raw))


def _core_dump(_: World) -> Iterable[str]:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    except (ValueError, OSError):
        yield "refused"
    else:
        yield "leaked"


def _names(_: World) -> Iterable[str]:
    try:
        socket.getaddrinfo("example.org", 80)
    except OSError:
        yield "failed"
    else:
        yield "leaked"


def _daemon(world: World) -> Iterable[str]:
    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + world.listener)

    yield _answer(connect)


def _metadata(_: World) -> Iterable[str]:
    yield _answer(lambda: socket.create_connection(("169.254.169.254", 80), 0.2).close())


def _own_environment(_: World) -> Iterable[str]:
    yield "ours" if set(os.environ) <= ENVIRONMENT and sys.flags.isolated else "leaked"


def _anonymous_program(_: World) -> Iterable[str]:
    memory = os.memfd_create("program")
    os.write(memory, Path(sys.executable).read_bytes())
    try:
        child = os.posix_spawn(f"/proc/self/fd/{memory}", ["python", "-I", "-S", "-c", ""], {})
    except OSError as problem:
        yield errno.errorcode[problem.errno or 0]
    else:
        os.waitpid(child, 0)
        yield "neutral"  # it runs with the same rights, inside the same jail
    os.close(memory)


def _descriptors(_: World) -> Iterable[str]:
    held: list[int] = []
    try:
        while len(held) < 5000:
            held.append(os.dup(1))
    except OSError as problem:
        yield errno.errorcode[problem.errno or 0]
    else:
        yield "leaked"
    for descriptor in held:
        os.close(descriptor)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _attempt(number: int, what: str, t2: str, t1: str, make: Callable[[World], Iterable[str]]) -> Attempt:
    return Attempt(number, what, _set(t2), _set(t1), make)


_INET, _INET6, _STREAM, _DGRAM, _RAW = (
    socket.AF_INET,
    socket.AF_INET6,
    socket.SOCK_STREAM,
    socket.SOCK_DGRAM,
    socket.SOCK_RAW,
)
_PROC = [f"/proc/{name}" for name in ("keys", "kallsyms", "cmdline", "version", "uptime", "loadavg")]
_HIGH = 1 << 32  # rubbish in the high word, which the kernel ignores and a careless filter does not

ATTEMPTS: tuple[Attempt, ...] = (
    _attempt(1, "read /etc/passwd", "ENOENT", "EACCES", _read("/etc/passwd")),
    _attempt(2, "read /etc/shadow and root's keys", "ENOENT", "EACCES ENOENT", _read("/etc/shadow", "/root/.ssh")),
    _attempt(3, "write to the input", "EROFS", "EACCES", _write_inputs),
    _attempt(4, "write to code, packages, system", "EROFS", "EACCES EROFS", _write_code),
    _attempt(6, "hard link into the output", "EXDEV", "EXDEV EACCES EPERM", _hard_link),
    _attempt(7, "sparse file of 1 TiB in the output", "EFBIG", "EFBIG", _sparse),
    _attempt(8, "fill the scratch folder", "ENOSPC", "EFBIG", _fill_scratch),
    _attempt(9, "fill /dev and /dev/shm", "EROFS ENOSPC", "EACCES", _fill_devices),
    _attempt(11, "make a device node", "EPERM", "EPERM EACCES", _make_devices),
    _attempt(15, "read another job's output", "ENOENT", "EACCES", _neighbour),
    _attempt(16, "write to a file that another job reads", "EROFS ETXTBSY", "EACCES ETXTBSY", _shared_files),
    _attempt(17, "the host's temporary files", "private ENOENT", "EACCES", _host_scratch),
    _attempt(18, "reopen the input for writing through /proc", "EROFS", "EACCES", _reopen),
    _attempt(19, "environment of process 1 and the parent", "ours", "EACCES", _environment_of_others),
    _attempt(20, "command line of process 1 and the parent", "none", "EACCES", _commands_of_others),
    _attempt(21, "kernel information in /proc", "EACCES ENOENT", "EACCES ENOENT", _read(*_PROC)),
    _attempt(
        22,
        "boot id and sysctl",
        "ENOENT",
        "EACCES",
        _read("/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname"),
    ),
    _attempt(23, "another job's folders among the mounts", "own", "EACCES", _mounts),
    _attempt(24, "the host through /proc/1/root", "ENOENT", "EACCES", _read("/proc/1/root/etc/passwd")),
    _attempt(
        25,
        "sysrq",
        "EACCES ENOENT EROFS",
        "EACCES ENOENT",
        lambda _: [_answer(lambda: _open("/proc/sysrq-trigger", os.O_WRONLY))],
    ),
    _attempt(26, "read /sys", "ENOENT", "EACCES", _read("/sys", "/sys/kernel", "/sys/class/net")),
    _attempt(28, "kernel messages", "EPERM", "EPERM", _calls(("syslog", 10, 0, 0))),
    _attempt(29, "ptrace", "EPERM", "EPERM", _calls(("ptrace", 0))),
    _attempt(30, "process_vm_readv", "EPERM", "EPERM", _calls(("process_vm_readv", 1))),
    _attempt(
        31, "pidfd_open and pidfd_getfd", "EPERM", "EPERM", _calls(("pidfd_open", 1, 0), ("pidfd_getfd", 0, 0, 0))
    ),
    _attempt(32, "bpf", "EPERM", "EPERM", _calls(("bpf", 0, 0, 0))),
    _attempt(33, "perf_event_open", "EPERM", "EPERM", _calls(("perf_event_open", 0))),
    _attempt(
        34,
        "userfaultfd",
        "EPERM ENOENT",
        "EPERM EACCES ENOENT",
        lambda w: [_call(w, "userfaultfd", 0), *_read("/dev/userfaultfd")(w)],
    ),
    _attempt(35, "io_uring", "EPERM", "EPERM", _calls(("io_uring_setup", 1, 0))),
    _attempt(36, "keyrings", "EPERM", "EPERM", _calls(("keyctl", 0, -3, 0), ("add_key",), ("request_key",))),
    _attempt(37, "unshare", "EPERM", "EPERM", _calls(("unshare", _NEW_USER))),
    _attempt(38, "clone into a new user namespace", "EPERM ENOSYS", "EPERM ENOSYS", _namespaces),
    _attempt(39, "setns", "EPERM", "EPERM", _calls(("setns", 0, 0))),
    _attempt(
        40,
        "mount, pivot_root, chroot",
        "EPERM",
        "EPERM",
        _calls(("mount",), ("umount2",), ("fsopen",), ("pivot_root",), ("chroot",)),
    ),
    _attempt(41, "open_by_handle_at", "EPERM", "EPERM", _calls(("open_by_handle_at", -1, 0, 0))),
    _attempt(42, "load a module or a kernel", "EPERM", "EPERM", _calls(("init_module",), ("kexec_load", 0, 99, 0, 0))),
    _attempt(43, "personality", "EPERM", "EPERM", _calls(("personality", 0x0040000))),
    _attempt(45, "calls newer than the filter", "ENOSYS", "ENOSYS", _newer_calls),
    _attempt(46, "memfd_secret", "EPERM", "EPERM", _calls(("memfd_secret", 0))),
    _attempt(47, "run a program out of memory", "neutral", "EPERM", _anonymous_program),
    _attempt(48, "type into the terminal", "EPERM", "EPERM", _calls(("ioctl", 0, 0x5412, 0), ("ioctl", 0, 0x541C, 0))),
    _attempt(49, "System V shared memory", "EPERM", "EPERM", _calls(("shmget", 0, 4096, 0o1600))),
    _attempt(50, "a second filter that allows everything", "EPERM", "EPERM", _allow_everything),
    _attempt(51, "regain powers", "none", "none", _powers),
    _attempt(52, "allow core dumps", "refused", "refused", _core_dump),
    _attempt(
        53,
        "TCP",
        "EAFNOSUPPORT",
        "EAFNOSUPPORT",
        lambda w: [*_socket((_INET, _STREAM))(w), _call(w, "socket", _HIGH | 2, 1, 0)],
    ),
    _attempt(54, "UDP", "EAFNOSUPPORT", "EAFNOSUPPORT", _socket((_INET, _DGRAM), (_INET, _RAW))),
    _attempt(55, "IPv6", "EAFNOSUPPORT", "EAFNOSUPPORT", _socket((_INET6, _STREAM), (_INET6, _DGRAM))),
    _attempt(56, "resolve a name", "failed", "failed", _names),
    _attempt(57, "the hypervisor by vsock", "EAFNOSUPPORT", "EAFNOSUPPORT", _socket((40, _STREAM))),
    _attempt(58, "netlink, packet, AF_ALG", "EAFNOSUPPORT", "EAFNOSUPPORT", _socket((16, _RAW), (17, _RAW), (38, 5))),
    _attempt(59, "a host daemon's abstract socket", "ECONNREFUSED", "EAFNOSUPPORT", _daemon),
    _attempt(
        60, "sockets under /run and /var", "ENOENT", "EACCES ENOENT", _read("/run", "/var", "/var/run/docker.sock")
    ),
    _attempt(61, "cloud metadata", "EAFNOSUPPORT", "EAFNOSUPPORT", _metadata),
    _attempt(62, "the caller's environment", "ours", "ours", _own_environment),
    _attempt(69, "use up descriptors", "EMFILE", "EMFILE", _descriptors),
)


def main() -> None:
    """Make every attempt and write the answers, number -> list of words, to the output folder."""
    data, out = (Path(argument) for argument in sys.argv[1:3])
    orders = json.loads((data / ORDERS).read_bytes())
    world = World(
        data, out, Path(os.environ["TMPDIR"]), Path(orders["neighbour"]), orders["listener"], orders["numbers"]
    )
    wanted = set(orders["attempts"])
    found = {a.number: sorted(set(a.make(world))) for a in ATTEMPTS if a.number in wanted}
    (out / REPORT).write_text(json.dumps(found), "utf-8")
