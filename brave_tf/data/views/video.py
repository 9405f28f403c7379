"""What the views made of frames share: the choice of frames, crops and sizes."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from brave_tf.data.records import stored_values
from brave_tf.data.records.reader import Clip
from brave_tf.data.records.stored_values import StoredValues
from brave_tf.data.views import frames, normalisation, sampling, squares
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.storage.added_fields import added_field


@dataclasses.dataclass(frozen=True)
class VideoView(View):
    """A window of frames, cropped and resized to a square.

    `sample` draws one crop for all frames (see `frames.random_crop_window`) and resizes it to
    `size`, whatever its aspect ratio. `crops` scales the frames so that their shorter side is
    `resize` and cuts squares of `size`: top left, centre and bottom right for three, the centre for
    one, evenly spaced on that diagonal for other numbers.

    With `squeeze` it makes the frames squares of `resize` first, which changes their aspect ratio, so that
    nothing is lost at the sides of wide frames.

    With a `region` both do so with that part of the frame in place of the frame. With a `mean` and a
    `deviation` the values of both become (value - mean) / deviation at the very end, after all augmentations.

    Attributes:
      num_frames: length of the window.
      frame_step: distance of its frames, in frames at `frame_rate`; not always a whole number.
      frame_rate: frames per second that the window is described in; records of other rates are read by time.
      size: height and width of the result in pixels.
      resize: shorter side of the frames in `crops`; None: 8/7 of `size`, 256 for 224.
      min_area: lowest area of the random crop, as a fraction of the frame, or of the region.
      max_area: highest area of it. With both 1 the whole of it is taken.
      min_aspect: lowest width / height of it.
      max_aspect: highest width / height of it.
      region: the part of the frame that is seen, such as a speaker's mouth: top, left, bottom and right end
        as fractions of its height and width, rounded to whole pixels; None for all of it.
      squeeze: whether `crops` makes the frames square before it cuts squares of `size`.
      crop_draw: what is uniform of the random crop: `height`, as TensorFlow draws, or `area`, as torchvision
        does; see `frames.random_crop_window`.
      mean: of each channel, or one for all, in the units of the view; None for values as they are.
      deviation: by which each channel is divided.
      last_start: whether a training window may be the last one that fits, where no rule puts it.
      hold_first: whether a window longer than its clip holds the first frame, then shows all, not looping.
      corner_crops: whether `crops` cuts the corners and the centre, and mirrors these: ten of a window.
      highest_pixel: what `_values` is given for a stored 255; of the class.
      seconds: the duration of the window, which sets `frame_step`: 1.28 s of 16 frames at 25 per second
        is a step of 2. Not kept: a view made from this one by `dataclasses.replace` has its step.
    """

    highest_pixel: ClassVar[float]
    num_frames: int = 16
    frame_step: float = 2
    frame_rate: float = 25.0
    size: int = 224
    resize: int | None = None
    min_area: float = 0.3
    max_area: float = 1.0
    min_aspect: float = 0.5
    max_aspect: float = 2.0
    region: Sequence[float] | None = added_field(None)
    squeeze: bool = added_field(False)
    crop_draw: str = added_field("height")
    mean: Sequence[float] | float | None = added_field(None)
    deviation: Sequence[float] | float | None = added_field(None)
    last_start: bool = added_field(True)
    hold_first: bool = added_field(False)
    corner_crops: bool = added_field(False)
    seconds: dataclasses.InitVar[float | None] = None

    def __post_init__(self, seconds: float | None) -> None:
        super().__post_init__()
        for field in ("num_frames", "size"):
            value = getattr(self, field)
            self._require(field, isinstance(value, int) and value > 0, "a whole number above 0")
        self._require("frame_rate", self.frame_rate > 0, "frames per second above 0")
        if seconds is not None:
            object.__setattr__(self, "frame_step", self._step(seconds))
        self._require("frame_step", self.frame_step > 0, "frames above 0")
        self._require(
            "resize",
            self.resize is None or self.resize >= self.size,
            f"None or at least size, {self.size}",
        )
        self._require("min_area", 0 < self.min_area <= 1, "a fraction above 0, at most 1")
        self._require("max_area", self.min_area <= self.max_area <= 1, "between min_area and 1")
        self._require("min_aspect", self.min_aspect > 0, "width / height above 0")
        self._require("max_aspect", self.max_aspect >= self.min_aspect, "at least min_aspect")
        self._require(
            "region",
            self.region is None or frames.is_region(self.region),
            "None, or (top, left, bottom, right) as fractions of the frame in [0, 1], top < bottom and "
            "left < right",
        )
        if self.region is not None:
            object.__setattr__(self, "region", tuple(map(float, self.region)))
        draws = frames.CROP_DRAWS
        self._require("crop_draw", self.crop_draw in draws, f"one of {', '.join(draws)}")
        for field, other in (("mean", self.deviation), ("deviation", self.mean)):
            self._set_channels(field, other)

    @property
    @abc.abstractmethod
    def channels(self) -> int:
        """Channels of the result."""

    @abc.abstractmethod
    def _jpegs(self, clip: Clip) -> tf.Tensor | StoredValues:
        """Returns the frames, as the clip has them."""

    @abc.abstractmethod
    def _values(self, pixels: tf.Tensor, clip: Clip, scale: tf.Tensor) -> tf.Tensor:
        """Turns pixels into the view's values.

        Args:
          pixels: (..., H, W, 3) float32 in [0, `highest_pixel`].
          clip: where they are from.
          scale: (2,) float32, by what factor the width and the height were resized.

        Returns:
          (..., H, W, channels) float32.
        """

    @property
    def duration(self) -> float:
        return self.num_frames * self.frame_step / self.frame_rate

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.num_frames, self.size, self.size, self.channels)

    def random_start(self, clip: Clip, seed: tf.Tensor, *, loop: bool) -> tf.Tensor:
        count = stored_values.count(self._jpegs(clip))
        window, how = self._window(clip), {"loop": loop and not self.hold_first}
        first = sampling.random_start(count, window, seed, last=self.last_start, **how)
        return tf.cast(first, tf.float64) / clip.frame_rate

    def places(self, clip: Clip) -> sampling.Places:
        count = stored_values.count(self._jpegs(clip))
        return sampling.Places(count, self._window(clip), clip.frame_rate)

    def frame_indices(self, clip: Clip, start: tf.Tensor) -> tf.Tensor:
        """Returns the frames of the window that starts at `start` seconds, (num_frames,) int32."""
        return sampling.frame_indices(
            start,
            self.num_frames,
            self.frame_step,
            self.frame_rate,
            clip.frame_rate,
            stored_values.count(self._jpegs(clip)),
            self.hold_first,
        )

    def sample(self, clip: Clip, start: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        crop_seed, _ = _split(seed)
        jpegs = self._window_jpegs(clip, start)
        top, left, height, width = self._seen(*frames.frame_shape(jpegs[0]))
        window = frames.random_crop_window(
            height,
            width,
            (self.min_area, self.max_area),
            (self.min_aspect, self.max_aspect),
            crop_seed,
            self.crop_draw,
        )
        window += tf.stack([top, left, 0, 0])
        pixels = frames.decode_crop_resize(jpegs, window, self.size, self.size, self.highest_pixel)
        scale = self.size / tf.cast(tf.stack([window[3], window[2]]), tf.float32)
        return self._augment(self._values(pixels, clip, scale), seed)

    def crops(self, clip: Clip, temporal: int = 10, spatial: int = 3) -> tf.Tensor:
        jpegs = self._jpegs(clip)
        seen = self._seen(*frames.frame_shape(stored_values.take(jpegs, tf.constant([0]))[0]))
        _, _, height, width = seen
        new_height, new_width = self.resized_shape(height, width, self._short_side())
        # Windows overlap: each frame is decoded once, whatever the number of windows that hold it.
        used, places = tf.unique(tf.reshape(self._crop_frames(clip, temporal), (-1,)))
        pixels = frames.decode_crop_resize(
            stored_values.take(jpegs, used),
            tf.stack(seen),
            new_height,
            new_width,
            self.highest_pixel,
        )
        scale = tf.cast(tf.stack([new_width / width, new_height / height]), tf.float32)
        values = self._values(pixels, clip, scale)
        cut = squares.of_corners if self.corner_crops else squares.on_the_diagonal
        found = [
            square
            for window in tf.unstack(tf.reshape(places, (temporal, self.num_frames)))
            for square in cut(tf.gather(values, window), self.size, spatial)
        ]
        return self.normalised(tf.ensure_shape(tf.stack(found), (temporal * spatial, *self.shape)))

    def resized_shape(
        self, height: tf.Tensor, width: tf.Tensor, short_side: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the height and the width, () int32, that frames are resized to before squares are cut."""
        if self.squeeze:
            return tf.constant(short_side), tf.constant(short_side)
        return frames.resized_shape(height, width, short_side)

    def _augment(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.normalised(super()._augment(values, seed))

    def unfinished(self) -> VideoView:
        # What follows is given values in the units that it is made for.
        return dataclasses.replace(super().unfinished(), mean=None, deviation=None)

    def finish(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.normalised(super().finish(values, seed))

    def normalised(self, values: tf.Tensor) -> tf.Tensor:
        """Returns (..., channels) values as the view gives them: without its mean, over its deviation."""
        if self.mean is None:
            return values
        return (values - tf.constant(self.mean)) / tf.constant(self.deviation)

    def shown(self, values: np.ndarray) -> np.ndarray:
        if self.mean is None:
            return values
        return values * np.array(self.deviation, np.float32) + np.array(self.mean, np.float32)

    def crop_times(self, clip: Clip, temporal: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        window = self._window(clip)
        rate, hold = clip.frame_rate, self.hold_first
        return sampling.linear_times(clip.num_frames, window, rate, temporal, hold)

    def preparation(self) -> dict[str, Any]:
        # Both sides of a frame have as many pixels or more, so that the region has enough of them.
        share = 1.0 if self.region is None else frames.least_share(self.region)
        return {"fps": self.frame_rate, "min_side": math.ceil(self._short_side() / share)}

    def _set_channels(self, field: str, other: object) -> None:
        """Makes a number for each channel of `mean` or `deviation`, which go together."""
        value, positive = getattr(self, field), field == "deviation"
        self._require(
            field,
            normalisation.is_usable(value, other, self.channels, positive=positive),
            f"{self.channels} {'numbers above 0' if positive else 'numbers'}, a number for all channels, or "
            "None, as mean and deviation both",
        )
        object.__setattr__(self, field, normalisation.per_channel(value, self.channels))

    def _augmentation_seed(self, seed: tf.Tensor) -> tf.Tensor:
        return _split(seed)[1]

    def _seen(self, height: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor | int, ...]:
        """Returns top, left, height and width, () int32, of what is seen of frames of a size."""
        if self.region is None:
            return 0, 0, height, width
        return frames.region_window(height, width, self.region)

    def _short_side(self) -> int:
        return self.resize or round(self.size * 8 / 7)

    def _step(self, seconds: float) -> float:
        if not seconds > 0:
            name = type(self).__name__
            raise UserError(f"{name}.seconds = {seconds!r}: expected None or seconds above 0.")
        step = seconds * self.frame_rate / self.num_frames
        return round(step) if math.isclose(step, round(step)) else step

    def _window(self, clip: Clip) -> tf.Tensor:
        return sampling.window_length(
            self.num_frames, self.frame_step, self.frame_rate, clip.frame_rate
        )

    def _window_jpegs(self, clip: Clip, start: tf.Tensor) -> tf.Tensor:
        return stored_values.take(self._jpegs(clip), self.frame_indices(clip, start))

    def _crop_frames(self, clip: Clip, temporal: int) -> tf.Tensor:
        """Returns the frames of the test windows, (temporal, num_frames) int32."""
        window = self._window(clip)
        count = stored_values.count(self._jpegs(clip))
        length = sampling.extended_length(count, window, self.hold_first)
        starts = tf.cast(sampling.linear_starts(length, window, temporal), tf.float64)
        return tf.stack(
            [self.frame_indices(clip, start / clip.frame_rate) for start in tf.unstack(starts)]
        )


def _split(seed: tf.Tensor) -> list[tf.Tensor]:
    """Returns two (2,) int32 seeds: of the crop, and of the augmentations."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, 2))
