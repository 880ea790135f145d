"""The trusted optimisers by name. They see noisy gradients only, so everything they do is post-processing."""

import math
from collections.abc import Mapping

import torch

from training_sandbox.settings import Optimiser
from training_sandbox.vectors import joined, named

Tensors = dict[str, torch.Tensor]
_SECOND = 0.999
_FLOOR = 1e-8


def rate(settings: Optimiser, step: int, steps: int) -> float:
    """Return the step size of step ``step`` (from 1) of ``steps``.

    >>> rate(Optimiser(learning_rate=1.0, schedule="linear"), 5, 10)
    0.6
    """
    rising = settings.warmup * steps
    if step <= rising:
        return settings.learning_rate * step / (rising + 1)
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - 1 - int(rising)) / (steps - int(rising))
    return settings.learning_rate * (1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)


class Updates:
    """The optimiser's state over a run: one vector in float64 for all trained parameters together."""

    def __init__(
        self,
        settings: Optimiser,
        params: Mapping[str, torch.Tensor],
        steps: int,
        *,
        noise: float = 0.0,
    ) -> None:
        """Start from ``params``, the trained ones.

        Args:
            noise: Standard deviation of the noise in each number of a gradient; ``adam-corrected`` takes its square
                out of the second moment.
        """
        self._settings, self._steps, self._noise = settings, steps, noise
        self._shapes = {name: value.shape for name, value in params.items()}
        self._vector = torch.cat([value.double().flatten() for value in params.values()])
        self._first = torch.zeros_like(self._vector)
        self._second = torch.zeros_like(self._vector) if settings.name != "sgd" else self._first
        self._total = torch.zeros_like(self._vector) if settings.average or settings.ema else self._first
        self._kept = 0
        self._step = 0
        self._average_from = steps - int(steps * settings.average)

    @property
    def params(self) -> Tensors:
        """Return the parameters as they are now, float64 views of the state."""
        return self._named(self._vector)

    def now(self) -> Tensors:
        """Return the parameters as they are now, float32."""
        return self._named(self._vector.float())

    def apply(self, gradient: Mapping[str, torch.Tensor]) -> None:
        """Take one step along ``gradient`` (float64, one tensor for each parameter)."""
        self._step += 1
        settings = self._settings
        slope = joined(gradient[name] for name in self._shapes)  # perhaps the caller's memory: not written to
        if settings.weight_decay:
            slope = slope.add(self._vector, alpha=settings.weight_decay)
        self._vector.add_(self._direction(slope), alpha=-rate(settings, self._step, self._steps))
        if settings.ema:
            self._total.mul_(settings.ema).add_(self._vector, alpha=1 - settings.ema)
        elif self._step > self._average_from:
            self._kept += 1
            self._total.add_(self._vector)

    def result(self) -> Tensors:
        """Return the model: the last iterate, the mean of the last ones or their moving average, float32."""
        if self._settings.ema and self._step:
            return self._named((self._total / (1 - self._settings.ema**self._step)).float())
        return self._named((self._total / self._kept if self._kept else self._vector).float())

    def _named(self, vector: torch.Tensor) -> Tensors:
        return named(vector, self._shapes)

    def _direction(self, slope: torch.Tensor) -> torch.Tensor:
        """Return the direction of descent.

        Source: Kingma and Ba 2015, algorithm 1; ``adam-corrected``: Tang, Shpilevskiy and Lécuyer 2024, "DP-AdamBC",
        algorithm 1 (the noise's variance leaves the second moment; a floor keeps the root real).
        """
        momentum, first = self._settings.momentum, self._first
        if self._settings.name == "sgd":
            return first.mul_(momentum).add_(slope)
        second = self._second
        first.mul_(momentum).add_(slope, alpha=1 - momentum)
        second.mul_(_SECOND).addcmul_(slope, slope, value=1 - _SECOND)
        mean, square = first / (1 - momentum**self._step), second / (1 - _SECOND**self._step)
        if self._settings.name == "adam":
            return mean / (square.sqrt() + _FLOOR)
        variance = self._noise**2
        floor = max(_FLOOR**2, 0.01 * variance)
        return mean / (square - variance).clamp_min(floor).sqrt()
