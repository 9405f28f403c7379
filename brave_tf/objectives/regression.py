"""The regression loss of BraVe."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.models.precision import in_full


def regression_loss(prediction: tf.Tensor, target: tf.Tensor, epsilon: float = 1e-5) -> tf.Tensor:
    """Squared L2 distance between the normalised prediction and the normalised, constant target.

    The BraVe paper, section 3.1; no gradient flows into the target.

    Args:
      prediction: (B, D) float.
      target: (B, D) float.
      epsilon: lower bound on the norms, so that a zero row stays zero.

    Returns:
      (B,) float32 in [0, 4], float64 if both are.
    """
    tf.debugging.assert_equal(tf.shape(prediction), tf.shape(target))
    prediction = _normalise(in_full(prediction), epsilon)
    target = _normalise(tf.stop_gradient(in_full(target)), epsilon)
    return tf.reduce_sum(tf.math.squared_difference(prediction, target), axis=-1)


def _normalise(x: tf.Tensor, epsilon: float) -> tf.Tensor:
    return tf.math.l2_normalize(x, axis=-1, epsilon=epsilon**2)
