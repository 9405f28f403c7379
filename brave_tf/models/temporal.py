"""Layers that move between clips (B, T, H, W, C) and frames (B*T, H, W, C), and the temporal shift."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.errors import UserError

layers = tf.keras.layers
register = tf.keras.utils.register_keras_serializable(package="brave_tf")


def temporal_shift(clips: tf.Tensor, fraction: float = 0.125) -> tf.Tensor:
    """Exchanges channels between neighbouring frames (Lin et al., "TSM", ICCV 2019).

    The last `fraction` of the channels comes from the next frame and moves to the front, the first
    `fraction` comes from the previous frame and moves to the back; zeros enter at the clip's ends.
    This is the channel order of DeepMind's TSM; the original code keeps channels in place.

    Args:
      clips: (B, T, H, W, C).
      fraction: share of the channels that moves in each direction; int(fraction * C) channels.

    Returns:
      (B, T, H, W, C): [from the next frame, unshifted, from the previous frame].

    Raises:
      UserError: `fraction` outside [0, 0.5].
    """
    if not 0 <= fraction <= 0.5:
        raise UserError(
            f"shift_fraction = {fraction}: expected a share of the channels in [0, 0.5]."
        )
    moved = int(clips.shape[-1] * fraction)
    return _exchange(clips, moved) if moved else clips


def _exchange(clips: tf.Tensor, moved: int) -> tf.Tensor:
    """The shift by a number of channels; it is its own transpose, and so its own gradient.

    Saying so spares the gradients of the slices, each a padded copy of the whole tensor.
    """

    @tf.custom_gradient
    def exchange(x: tf.Tensor):
        zeros = tf.zeros_like(x[:, :1, ..., :moved])
        from_next = tf.concat([x[:, 1:, ..., -moved:], zeros], axis=1)
        from_previous = tf.concat([zeros, x[:, :-1, ..., :moved]], axis=1)
        shifted = tf.concat([from_next, x[..., moved:-moved], from_previous], axis=-1)
        return shifted, lambda gradient: _exchange(gradient, moved)

    return exchange(clips)


@register
class FoldTime(layers.Layer):
    """Clips (B, T, H, W, C) -> frames (B*T, H, W, C)."""

    def call(self, clips: tf.Tensor) -> tf.Tensor:
        check_rank(clips, 5, "clips (B, T, H, W, C)")
        return _reshape(clips, (-1,), clips, first=2)


@register
class TemporalShift(layers.Layer):
    """Temporal shift of frames: [(B*T, h, w, C), clips (B, T, ...)] -> (B*T, h, w, C).

    The clips only tell the number of frames, which may differ from call to call.
    """

    def __init__(self, fraction: float = 0.125, **kwargs):
        super().__init__(**kwargs)
        self.fraction = fraction

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        frames, clips = inputs
        shifted = temporal_shift(unfold_time(frames, clips), self.fraction)
        return _reshape(shifted, (-1,), frames, first=1)

    def get_config(self) -> dict:
        return {**super().get_config(), "fraction": self.fraction}


@register
class NeighbourFrames(layers.Layer):
    """Puts each frame beside its neighbours in time: (B, T, H, W, C) -> (B, T, H, W, count * C).

    A convolution that follows is then one over time as well. Beyond the ends of a clip its first and last
    frame are repeated, since black frames would look like a change of the picture.

    Args:
      count: odd number of frames side by side: each frame, and as many before it as after it.
    """

    def __init__(self, count: int = 3, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(count, int) and count > 0 and count % 2):
            raise UserError(f"{count} neighbouring frames: expected an odd number, 1 or more.")
        self.count = count

    def call(self, clips: tf.Tensor) -> tf.Tensor:
        check_rank(clips, 5, "clips (B, T, H, W, C)")
        length = tf.shape(clips)[1]
        reach = self.count // 2
        places = tf.range(length) + tf.range(-reach, reach + 1)[:, tf.newaxis]
        beside = tf.gather(clips, tf.clip_by_value(places, 0, length - 1), axis=1)
        beside = tf.ensure_shape(beside, (clips.shape[0], self.count, *clips.shape[1:]))
        return tf.concat(tf.unstack(beside, axis=1), axis=-1)

    def get_config(self) -> dict:
        return {**super().get_config(), "count": self.count}


@register
class UnfoldTime(layers.Layer):
    """[frames (B*T, h, w, C), clips (B, T, ...)] -> (B, T, h, w, C)."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return unfold_time(*inputs)


@register
class ClipMean(layers.Layer):
    """Mean over space and time: [(B*T, h, w, C), clips (B, T, ...)] -> (B, C)."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        frames, clips = inputs
        return tf.reduce_mean(unfold_time(frames, clips), axis=[1, 2, 3])


def unfold_time(frames: tf.Tensor, clips: tf.Tensor) -> tf.Tensor:
    """Frames (B*T, h, w, C) of `clips` (B, T, ...) -> (B, T, h, w, C)."""
    num_frames = clips.shape[1] or tf.shape(clips)[1]
    return _reshape(frames, (-1, num_frames), frames, first=1)


def check_rank(x: tf.Tensor, rank: int, expected: str) -> None:
    """Raises UserError when `x` has not the rank of what was `expected`."""
    if x.shape.rank != rank:
        raise UserError(f"the backbone was given a tensor of shape {x.shape}, expected {expected}.")


def _reshape(x: tf.Tensor, leading: tuple, like: tf.Tensor, first: int) -> tf.Tensor:
    """Reshapes `x` to `leading` + the sizes of `like` from axis `first` on, static where known."""
    dynamic = tf.shape(like)
    rest = [size or dynamic[i] for i, size in enumerate(like.shape) if i >= first]
    return tf.reshape(x, [*leading, *rest])
