import logging

import gin
import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.data.views import log_mel
from brave_tf.data.views.log_mel import LogMel, log_mel_preset
from brave_tf.errors import UserError


def numpy_log_mel(pcm, config):
    """An independent computation: explicit frames, numpy's FFT, HTK mel triangles."""
    fft_length = config.fft_length or config.frame_length
    count = -(-len(pcm) // config.frame_step)
    padded = np.pad(pcm.astype(np.float64), (0, count * config.frame_step + config.frame_length))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.frame_length) / config.frame_length)
    pieces = [padded[i * config.frame_step :][: config.frame_length] * window for i in range(count)]
    spectrum = np.abs(np.fft.rfft(pieces, fft_length))

    def mel(hz):
        return 1127.0 * np.log1p(hz / 700.0)

    edges = np.linspace(mel(config.lower_hz), mel(config.upper_hz), config.mel_bins + 2)
    at = mel(np.linspace(0, config.sample_rate / 2, fft_length // 2 + 1))[1:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    filters = np.pad(np.maximum(0, np.minimum(rising, falling)), ((1, 0), (0, 0)))
    return np.log(config.log_offset + config.log_scale * spectrum @ filters)


CONFIGS = [
    LogMel(),
    LogMel(sample_rate=16_000, frame_length=400, frame_step=160, fft_length=512, mel_bins=40),
    LogMel(sample_rate=16_000, upper_hz=8000, log_offset=1e-2, log_scale=1.0, frame_length=640),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_matches_numpy(config):
    pcm = np.random.default_rng(0).normal(size=7001).astype(np.float32) * 0.1
    got = config(tf.constant(pcm))
    assert got.shape == (config.frames(len(pcm)), config.mel_bins)
    np.testing.assert_allclose(got, numpy_log_mel(pcm, config), atol=2e-3)


def test_matches_the_reference(golden_dir):
    arrays, cases = reference.values(golden_dir, "ops")
    recipe = reference.recipe(golden_dir)
    checked = 0
    for name, case in cases.items():
        if not name.startswith("spectrogram/") or name.endswith("silence"):
            continue
        seeds = case.get("pcm_seeds", [case.get("pcm_seed")])
        pcm = np.stack([recipe.pcm_input(seed, case["num_samples"]) for seed in seeds])
        config = LogMel(
            sample_rate=case["input_sample_rate"],
            mel_bins=case["num_spectrogram_bins"],
            frame_step=case["fft_step"],
        )
        got = config(pcm if "pcm_seeds" in case else pcm[0]).numpy()
        if "full_shape" in case:
            assert list(got.shape) == case["full_shape"]
            got = got[::32]
        np.testing.assert_allclose(got, arrays[name], atol=1e-4, err_msg=name)
        checked += 1
    assert checked == 8
    np.testing.assert_array_equal(LogMel()(tf.zeros(800)), arrays["spectrogram/silence"])
    np.testing.assert_allclose(LogMel().matrix(), arrays["mel_matrix/48000_80"], atol=1e-6)
    window = tf.signal.hann_window(320)
    np.testing.assert_allclose(window, arrays["mel_matrix/hann_window_320"], atol=1e-6)


def test_released_preset_gives_3072_frames():
    assert LogMel().frames(round(10.24 * 48_000)) == 3072
    assert LogMel()(tf.zeros(491_520)).shape == (3072, 80)


def test_sound_shorter_than_a_frame_is_padded():
    config = LogMel()
    pcm = np.random.default_rng(0).normal(size=50).astype(np.float32)
    np.testing.assert_allclose(config(pcm), numpy_log_mel(pcm, config), atol=2e-3)


def test_can_be_saved_for_any_length(tmp_path):
    module = tf.Module()
    module.call = tf.function(LogMel(), input_signature=[tf.TensorSpec((None, None), tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for samples in (320, 1000):
        pcm = tf.random.stateless_normal((2, samples), (1, 2))
        np.testing.assert_allclose(loaded.call(pcm), LogMel()(pcm), atol=1e-5)


def test_empty_bands_are_named():
    config = LogMel()
    empty = config.empty_bands()
    assert len(empty) == 16
    spectrogram = config(tf.random.stateless_normal((48_000,), (1, 2))).numpy()
    np.testing.assert_array_equal(np.flatnonzero((spectrogram == 0).all(axis=0)), empty)
    assert LogMel(frame_length=2048).empty_bands() == []


def test_empty_bands_are_warned_of_once(caplog):
    log_mel._warn_of_empty_bands.cache_clear()
    with caplog.at_level(logging.WARNING, logger="absl"):
        for _ in range(3):
            LogMel()
        LogMel(frame_length=2048)
    warnings = [r.getMessage() for r in caplog.records if "mel bands" in r.getMessage()]
    assert len(warnings) == 1
    assert str(LogMel().empty_bands()) in warnings[0]


@pytest.mark.parametrize(
    "field, value",
    [
        ("sample_rate", 0),
        ("frame_length", -1),
        ("frame_step", 0),
        ("mel_bins", 0),
        ("fft_length", 100),
        ("lower_hz", 8000.0),
        ("upper_hz", 30_000.0),
        ("log_scale", 0.0),
    ],
)
def test_refuses_numbers_that_cannot_be_used(field, value):
    with pytest.raises(UserError, match=rf"LogMel\.{field}"):
        LogMel(**{field: value})


def test_gin_binds_the_fields():
    gin.parse_config("LogMel.mel_bins = 17\nloud/LogMel.log_scale = 5.0")
    try:
        assert LogMel().mel_bins == 17
        with gin.config_scope("loud"):
            assert LogMel() == LogMel(mel_bins=17, log_scale=5.0)
    finally:
        gin.clear_config()


def test_a_spectrogram_of_empty_bands_alone_is_constant():
    config = LogMel(mel_bins=2, lower_hz=10.0, upper_hz=20.0)
    assert config.empty_bands() == [0, 1]
    np.testing.assert_array_equal(config(tf.ones(1000)), np.zeros((7, 2)))


def test_the_released_preset_is_the_default():
    assert log_mel_preset() == log_mel_preset("released") == LogMel()
    assert log_mel_preset("released", 16_000, 40) == LogMel(sample_rate=16_000, mel_bins=40)


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("mel_bins", [40, 80, 128])
def test_the_25ms_preset_has_no_empty_band(sample_rate, mel_bins):
    config = log_mel_preset("25ms", sample_rate, mel_bins)
    assert config.empty_bands() == []
    assert config.frame_length == round(0.025 * sample_rate)
    assert config.frames(10 * sample_rate) in range(1000, 1004)


def test_the_25ms_preset_matches_numpy():
    config = log_mel_preset("25ms", 16_000)
    pcm = np.random.default_rng(0).normal(size=7001).astype(np.float32) * 0.1
    np.testing.assert_allclose(config(pcm), numpy_log_mel(pcm, config), atol=2e-3)


def test_presets_are_chosen_by_gin():
    gin.parse_config("broad/log_mel_preset.name = '25ms'\nlog_mel_preset.mel_bins = 64")
    with gin.config_scope("broad"):
        assert log_mel_preset() == log_mel_preset("25ms", mel_bins=64)


@pytest.mark.parametrize("field, value", [("name", "10ms"), ("sample_rate", 0)])
def test_presets_refuse_what_they_do_not_know(field, value):
    with pytest.raises(UserError, match=rf"log_mel_preset\.{field}"):
        log_mel_preset(**{"name": "25ms", field: value})
