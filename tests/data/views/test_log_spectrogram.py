"""Power spectrograms in decibels, against numpy; the released values are in tests/reference/test_avid.py."""

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_spectrogram import LogSpectrogram
from brave_tf.errors import UserError

SMALL = {"sample_rate": 8000, "frame_length": 16, "frame_step": 5}
SOUND = np.random.default_rng(0).normal(size=(2, 43)).astype(np.float32)


def expected(pcm, range_db=100.0):
    padded = np.pad(pcm.astype("f8"), 8, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16)
    starts = range(0, len(padded) - 15, 5)
    power = [np.abs(np.fft.rfft(padded[i : i + 16] * window)) ** 2 for i in starts]
    pairs = [[p[0], *((p[i] + p[i + 1]) / 2 for i in range(1, 9, 2))] for p in power]
    decibels = 10 * np.log10(np.maximum(pairs, 1e-10))
    return np.maximum(decibels, decibels.max() - range_db)[: len(pcm) // 5]


@pytest.mark.parametrize("range_db", [100.0, 12.0])
def test_decibels_are_those_of_numpy_for_each_sound_of_a_batch(range_db):
    transform = LogSpectrogram(range_db=range_db, **SMALL)
    got = transform(SOUND)
    assert got.shape == (2, transform.frames(43), transform.bins) and got.dtype == tf.float32
    for one, pcm in zip(got, SOUND):
        np.testing.assert_allclose(one, expected(pcm, range_db), atol=1e-4)


def test_silence_has_finite_decibels():
    np.testing.assert_allclose(LogSpectrogram(**SMALL)(np.zeros(43, np.float32)), -100, rtol=1e-6)


def test_statistics_are_of_all_bins_or_of_each():
    decibels = expected(SOUND[0])
    mean, deviation = (1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 3.0, 4.0, 5.0, 6.0)
    for statistics in ((mean, deviation), (3.0, 7.0)):
        transform = LogSpectrogram(mean=statistics[0], deviation=statistics[1], **SMALL)
        value = (decibels - np.array(statistics[0])) / np.array(statistics[1])
        np.testing.assert_allclose(transform(SOUND[0]), value, atol=1e-4)


def test_a_view_has_its_shape():
    assert AudioView(duration=2.0, log_mel=LogSpectrogram()).shape == (200, 257)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frame_length": 1022}, "LogSpectrogram.frame_length = 1022: expected a multiple of 4"),
        ({"mean": 1.0}, "LogSpectrogram.mean = 1.0: expected .* both or neither"),
        ({"mean": (1.0, 2.0), "deviation": 1.0}, "LogSpectrogram.mean = .* 257 of them"),
        (
            {"mean": 1.0, "deviation": 0.0},
            "LogSpectrogram.deviation = 0.0: expected a number above 0",
        ),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        LogSpectrogram(**options)
