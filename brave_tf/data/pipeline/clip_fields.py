"""What batches say of their clips where an objective asks for it: their rows and their groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable

import gin
import tensorflow as tf

from brave_tf.data.sources.base import Item, Stream
from brave_tf.data.sources.clip_rows import ClipRows
from brave_tf.errors import UserError, did_you_mean

CLIP_ID, GROUP = "clip_id", "group"
NAMES = (CLIP_ID, GROUP)
# Of the clips of which a group is read before a run.
_TRIED = 20
_MOST = 2**63 - 1


@gin.configurable
@dataclasses.dataclass(frozen=True)
class ClipGroups:
    """Which clips are of one source video, so that they are not taken for different things.

    Clips with the same text are; it is the path of the clip's file, unless something else is bound.

    Attributes:
      field: a text in the context of the records that says so, such as 'clip/source'; of media files in a CSV
        its column `RawMedia.group_column`. None: the path does.
      of_path: makes the text of that one, () string -> () string, in a graph; such as `@matched_part`.
    """

    field: str | None = None
    of_path: Callable[[tf.Tensor], tf.Tensor] | None = None

    def of(self, stream: Stream, item: Item) -> tf.Tensor:
        """Returns the group of an item of a stream as a number, () int64: a hash of its text."""
        text = stream.group(item, self.field)
        if self.of_path is not None:
            text = self.of_path(text)
        return tf.strings.to_hash_bucket_fast(text, _MOST)

    def check(self, stream: Stream) -> None:
        """Makes sure that clips tell their group.

        Raises:
          UserError: none of the first ones does.
        """
        failure = None
        for item, _ in stream.once(0).take(_TRIED):
            try:
                self.of(stream, item)
                return
            except tf.errors.InvalidArgumentError as error:
                failure = error
        reason = str(getattr(failure, "message", failure)).splitlines()[0]
        raise UserError(
            f"ClipGroups.field = {self.field!r}: the first clips do not tell their group ({reason}). Bind "
            "a field that the clips have, or None for the path of their file."
        ) from failure


@gin.configurable
def matched_part(path: tf.Tensor, pattern: str = gin.REQUIRED) -> tf.Tensor:
    """Returns the first part of a path that matches, () string; all of a path that nowhere does.

    Args:
      path: () string.
      pattern: a regular expression of RE2: `v_\\w+_g\\d+` finds the group of a clip of UCF101.
    """
    try:
        return tf.strings.regex_replace(path, f"^.*?({pattern}).*$", r"\1", replace_global=False)
    except tf.errors.InvalidArgumentError as error:
        raise UserError(
            f"matched_part.pattern = {pattern!r}: expected a regular expression of RE2 ({error.message})."
        ) from error


@dataclasses.dataclass(frozen=True)
class ClipFields:
    """What batches are to say of their clips.

    Attributes:
      names: of `NAMES`, the keys of a batch: 'clip_id' -> (B,) int64, the row; 'group' -> (B,) int64, a
        number that the clips of a source video share.
      rows: that clips have; None: they have none, which is said by a 'clip_id' of -1.
      once: whether no row may be in a batch twice, over all replicas and pipelines.
      groups: what a group is, if it is asked for.
    """

    names: Sequence[str] = ()
    rows: ClipRows | None = None
    once: bool = False
    groups: ClipGroups | None = None

    def check(self, views: Mapping[str, object], stream: Stream, share: int) -> None:
        """Makes sure that a stream can say it.

        Args:
          views: by name.
          stream: of one input pipeline.
          share: clips of a batch that come from it.

        Raises:
          UserError: it cannot, or has too few clips for a batch without one twice.
        """
        for name in self.names:
            if name in views:
                raise UserError(
                    f"a view cannot be called {name!r} with an objective that asks for {name!r} of clips: "
                    "batches have a key of that name."
                )
        if GROUP in self.names:
            self.groups.check(stream)
        if self.once and stream.num_items() < share:
            raise UserError(
                f"an input pipeline has {stream.num_items()} clips, but {share} of each batch come from it, "
                "and the objective wants no clip in a batch twice: bind a lower train.batch_size, or train "
                "on more clips."
            )

    def of(self, stream: Stream, item: Item) -> dict[str, tf.Tensor]:
        """Returns what is said of an item of a stream; the row too if it is needed to tell clips apart."""
        found = {}
        if CLIP_ID in self.names or self.once:
            found[CLIP_ID] = tf.constant(-1, tf.int64) if self.rows is None else self.rows.of(item)
        if GROUP in self.names:
            found[GROUP] = self.groups.of(stream, item)
        return found

    def settle(self, clips: tf.data.Dataset, share: int, in_place: bool) -> tf.data.Dataset:
        """Sees to it that no row is in a batch twice, and leaves out what nobody asked for.

        Epochs are made so that it hardly occurs: see `Stream.endless`.

        Args:
          clips: dicts with what `of` returns, `share` for each batch, one batch after the other.
          share: see above.
          in_place: whether a clip that comes again keeps its place, without a row (-1). Otherwise it is left
            out; but no more than `share` in a batch, of clips of which not enough can be read.
        """
        if self.once:
            clips = _once_each(clips, share, in_place)
        if CLIP_ID in self.names or not self.once:
            return clips
        return clips.map(lambda clip: {name: clip[name] for name in clip if name != CLIP_ID})


def check_names(names: Sequence[str], objective: str) -> None:
    """Makes sure that an objective asks for what there is.

    Raises:
      UserError: it does not.
    """
    for name in names:
        if name not in NAMES:
            raise UserError(
                f"{objective}.clip_fields = {tuple(names)!r}: expected some of {NAMES}."
                f"{did_you_mean(name, NAMES)}"
            )


def _once_each(clips: tf.data.Dataset, share: int, in_place: bool) -> tf.data.Dataset:
    @tf.autograph.experimental.do_not_convert
    def compare(state: tuple, clip: dict) -> tuple:
        seen, position, left_out = state
        row = clip[CLIP_ID]
        again = (row >= 0) & tf.reduce_any(seen == row)
        keep = tf.constant(True) if in_place else ~again | (left_out >= share)
        row = tf.where(again, tf.constant(-1, tf.int64), row)
        noted = tf.tensor_scatter_nd_update(seen, [[position]], [row])
        following = tf.where(keep, position + 1, position)
        ends = following == share
        state = (
            tf.where(
                ends, tf.fill((share,), tf.constant(-1, tf.int64)), tf.where(keep, noted, seen)
            ),
            tf.where(ends, 0, following),
            tf.where(ends, 0, left_out + tf.cast(~keep, tf.int32)),
        )
        return state, (keep, {**clip, CLIP_ID: row})

    start = (tf.fill((share,), tf.constant(-1, tf.int64)), tf.constant(0), tf.constant(0))
    never = tf.autograph.experimental.do_not_convert
    compared = clips.scan(start, compare)
    kept = compared.filter(never(lambda keep, clip: keep))
    return kept.map(never(lambda keep, clip: clip))
