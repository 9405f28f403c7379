"""Reads clips of media files inside a tf.data pipeline."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.media import tfio, video_decoding
from brave_tf.data.media.media import MediaError, MediaFile
from brave_tf.data.records.reader import DEFAULT_FLOW_BOUND, DEFAULT_SAMPLE_RATE, Clip
from brave_tf.data.sources.base import Stream
from brave_tf.data.sources.clip_rows import ClipRows, digest_of, row_table
from brave_tf.data.sources.epochs import epoch_seeds, with_seeds
from brave_tf.data.sources.media_facts import Facts, constant_stamps
from brave_tf.errors import ArgumentError, UserError


class Decoding(NamedTuple):
    """How clips are read.

    Attributes:
      fps: frames per second.
      min_side: pixels of the shorter side; None keeps it.
      max_seconds: how much is read of a longer clip.
      with_frames: whether frames are read.
      sample_rate: samples per second; None when no sound is read.
      sound_in_graph: whether tensorflow-io decodes the sound that it can.
      video_in_graph: whether tensorflow-io decodes the video that it can.
    """

    fps: float
    min_side: int | None
    max_seconds: float
    with_frames: bool
    sample_rate: int | None
    sound_in_graph: bool
    video_in_graph: bool


class UnreadableClipError(ValueError):
    """Why a clip cannot be read; in a graph TensorFlow makes it an InvalidArgumentError."""


class MediaClips(Stream):
    """The clips of one input pipeline; an item is () int64, the number of a clip in its split.

    Args:
      clips: of the split.
      facts: what is known of the file of each.
      label_names: in the order of their index.
      decoding: how they are read.
      numbers: of the clips that are this pipeline's.
      group_column: of the CSV that they are listed in.
    """

    def __init__(
        self,
        clips: Sequence[ListedClip],
        facts: Sequence[Facts],
        label_names: Sequence[str],
        decoding: Decoding,
        numbers: Sequence[int],
        group_column: str = "group",
    ):
        self._group_column = group_column
        self._clips, self._facts, self._decoding = clips, facts, decoding
        self._numbers = np.array(numbers, np.int64)
        index = {name: number for number, name in enumerate(label_names)}
        self._labels = [[index[label] for label in clip.labels] for clip in clips]
        self._starts = np.array([clip.start for clip in clips])
        self._ends = np.array([math.inf if clip.end is None else clip.end for clip in clips])
        file_ends = [math.inf if fact.seconds is None else fact.seconds for fact in facts]
        self._seconds = np.minimum(self._ends, file_ends) - self._starts
        self._is_file = np.isinf(self._ends) & (self._starts == 0)
        self._is_file &= self._seconds <= decoding.max_seconds

    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        _, _, clip_seed = epoch_seeds(seed, tf.constant(0, tf.int64))
        return _with_seeds(tf.constant(self._numbers), clip_seed).skip(skip)

    def endless(
        self, seed: int, shuffle_buffer: int, skip: int = 0, whole: int = 1
    ) -> tf.data.Dataset:
        del shuffle_buffer  # All clips are shuffled: their numbers take no memory to speak of.
        kept = len(self._numbers) // whole * whole
        first_epoch, rest = divmod(skip, kept)

        @tf.autograph.experimental.do_not_convert
        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            order_seed, _, clip_seed = epoch_seeds(seed, number)
            order = tf.random.experimental.stateless_shuffle(self._numbers, order_seed)
            return _with_seeds(order[:kept], clip_seed)

        return tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch).skip(rest)

    def num_items(self) -> int:
        return len(self._numbers)

    def rows(self) -> ClipRows:
        """Returns the rows of the clips of this pipeline, which is to be the only one."""
        table = row_table(len(self._clips), self._numbers)
        clips = (self._clips[number] for number in self._numbers)
        told = (f"{clip.path}\n{clip.start}\n{clip.end}" for clip in clips)
        return ClipRows(
            len(self._numbers), digest_of(map(_encode, told)), lambda item: tf.gather(table, item)
        )

    def part(self, every: int, held_out: bool) -> MediaClips:
        numbers = self._numbers[(self._numbers % every == 0) == held_out]
        if not len(numbers):
            raise ArgumentError(
                "every", every, f"no clip is left of {len(self._numbers)}; choose another number."
            )
        part = copy.copy(self)
        part._numbers = numbers
        return part

    def describe(self, item: tf.Tensor) -> Clip:
        lengths = [len(labels) for labels in self._labels]
        ends = tf.constant(np.cumsum([0, *lengths]), tf.int64)
        labels = tf.constant([label for labels in self._labels for label in labels], tf.int64)
        return Clip(
            images=tf.zeros((0,), tf.string),
            flow=tf.zeros((0,), tf.string),
            audio=tf.zeros((0,), tf.float32),
            frame_rate=tf.constant(self._decoding.fps, tf.float64),
            sample_rate=tf.constant(self._decoding.sample_rate or DEFAULT_SAMPLE_RATE, tf.float64),
            flow_bound=tf.constant(DEFAULT_FLOW_BOUND, tf.float32),
            labels=labels[ends[item] : ends[item + 1]],
            path=tf.gather([_encode(clip.path) for clip in self._clips], item),
        )

    def group(self, item: tf.Tensor, field: str | None = None) -> tf.Tensor:
        if field is None:
            return self.describe(item).path
        if field != self._group_column:
            raise UserError(
                f"ClipGroups.field = {field!r}: of media files the group is read from a column of their CSV, "
                f"{self._group_column!r}. Bind that, or the other name as RawMedia.group_column."
            )
        group = tf.gather([_encode(clip.group) for clip in self._clips], item)
        told = tf.debugging.Assert(group != b"", [f"the clip has no {field}"])
        with tf.control_dependencies([told] if told is not None else []):
            return tf.identity(group)

    def name(self, item: tf.Tensor) -> str:
        clip = self._clips[int(item)]
        path = os.fsencode(clip.path).decode("utf-8", "backslashreplace")
        if not clip.start and clip.end is None:
            return path
        # Clips may be windows of one file.
        end = "its end" if clip.end is None else f"{clip.end:g} s"
        return f"{path} (from {clip.start:g} s to {end})"

    def parse(self, item: tf.Tensor, seed: tf.Tensor | None = None) -> Clip:
        clip = self.describe(item)
        start, end = self._stretch(item, seed)
        if self._decoding.with_frames:
            clip = clip._replace(images=self._frames(item, start, end))
            count = tf.cast(tf.shape(clip.images)[0], tf.float64)
            end = start + count / self._decoding.fps
        else:
            end = tf.minimum(end, self._end_of_frames(item, start))
        if self._decoding.sample_rate is not None:
            clip = clip._replace(audio=self._sound(item, start, end))
        return clip

    def _stretch(self, item: tf.Tensor, seed: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns start and end of what is read of a clip, () float64 seconds; inf is the end of the file."""
        longest, fps = self._decoding.max_seconds, self._decoding.fps
        start, seconds = tf.gather(self._starts, item), tf.gather(self._seconds, item)
        place = tf.constant(0.5, tf.float64)
        if seed is not None:
            # Not one of the seeds that the views get.
            seed = tf.random.experimental.stateless_fold_in(seed, 0)
            place = tf.random.stateless_uniform((), seed, dtype=tf.float64)
        spare = tf.where(tf.math.is_finite(seconds), tf.maximum(seconds - longest, 0.0), 0.0)
        begin = start + tf.floor(place * spare * fps) / fps
        end = tf.where(seconds > longest, begin + longest, tf.gather(self._ends, item))
        return begin, end

    def _end_of_frames(self, item: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        """Returns up to where sound is read where frames are not, so that it lasts as long as they would."""
        last = [
            _last_moment(fact) if fact.has_video and fact.seconds is not None else math.inf
            for fact in self._facts
        ]
        fps = self._decoding.fps
        return start + tf.math.ceil((tf.gather(np.array(last), item) - start) * fps) / fps

    def _frames(self, item: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        def by_pyav() -> tf.Tensor:
            frames = tf.numpy_function(self._read_frames, [item, start, end], tf.uint8)
            return tf.ensure_shape(frames, (None, None, None, 3))

        if not self._decoding.video_in_graph:
            return by_pyav()

        def at_rate(frames: tf.Tensor) -> tf.Tensor:
            frames = tf.numpy_function(self._at_rate, [item, frames], tf.uint8)
            return tf.ensure_shape(frames, (None, None, None, 3))

        def in_graph() -> tf.Tensor:
            frames = tfio.decode_video(tf.io.read_file(self._file(item)))
            # A picture that was passed over would shift those after it.
            counts = tf.constant([fact.num_frames for fact in self._facts])
            complete = tf.shape(frames)[0] == counts[item]
            return tf.cond(complete, lambda: at_rate(frames), by_pyav)

        simple = self._is_file & np.array([fact.frame_rate > 0 for fact in self._facts])
        return tf.cond(tf.gather(simple, item), in_graph, by_pyav)

    def _sound(self, item: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        def by_pyav() -> tf.Tensor:
            sound = tf.numpy_function(self._read_sound, [item, start, end], tf.float32)
            return tf.ensure_shape(sound, (None,))

        in_graph = self._is_file & np.array(
            [fact.is_wav and fact.sample_rate == self._decoding.sample_rate for fact in self._facts]
        )
        if not self._decoding.sound_in_graph or not in_graph.any():
            return by_pyav()
        return tf.cond(
            tf.gather(in_graph, item),
            lambda: tfio.decode_wav(tf.io.read_file(self._file(item))),
            by_pyav,
        )

    def _file(self, item: tf.Tensor) -> tf.Tensor:
        return tf.gather([_encode(clip.file) for clip in self._clips], item)

    def _read_frames(self, item: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        # Clips are decoded side by side already.
        cv2.setNumThreads(1)
        with self._open(item) as media:
            frames = media.frames(
                float(start), _or_none(end), self._decoding.fps, self._decoding.min_side
            )
            return np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames])

    def _read_sound(self, item: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        with self._open(item) as media:
            end = _or_none(end)
            pad = media.has_video and end is not None
            sound = media.samples(float(start), end, self._decoding.sample_rate, pad)
            if sound is None:
                raise MediaError("decode", f"no sound at {start:g} s or later")
        return sound

    @contextlib.contextmanager
    def _open(self, item: np.ndarray) -> Iterator[MediaFile]:
        try:
            with MediaFile(self._clips[int(item)].file) as media:
                yield media
        except MediaError as error:
            raise UnreadableClipError(f"{self._clips[int(item)].path}: {error}") from None
        except Exception as error:  # One broken file must not end the run with the others.
            reason = f"{type(error).__name__}: {error}"
            raise UnreadableClipError(f"{self._clips[int(item)].path}: {reason}") from None

    def _at_rate(self, item: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Chooses and resizes frames of a constant rate: what `video_decoding` does with times."""
        cv2.setNumThreads(1)
        fact, fps = self._facts[int(item)], self._decoding.fps
        times = np.arange(math.ceil(_last_moment(fact) * fps)) / fps
        shown = constant_stamps(len(frames), fact.frame_rate, fact.tick) * fact.tick
        shown -= video_decoding.slack(fact.tick)
        used, places = np.unique(np.searchsorted(shown, times, "right") - 1, return_inverse=True)
        height, width = frames.shape[1:3]
        size = video_decoding.resized(width, height, self._decoding.min_side)
        if size == (width, height):
            return frames[used[places]]
        return np.stack([video_decoding.resize(frames[index], size) for index in used])[places]


def _last_moment(fact: Facts) -> float:
    """Returns the seconds before which a frame can be shown, as in `video_decoding.pick`."""
    return fact.seconds - video_decoding.slack(fact.tick)


def _with_seeds(numbers: tf.Tensor, seed: tf.Tensor) -> tf.data.Dataset:
    return with_seeds(tf.data.Dataset.from_tensor_slices(numbers), seed, lambda number: number)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _or_none(seconds: np.ndarray) -> float | None:
    return float(seconds) if np.isfinite(seconds) else None
