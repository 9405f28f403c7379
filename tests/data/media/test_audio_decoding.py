"""Decoded sound: windows, formats, channels and rates."""

import av
import numpy as np
import pytest
from decoded import samples
from media import (
    click,
    moving_texture,
    tone,
    write_audio,
    write_video,
)

from brave_tf.data.media.media import MediaError, MediaFile


def test_file_without_sound(tmp_path):
    with MediaFile(str(write_video(tmp_path / "a.mp4", moving_texture(3)))) as media:
        assert media.has_video and not media.has_audio


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3", "m4a", "mp4", "webm"])
def test_file_with_sound_alone(tmp_path, extension):
    file = write_audio(tmp_path / f"a.{extension}", tone(1.5))
    with MediaFile(str(file)) as media:
        assert media.has_audio and not media.has_video
        heard = media.samples(0, None, 48000, False)
    # Codecs that work in blocks may add the rest of the last block.
    assert 72000 - 200 <= len(heard) <= 72000 + 2304
    expected = tone(1.5)[20000:50000]
    lags = range(-20, 21)
    errors = [np.std(heard[20000 + lag : 50000 + lag] - expected) for lag in lags]
    assert lags[np.argmin(errors)] == 0
    assert min(errors) < 0.15 * np.std(expected)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3", "m4a"])
def test_window_of_sound_is_a_slice_of_the_whole(tmp_path, extension):
    rng = np.random.default_rng(0)
    noise = np.convolve(rng.normal(size=240000), np.hanning(40), "same").astype(np.float32)
    file = write_audio(tmp_path / f"a.{extension}", 0.3 * noise / np.abs(noise).max())
    whole = samples(file)
    window = samples(file, 3.1, 4.2)
    assert window.shape == (52800,)
    expected = whole[148800:201600]
    assert np.sqrt(np.mean((window - expected) ** 2)) < 0.02 * expected.std()


def test_vorbis_in_ogg_keeps_its_samples(tmp_path):
    """FFmpeg stamps the piece with a click 10 ms late, and the next one in time."""
    noise = np.random.default_rng(0).normal(0, 1e-3, 2 * 44100)
    file = write_audio(
        tmp_path / "a.ogg", click(2, 0.4, 44100) + click(2, 1.3, 44100) + noise, 44100
    )
    with av.open(str(file)) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    np.testing.assert_array_equal(samples(file, rate=44100), np.concatenate(pieces))


def test_end_of_sound_is_padded_only_when_asked(tmp_path):
    file = write_audio(tmp_path / "a.wav", tone(1.0))
    assert samples(file, 0.5, 2.0).shape == (24000,)
    padded = samples(file, 0.5, 2.0, pad=True)
    assert padded.shape == (72000,)
    np.testing.assert_array_equal(padded[24000:], 0)
    assert samples(file, 1.5, 2.0, pad=True) is None


@pytest.mark.parametrize(
    ("codec", "step"),
    [
        ("pcm_u8", 2**-7),
        ("pcm_s16le", 2**-15),
        ("pcm_s24le", 2**-23),
        ("pcm_f32le", 1e-9),
        ("pcm_f64le", 1e-7),
    ],
)
def test_sample_formats_keep_values(tmp_path, codec, step):
    sound = np.random.default_rng(0).uniform(-1, 0.99, 4800).astype(np.float32)
    file = write_audio(tmp_path / "a.wav", sound, codec=codec)
    np.testing.assert_allclose(samples(file), sound, atol=1.01 * step)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(tmp_path, channels):
    sound = np.random.default_rng(0).uniform(-1, 1, (4800, channels)).astype(np.float32)
    file = write_audio(tmp_path / "a.wav", sound, codec="pcm_f32le")
    np.testing.assert_allclose(samples(file), sound.mean(axis=1), atol=1e-6)


def test_louder_than_full_scale_is_clipped(tmp_path):
    file = write_audio(tmp_path / "a.wav", 4 * tone(0.1), codec="pcm_f32le")
    heard = samples(file)
    assert heard.max() == 1 and heard.min() == -1


@pytest.mark.parametrize(("source", "target"), [(44100, 48000), (48000, 16000), (22050, 48000)])
def test_resampled_sine_is_the_sine_at_the_new_rate(tmp_path, source, target):
    file = write_audio(tmp_path / "a.wav", tone(1.0, sample_rate=source), source, codec="pcm_f32le")
    heard = samples(file, rate=target)
    assert abs(len(heard) - target) <= 1
    inner = slice(target // 20, -target // 20)
    expected = tone(1.0, sample_rate=target)[: len(heard)]
    np.testing.assert_allclose(heard[inner], expected[inner], atol=2e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -32768.0])
@pytest.mark.parametrize("extension", ["wav", "mkv"])
def test_samples_that_are_no_sound_are_an_error(tmp_path, value, extension):
    sound = tone(1.0)
    sound[24000] = value
    file = write_audio(tmp_path / f"a.{extension}", sound, codec="pcm_f32le")
    with pytest.raises(MediaError, match="samples that are NaN or infinite|full scale is 1"):
        samples(file)
    # The window does not hold it.
    np.testing.assert_allclose(samples(file, 0.8, 0.9), tone(1.0)[38400:43200], atol=1e-6)
