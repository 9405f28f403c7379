"""The squares that are cut from test frames."""

from __future__ import annotations

import tensorflow as tf

from brave_tf.data.augment.random_flip import flip
from brave_tf.data.views import sampling
from brave_tf.errors import UserError

# The corners and the centre, each as it is and mirrored.
OF_CORNERS = 10


def on_the_diagonal(frames: tf.Tensor, size: int, count: int) -> list[tf.Tensor]:
    """Cuts squares that are evenly spaced from the top left to the bottom right; one is in the centre.

    Args:
      frames: (T, H, W, C), whose sides are `size` or more.
      size: of the squares.
      count: how many.

    Returns:
      `count` times (T, size, size, C).
    """
    sides = tf.unstack(tf.shape(frames)[1:3])
    tops, lefts = (_spaced(side, size, count) for side in sides)
    return [_cut(frames, top, left, size) for top, left in zip(tops, lefts)]


def of_corners(frames: tf.Tensor, size: int, count: int = OF_CORNERS) -> list[tf.Tensor]:
    """Cuts the four corners and the centre, then mirrors these, flow as `random_flip` does.

    The arguments are those of `on_the_diagonal`.

    Raises:
      UserError: `count` is not ten.
    """
    if count != OF_CORNERS:
        raise UserError(
            f"corner_crops = True cuts {OF_CORNERS} squares of a window, not {count}: ask for as many."
        )
    (top, middle, bottom), (left, centre, right) = (
        (0, (side - size) // 2, side - size) for side in tf.unstack(tf.shape(frames)[1:3])
    )
    places = [(top, left), (top, right), (bottom, left), (bottom, right), (middle, centre)]
    cut = [_cut(frames, *place, size) for place in places]
    return [*cut, *map(flip, cut)]


def _cut(frames: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: int) -> tf.Tensor:
    square = frames[:, top : top + size, left : left + size]
    return tf.ensure_shape(square, (None, size, size, frames.shape[-1]))


def _spaced(side: tf.Tensor, size: int, count: int) -> list[tf.Tensor]:
    if count == 1:
        return [(side - size) // 2]
    return tf.unstack(sampling.linear_starts(side, tf.constant(size), count))
