"""Where frames are cropped, and how they are decoded.

The frames of a clip are either encoded, (T,) string, a JPEG each, or decoded, (T, H, W, 3) uint8. Encoded
ones may still be where they are stored: `stored_values.take` reads those that are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from brave_tf.data.kernels import library

# The released BraVe code draws up to 20 boxes, and falls back to a centre crop 16 pixels inside the frame.
_CROP_ATTEMPTS = 20
_FALLBACK_PADDING = 16
# How random crops are drawn, see `random_crop_window`.
CROP_DRAWS = ("height", "area")
# As many as torchvision makes.
_AREA_ATTEMPTS = 10
# Numbers are resized faster than bytes, but have to be made first: worth it up to so many pixels for one of
# the result.
_PIXELS_FOR_ONE = 1.5


def random_crop_window(
    height: tf.Tensor,
    width: tf.Tensor,
    area: tuple[float, float],
    aspect: tuple[float, float],
    seed: tf.Tensor,
    draw: str = "height",
) -> tf.Tensor:
    """Draws a crop of random area and aspect ratio (width / height), as in Inception training.

    Args:
      height: () int32, of the frame.
      width: () int32, of the frame.
      area: lowest and highest area, as a fraction of the frame. (1, 1) is the whole frame.
      aspect: lowest and highest aspect ratio of the crop.
      seed: (2,) int32.
      draw: what is uniform, one of `CROP_DRAWS`: `height`, given an aspect ratio that is uniform, as
        TensorFlow draws; or `area`, and the logarithm of the aspect ratio, as torchvision draws.

    Returns:
      (4,) int32: top, left, height, width. Where no draw fits, for `height` the centre square that is 16
      pixels (at most an eighth of the shorter side) smaller on each side, for `area` the largest centre crop
      whose aspect ratio is in the range.
    """
    if tuple(area) == (1.0, 1.0):
        return tf.stack([0, 0, height, width])
    if draw == "area":
        return _uniform_area_window(height, width, area, aspect, seed)
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        image_size=tf.stack([height, width, 3]),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=area[0],
        aspect_ratio_range=aspect,
        area_range=area,
        max_attempts=_CROP_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    failed = tf.reduce_all(size[:2] == tf.stack([height, width]))
    padding = tf.minimum(_FALLBACK_PADDING, tf.minimum(height, width) // 8)
    fallback = padded_center_window(height, width, padding)
    return tf.where(failed, fallback, tf.concat([begin[:2], size[:2]], 0))


def _uniform_area_window(
    height: tf.Tensor,
    width: tf.Tensor,
    area: tuple[float, float],
    aspect: tuple[float, float],
    seed: tf.Tensor,
) -> tf.Tensor:
    """Does what `random_crop_window` does for `area`: takes the first of ten draws that fits."""
    size_seed, place_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    draws = tf.random.stateless_uniform((2, _AREA_ATTEMPTS), size_seed)
    sides = tf.cast(tf.stack([height, width]), tf.float32)
    areas = (area[0] + draws[0] * (area[1] - area[0])) * sides[0] * sides[1]
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratios = tf.exp(low + draws[1] * (high - low))
    sizes = tf.round(tf.sqrt(tf.stack([areas / ratios, areas * ratios], axis=1)))
    fits = tf.reduce_all((sizes >= 1) & (sizes <= sides), axis=1)
    size = tf.gather(sizes, tf.argmax(fits))
    # Rounded down, each from 0 to what is left, both included.
    room = tf.floor(tf.random.stateless_uniform((2,), place_seed) * (sides - size + 1))
    drawn = tf.concat([tf.minimum(room, sides - size), size], 0)
    ratio = tf.clip_by_value(sides[1] / sides[0], *aspect)
    whole = tf.round(tf.minimum(sides, tf.stack([sides[1] / ratio, sides[0] * ratio])))
    fallback = tf.concat([(sides - whole) // 2, whole], 0)
    return tf.cast(tf.where(tf.reduce_any(fits), drawn, fallback), tf.int32)


def region_window(
    height: tf.Tensor, width: tf.Tensor, region: Sequence[float]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns where a part of frames is, in pixels.

    Args:
      height: () int32, of the frames.
      width: () int32, of the frames.
      region: top, left, bottom and right end as fractions of height and width.

    Returns:
      () int32 each: top, left, height, width. Ends are rounded; there is one pixel at least.
    """
    top, left, bottom, right = region

    def side(length: tf.Tensor, first: float, last: float) -> tuple[tf.Tensor, tf.Tensor]:
        ends = tf.cast(length, tf.float64) * tf.constant([first, last], tf.float64)
        begin, end = tf.unstack(tf.cast(tf.round(ends), tf.int32))
        begin = tf.minimum(begin, length - 1)
        return begin, tf.maximum(end - begin, 1)

    (begin_y, size_y), (begin_x, size_x) = side(height, top, bottom), side(width, left, right)
    return begin_y, begin_x, size_y, size_x


