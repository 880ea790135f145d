"""What one job may use and where it may read and write."""

from dataclasses import dataclass
from pathlib import Path

from policies.errors import Misuse


@dataclass(frozen=True, slots=True)
class Folders:
    """The two folders of a job on the host.

    Attributes:
        data: The job's input; read-only in the jail.
        out: An empty folder; the only place in the jail whose content anybody looks at afterwards.
    """

    data: Path
    out: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Public caps of one job; none of them depends on the data.

    Attributes:
        memory: Bytes of the whole job.
        pids: Processes and threads.
        cpus: Processor shares, 1.0 = one core.
        wall_seconds: After this long the job is killed.
        output_bytes: Of each output file and of all together.
        scratch_bytes: Of the private temporary folder.
        gpus: Numbers of the devices that are the job's alone while it runs; tier T2 only.
    """

    memory: int = 4 << 30
    pids: int = 64
    cpus: float = 1.0
    wall_seconds: float = 3600.0
    output_bytes: int = 256 << 20
    scratch_bytes: int = 256 << 20
    gpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.memory, self.pids, self.cpus, self.wall_seconds, self.output_bytes, self.scratch_bytes)
        if min(numbers) <= 0:
            raise Misuse("every limit of a job must be above zero")
