"""Log energies in mel filters, against loops; the released values are in tests/reference/test_gdt.py."""

import numpy as np
import pytest

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_filter_bank import LogFilterBank
from brave_tf.errors import UserError

SMALL = {"sample_rate": 8000, "frame_length": 40, "frame_step": 16, "fft_length": 64, "mel_bins": 6}
SOUND = np.random.default_rng(0).normal(size=(2, 100)).astype(np.float32) / 10


def expected(pcm):
    samples = pcm.astype("f8") * 32768
    samples = np.array([samples[0], *(samples[1:] - 0.97 * samples[:-1])])
    samples = np.pad(samples, (0, 4))
    power = np.abs(np.fft.rfft([samples[i : i + 40] for i in range(0, 65, 16)], 64)) ** 2 / 64
    mel = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 8)
    corners = np.floor(65 * 700 * (10 ** (mel / 2595) - 1) / 8000).astype(int)
    values = np.zeros((5, 6))
    for band in range(6):
        low, middle, high = corners[band : band + 3]
        for place in range(low, middle):
            values[:, band] += power[:, place] * (place - low) / (middle - low)
        for place in range(middle, high):
            values[:, band] += power[:, place] * (high - place) / (high - middle)
    return np.log(values)


def test_energies_are_those_of_a_loop_for_each_sound_of_a_batch():
    plain = LogFilterBank(mean=None, deviation=None, **SMALL)
    got = plain(SOUND)
    assert got.shape == (2, plain.frames(100), 6) == (2, 5, 6)
    normalised = LogFilterBank(mean=2.0, deviation=4.0, **SMALL)(SOUND)
    for one, other, pcm in zip(got, normalised, SOUND):
        np.testing.assert_allclose(one, expected(pcm), rtol=1e-4)
        np.testing.assert_allclose(other, (expected(pcm) - 2) / 4, rtol=1e-3, atol=1e-4)


def test_silence_has_finite_energies():
    silent = LogFilterBank(mean=None, deviation=None, **SMALL)(np.zeros(100, np.float32))
    np.testing.assert_allclose(silent, np.log(2.0**-52), rtol=1e-6)


def test_a_view_has_its_shape():
    assert AudioView(duration=1.0, log_mel=LogFilterBank()).shape == (99, 40)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fft_length": 256}, "LogFilterBank.fft_length = 256: expected at least frame_length"),
        ({"preemphasis": 1.0}, "LogFilterBank.preemphasis = 1.0"),
        ({"mean": None}, "LogFilterBank.mean = None: expected .* both or neither"),
        ({"mel_bins": 0}, "LogFilterBank.mel_bins = 0"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        LogFilterBank(**options)
