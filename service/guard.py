"""Refuse to start when one of our import names resolves to somebody else's package.

``datasets`` and ``deid`` are also names of well-known packages. This application lives in an environment of its own.
"""

import importlib.util
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from policies.errors import ForeignPackage

NAMES = ("deid", "datasets", "training_sandbox", "service", "policies")
OURS = "medtrain"
ROOT = Path(__file__).resolve().parents[1]


def check_import_names(
    names: tuple[str, ...] = NAMES,
    root: Path = ROOT,
    owners: Mapping[str, list[str]] | None = None,
) -> None:
    """Refuse unless every name is found below ``root`` and no other distribution installs it.

    Raises:
        ForeignPackage: naming the package and what to do.
    """
    installed = packages_distributions() if owners is None else owners
    for name in names:
        spec = importlib.util.find_spec(name)  # finds, does not import
        where = Path(spec.origin).resolve() if spec and spec.origin else None
        if where is None or root not in where.parents:
            raise ForeignPackage(f"{name!r} resolves to {where}, not to {root}: use the application's own environment")
        if others := sorted(set(installed.get(name, ())) - {OURS}):
            raise ForeignPackage(f"{', '.join(others)} also installs {name!r}: uninstall it from this environment")
