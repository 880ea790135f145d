"""Scattering features depend on no data, bear small shifts, and tell textures apart."""

import numpy as np
import pytest

from policies.errors import Misuse
from training_sandbox.algorithms import scattering


def stripes(angle: float, phase: float = 0.0) -> np.ndarray:
    x, y = np.mgrid[:28, :28]
    return np.sin(1.6 * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def test_there_are_81_paths_in_64_places_of_norm_one() -> None:
    found = scattering.features(np.stack([stripes(0.0), stripes(1.0)]))
    assert found.shape == (2, 81 * 64)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_shift_changes_less_than_a_turn() -> None:
    still, moved, turned = scattering.features(np.stack([stripes(0.0), stripes(0.0, 1.0), stripes(1.2)]))
    assert np.linalg.norm(still - moved) < 0.5 * np.linalg.norm(still - turned)


def test_wavelets_answer_no_constant() -> None:
    low, bands = scattering._filters(32)
    assert low[0, 0] == 1
    assert len(bands) == scattering.SCALES * scattering.ANGLES
    assert max(abs(band[0, 0]) for band in bands) < 1e-12


def test_centred_paths_have_mean_zero_and_the_whole_norm_one() -> None:
    found = scattering.centred(scattering.features(np.stack([stripes(0.3)])))
    assert np.abs(found.reshape(1, 81, 64).mean(2)).max() < 1e-4
    assert np.linalg.norm(found) <= 1 + 1e-5


def test_no_image_gives_no_row_and_a_large_one_is_refused() -> None:
    assert scattering.features(np.zeros((0, 28, 28))).shape == (0, 5184)
    with pytest.raises(Misuse, match="at most"):
        scattering.features(np.zeros((1, 40, 28)))
