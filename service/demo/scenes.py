"""What the demonstration plays: on which records, with which mapping, recipe, model and settings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.errors import BadInput

DIABETES130 = "diabetic_data_uasb.csv"

MODEL = '''"""The partner's model, on the partner's machine."""

from torch import nn


def make_model() -> nn.Module:
    return {module}
'''
HIDDEN = "nn.Sequential(nn.Linear({features}, {hidden}), nn.Tanh(), nn.Linear({hidden}, 2))"
LINEAR = "nn.Linear({features}, 2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One play.

    Attributes:
        dataset, mapping, recipe: Names.
        patients: How many to draw for the bundled network; 0 where records are given.
        declared_patients: The public upper bound that the owner declares.
        hidden: Width of the partner's model; 0 is a linear one.
        training: What the partner chooses about training.
    """

    dataset: str
    mapping: str
    recipe: str
    patients: int
    declared_patients: int
    hidden: int
    training: dict[str, Any] = field(default_factory=dict)

    def module(self, features: int) -> str:
        """Return the source of the partner's module for so many features."""
        model = (HIDDEN if self.hidden else LINEAR).format(features=features, hidden=self.hidden)
        return MODEL.format(module=model)


FULL = Scene(
    dataset="demo-network",
    mapping="demo-network",
    recipe="demo-diabetes",
    patients=1500,
    declared_patients=1600,
    hidden=8,
    training={
        "steps": 150,
        "sampling_rate": 0.5,
        "clip": 1.0,
        "optimiser": {"name": "sgd", "learning_rate": 1.0, "momentum": 0.9, "average": 0.5},
    },
)
FAST = Scene(
    dataset="demo-network-fast",
    mapping="demo-network",
    recipe="demo-diabetes",
    patients=300,
    declared_patients=320,
    hidden=4,
    training={
        "steps": 40,
        "sampling_rate": 0.5,
        "clip": 1.0,
        "optimiser": {"name": "sgd", "learning_rate": 1.0, "momentum": 0.9, "average": 0.5},
    },
)
READMISSION = Scene(
    dataset="diabetes130",
    mapping="diabetes130",
    recipe="diabetes130-readmission",
    patients=0,
    declared_patients=4300,
    hidden=0,
    training={
        "steps": 80,
        "sampling_rate": 1.0,
        "clip": 2.0,
        "optimiser": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "average": 0.5},
    },
)


def scene_for(records: Path | None, *, fast: bool) -> Scene:
    """Return what to play on a folder of records, or on the bundled network.

    Raises:
        BadInput: no mapping that ships with the program fits the folder.
    """
    if records is None:
        return FAST if fast else FULL
    if (records / DIABETES130).is_file():
        return READMISSION
    raise BadInput("no mapping that ships with medtrain fits this folder: use medtrain submission create --mapping")
