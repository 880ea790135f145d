"""The secrets that de-identification needs. The service holds them; here they are only arguments."""

from dataclasses import dataclass, field

from policies.errors import Misuse

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ProjectKeys:
    """Three keys of 32 bytes. No repr shows them.

    Attributes:
        index: For the facility's index tokens: never rotated, never leaves the service.
        pseudonym: For the pseudonyms of one project: may be rotated.
        shift: For the date offsets of one project.
        desk: 64 bytes of the re-identification desk, put together from two officers' shares; empty where nothing is
            encrypted for it.
    """

    index: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)
    shift: bytes = field(repr=False)
    desk: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        keys = (self.index, self.pseudonym, self.shift)
        if any(len(key) != KEY_BYTES for key in keys):
            raise Misuse(f"a project key has {KEY_BYTES} bytes")
        if len(set(keys)) != len(keys):
            raise Misuse("the three project keys must differ")
