"""What a step gives away of a record, and what a model gives away of an attribute.

Sources: Zhu et al., NeurIPS 2019 and Phong et al., TIFS 2018 (the input stands in the gradient of a first linear
layer); Fredrikson et al., CCS 2015, and Yeom et al., CSF 2018 (guess the attribute whose value makes the known label
likeliest).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_PUBLIC = b"medtrain inversion check, public"


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of a record comes back out of one step that only its patient was drawn into.

    Attributes:
        bare: Correlation of the record with what is read off the clipped sum, without noise: 1, the attack works.
        noisy: The same under the plan's noise, the mean of its absolute value over trials.
        chance: The same for noise alone.
    """

    bare: float
    noisy: float
    chance: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures as JSON values."""
        return asdict(self)


def gradient_leak(width: int, sigma: float, trials: int = 64) -> Leak:
    """Return how well a record of ``width`` numbers is read off the gradient of a linear layer.

    That gradient is the record times one number, clipped to norm 1, so the attacker need only look at its direction.
    """
    from training_sandbox import noise

    random = np.random.default_rng(0)
    bare, noisy, chance = [], [], []
    for trial in range(trials):
        record = random.normal(size=width)
        seen = record / np.linalg.norm(record)
        drawn = noise.gaussian(_PUBLIC, trial + 1, "step", width) * sigma
        bare.append(abs(_correlation(seen, record)))
        noisy.append(abs(_correlation(seen + drawn, record)))
        chance.append(abs(_correlation(drawn, record)))
    return Leak(*(round(float(np.mean(values)), 4) for values in (bare, noisy, chance)))


def attribute_advantage(
    score: Callable[[np.ndarray], np.ndarray], records: np.ndarray, feature: int
) -> tuple[float, float]:
    """Return how often the sign of one feature is guessed right from the model, the label and all other features.

    The second figure is the share of the commoner sign: what anybody guesses without a model.

    Args:
        score: (records, features) -> the model's confidence in each record's own label.
        records: (records, features).
    """
    guesses = []
    for value in (-1.0, 1.0):
        changed = records.copy()
        changed[:, feature] = value
        guesses.append(score(changed))
    truth = records[:, feature] > 0
    right = float(np.mean((guesses[1] > guesses[0]) == truth))
    common = float(max(truth.mean(), 1 - truth.mean()))
    return round(right, 4), round(common, 4)


def summary(leak: Leak, attributes: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Return both checks as JSON values."""
    return {
        "gradient": leak.as_dict(),
        "attributes": {name: {"guessed": found[0], "common": found[1]} for name, found in attributes.items()},
    }


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])
