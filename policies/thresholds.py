"""The numbers people may change: read from the YAML files beside this module, checked, and identified by hash."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from policies.errors import BadMapping

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Budget:
    """The lifetime privacy budget of one patient.

    Attributes:
        epsilon, delta: The cap, add-or-remove one patient.
        admission_order: The Rényi order at which adaptive admission composes.
        rdp_orders: The orders stored with each charge; they include ``admission_order``.
    """

    owner: str
    epsilon: float
    delta: float
    admission_order: float
    rdp_orders: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRules:
    """What a trained model must satisfy before it leaves."""

    approvals: int
    minimum_tier: str
    minimum_tier_sensitive: str
    minimum_patients: int
    epsilon_slack: float
    maximum_parameters: int
    releases_per_partner: int
    releases_days: int


@cache
def budget(path: Path = FOLDER / "budget.yaml") -> Budget:
    """Return the budget rules.

    Raises:
        BadMapping: the file is not a valid budget file.
    """
    raw = read_rules(path, "medtrain.budget/1")
    try:
        rules = Budget(
            owner=str(raw["owner"]),
            epsilon=float(raw["lifetime"]["epsilon"]),
            delta=float(raw["lifetime"]["delta"]),
            admission_order=float(raw["admission_order"]),
            rdp_orders=tuple(float(order) for order in raw["rdp_orders"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise BadMapping(f"{path.name}: {type(problem).__name__}: {problem}") from None
    if rules.epsilon <= 0 or not 0 < rules.delta < 1 or rules.admission_order not in rules.rdp_orders:
        raise BadMapping(f"{path.name}: epsilon > 0, 0 < delta < 1 and admission_order in rdp_orders are needed")
    return rules


@cache
def release_rules(path: Path = FOLDER / "release.yaml") -> ReleaseRules:
    """Return the release rules.

    Raises:
        BadMapping: the file is not a valid release file.
    """
    raw = read_rules(path, "medtrain.release/1")
    raw.pop("schema")
    try:
        rules = ReleaseRules(**raw)
    except TypeError as problem:
        raise BadMapping(f"{path.name}: {problem}") from None
    if rules.approvals < 2:
        raise BadMapping(f"{path.name}: a release needs at least two approvals")
    return rules


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a rule file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def read_rules(path: Path, schema: str) -> dict[str, Any]:
    """Return a rule file's content, which names its schema.

    Raises:
        BadMapping: it is not a file of that schema.
    """
    raw = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(raw, dict) or raw.get("schema") != schema:
        raise BadMapping(f"{path.name} is not a {schema} file")
    return raw
