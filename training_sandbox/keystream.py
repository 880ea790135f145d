"""ChaCha20 in integer operations of torch: the words that secret randomness is made of, made on the device itself.

The same words on every device, and the same as a library's ChaCha20 gives, to the bit: additions of int32 wrap, and
nothing here is rounded. One kernel after another it is bound by their launches; ``torch.compile`` or a CUDA graph
makes one kernel of it.

Source: RFC 8439, sections 2.1 to 2.4 (32-bit block counter from 0, nonce 0: a key is used for one stream).
"""

import torch

BLOCK_WORDS = 8
"""64-bit words of a block of 64 bytes."""

_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)
_ROUNDS = 10


def words(key: bytes, count: int, device: torch.device) -> torch.Tensor:
    """Return the first ``count`` 64-bit words (int64 that hold the bits of uint64) of the stream under ``key``.

    Args:
        key: 32 secret bytes.
    """
    blocks = -(-count // BLOCK_WORDS)
    fixed = [_signed(n) for n in _CONSTANTS]
    fixed += [_signed(int.from_bytes(key[i : i + 4], "little")) for i in range(0, 32, 4)]
    start = torch.zeros((16, blocks), dtype=torch.int32, device=device)
    start[:12] = torch.tensor(fixed, dtype=torch.int32, device=device).unsqueeze(1)
    start[12] = torch.arange(blocks, dtype=torch.int32, device=device)
    stream = (_mixed(start) + start).t().reshape(-1)
    return stream.view(torch.int64)[:count]


def _mixed(state: torch.Tensor) -> torch.Tensor:
    """Return the state, (16, blocks), after twenty rounds: four columns at once, then four diagonals."""
    a, b, c, d = state.view(4, 4, -1).unbind()
    for _ in range(_ROUNDS):
        a, b, c, d = _quarter(a, b, c, d)
        a, b, c, d = _quarter(a, b.roll(-1, 0), c.roll(-2, 0), d.roll(-3, 0))
        b, c, d = b.roll(1, 0), c.roll(2, 0), d.roll(3, 0)
    return torch.cat((a, b, c, d))


def _quarter(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, ...]:
    for left, right in ((16, 12), (8, 7)):
        a = a + b
        d = _rotated(d ^ a, left)
        c = c + d
        b = _rotated(b ^ c, right)
    return a, b, c, d


def _rotated(value: torch.Tensor, bits: int) -> torch.Tensor:
    """Return each number turned left; the shift to the right brings the sign along, which the mask takes off."""
    return (value << bits) | ((value >> (32 - bits)) & ((1 << bits) - 1))


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
