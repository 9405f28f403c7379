import io

import av
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data import record_fields, tfio
from brave_tf.data.record_reader import parse_clip


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
