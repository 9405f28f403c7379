"""The one door to tensorflow-io: sound that records hold as FLAC, decoded inside the graph.

tensorflow-io is imported when it is first needed, so that datasets with plain PCM do not load it.
"""

from __future__ import annotations

import tensorflow as tf


def decode_flac(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes 16-bit FLAC.

    Args:
      encoded: () string, a FLAC file.

    Returns:
      (samples,) float32 in [-1, 1), the mean over the channels.

    Raises:
      tf.errors.InvalidArgumentError: when run, if the bytes are empty or no FLAC.
    """
    import tensorflow_io

    # On an empty string the kernel would try to open a file.
    not_empty = tf.debugging.assert_greater(tf.strings.length(encoded), 0, "empty FLAC field")
    with tf.control_dependencies([not_empty] if not_empty is not None else []):
        encoded = tf.identity(encoded)
    samples = tensorflow_io.audio.decode_flac(encoded, dtype=tf.int16)
    return tf.reduce_mean(tf.cast(samples, tf.float32), axis=-1) / 32768.0
