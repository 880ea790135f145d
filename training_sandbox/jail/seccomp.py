"""The system calls a jailed process may make, compiled to a BPF program. Everything else is refused.

The list is what an interpreter, the C library, torch and polars need to compute, to read and write files
they were given and to talk to themselves. What it leaves out answers EPERM, or ENOSYS where the C library then takes
another way. Those calls that give most away are named besides, so that a filter is only built where libseccomp knows
them.
"""

import errno
import os
from typing import Any

from policies.errors import JailTooWeak

ALLOWED = """
read write open openat openat2 creat close close_range stat fstat lstat newfstatat statx statfs fstatfs access
faccessat faccessat2 lseek pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 truncate ftruncate fallocate
fsync fdatasync sync_file_range fadvise64 readahead copy_file_range sendfile splice tee getdents getdents64 getcwd
chdir fchdir rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink
readlinkat umask flock fcntl dup dup2 dup3 pipe pipe2 getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
mmap mprotect pkey_mprotect pkey_alloc pkey_free munmap mremap msync mincore madvise brk mlock mlock2 munlock mlockall
munlockall mbind get_mempolicy set_mempolicy membarrier memfd_create rt_sigaction rt_sigprocmask rt_sigreturn
rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause alarm getitimer setitimer restart_syscall signalfd
signalfd4 eventfd eventfd2 timerfd_create timerfd_settime timerfd_gettime timer_create timer_settime timer_gettime
timer_getoverrun timer_delete poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
epoll_pwait2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch socketpair connect accept accept4 bind
listen getsockname getpeername getsockopt setsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown execve
execveat exit exit_group wait4 waitid getpid getppid gettid getpgrp getpgid setpgid getsid setsid getuid geteuid
getgid getegid getresuid getresgid getgroups capget uname sysinfo getrusage times getcpu getrandom getrlimit setrlimit
getpriority ioprio_get futex set_robust_list get_robust_list set_tid_address rseq arch_prctl prctl seccomp sched_yield
sched_getaffinity sched_getparam sched_getscheduler sched_getattr sched_get_priority_max sched_get_priority_min
sched_rr_get_interval time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep landlock_create_ruleset
landlock_add_rule landlock_restrict_self
"""

# With namespaces of its own a process may also have children, signal them and change its own files' attributes.
ALLOWED_IN_NAMESPACES = """
fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal setpriority ioprio_set
chmod fchmod fchmodat chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
utime utimes utimensat futimesat prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr
"""

# Allowed on the caller itself (process number 0), as the C library does; never on another process.
OWN_ONLY = "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr"

# Reach other processes, the kernel's configuration, other namespaces, or rarely used and often broken code.
DENIED = """
ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd pidfd_open bpf perf_event_open userfaultfd
io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key mount umount2 pivot_root chroot move_mount
open_tree fsopen fsmount fsconfig fspick mount_setattr unshare setns init_module finit_module delete_module kexec_load
kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd nfsservctl open_by_handle_at name_to_handle_at
lookup_dcookie syslog settimeofday clock_settime clock_adjtime adjtimex iopl ioperm vmsplice fanotify_init personality
uselib ustat sysfs vhangup modify_ldt memfd_secret mq_open shmget shmat shmctl msgget semget mknod mknodat
"""

# Asking a terminal or pipe about itself; a driver of GPUs numbers its own under "F".
_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_DRIVER, _DRIVER_MASK = 0x4600, 0xFF00

_NEW_NAMESPACES = (0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x00020000)
_CLONE_THREAD = 0x00010000
_NEWEST_NAMED = 448  # libseccomp 2.5.4 knows no name above this number
_AF_UNIX = 1
_LOW_WORD = 0xFFFFFFFF


def program(*, namespaces: bool, gpu: bool = False) -> bytes:
    """Return the BPF program, ready for ``PR_SET_SECCOMP`` or bubblewrap's ``--seccomp``.

    Args:
        namespaces: Whether the process has namespaces of its own. Without them it may not make processes, send signals,
            open sockets of any kind or change a file's attributes.
        gpu: Whether it may talk to the driver of a GPU.

    Raises:
        JailTooWeak: libseccomp is missing or does not know one of the names: a filter with holes is no filter.
    """
    lib = _library()
    filtered = lib.SyscallFilter(defaction=lib.ERRNO(errno.EPERM))
    _rule(filtered, lib.ALLOW, ALLOWED)
    _resolved(lib, DENIED)
    # The C library falls back to clone, whose flags a filter can read.
    filtered.add_rule(lib.ERRNO(errno.ENOSYS), "clone3")
    for number in range(_NEWEST_NAMED + 1, 1024):
        filtered.add_rule(lib.ERRNO(errno.ENOSYS), number)
    threads = 0 if namespaces else _CLONE_THREAD
    filtered.add_rule(lib.ALLOW, "clone", lib.Arg(0, lib.MASKED_EQ, sum(_NEW_NAMESPACES) | threads, threads))
    for code in _QUESTIONS:  # the kernel reads 32 bits of the code
        filtered.add_rule(lib.ALLOW, "ioctl", lib.Arg(1, lib.MASKED_EQ, _LOW_WORD, code))
    if gpu:
        filtered.add_rule(lib.ALLOW, "ioctl", lib.Arg(1, lib.MASKED_EQ, _DRIVER_MASK, _DRIVER))
        filtered.add_rule(lib.ALLOW, "ioctl", lib.Arg(1, lib.MASKED_EQ, _DRIVER_MASK | 0xFFFF0000, 0))  # its memory
    # Compared on all 64 bits, so a family with rubbish in the high word, which the kernel ignores, is refused too.
    no_family = lib.ERRNO(errno.EAFNOSUPPORT)
    if namespaces:
        filtered.add_rule(no_family, "socket", lib.Arg(0, lib.NE, _AF_UNIX))
        filtered.add_rule(lib.ALLOW, "socket", lib.Arg(0, lib.EQ, _AF_UNIX))
        _rule(filtered, lib.ALLOW, ALLOWED_IN_NAMESPACES)
    else:
        filtered.add_rule(no_family, "socket")
        _rule(filtered, lib.ALLOW, OWN_ONLY, lib.Arg(0, lib.EQ, 0))
    return _exported(filtered)


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError):
        raise JailTooWeak("libseccomp is not installed on this machine") from None
    return pyseccomp


def _rule(filtered: Any, action: Any, names: str, *when: Any) -> None:
    for name in names.split():
        try:
            filtered.add_rule(action, name, *when)
        except OSError:
            raise JailTooWeak(f"libseccomp does not know the system call {name}") from None


def _resolved(lib: Any, names: str) -> None:
    """Refuse a library so old that a call it cannot name might have another meaning in its tables."""
    for name in names.split():
        if lib.resolve_syscall(lib.Arch.NATIVE, name) == -1:
            raise JailTooWeak(f"libseccomp does not know the system call {name}")


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
