"""The source that is media files: clips without a preparation step."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from brave_tf import modality_registry as modalities
from brave_tf.data.clips import clip_counts, clip_list, division, media_files
from brave_tf.data.media import ffmpeg4, tfio
from brave_tf.data.records.modalities import Held, MissingModalityError
from brave_tf.data.records.splits import parts_of
from brave_tf.data.sources.base import Source, register_source
from brave_tf.data.sources.clip_rows import ClipRows
from brave_tf.data.sources.media_clips import Decoding, MediaClips, UnreadableClipError
from brave_tf.data.sources.media_facts import Facts, find_facts
from brave_tf.data.views.base import View
from brave_tf.errors import UserError, did_you_mean, named
from brave_tf.storage.added_fields import added_field, told_fields

DECODERS = ("auto", "tfio", "pyav")
# Clips, from all over a split, of which views are tried before a run until one can be read.
_TRIED = 30


@register_source
@gin.configurable(denylist=["location"])
@dataclasses.dataclass(frozen=True)
class RawMedia(Source):
    """Media files, decoded as they are needed: a folder of them, or a CSV, see `clip_list.read_clips`.

    Convenient for trying things out; records are read many times faster, and only they hold flow. The frames
    and samples are those that `brave_tf_prepare` would put into records, without the JPEGs' loss.

    Each file is looked into once per process, see `media_facts`. Files that cannot be used are left out and
    named. What breaks later, while it is decoded, is a clip that cannot be read, as in records. PyAV decodes
    in this process: FFmpeg answers damage with errors, but a file whose opening has not crashed or hung
    could still do so further on. For files from strangers use `brave_tf_prepare`, which decodes elsewhere.

    The decoder 'tfio' is tensorflow-io's, which decodes in the graph, without Python's lock. It needs
    FFmpeg 4, see `ffmpeg4`, and knows no times, rotations and colour matrices; so it is given the whole files
    that need none of them (see `Facts.frame_rate`; WAV at the views' own sample rate), and PyAV the
    rest. 'auto' is 'tfio' where FFmpeg 4 is found, else 'pyav'.

    Attributes:
      location: the folder or CSV.
      decoder: 'auto', 'tfio' or 'pyav'.
      fps: frames per second that clips are read at; views choose theirs by time.
      min_side: pixels of the shorter side that frames are resized to; None keeps their size.
      max_seconds: what is read of a longer clip: in training a stretch of so many seconds from anywhere in
        it, drawn anew in every epoch; otherwise the middle. It bounds the memory that a clip takes.
      label_column: column of the CSV that holds the label.
      split_column: column of the CSV that holds the split.
      label_separator: text between several labels of a clip in the CSV; empty for one label each.
      test_fraction: share of each class that is moved from the split train to a split test.
      seed: of the choice of test clips, or of folds.
      timeout: seconds that opening a file may take.
      folds: number of folds, the splits fold1, fold2, ..., see `division.into_folds`; 0 for none.
      group_column: column of the CSV that holds what clips have in common, which no fold divides.

    Raises:
      UserError: a field has a value that cannot be used, or FFmpeg 4 is asked for and not found.
    """

    location: str
    decoder: str = "auto"
    fps: float = 25.0
    min_side: int | None = 256
    max_seconds: float = 20.0
    label_column: str = "label"
    split_column: str = "split"
    label_separator: str = ""
    test_fraction: float = 0.0
    seed: int = 0
    timeout: float = 60.0
    folds: int = added_field(0)
    group_column: str = added_field("group")

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise UserError(
                f"RawMedia.decoder = {self.decoder!r}: expected one of {', '.join(DECODERS)}."
                f"{did_you_mean(str(self.decoder), DECODERS)}"
            )
        for name in ("fps", "max_seconds", "timeout"):
            if not getattr(self, name) > 0:
                raise UserError(f"RawMedia.{name} = {getattr(self, name)!r}: expected more than 0.")
        if self.min_side is not None and not self.min_side >= 16:
            raise UserError(
                f"RawMedia.min_side = {self.min_side!r}: expected None or at least 16 pixels."
            )
        if self.decoder == "tfio" and not tfio.can_decode_video():
            raise UserError(
                "RawMedia.decoder = 'tfio': tensorflow-io needs the libraries of FFmpeg 4, which are not "
                f"found here: {ffmpeg4.ADVICE}, or bind 'pyav'."
            )

    @classmethod
    def accepts(cls, location: str) -> bool:
        if os.path.isdir(location):
            return media_files.has_media(location)
        return location.lower().endswith(".csv") and os.path.isfile(location)

    @classmethod
    def open(cls, location: str) -> RawMedia:
        source = cls(location)
        clips = source._clips  # Mistakes in the list are found here.
        left_out = media_files.left_out(location, (clip.file for clip in clips))
        for line in (*clip_counts.suspicions(clips), *filter(None, [left_out])):
            logging.warning("%s: %s", location, line)
        return source

    @property
    def label_names(self) -> tuple[str, ...]:
        """Classes of all clips, sorted."""
        return tuple(sorted({label for clip in self._clips for label in clip.labels}))

    @property
    def split_names(self) -> tuple[str, ...]:
        """Splits, in the order of the clips."""
        return tuple(dict.fromkeys(clip.split for clip in self._clips))

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is bound, by name."""
        return told_fields(self)

    def check(self, split: str, views: Mapping[str, View]) -> None:
        for name, view in views.items():
            modality = modalities.find(view.modality)
            if not modality.media:
                raise MissingModalityError(
                    f"view {name!r} needs {view.modality}, which is not computed while media files are "
                    f"read. Prepare {self.location} with brave_tf_prepare{modality.flags and ' '}"
                    f"{modality.flags}, or take the view out of the recipe.",
                    self._held(split),
                )
            if view.duration > self.max_seconds:
                raise UserError(
                    f"view {name!r} spans {view.duration:g} s, but RawMedia.max_seconds = "
                    f"{self.max_seconds:g}: bind more."
                )
        self._try_views(split, views)

    def stream(
        self, split: str, views: Mapping[str, View], num_pipelines: int = 1, pipeline: int = 0
    ) -> MediaClips:
        clips, facts = self._usable(split, views)
        numbers = np.arange(len(clips))[pipeline::num_pipelines]
        if not len(numbers):
            raise UserError(
                f"input pipeline {pipeline} of {num_pipelines} finds no clip in split {split!r} of "
                f"{self.location}, which has {len(clips)} for these views: use fewer pipelines."
            )
        with_frames = bool(_made_of(modalities.PICTURES, views))
        decoding = Decoding(
            fps=self.fps,
            min_side=self.min_side,
            max_seconds=self.max_seconds,
            with_frames=with_frames,
            sample_rate=_sample_rate(views),
            sound_in_graph=self.decoder != "pyav",
            video_in_graph=with_frames and self._decodes_video_in_graph(facts),
        )
        return MediaClips(clips, facts, self.label_names, decoding, numbers, self.group_column)

    def rows(
        self, split: str, views: Mapping[str, View], part: tuple[int, bool] | None = None
    ) -> ClipRows:
        stream = self.stream(split, views)
        return (stream if part is None else stream.part(*part)).rows()

    def labels(self, split: str, view: View) -> np.ndarray:
        clips, _ = self._usable(split, {"view": view})
        index = {name: number for number, name in enumerate(self.label_names)}
        return np.array([index[c.labels[0]] if c.labels else -1 for c in clips], np.int64)

    def num_clips(self, split: str) -> int:
        return len(self._split(split))

    def files(self, split: str) -> list[str]:
        files = dict.fromkeys(clip.file for clip in self._split(split))
        lists = [] if os.path.isdir(self.location) else [self.location]
        return [*lists, *filter(os.path.isfile, files)]

    @cached_property
    def _clips(self) -> list[clip_list.ListedClip]:
        clips = clip_list.read_clips(
            self.location,
            self.label_column,
            self.split_column,
            self.label_separator,
            self.group_column,
        )
        with named(test_fraction="RawMedia.test_fraction = {}", folds="RawMedia.folds = {}"):
            return division.divide(clips, self.test_fraction, self.folds, self.seed)

    def _split(self, name: str) -> list[clip_list.ListedClip]:
        parts = parts_of(name, self.split_names, self.location)
        return [clip for part in parts for clip in self._clips if clip.split == part]

    def _held(self, split: str) -> Held:
        """Returns what clips from all over a split have; sound is read at the views' rate."""
        clips = self._split(split)
        files = [clips[number].file for number in _spread(len(clips))]
        found = find_facts(files, self.timeout).values()
        facts = [each for each in found if isinstance(each, Facts)]
        every = modalities.registered()
        together = (frozenset(m.name for m in every if m.in_media(each)) for each in facts)
        return Held(frozenset(together))

    def _usable(
        self, split: str, views: Mapping[str, View]
    ) -> tuple[list[clip_list.ListedClip], list[Facts]]:
        """Returns the clips that have what the views need, and what is known of their files."""
        clips = self._split(split)
        found = find_facts((clip.file for clip in clips), self.timeout)
        good = [clip for clip in clips if isinstance(found[clip.file], Facts)]
        if not good:
            first = clips[0].file
            raise UserError(
                f"{self.location}: none of the {len(clips)} clips of split {split!r} can be used; the "
                f"first is {first}: {found[first]}."
            )
        needed = {view.modality: modalities.find(view.modality) for view in views.values()}
        for name, view in views.items():
            if not any(needed[view.modality].in_media(found[clip.file]) for clip in good):
                raise MissingModalityError(
                    f"view {name!r} needs {view.modality}, which no clip of split {split!r} in "
                    f"{self.location} has. Take the view out of the recipe.",
                    self._held(split),
                )
        usable = [
            clip for clip in good if all(m.in_media(found[clip.file]) for m in needed.values())
        ]
        if not usable:
            raise MissingModalityError(
                f"{self.location}: no clip of split {split!r} has all of "
                f"{', '.join(sorted(needed))}. Take views out of the recipe.",
                self._held(split),
            )
        return usable, [found[clip.file] for clip in usable]

    def _decodes_video_in_graph(self, facts: list[Facts]) -> bool:
        if self.decoder == "pyav" or not any(fact.frame_rate for fact in facts):
            return False
        return tfio.can_decode_video()

    def _try_views(self, split: str, views: Mapping[str, View]) -> None:
        stream = self.stream(split, views)
        count = len(self._usable(split, views)[0])
        for number in _spread(count):
            try:
                clip = stream.parse(tf.constant(number))
                for view in views.values():
                    view.sample(clip, tf.constant(0.0, tf.float64), tf.zeros((2,), tf.int32))
                return
            except (tf.errors.InvalidArgumentError, UnreadableClipError) as error:
                failure = error
        reason = getattr(failure, "message", str(failure)).splitlines()[0]
        raise UserError(
            f"the views cannot be made from any of {min(count, _TRIED)} clips of split {split!r} in "
            f"{self.location}, the last one: {reason}"
        ) from failure


def _spread(count: int) -> np.ndarray:
    """Returns the numbers of at most `_TRIED` clips from all over `count`, int64."""
    return np.unique(np.linspace(0, count - 1, _TRIED).astype(np.int64))


def _made_of(media: str, views: Mapping[str, View]) -> dict[str, View]:
    return {k: view for k, view in views.items() if modalities.find(view.modality).media == media}


def _sample_rate(views: Mapping[str, View]) -> int | None:
    rates = {name: view.sample_rate for name, view in _made_of(modalities.SOUND, views).items()}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{name} {rate} Hz" for name, rate in rates.items())
        raise UserError(
            "views of sound must have one sample rate to be read from media files, but these differ: "
            f"{listed}. Bind the same LogMel.sample_rate for all."
        )
    return next(iter(rates.values()), None)
