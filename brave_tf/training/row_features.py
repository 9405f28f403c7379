"""Features of all clips that a run trains on, computed between two of its steps by all its processes."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import shutil
from collections.abc import Sequence
from typing import Callable, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.features.extraction import Embed, ExtractionJob, extract, replicas_here
from brave_tf.features.store import FeatureStore, Rows
from brave_tf.finite_features import check_finite
from brave_tf.objectives.base import Objective
from brave_tf.objectives.occasions import Occasion
from brave_tf.storage.digests import digest_of_texts, digest_of_weights
from brave_tf.training.agreement import told_by_chief
from brave_tf.training.inputs import Inputs
from brave_tf.training.workers import Workers, total

FOLDER = "occasion_features"


class Wanted(NamedTuple):
    """Features of one view for one occasion.

    Attributes:
      owner: whose occasion it is, the objective of the run or a part of it.
      occasion: that is due.
      number: of the occasion among all.
      view: name of the view.
    """

    owner: Objective
    occasion: Occasion
    number: int
    view: str


@dataclasses.dataclass(frozen=True)
class RowFeatureFolder:
    """Computes features by row, each process those of its share of the clips, and keeps them in a folder.

    What an interrupted process has computed is found again, where weights, clips and configuration are the
    same. Features of one moment of the run are kept at a time.

    Attributes:
      objective: that is trained.
      inputs: its clips.
      workers: the processes of the run.
      folder: of the run, which all of them see.
      look: called between batches; it may raise an error to interrupt.
    """

    objective: Objective
    inputs: Inputs
    workers: Workers
    folder: pathlib.Path
    look: Callable[[], None]
    # What was traced once is not traced again.
    _embeds: dict[Wanted, Embed] = dataclasses.field(default_factory=dict, init=False)

    def compute(self, wanted: Sequence[Wanted]) -> Callable[[Wanted], np.ndarray]:
        """Computes what is wanted, with the present weights; all processes of a run call it together.

        Returns:
          A function that reads the (N, D) float32 features, NaN in rows of clips that cannot be read.

        Raises:
          UserError: too few clips can be read, a feature is not finite, or processes do not see the folder.
        """
        moment = told_by_chief(self.objective.distribute_strategy, self.workers, self._moment())
        folder = self.shared / moment[:16]
        if self.workers.chief:
            self._remove_others(folder)
        for each in wanted:
            self._extract(each, folder)
        self.meet()
        return lambda each: self._read(each, folder)

    @property
    def shared(self) -> pathlib.Path:
        """The folder in the folder of the run that all of this is in."""
        return self.folder / FOLDER

    def meet(self) -> None:
        """Returns when all processes have called it."""
        if self.workers.several:
            total(self.objective.distribute_strategy, self.workers, [0])

    def remove(self) -> None:
        """Removes what is kept."""
        shutil.rmtree(self.shared, ignore_errors=True)

    def _moment(self) -> str:
        """A hash of what all features depend on."""
        settings = self.inputs.settings
        weights = digest_of_weights(each.numpy() for each in self.objective.variables)
        clips = open_source(settings.data_dir).version(settings.split)
        rows = self.inputs.rows.identity
        return digest_of_texts(weights, clips, repr(rows), gin.config_str())

    def _remove_others(self, folder: pathlib.Path) -> None:
        for path in self.shared.glob("*"):
            if path != folder:
                shutil.rmtree(path, ignore_errors=True)

    def _store(self, wanted: Wanted, folder: pathlib.Path, process: int) -> FeatureStore:
        share = [process, len(self.workers.addresses)]
        occasion = [wanted.number, wanted.occasion.name]
        return FeatureStore(folder, {"occasion": occasion, "view": wanted.view, "share": share})

    def _extract(self, wanted: Wanted, folder: pathlib.Path) -> None:
        occasion, (process, processes) = wanted.occasion, self._share
        spatial = modalities.find(self.inputs.recipe.views[wanted.view].modality).spatial_crops(
            occasion.spatial
        )
        group = occasion.temporal * spatial

        def windows(passes: list[tuple[int, int]]) -> tf.data.Dataset:
            ((_, start),) = passes
            return self.inputs.row_windows(
                wanted.view, occasion.temporal, spatial, self._share, start
            )

        clips = math.ceil(self.inputs.rows.count / processes)
        strategy = self.objective.distribute_strategy
        most = self.inputs.batch_clips // processes
        by = f", process {process} of {processes}" if processes > 1 else ""
        extract(
            self._embed(wanted),
            [ExtractionJob(windows, clips, [self._store(wanted, folder, process)], group)],
            batch_size=whole_batch(most, group, replicas_here(strategy)),
            description=f"step {self.objective.step}, features of {wanted.view}{by}",
            strategy=strategy,
            check=functools.partial(self._check, wanted.view),
            look=self.look,
        )

    def _embed(self, wanted: Wanted) -> Embed:
        embed = functools.partial(wanted.owner.occasion_features, wanted.occasion, wanted.view)
        return self._embeds.setdefault(wanted, embed)

    @property
    def _share(self) -> tuple[int, int]:
        return self.workers.index, len(self.workers.addresses)

    def _check(self, view: str, rows: Rows) -> None:
        check_finite(rows.features, rows.paths, f"step {self.objective.step}", view)

    def _read(self, wanted: Wanted, folder: pathlib.Path) -> np.ndarray:
        features = None
        for process in range(len(self.workers.addresses)):
            store = self._store(wanted, folder, process)
            if not store.done:
                raise UserError(
                    f"{folder} does not have the features that process {process} of the run has computed: "
                    "give all processes a --model_dir on a disk that they share."
                )
            for part in store.parts:
                rows = part.load()
                if features is None:
                    shape = self.inputs.rows.count, rows.features.shape[-1]
                    features = np.full(shape, np.nan, np.float32)
                # The store knows them as labels.
                features[rows.labels] = rows.features[:, 0]
        return features


def whole_batch(most: int, group: int, replicas: int) -> int:
    """Returns how many windows a forward pass takes, so that a clip is always with the same others.

    Otherwise features could differ in their last bits where an extraction goes on from the middle.

    Args:
      most: the result is no higher, where that can be.
      group: windows of a clip; whole clips make a batch, or whole batches a clip.
      replicas: it is a multiple of this.
    """
    sizes = range(replicas, max(most, group * replicas) + 1, replicas)
    fitting = [size for size in sizes if size % group == 0 or group % size == 0]
    return max((size for size in fitting if size <= most), default=fitting[0])
