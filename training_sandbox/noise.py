"""Secret randomness of a run: everything drawn at step t is a pseudo-random function of (run key, purpose, t, name).

A step redone with the same key is bit-identical; a step under another key is independent. The stream is ChaCha20
under a key that HMAC-SHA256 derives from the run key, so whoever lacks the key can neither predict nor subtract it.

What floating point leaves open. The sum of clipped gradients is rounded to multiples of :data:`GRID` and so is the
noise, so both neighbouring tables reach exactly the same lattice points (Mironov, CCS 2012; Casacuberta et al., CCS
2022). Rounding the noise on a lattice is post-processing of adding unrounded noise. The ``vmap`` engine rounds each
patient's gradient before summing, so its sums do not depend on order; book-keeping adds in float32 and rounds the
sum, and clips a little lower to make up for what one patient may change in the rounding of the others
(``bookkeeping.bound``: a margin, not a proof). Two more gaps stay: a uniform of 53 bits cuts the Gaussian at 8.57
standard deviations (probability below 1e-16 for each number drawn), and the logarithm and cosine of float64 err by
about 1e-16, which moves a number across a lattice edge with probability of about sigma * 1e-9. No proof covers them.
"""

import hashlib
import hmac
import math

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from policies.errors import Misuse

GRID = 2.0**-24
"""The lattice of unit-sensitivity sums. Sums of 2^22 patients and noise up to sigma 2^16 stay exact in float64."""

KEY_BYTES = 32


def words(run_key: bytes, purpose: str, step: int, name: str, count: int) -> np.ndarray:
    """Return ``count`` uniform 64-bit words (uint64) for one purpose, step and tensor of a run.

    Raises:
        Misuse: the key is not 32 bytes.
    """
    if len(run_key) != KEY_BYTES:
        raise Misuse("a run key has 32 bytes")
    label = b"\0".join((b"medtrain.stream/1", purpose.encode(), str(step).encode(), name.encode()))
    key = hmac.new(run_key, label, hashlib.sha256).digest()
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(8 * count)), dtype="<u8")


def gaussian(run_key: bytes, step: int, name: str, count: int) -> np.ndarray:
    """Return ``count`` standard normal numbers (float64), by the Box-Muller transform of 53-bit uniforms."""
    half = (count + 1) // 2
    drawn = (words(run_key, "noise", step, name, 2 * half) >> np.uint64(11)).astype(np.float64)
    uniform = torch.from_numpy(drawn)  # torch's logarithm and cosine are several times faster than numpy's
    radius = uniform[:half].add_(1).mul_(2.0**-53).log_().mul_(-2).sqrt_()  # of (0, 1]: the logarithm is finite
    angle = uniform[half:].mul_(2.0**-53 * 2 * math.pi)
    found = torch.empty(2, half, dtype=torch.float64)
    torch.mul(radius, angle.cos(), out=found[0])
    torch.mul(radius, angle.sin(), out=found[1])
    return found.flatten()[:count].numpy()


def add(total: torch.Tensor, sigma: float, run_key: bytes, step: int, name: str) -> torch.Tensor:
    """Return ``total`` plus Gaussian noise of standard deviation ``sigma``, both on the lattice (float64).

    ``total`` is a sum to which one patient contributes at most 1 in L2 norm, a multiple of :data:`GRID`.
    """
    drawn = gaussian(run_key, step, name, total.numel())
    lattice = torch.from_numpy(drawn).mul_(sigma / GRID).round_().mul_(GRID)
    return total + lattice.reshape(total.shape).to(total.device)
