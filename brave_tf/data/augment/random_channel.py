"""Loss of colour, by one of the colour channels."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.data.augment.base import require_rgb, with_probability


@gin.configurable
def random_channel(
    video: tf.Tensor, seed: tf.Tensor, probability: float = 0.2, per_frame: bool = True
) -> tf.Tensor:
    """Turns all frames gray or none: one of the channels, drawn at random, takes the place of all three.

    CoCLR uses this where others use `random_gray`. It draws a new channel for each frame, so clips flicker.

    Args:
      video: (T, H, W, 3) float32.
      seed: (2,) int32.
      probability: of gray frames.
      per_frame: whether each frame has a channel of its own; False: one for the clip.
    """
    require_rgb(video, "random_channel")
    frames = video.shape[0]

    def one_channel(video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        count = frames if per_frame else 1
        drawn = tf.random.stateless_uniform((count,), seed, 0, 3, dtype=tf.int32)
        chosen = tf.broadcast_to(drawn, (frames,))
        # A choice, since a product would turn what is not finite into NaN.
        channel = tf.gather(video, chosen, axis=3, batch_dims=1)
        return tf.repeat(channel[..., tf.newaxis], 3, axis=3)

    return with_probability(probability, seed, video, one_channel)
