"""What training and evaluation need from data, wherever it comes from.

A source is a place with clips, such as a folder of records. A kind of source of one's own is a subclass of
`Source` that is registered, in a module that an `import` line of a gin file names.
"""

from __future__ import annotations

import abc
import inspect
import os
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import Clip
from brave_tf.data.sources.clip_rows import ClipRows
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError, UserError

# A tensor, or a nested structure of tensors, of static shape, of which a kind of stream reads a clip.
Item = Any

_KINDS: list[type[Source]] = []


class Stream(abc.ABC):
    """The clips of one input pipeline. Its items say what to read; a clip is read by `parse`.

    Which items are given, in which order and with which seeds depends on the arguments alone, so that a
    resumed run goes on with the clips that it would have seen.
    """

    @abc.abstractmethod
    def once(self, seed: int, skip: int = 0) -> tf.data.Dataset:
        """Gives every item once, without the first `skip`: (item, (2,) int32 seed of the clip)."""

    @abc.abstractmethod
    def endless(
        self, seed: int, shuffle_buffer: int, skip: int = 0, whole: int = 1
    ) -> tf.data.Dataset:
        """Gives epoch after epoch, each shuffled in its own way, from the position `skip`.

        Args:
          seed: of all orders and clips.
          shuffle_buffer: at least so many items are shuffled among each other.
          skip: so many items of the run are left out.
          whole: batch size that each epoch is cut to a multiple of; which items are left out is drawn anew
            for each epoch. Given, and `num_items` asked for, where no clip may be in a batch twice.

        Returns:
          A dataset of (item, (2,) int32 seed of the clip).
        """

    def num_items(self) -> int:
        """Returns how many items an epoch has; where pipelines differ and have to keep pace, the fewest.

        Raises:
          UserError: nobody says so.
        """
        raise UserError(
            f"{type(self).__name__} does not say how many clips an epoch has, which objectives ask for that "
            "want no clip twice in a batch: define num_items, and the argument whole of endless, in it."
        )

    def by_shard(self, seed: int, shuffle_buffer: int, skip: int = 0) -> tf.data.Dataset:
        """Does what `endless` does in turns that the workers of a tf.data service can share.

        Raises:
          UserError: clips of this kind cannot be read by other machines.
        """
        raise UserError(
            "only clip records can be decoded by a tf.data service: prepare the clips, or do without one."
        )

    def part(self, every: int, held_out: bool) -> Stream:
        """Returns one clip in `every`, or all but those. Which ones they are is always the same.

        Args:
          every: 2 or more.
          held_out: whether the one in so many is wanted, or the others.

        Raises:
          UserError: no clip is left, or clips of this kind cannot be told apart.
        """
        raise ArgumentError(
            "every",
            every,
            "clips of this kind of source cannot be divided; name a split of clips to hold out.",
        )

    @abc.abstractmethod
    def parse(self, item: Item, seed: tf.Tensor | None = None) -> Clip:
        """Reads a clip, with what the views of the stream need.

        Args:
          item: of this stream.
          seed: (2,) int32; of the choice of a stretch, in kinds of source that do not read all of a long
            clip. None always reads the same one.

        Raises:
          tf.errors.InvalidArgumentError: when run, if the clip is damaged.
        """

    @abc.abstractmethod
    def describe(self, item: Item) -> Clip:
        """Returns the labels and the path of a clip, without frames and sound."""

    def group(self, item: Item, field: str | None = None) -> tf.Tensor:
        """Returns a text that a clip has in common with others of its source video, () string.

        Args:
          item: of this stream.
          field: where that is told, see `ClipGroups`; None: it is the path of the clip.

        Raises:
          tf.errors.InvalidArgumentError: when run, if the clip is damaged or does not tell.
          UserError: clips of this kind tell nothing of that name.
        """
        if field is not None:
            raise UserError(
                f"{type(self).__name__} tells nothing of the name {field!r} of a clip: leave "
                "ClipGroups.field at None, which takes the path."
            )
        return self.describe(item).path

    def name(self, item: Item) -> str:
        """Names a clip for messages, outside the graph; must not fail for damaged ones."""
        return self.describe(item).path.numpy().decode(errors="backslashreplace")


