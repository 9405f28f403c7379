"""When a window of a clip starts, and which frames and samples it holds.

Times are float64 seconds from the start of the clip. A clip that is too short for a window is looped:
frames and sound start again together after the last frame.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

# Frame times are multiples of 1 / rate, which binary fractions miss by a little.
_ROUNDING = 1e-4


class Places(NamedTuple):
    """Where in a clip the windows of a view can start, counted in frames or samples of the clip."""

    length: tf.Tensor  # () int32, how many the clip has
    window: tf.Tensor  # () int32, how many of them a window spans
    rate: tf.Tensor  # () float64, how many last a second

    @property
    def starts(self) -> tf.Tensor:
        """() int32: at how many of them a window fits that starts there; 0 or less where none does."""
        return self.length - self.window + 1

    @property
    def latest(self) -> tf.Tensor:
        """() float64 seconds: the last start at which a window fits; below 0 where none does."""
        return tf.cast(self.length - self.window, tf.float64) / self.rate

    @property
    def seconds(self) -> tf.Tensor:
        """() float64: how long the clip lasts."""
        return tf.cast(self.length, tf.float64) / self.rate


def window_length(
    num_frames: int, frame_step: float, frame_rate: float, record_rate: tf.Tensor
) -> tf.Tensor:
    """Returns () int32: how many frames of the record lie from the first to the last of a window.

    For records at the window's own rate that is (num_frames - 1) * frame_step + 1.
    """
    last = tf.cast((num_frames - 1) * frame_step / frame_rate, tf.float64) * record_rate
    return tf.cast(tf.floor(last + _ROUNDING), tf.int32) + 1


def frame_indices(
    start: tf.Tensor,
    num_frames: int,
    frame_step: float,
    frame_rate: float,
    record_rate: tf.Tensor,
    count: tf.Tensor,
    hold: bool = False,
) -> tf.Tensor:
    """Chooses frames by time, so that records of any frame rate give windows of the same duration.

    Args:
      start: () float64, seconds.
      num_frames: length of the window.
      frame_step: distance of its frames, in frames at `frame_rate`.
      frame_rate: frames per second that the window is described in.
      record_rate: () float64, frames per second of the record.
      count: () int32, how many frames the record has.
      hold: whether a window that is longer than the record has all of it at its end, wherever it starts, and
        the first frame before that.

    Returns:
      (num_frames,) int32 in [0, count): frame i is the one shown at start + i * frame_step / frame_rate,
      floor(time * record_rate), modulo `count`.
    """
    times = tf.range(num_frames, dtype=tf.float64) * (frame_step / frame_rate)
    frames = tf.floor((tf.cast(start, tf.float64) + times) * record_rate + _ROUNDING)
    frames, count = tf.cast(frames, tf.int64), tf.cast(count, tf.int64)
    if hold:
        from_first = frames - frames[0]
        short = count - (from_first[-1] + 1)
        frames = tf.where(short < 0, tf.maximum(from_first + short, 0), frames)
    return tf.cast(tf.math.floormod(frames, count), tf.int32)


def random_start(
    length: tf.Tensor, window: tf.Tensor, seed: tf.Tensor, *, loop: bool, last: bool = True
) -> tf.Tensor:
    """Draws the first position of a window, uniformly.

    Args:
      length: () int32, frames or samples of the clip.
      window: () int32, frames or samples that the window spans.
      seed: (2,) int32.
      loop: what to do when the window is longer than the clip: True draws from all positions, for the
        window runs over the end whatever its start; False gives 0.
      last: whether the last position at which the window fits can be drawn where there are others.

    Returns:
      () int32 in [0, length - window], or [0, length) when looped.
    """
    fit = length - window + 1 if last else tf.maximum(length - window, 1)
    choices = tf.where(window <= length, fit, length if loop else 1)
    return tf.random.stateless_uniform((), seed, minval=0, maxval=choices, dtype=tf.int32)


def linear_starts(length: tf.Tensor, window: tf.Tensor, num: int) -> tf.Tensor:
    """Spaces windows evenly, from the first to the last position at which they fit.

    Args:
      length: () int32, frames, samples or pixels.
      window: () int32, how many of them a window spans; at most `length`.
      num: how many windows.

    Returns:
      (num,) int32, rounded down; 0 for one window.
    """
    last = tf.cast(length - window, tf.float64)
    return tf.cast(tf.linspace(tf.zeros_like(last), last, num) + _ROUNDING, tf.int32)


def extended_length(length: tf.Tensor, window: tf.Tensor, hold: bool = False) -> tf.Tensor:
    """Returns () int32: `length` repeated as often as it takes for `window` to fit; see `frame_indices`."""
    if hold:
        return tf.maximum(length, window)
    return length * tf.maximum(-(-window // length), 1)


def audio_window(
    pcm: tf.Tensor, start: tf.Tensor, num_samples: int, period: tf.Tensor
) -> tf.Tensor:
    """Cuts a window of sound.

    Args:
      pcm: (samples,) float32.
      start: () int32 in [0, max(samples, period)), the first sample.
      num_samples: length of the window.
      period: () int32, samples after which the clip starts again when the window runs over the end of
        `pcm`. It is the duration of the frames where the clip has some, so that sound and frames start
        again together; sound that is shorter is followed by silence, longer sound is cut there.

    Returns:
      (num_samples,) float32.
    """
    samples = tf.size(pcm)

    def looped() -> tf.Tensor:
        once = tf.pad(pcm[:period], [[0, tf.maximum(period - samples, 0)]])
        first = start % period
        repeats = -(-(first + num_samples) // period)
        return tf.tile(once, [repeats])[first : first + num_samples]

    inside = start + num_samples <= samples
    window = tf.cond(inside, lambda: pcm[start : start + num_samples], looped)
    return tf.ensure_shape(window, (num_samples,))


def linear_times(
    length: tf.Tensor, window: tf.Tensor, rate: tf.Tensor, count: int, hold: bool = False
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns what `View.crop_times` does, of windows that `linear_starts` spaces.

    Args:
      length: () int32, frames or samples of the clip.
      window: () int32, frames or samples that a window spans.
      rate: () float64, frames or samples per second.
      count: number of windows.
      hold: as for `frame_indices`.
    """
    first = linear_starts(extended_length(length, window, hold), window, count) % length
    return tuple(tf.cast(number, tf.float64) / rate for number in (first, window, length))
