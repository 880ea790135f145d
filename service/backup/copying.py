"""Copying objects between two stores of any kind, such as a bucket and a folder: each is compared with its name."""

from collections.abc import Iterable
from pathlib import Path

from datasets.objects import Objects


def copy(source: Objects, target: Objects, folders: Iterable[str]) -> int:
    """Return how many objects the target now has of the source; what is there already stays.

    Args:
        folders: Folders of named objects, such as ``"manifests/net"``; objects first, so that none names what is not
            there.

    Raises:
        Tampered: an object's bytes do not fit its name.
        Conflict: the target has another object of a name.
    """
    done = 0
    for name in source.names():
        target.put(source.get(name))
        done += 1
    for folder in folders:
        for named in source.named(folder):
            target.put_named(named, source.get_named(named))
    return done


def folders_in(root: Path) -> list[str]:
    """Return the folders of named objects of a store that is a folder of this machine."""
    named = root / "named"
    return sorted({path.parent.relative_to(named).as_posix() for path in named.rglob("*") if path.is_file()})