class Source(abc.ABC):
    """A place with clips.

    Attributes:
      location: what the user called it.
      label_names: class names in the order of their index; empty where nobody knows.
      split_names: of the splits that there are. A `split` of the methods is one of them, 'a+b' for two, or
        '*' for all: see `records.splits.parts_of`.
      settings: how clips are read, where bindings decide that.
    """

    location: str
    label_names: tuple[str, ...]
    split_names: tuple[str, ...]
    settings: Mapping[str, Any] = types.MappingProxyType({})

    @classmethod
    @abc.abstractmethod
    def accepts(cls, location: str) -> bool:
        """Whether there is something of this kind at `location`; cheap."""

    @classmethod
    @abc.abstractmethod
    def open(cls, location: str) -> Source:
        """Returns the source at `location`.

        Raises:
          UserError: it cannot be used.
        """

    @abc.abstractmethod
    def check(self, split: str, views: Mapping[str, View]) -> None:
        """Makes sure that the views can be made from a split, before any long work starts.

        Raises:
          UserError: they cannot.
        """

    @abc.abstractmethod
    def stream(
        self, split: str, views: Mapping[str, View], num_pipelines: int = 1, pipeline: int = 0
    ) -> Stream:
        """Returns the clips of one input pipeline that have all modalities of the views.

        Pipelines share no clip, and together have all of them.

        Raises:
          UserError: no such split, or there is no clip for this pipeline.
        """

    def rows(
        self, split: str, views: Mapping[str, View], part: tuple[int, bool] | None = None
    ) -> ClipRows:
        """Returns which row each clip has that all pipelines together read.

        Args:
          split: of the streams.
          views: of the streams.
          part: what is asked of `Stream.part`; None for all.

        Raises:
          UserError: clips of this kind have none.
        """
        raise UserError(
            f"the clips of {self.location} have no rows, by which an objective keeps something for each: "
            f"{type(self).__name__} does not define them. Prepare the clips as records, or define rows in it."
        )

    @abc.abstractmethod
    def labels(self, split: str, view: View) -> np.ndarray:
        """Returns (clips,) int64, in the order of `Stream.once`; decodes nothing.

        The first label of each clip, -1 for clips without a label or without the modality of the view.
        """

    @abc.abstractmethod
    def num_clips(self, split: str) -> int | None:
        """Returns how many clips a split has, with those that cannot be read; None when nobody counted."""

    @abc.abstractmethod
    def files(self, split: str) -> list[str]:
        """Returns the files on which the clips of a split depend."""

    def version(self, split: str) -> str:
        """Returns a text that is another when the clips of a split are, wherever they are.

        Here of the names below `location`, sizes and times of change of the files, the classes and the
        settings.
        """
        base = self.location if os.path.isdir(self.location) else os.path.dirname(self.location)
        files = [(os.path.relpath(path, base or "."), os.stat(path)) for path in self.files(split)]
        files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]
        settings = {k: v for k, v in self.settings.items() if v != self.location}
        return repr((files, self.label_names, sorted(settings.items())))


def register_source(kind: type[Source]) -> type[Source]:
    """Makes `open_source` try a kind of source, before those that were registered earlier.

    Raises:
      TypeError: for what is not a complete subclass of `Source`.
    """
    if not (inspect.isclass(kind) and issubclass(kind, Source)) or inspect.isabstract(kind):
        raise TypeError(
            f"register_source was given {kind!r}: expected a subclass of Source that defines all its "
            "abstract methods."
        )
    if kind not in _KINDS:
        _KINDS.insert(0, kind)
    return kind


def registered_sources() -> tuple[type[Source], ...]:
    """Returns the kinds of sources, the latest first."""
    return tuple(_KINDS)
