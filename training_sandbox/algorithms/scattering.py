"""Scattering features of images: two layers of Gabor wavelets with modulus, averaged. Nothing in them is learned.

Being data-independent they cost no privacy, and a private linear head on them beats private deep networks trained from
scratch on small sets (Tramèr & Boneh, ICLR 2021, arXiv 2011.11660). Own implementation of Bruna & Mallat, IEEE PAMI
2013, on a torus of a power of two, with Morlet wavelets as in Andén & Mallat, IEEE TSP 2014.
"""

from functools import cache

import numpy as np

from policies.errors import Misuse

SCALES, ANGLES = 2, 8
PATHS = 1 + SCALES * ANGLES + ANGLES * ANGLES * SCALES * (SCALES - 1) // 2


def features(images: np.ndarray, side: int = 32) -> np.ndarray:
    """Return (images, 81 * (side / 4)^2) float32 of images (n, height, width), each scaled to an L2 norm of 1.

    Raises:
        Misuse: an image is larger than ``side``, a power of two.
    """
    height, width = images.shape[1:]
    if max(height, width) > side or side & (side - 1):
        raise Misuse(f"scattering takes images of at most {side} x {side}, a power of two")
    top, left = (side - height) // 2, (side - width) // 2
    around = ((0, 0), (top, side - height - top), (left, side - width - left))
    parts = [_scatter(np.pad(part, around, mode="reflect"), side) for part in _blocks(images)]
    found = np.concatenate(parts) if parts else np.zeros((0, PATHS * (side // 4) ** 2), np.float32)
    unit: np.ndarray = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return unit


def centred(values: np.ndarray, paths: int = PATHS) -> np.ndarray:
    """Return ``values`` with every path of every image brought to mean 0 and norm 1 over its places, then to norm 1."""
    shaped = values.reshape(len(values), paths, -1)
    moved = shaped - shaped.mean(2, keepdims=True)
    moved /= np.maximum(np.linalg.norm(moved, axis=2, keepdims=True), 1e-6)
    flat: np.ndarray = (moved / np.sqrt(paths)).reshape(len(values), -1).astype(np.float32)
    return flat


def _blocks(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + 256].astype(np.float64) for start in range(0, len(images), 256)]


def _scatter(x: np.ndarray, side: int) -> np.ndarray:
    low, bands = _filters(side)
    spectrum = np.fft.fft2(x)
    out = [_smooth(spectrum, low)]
    first = [np.fft.fft2(np.abs(np.fft.ifft2(spectrum * band))) for band in bands]
    out += [_smooth(one, low) for one in first]
    for scale in range(SCALES):
        for one in first[scale * ANGLES : (scale + 1) * ANGLES]:
            for band in bands[(scale + 1) * ANGLES :]:
                out.append(_smooth(np.fft.fft2(np.abs(np.fft.ifft2(one * band))), low))
    return np.stack(out, 1).reshape(len(x), -1).astype(np.float32)


def _smooth(spectrum: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Low-pass, and keep every fourth place of each direction."""
    found: np.ndarray = np.fft.ifft2(spectrum * low).real[:, :: 2**SCALES, :: 2**SCALES]
    return found


@cache
def _filters(side: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return the low-pass and the band-pass filters, (side, side), in the Fourier domain; finest scale first."""
    bands = []
    for scale in range(SCALES):
        for angle in range(ANGLES):
            turn = np.pi * angle / ANGLES
            wave = _gabor(side, 0.8 * 2**scale, turn, 3 * np.pi / 4 / 2**scale, 4 / ANGLES)
            hill = _gabor(side, 0.8 * 2**scale, turn, 0.0, 4 / ANGLES)
            bands.append((wave - hill * (wave[0, 0] / hill[0, 0])).real)  # Morlet: no mean
    low = _gabor(side, 0.8 * 2 ** (SCALES - 1), 0.0, 0.0, 1.0).real
    return low / low[0, 0], tuple(bands)


def _gabor(side: int, sigma: float, turn: float, frequency: float, slant: float) -> np.ndarray:
    """Return the spectrum of a plane wave under a Gaussian, periodised."""
    sides = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    curve = sides @ np.diag([1, slant**2]) @ sides.T / (2 * sigma**2)
    found = np.zeros((side, side), complex)
    for dx in range(-2, 3):
        for dy in range(-2, 3):
            x, y = np.mgrid[dx * side : (dx + 1) * side, dy * side : (dy + 1) * side].astype(np.float64)
            bend = curve[0, 0] * x * x + (curve[0, 1] + curve[1, 0]) * x * y + curve[1, 1] * y * y
            found += np.exp(-bend + 1j * frequency * (x * np.cos(turn) + y * np.sin(turn)))
    spectrum: np.ndarray = np.fft.fft2(found / (2 * np.pi * sigma**2 / slant))
    return spectrum
