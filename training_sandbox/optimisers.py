"""The trusted optimisers by name. They see noisy gradients only, so everything they do is post-processing."""

from collections.abc import Mapping

import torch

from training_sandbox.settings import Optimiser

Tensors = dict[str, torch.Tensor]


class Updates:
    """The optimiser's state over a run, all in float64."""

    def __init__(self, settings: Optimiser, params: Mapping[str, torch.Tensor], steps: int) -> None:
        self._settings = settings
        self.params: Tensors = {name: value.double().clone() for name, value in params.items()}
        self._first = {name: torch.zeros_like(value) for name, value in self.params.items()}
        self._second = {name: torch.zeros_like(value) for name, value in self.params.items()}
        self._total = {name: torch.zeros_like(value) for name, value in self.params.items()}
        self._kept = 0
        self._step = 0
        self._average_from = steps - int(steps * settings.average)

    def apply(self, gradient: Mapping[str, torch.Tensor]) -> None:
        """Take one step along ``gradient`` (float64, one tensor for each parameter)."""
        self._step += 1
        settings = self._settings
        for name, value in self.params.items():
            slope = gradient[name] + settings.weight_decay * value
            value.sub_(settings.learning_rate * self._direction(name, slope))
        if self._step > self._average_from:
            self._kept += 1
            for name, value in self.params.items():
                self._total[name] += value

    def result(self) -> Tensors:
        """Return the model: the last iterate or the mean of the last ones, float32."""
        if self._kept:
            return {name: (total / self._kept).float() for name, total in self._total.items()}
        return {name: value.float() for name, value in self.params.items()}

    def _direction(self, name: str, slope: torch.Tensor) -> torch.Tensor:
        momentum = self._settings.momentum
        first = self._first[name]
        if self._settings.name == "sgd":
            return first.mul_(momentum).add_(slope)
        second = self._second[name]
        first.mul_(momentum).add_(slope, alpha=1 - momentum)
        second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        mean = first / (1 - momentum**self._step)
        return mean / ((second / (1 - 0.999**self._step)).sqrt() + 1e-8)
