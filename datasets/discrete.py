"""Exact noise: the discrete Gaussian, drawn with whole-number arithmetic only.

Floating-point Gaussians leak through the gaps between the numbers a machine can write. The discrete one is drawn
exactly, and a vector of whole numbers with independent discrete Gaussian noise of standard deviation s costs no more
than the continuous Gaussian mechanism of the same s (its Rényi divergence at every order is at most that one's).

Source: Canonne, Kamath & Steinke, "The Discrete Gaussian for Differential Privacy", arXiv 2004.00010, algorithms 1 to
3 and theorem 14.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from policies.errors import Misuse

Below: TypeAlias = Callable[[int], int]
"""A source of randomness: a uniform whole number from 0 to below its argument, such as ``secrets.randbelow``."""

FINEST = 1 << 20


def discrete_gaussian(sigma: float, below: Below) -> int:
    """Return one draw with standard deviation (close to) ``sigma``; the parameter is ``sigma`` as an exact fraction.

    Raises:
        Misuse: sigma is not positive.
    """
    if not sigma > 0:
        raise Misuse("noise has a positive standard deviation")
    variance = Fraction(sigma).limit_denominator(FINEST) ** 2
    scale = int(sigma) + 1
    while True:
        candidate = _laplace(scale, below)
        excess = (abs(candidate) - variance / scale) ** 2 / (2 * variance)
        if _bernoulli_exp(excess, below):
            return candidate


def noisy(counts: list[int], sigma: float, below: Below) -> list[int]:
    """Return whole-number counts with independent noise."""
    return [count + discrete_gaussian(sigma, below) for count in counts]


def _laplace(scale: int, below: Below) -> int:
    while True:
        fraction = below(scale)
        if not _bernoulli_exp(Fraction(fraction, scale), below):
            continue
        whole = 0
        while _bernoulli_exp(Fraction(1), below):
            whole += 1
        value = fraction + scale * whole
        negative = below(2) == 1
        if not (negative and value == 0):
            return -value if negative else value


def _bernoulli_exp(gamma: Fraction, below: Below) -> bool:
    """Return True with probability exp(-gamma), exactly."""
    while gamma > 1:
        if not _bernoulli_exp_unit(Fraction(1), below):
            return False
        gamma -= 1
    return _bernoulli_exp_unit(gamma, below)


def _bernoulli_exp_unit(gamma: Fraction, below: Below) -> bool:
    trials = 1
    while below(gamma.denominator * trials) < gamma.numerator:
        trials += 1
    return trials % 2 == 1