def least_share(region: Sequence[float]) -> float:
    """Returns the share of the frame's height or width that a region has, whichever is lower."""
    top, left, bottom, right = region
    return min(bottom - top, right - left)


def padded_center_window(height: tf.Tensor, width: tf.Tensor, padding: tf.Tensor) -> tf.Tensor:
    """Returns (4,) int32 top, left, height, width of the centre square, `padding` pixels inside."""
    side = tf.minimum(height, width)
    size = side - 2 * padding
    return tf.stack([(height - side) // 2 + padding, (width - side) // 2 + padding, size, size])


def resized_shape(
    height: tf.Tensor, width: tf.Tensor, short_side: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width, () int32, of a frame scaled so that the shorter is `short_side`.

    The longer side is rounded down.
    """
    new_height = tf.maximum(short_side, height * short_side // width)
    new_width = tf.maximum(short_side, width * short_side // height)
    return new_height, new_width


def frame_shape(frame: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width, () int32, of a frame: of a JPEG () string, from its header, or of pixels."""
    shape = tf.image.extract_jpeg_shape(frame) if frame.dtype == tf.string else tf.shape(frame)
    return shape[0], shape[1]


def is_region(region: Any) -> bool:
    """Tells whether something is a region of a frame: (top, left, bottom, right) as fractions of it."""
    try:
        top, left, bottom, right = map(float, region)
    except (TypeError, ValueError):
        return False
    return 0 <= top < bottom <= 1 and 0 <= left < right <= 1


def decode_crop(frames: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Takes the same crop of each frame, decoding no more than it where they are encoded.

    Args:
      frames: (T,) string, JPEGs of one size, in colour or gray; or (T, H, W, 3) uint8.
      window: (4,) int32: top, left, height, width.

    Returns:
      (T, height, width, 3) uint8.

    Raises:
      tf.errors.InvalidArgumentError: when run, if a frame is no JPEG or the crop lies outside it.
    """
    return tf.concat(_crops(frames, window), 0)


def decode_crop_resize(
    frames: tf.Tensor,
    window: tf.Tensor,
    height: int,
    width: int,
    highest: float = 255.0,
) -> tf.Tensor:
    """Like `decode_crop`, then resized: (T, height, width, 3) float32 in [0, `highest`].

    Bilinear, half-pixel centres, without antialiasing.
    """
    crops = _crops(frames, window)
    if compiled := library.operations():
        size = tf.stack([height, width])
        return compiled.brave_tf_resize_frames(crops, size, highest=highest)
    return _resize(tf.concat(crops, 0), height, width, highest)


def _crops(frames: tf.Tensor, window: tf.Tensor) -> list[tf.Tensor]:
    """Does what `decode_crop` does: returns (t, height, width, 3) uint8 whose t add up to T."""
    if frames.dtype != tf.string:
        top, left, height, width = tf.unstack(window)
        crop = tf.slice(frames, [0, top, left, 0], [-1, height, width, 3])
        return [tf.ensure_shape(crop, (frames.shape[0], None, None, 3))]

    def decode(jpeg: tf.Tensor) -> tf.Tensor:
        return tf.image.decode_and_crop_jpeg(jpeg, window, channels=3)

    if frames.shape[0] is None:
        spec = tf.TensorSpec((None, None, 3), tf.uint8)
        return [tf.map_fn(decode, frames, fn_output_signature=spec)]
    # Unrolled, the decoders need no loop bookkeeping and may run side by side.
    return [decode(jpeg)[tf.newaxis] for jpeg in tf.unstack(frames)]


def _resize(pixels: tf.Tensor, height: int, width: int, highest: float) -> tf.Tensor:
    """Resizes (T, H, W, 3) uint8 to (T, height, width, 3) float32 in [0, `highest`]."""

    def as_numbers() -> tf.Tensor:
        quantized = tf.bitcast(pixels, tf.quint8)
        numbers = tf.quantization.dequantize(quantized, 0.0, highest, mode="MIN_COMBINED")
        return tf.image.resize(numbers, (height, width))

    def as_bytes() -> tf.Tensor:
        return tf.image.resize(pixels, (height, width)) * (highest / 255.0)

    before = tf.cast(tf.reduce_prod(tf.shape(pixels)[1:3]), tf.float32)
    after = tf.cast(height * width, tf.float32)
    return tf.cond(before <= _PIXELS_FOR_ONE * after, as_numbers, as_bytes)
