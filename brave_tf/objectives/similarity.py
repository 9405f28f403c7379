"""How alike positives and negatives are: what to look at beside the loss of objectives that compare clips."""

from __future__ import annotations

import tensorflow as tf

POSITIVE, NEGATIVE = "similarity/positive", "similarity/negative"
# For `Objective.monitor_names`.
NAMES = (POSITIVE, NEGATIVE)


def similarities(cosines: tf.Tensor, own: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the figures under `NAMES`, (B,) float32 each, for `Terms.monitors`.

    Args:
      cosines: (B, N) float32, of each clip's query with the keys of N clips.
      own: (B,) int32, which of these is the clip's own.

    Returns:
      The cosine with the own key, and the mean over all others; 0 where there are none.
    """
    positive = tf.gather(cosines, own, batch_dims=1)
    others = tf.cast(tf.shape(cosines)[1] - 1, cosines.dtype)
    negative = tf.math.divide_no_nan(tf.reduce_sum(cosines, axis=1) - positive, others)
    return {POSITIVE: tf.stop_gradient(positive), NEGATIVE: tf.stop_gradient(negative)}
