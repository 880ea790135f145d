import hashlib
import hmac

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from scipy import stats

from policies.errors import Misuse
from training_sandbox import keystream, noise

KEY = bytes(range(32))


def test_the_same_key_step_and_name_give_the_same_bits():
    assert np.array_equal(noise.gaussian(KEY, 3, "w", 101), noise.gaussian(KEY, 3, "w", 101))


@pytest.mark.parametrize(
    "other", [(bytes(32), "noise", 3, "w"), (KEY, "sample", 3, "w"), (KEY, "noise", 4, "w"), (KEY, "noise", 3, "v")]
)
def test_another_key_purpose_step_or_name_gives_an_unrelated_stream(other):
    assert not (noise.words(KEY, "noise", 3, "w", 1000) == noise.words(*other, 1000)).any()


def test_labels_cannot_run_into_each_other():
    assert not np.array_equal(noise.words(KEY, "noise", 1, "1w", 8), noise.words(KEY, "noise", 11, "w", 8))


def test_the_stream_is_chacha20_under_an_hmac_derived_key():
    key = hmac.new(KEY, b"medtrain.stream/1\0noise\x007\0w", hashlib.sha256).digest()
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(80))
    assert noise.words(KEY, "noise", 7, "w", 10).tobytes() == stream


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(size):
    with pytest.raises(Misuse, match="32 bytes"):
        noise.words(bytes(size), "noise", 1, "", 1)


def test_the_noise_is_standard_normal():
    drawn = noise.gaussian(KEY, 1, "w", 200_000)
    assert stats.kstest(drawn, "norm").pvalue > 0.01
    assert abs(np.corrcoef(drawn[:100_000], drawn[100_000:])[0, 1]) < 0.02


@pytest.mark.parametrize("count", [0, 1, 7, 8, 803])
def test_a_devices_own_words_are_the_librarys_to_the_bit(count):
    key = noise._key(KEY, "noise", 3, "w")
    own = keystream.words(key, count, torch.device("cpu"))
    assert np.array_equal(own.numpy().view(np.uint64), noise.words(KEY, "noise", 3, "w", count))


def test_a_device_without_the_librarys_stream_draws_the_same_numbers(monkeypatch):
    """The device here is the CPU that says it is none: its words come from integer operations of torch."""
    monkeypatch.setattr(noise, "words", lambda *_: pytest.fail("the library was asked"))
    monkeypatch.setattr(noise, "_on_host", lambda _: False)
    found = noise.gaussian(KEY, 3, "w", 101)
    monkeypatch.undo()
    assert np.array_equal(found, noise.gaussian(KEY, 3, "w", 101))


def test_noise_is_made_on_the_device_of_the_sum():
    """``meta`` has no numbers; what would mix devices is an error on it."""
    found = noise.add(torch.zeros(9, 3, dtype=torch.float64, device="meta"), 1.0, KEY, 1, "w")
    assert found.device.type == "meta"
    assert found.shape == (9, 3)


def test_numbers_do_not_depend_on_how_many_go_through_at_once(monkeypatch):
    whole = noise.gaussian(KEY, 1, "w", 1001)
    monkeypatch.setattr(noise, "BLOCK", 64)
    assert np.array_equal(noise.gaussian(KEY, 1, "w", 1001), whole)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_any_number_of_normals_can_be_drawn(count):
    drawn = noise.gaussian(KEY, 1, "w", count)
    assert drawn.shape == (count,)
    assert np.isfinite(drawn).all()


def test_the_smallest_uniform_still_gives_a_finite_number(monkeypatch):
    monkeypatch.setattr(noise, "words", lambda *a: np.full(a[-1], 2**64 - 1, np.uint64))
    assert abs(noise.gaussian(KEY, 1, "w", 2)[0]) == pytest.approx(np.sqrt(2 * 52 * np.log(2)))


def test_noise_has_the_standard_deviation_asked_for_and_stays_on_the_lattice():
    found = noise.add(torch.zeros(300, 200, dtype=torch.float64), 3.0, KEY, 1, "w")
    assert float(found.std()) == pytest.approx(3.0, rel=0.02)
    assert torch.equal(torch.round(found / noise.GRID) * noise.GRID, found)


def test_what_is_added_does_not_depend_on_what_it_is_added_to():
    """Otherwise the low bits would tell neighbouring tables apart (Mironov, CCS 2012)."""
    totals = torch.round(torch.randn(1000, dtype=torch.float64) * 1000 / noise.GRID) * noise.GRID
    alone = noise.add(torch.zeros(1000, dtype=torch.float64), 2.0, KEY, 1, "w")
    assert torch.equal(noise.add(totals, 2.0, KEY, 1, "w") - totals, alone)
