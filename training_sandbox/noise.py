"""Secret randomness of a run: everything drawn at step t is a pseudo-random function of (run key, purpose, t, name).

A step redone with the same key is bit-identical; a step under another key is independent. The stream is ChaCha20
under a key that HMAC-SHA256 derives from the run key, so whoever lacks the key can neither predict nor subtract it.

What floating point leaves open. The sum of clipped gradients is rounded to multiples of :data:`GRID` and so is the
noise, so both neighbouring tables reach exactly the same lattice points (Mironov, CCS 2012; Casacuberta et al., CCS
2022). Rounding the noise on a lattice is post-processing of adding unrounded noise. The ``vmap`` engine rounds each
patient's gradient before summing, so its sums do not depend on order; book-keeping adds in float32 and rounds the
sum, and clips a little lower to make up for what one patient may change in the rounding of the others
(``bookkeeping.bound``: a margin, not a proof). Two more gaps stay: a uniform of 52 bits cuts the Gaussian at 8.49
standard deviations (probability below 3e-17 for each number drawn), and the logarithm and cosine of float64 err by
about 1e-16, which moves a number across a lattice edge with probability of about sigma * 1e-9. No proof covers them.

On a device other than the CPU the same words are made there (``keystream``): the integers are equal to the bit, the
normal numbers to what two libraries' logarithm and cosine differ by.
"""

import hashlib
import hmac
import math
from collections.abc import Callable

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from policies.errors import Misuse
from training_sandbox import keystream

GRID = 2.0**-24
"""The lattice of unit-sensitivity sums. Sums of 2^22 patients and noise up to sigma 2^16 stay exact in float64."""

KEY_BYTES = 32

BLOCK = 1 << 16
"""Numbers that go through all operations together: they stay in a core's cache."""

_FRACTION = (1 << 52) - 1
_ONE = 0x3FF << 52
"""The bits of a float64's fraction, and those of 1.0."""

Finish = Callable[[torch.Tensor, slice], object]
"""(standard normal numbers, which they are) -> changes them in place."""


def words(run_key: bytes, purpose: str, step: int, name: str, count: int) -> np.ndarray:
    """Return ``count`` uniform 64-bit words (uint64) for one purpose, step and tensor of a run.

    Raises:
        Misuse: the key is not 32 bytes.
    """
    stream = Cipher(ChaCha20(_key(run_key, purpose, step, name), bytes(16)), mode=None).encryptor()
    found = np.empty(count, "<u8")
    into, zeros = found.data.cast("B"), bytes(min(8 * count, 8 * BLOCK))
    for start in range(0, len(into), len(zeros) or 1):
        part = into[start : start + len(zeros)]
        stream.update_into(zeros[: len(part)], part)
    return found


def gaussian(run_key: bytes, step: int, name: str, count: int) -> np.ndarray:
    """Return ``count`` standard normal numbers (float64), by the Box-Muller transform of 52-bit uniforms."""
    return _normal(run_key, step, name, count, torch.device("cpu"), lambda *_: None).numpy()


def add(total: torch.Tensor, sigma: float, run_key: bytes, step: int, name: str) -> torch.Tensor:
    """Return ``total`` plus Gaussian noise of standard deviation ``sigma``, both on the lattice (float64).

    ``total`` is a sum to which one patient contributes at most 1 in L2 norm, a multiple of :data:`GRID`.
    """
    flat = total.flatten()

    def finish(drawn: torch.Tensor, place: slice) -> None:
        drawn.mul_(sigma / GRID).round_().mul_(GRID).add_(flat[place])

    return _normal(run_key, step, name, len(flat), total.device, finish).reshape(total.shape)


def _key(run_key: bytes, purpose: str, step: int, name: str) -> bytes:
    if len(run_key) != KEY_BYTES:
        raise Misuse("a run key has 32 bytes")
    label = b"\0".join((b"medtrain.stream/1", purpose.encode(), str(step).encode(), name.encode()))
    return hmac.new(run_key, label, hashlib.sha256).digest()


def _normal(run_key: bytes, step: int, name: str, count: int, device: torch.device, finish: Finish) -> torch.Tensor:
    """Return ``count`` standard normal numbers as ``finish`` leaves them, in the memory that held their words."""
    half, host = (count + 1) // 2, _on_host(device)
    if host:
        bits = torch.from_numpy(words(run_key, "noise", step, name, 2 * half).view(np.int64))
    else:
        bits = keystream.words(_key(run_key, "noise", step, name), 2 * half, device)
    found = bits.view(torch.float64)
    size = BLOCK if host else max(half, 1)
    for start in range(0, half, size):
        place = slice(start, min(start + size, half))
        other = slice(half + place.start, half + place.stop)
        for part in (place, other):
            bits[part].bitwise_and_(_FRACTION).bitwise_or_(_ONE)  # as float64: uniform in [1, 2)
        radius, angle = found[place], found[other]
        radius.neg_().add_(2).log_().mul_(-2).sqrt_()  # of (0, 1]: the logarithm is finite
        angle.sub_(1.5).mul_(2 * math.pi)
        sine = angle.sin()
        torch.mul(radius, sine, out=sine)
        radius.mul_(angle.cos_())
        angle.copy_(sine)
        finish(radius, place)
        rest = min(half, count - half) - start  # of an odd number of them the last is not wanted
        finish(angle[:rest], slice(other.start, min(other.stop, count)))
    return found[:count]


def _on_host(device: torch.device) -> bool:
    return device.type == "cpu"
