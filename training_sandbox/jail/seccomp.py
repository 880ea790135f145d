"""The system calls a jailed process may not make, compiled to a BPF program.

A list of denials, because the trainer's own set of calls (torch, polars, the C library underneath) changes with every
version; calls newer than the list are refused by number. Source of the idea: the profiles of container engines.
"""

import errno
import os
from typing import Any

from policies.errors import JailTooWeak

# What reaches other processes, the kernel's configuration, other namespaces or rarely used and often broken code.
DENIED = """
ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd pidfd_open bpf perf_event_open userfaultfd
io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key mount umount2 pivot_root chroot move_mount
open_tree fsopen fsmount fsconfig fspick mount_setattr unshare setns init_module finit_module delete_module kexec_load
kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd nfsservctl open_by_handle_at name_to_handle_at
lookup_dcookie syslog settimeofday clock_settime clock_adjtime adjtimex iopl ioperm vmsplice fanotify_init personality
uselib ustat sysfs vhangup modify_ldt memfd_secret mq_open shmget shmat shmctl msgget semget
"""

# Without namespaces nothing but this keeps the process from reaching the others, or from leaving children behind.
DENIED_WITHOUT_NAMESPACES = """
fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal setpriority ioprio_set
chmod fchmod fchmodat chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
utime utimes utimensat futimesat
"""

# Allowed on the caller itself (process number 0), as the C library does; never on another process.
OWN_ONLY = "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr"

_NEW_NAMESPACES = (0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x00020000)
_CLONE_THREAD = 0x00010000
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_NEWEST_NAMED = 448  # libseccomp 2.5.4 knows no name above this number
_AF_UNIX = 1
_LOW_WORD = 0xFFFFFFFF


def program(*, namespaces: bool) -> bytes:
    """Return the BPF program, ready for ``PR_SET_SECCOMP`` or bubblewrap's ``--seccomp``.

    Args:
        namespaces: Whether the process has namespaces of its own. Without them it may not make processes, send signals,
            open sockets of any kind or change a file's attributes.

    Raises:
        JailTooWeak: libseccomp is missing or does not know one of the names: a filter with holes is no filter.
    """
    pyseccomp = _library()
    filtered = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    _deny(pyseccomp, filtered, DENIED.split())
    # The C library falls back to clone, whose flags a filter can read.
    filtered.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for number in range(_NEWEST_NAMED + 1, 1024):
        filtered.add_rule(pyseccomp.ERRNO(errno.ENOSYS), number)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for bit in _NEW_NAMESPACES:
        filtered.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, bit, bit))
    for code in _TERMINAL_INJECTION:
        filtered.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _LOW_WORD, code))
    # Compared on all 64 bits, so a family with rubbish in the high word, which the kernel ignores, is refused too.
    no_family = pyseccomp.ERRNO(errno.EAFNOSUPPORT)
    if namespaces:
        filtered.add_rule(no_family, "socket", pyseccomp.Arg(0, pyseccomp.NE, _AF_UNIX))
    else:
        filtered.add_rule(no_family, "socket")
        filtered.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, 0))
        _deny(pyseccomp, filtered, DENIED_WITHOUT_NAMESPACES.split())
        _deny(pyseccomp, filtered, OWN_ONLY.split(), pyseccomp.Arg(0, pyseccomp.NE, 0))
    return _exported(filtered)


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError):
        raise JailTooWeak("libseccomp is not installed on this machine") from None
    return pyseccomp


def _deny(seccomp: Any, filtered: Any, names: list[str], *when: Any) -> None:
    for name in names:
        try:
            filtered.add_rule(seccomp.ERRNO(errno.EPERM), name, *when)
        except OSError:
            raise JailTooWeak(f"libseccomp does not know the system call {name}") from None


def _exported(filtered: Any) -> bytes:
    file = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(file, "rb+") as memory:
        filtered.export_bpf(memory)
        memory.seek(0)
        return memory.read()


def numbers(names: list[str]) -> dict[str, int]:
    """Return the numbers of system calls on this machine's processor.

    Raises:
        JailTooWeak: libseccomp is missing.
    """
    pyseccomp = _library()
    return {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names}
