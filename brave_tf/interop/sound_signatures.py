"""The signatures of views of sound, see `signatures`."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.interop.signatures import FAR_OUT, Embed, Signatures, Sizes, checked, traced

MIN_AUDIO_SECONDS = 0.1
# Log-mels are far from this in either direction, samples of 16 bits and most magnitudes are not.
FAR_OUT_LOG_MEL = 100.0


def sound_signatures(name: str, view: AudioView, sizes: Sizes, embed: Embed) -> Signatures:
    """Returns the signatures `name` and `<name>_spectrogram`.

    Args:
      name: of the view.
      view: its sample rate and spectrogram.
      sizes: of the backbone's input, without the batch: (frames, bins), None for those that it leaves open.
      embed: (B, frames, bins) float32 -> what signatures answer.
    """
    least = round(MIN_AUDIO_SECONDS * view.sample_rate)

    def of_pcm(pcm: tf.Tensor) -> dict[str, tf.Tensor]:
        long_enough = tf.debugging.assert_greater_equal(
            tf.shape(pcm)[1],
            least,
            f"pcm is shorter than {MIN_AUDIO_SECONDS} s: at least {least} samples are needed at "
            f"{view.sample_rate} Hz",
        )
        far = "values far beyond 1: expected [-1, 1]; divide samples of 16 bits by 32768"
        with tf.control_dependencies([long_enough]):
            pcm = checked(pcm, "pcm", "samples in [-1, 1]", FAR_OUT, far)
        return embed(view.log_mel(pcm))

    def of_spectrogram(spectrogram: tf.Tensor) -> dict[str, tf.Tensor]:
        expected = f"the log-mel of the view, or pcm to the signature {name}"
        far = f"values far beyond those of a log-mel: expected {expected}"
        some = tf.debugging.assert_positive(
            tf.shape(spectrogram)[1], "spectrogram holds no frames: expected (B, frames, bins)"
        )
        with tf.control_dependencies([some]):
            values = checked(spectrogram, "spectrogram", expected, FAR_OUT_LOG_MEL, far)
        return embed(values)

    spectrogram = (None, sizes[0], view.log_mel.bins)
    spectrogram = tf.TensorSpec(spectrogram, tf.float32, "spectrogram")
    return {
        name: traced(of_pcm, tf.TensorSpec((None, None), tf.float32, "pcm")),
        f"{name}_spectrogram": traced(of_spectrogram, spectrogram),
    }
