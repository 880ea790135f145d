"""Who keeps the root key: a seal around it, which a hardware module or a key service opens.

The keystore file is encrypted under a root key of 32 bytes. Beside it lies that root key, sealed: the key that opens
the seal never leaves the module or the service, so a stolen disk opens nothing.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from datasets.keys import KEY_BYTES, Random
from datasets.keystore import sync_folder, write_secret
from policies.errors import Misuse

BOUND = b"medtrain.root/1"


class Seal(Protocol):
    """Seals short secrets. ``unseal`` raises ``Tampered`` for what it did not seal, ``Misuse`` where it cannot work."""

    def seal(self, plain: bytes, aad: bytes) -> bytes: ...
    def unseal(self, sealed: bytes, aad: bytes) -> bytes: ...


def sealed_root(path: Path, seal: Seal, random: Random = os.urandom) -> bytes:
    """Return the root key that a seal protects; one is made, and lies sealed at ``path``, where there is none.

    Raises:
        Tampered: the seal does not open: another module, another key or a changed file.
        Misuse: what was sealed is no root key.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{random(8).hex()}")
        write_secret(fresh, seal.seal(random(KEY_BYTES), BOUND))
        with suppress(FileExistsError):  # two first starts at once: one key wins, whole
            os.link(fresh, path)
        fresh.unlink()
        sync_folder(path.parent)
    root = seal.unseal(path.read_bytes(), BOUND)
    if len(root) != KEY_BYTES:
        raise Misuse(f"the sealed root key does not have {KEY_BYTES} bytes")
    return root
