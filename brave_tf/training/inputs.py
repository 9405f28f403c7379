"""The clips of a run: those that it trains on, and those that are held out."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import tensorflow as tf

from brave_tf import errors
from brave_tf.data.pipeline import batches as pipeline
from brave_tf.data.pipeline import clip_windows
from brave_tf.data.pipeline.clip_fields import CLIP_ID, GROUP, ClipFields, ClipGroups, check_names
from brave_tf.data.pipeline.decode_service import check_service
from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.sources.clip_rows import ClipRows
from brave_tf.data.sources.kinds import open_source
from brave_tf.objectives.base import Objective
from brave_tf.training import trainable
from brave_tf.training.recipe import Recipe
from brave_tf.training.settings import Settings


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The batches of one process of a run; a step takes `train.accumulate_steps` of them on each device.

    Attributes:
      settings: those of the run.
      recipe: has the views.
      skipped: account of the clips that could not be read since the run was started or resumed.
      held_out_skipped: that of the clips that are held out.
      clip_fields: what batches say of their clips beside labels, see `ClipFields`.
      unique_in_batch: whether no clip may be in a batch twice.
      by_row: whether features of all clips are asked for by row.
    """

    settings: Settings
    recipe: Recipe
    skipped: SkippedClips = dataclasses.field(default_factory=SkippedClips)
    held_out_skipped: SkippedClips = dataclasses.field(default_factory=SkippedClips)
    clip_fields: Sequence[str] = ()
    unique_in_batch: bool = False
    by_row: bool = False

    def check(self) -> None:
        """Makes sure that there are clips with what the views need, and the service if there is to be one.

        Raises:
          NoServiceError: no service answers.
          UserError: there are no such clips; where modalities lack, it says which recipes they can train.
        """
        source = open_source(self.settings.data_dir)
        for split in filter(None, [self.settings.split, self.settings.held_out_split]):
            with self._advising(split):
                source.check(split, self.recipe.views)
        if self.settings.data_service is not None:
            with _named():
                check_service(self.settings.data_service)

    def asked_by(self, objective: Objective) -> Inputs:
        """Returns the same clips, with batches that say of them what an objective asks for.

        Raises:
          UserError: it asks for what there is not, or was made for another number of clips.
        """
        name = type(objective).__name__
        check_names(objective.clip_fields, name)
        asked = dataclasses.replace(
            self,
            clip_fields=tuple(objective.clip_fields),
            unique_in_batch=bool(objective.unique_in_batch),
            by_row=any(
                each.views != () for part in objective.nested(Objective) for each in part.occasions
            ),
        )
        expected = getattr(objective, "num_clips", None)
        if asked.rows and expected not in (None, asked.rows.count):
            raise errors.UserError(
                f"{name}.num_clips = {expected!r}: {asked.rows.count} clips of split {self.settings.split!r} "
                f"in {self.settings.data_dir} have what the views need and are trained on. Bind that number."
            )
        return asked

    @functools.cached_property
    def rows(self) -> ClipRows | None:
        """Which row each clip has that is trained on; None where nobody asks.

        Raises:
          UserError: clips of this kind have none.
        """
        if CLIP_ID not in self.clip_fields and not (self.unique_in_batch or self.by_row):
            return None
        with self._advising(self.settings.split):
            source = open_source(self.settings.data_dir)
            part = self.part(held_out=False)
            return source.rows(self.settings.split, self.recipe.views, part)

    @property
    def holds_out(self) -> bool:
        """Whether some clips are held out, for the loss to be measured on them."""
        return bool(self.settings.held_out_split or self.settings.held_out_every)

    def num_clips(self) -> int | None:
        """Returns how many clips are trained on, with those that cannot be read; None when nobody counted."""
        count = open_source(self.settings.data_dir).num_clips(self.settings.split)
        every = self.settings.held_out_every
        return count - math.ceil(count / every) if count and every else count

    @property
    def batch_clips(self) -> int:
        """Clips of a batch over all devices, of which a step takes `train.accumulate_steps`."""
        return self.settings.batch_size // self.settings.accumulate_steps

    def epoch_clips(self) -> int | None:
        """Returns how many clips an epoch of the input pipeline has; None when nobody counted."""
        count = self.rows.count if self.rows else self.num_clips()
        return count - count % self.batch_clips if count and self.unique_in_batch else count

    def row_windows(
        self, view: str, temporal: int, spatial: int, share: tuple[int, int], start: int = 0
    ) -> tf.data.Dataset:
        """Returns the test windows of the clips that are trained on, without augmentations, with their rows.

        Args:
          view: name of the view that is cut.
          temporal: windows of each clip.
          spatial: squares of each window.
          share: (process, processes), which part of the clips.
          start: so many clips of that part are left out.

        Returns:
          What `clip_windows.by_window` returns, where 'label' is the row.
        """
        settings = self.settings
        with self._advising(settings.split):
            stream = open_source(settings.data_dir).stream(
                settings.split, self.recipe.views, *reversed(share)
            )
            part = self.part(held_out=False)
            stream = stream if part is None else stream.part(*part)
        clips = clip_windows.row_dataset(
            stream, self.recipe.views[view], self.rows.of, temporal, spatial, start_clip=start
        )
        return clip_windows.by_window(clips)

    def training(
        self, step: int, context: tf.distribute.InputContext, finished: bool = False
    ) -> tf.data.Dataset:
        """Returns endless batches for one device from a step on, the share of one process.

        They are for `Objective.finish_batch`, unless they are to be finished: see `clip_dataset`.
        """
        return self._batches(
            self.settings.split,
            context,
            seed=self.settings.seed,
            start_batch=step * self.settings.accumulate_steps,
            part=self.part(held_out=False),
            skipped=self.skipped,
            service=self.settings.data_service,
            finished=finished,
            clip_fields=self._fields(self.rows, self.unique_in_batch),
        )

    def held_out(self, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """Returns the batches of one measurement for one device, again and again."""
        # Drawn as in training; starting again gives the same batches, so that measurements can be compared.
        batches = self._batches(
            self.settings.held_out_split or self.settings.split,
            context,
            seed=self.settings.seed + 1,
            part=self.part(held_out=True),
            skipped=self.held_out_skipped,
            clip_fields=self._fields(),
        )
        devices = context.num_replicas_in_sync // context.num_input_pipelines
        return batches.take(self.held_out_batches * devices).repeat()

    def replay(self, step: int, count: int) -> tf.data.Dataset:
        """Returns the batches of so many steps after one again; none where a service has made them."""
        again = dataclasses.replace(self, skipped=SkippedClips())
        batches = again.training(step, tf.distribute.InputContext(), finished=True)
        repeatable = self.settings.data_service is None
        return batches.take(count * self.settings.accumulate_steps if repeatable else 0)

    @property
    def held_out_batches(self) -> int:
        """Batches of one measurement, each of all devices."""
        return self.settings.held_out_batches * self.settings.accumulate_steps

    def summary(self) -> str:
        """Returns, in a line or two, how many clips could not be read, and some of them."""
        lines = [f"input: {self.skipped.summary()}"]
        if self.held_out_skipped.count:
            lines.append(f"held-out input: {self.held_out_skipped.summary()}")
        return "\n".join(lines)

    def _fields(self, rows: ClipRows | None = None, once: bool = False) -> ClipFields:
        groups = ClipGroups() if GROUP in self.clip_fields else None
        return ClipFields(self.clip_fields, rows, once, groups)

    def _batches(
        self, split: str, context: tf.distribute.InputContext, **options
    ) -> tf.data.Dataset:
        with self._advising(split):
            return pipeline.clip_dataset(
                self.settings.data_dir,
                split,
                self.recipe.views,
                self.batch_clips,
                training=True,
                input_context=context,
                windows=self.recipe.windows,
                **options,
            )

    @contextlib.contextmanager
    def _advising(self, split: str) -> Iterator[None]:
        with _named(), trainable.advising(self.settings.data_dir, split):
            yield

    def part(self, held_out: bool) -> tuple[int, bool] | None:
        """Returns which clips of the split are trained on, or held out, as `clip_dataset` takes it."""
        return self.settings.held_out_every and (self.settings.held_out_every, held_out)


def _named() -> contextlib.AbstractContextManager[None]:
    """Has errors about the arguments of a pipeline name the bindings that gave them."""
    return errors.named(service="train.data_service = {!r}", every="train.held_out_every = {}")
