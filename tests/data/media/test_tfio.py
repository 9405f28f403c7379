import io
import subprocess
import sys

import av
import decoded
import media
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.media import tfio
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import parse_clip


def flac(pcm: np.ndarray, rate: int = 16_000) -> bytes:
    """Encodes (channels, N) int16 as a FLAC file."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[len(pcm)]
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout=layout, format="s16")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm.T).reshape(1, -1), format="s16", layout=layout
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
def test_flac_is_lossless_and_mono(channels):
    pcm = np.random.default_rng(0).integers(-32768, 32768, (channels, 5000)).astype(np.int16)
    got = tfio.decode_flac(tf.constant(flac(pcm)))
    np.testing.assert_allclose(got, pcm.astype(np.float64).mean(axis=0) / 32768, atol=1e-7)


def test_records_with_flac_read_like_records_with_pcm():
    pcm = np.random.default_rng(0).integers(-32768, 32768, (1, 3000)).astype(np.int16)
    record = record_fixtures.record(flac=flac(pcm))
    dataset = tf.data.Dataset.from_tensors(record)
    (clip,) = dataset.map(lambda r: parse_clip(r, (record_fields.AUDIO_FLAC,)))
    np.testing.assert_array_equal(clip.audio, pcm[0] / np.float32(32768))


@pytest.mark.parametrize("encoded", [b"", b"fLaC and then nothing", b"\0" * 500])
def test_garbage_is_an_error(encoded):
    decode = tf.function(tfio.decode_flac)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(encoded))


def by_pyav(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


VIDEOS = [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx264")]


@pytest.mark.parametrize("name, codec", VIDEOS)
def test_video_is_that_of_pyav_frame_by_frame(tmp_path, name, codec):
    path = media.write_video(tmp_path / name, media.moving_texture(40), codec=codec)
    assert tfio.can_decode_video()
    got = tfio.decode_video(tf.constant(path.read_bytes()))
    np.testing.assert_array_equal(got, by_pyav(path))


@pytest.mark.parametrize("name, codec", [("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9")])
def test_truncated_video_is_that_of_pyav(tmp_path, name, codec):
    path = media.write_video(tmp_path / name, media.moving_texture(40), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    got = tfio.decode_video(tf.constant(path.read_bytes()))
    assert 5 < len(got) < 40
    np.testing.assert_array_equal(got, by_pyav(path))


@pytest.mark.parametrize("encoded", [b"", b"garbage" * 100, b"RIFF1234AVI LIST" + bytes(200)])
def test_no_video_is_an_error(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tfio.decode_video(tf.constant(encoded))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "decode"), [("a.wav", tfio.decode_wav), ("a.flac", tfio.decode_flac)]
)
def test_sound_is_that_of_pyav(tmp_path, name, decode, channels):
    tones = [media.tone(0.7, 300 * (number + 1)) for number in range(channels)]
    path = media.write_audio(tmp_path / name, np.stack(tones, axis=1))
    expected = decoded.samples(path)
    np.testing.assert_allclose(decode(tf.constant(path.read_bytes())), expected, atol=1e-7)


@pytest.mark.parametrize("encoded", [b"", b"\0" * 500, b"RIFF and then nothing"])
def test_no_sound_is_an_error(encoded):
    with pytest.raises(tf.errors.OpError):
        tf.function(tfio.decode_wav)(tf.constant(encoded))


def test_the_command_says_what_was_found():
    command = [sys.executable, "-m", "brave_tf.data.media.tfio"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "FFmpeg 4 for tensorflow-io: found in " in done.stdout
    assert "tensorflow-io decodes video: yes" in done.stdout


def test_the_command_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(tfio.ffmpeg4, "load", lambda: None)
    assert tfio.main() == 1
    assert "not found; install the decord wheel" in capsys.readouterr().out
