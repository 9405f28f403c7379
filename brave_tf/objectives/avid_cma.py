"""AVID-CMA: positives that video and sound agree on (Morgado et al., CVPR 2021, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives import base
from brave_tf.objectives.agreement_search import AGREEMENTS, nearest_rows
from brave_tf.objectives.avid import AUDIO, AVID, CROSS, VIDEO, Scores
from brave_tf.objectives.noise_contrast import rows_outside
from brave_tf.objectives.occasions import AtStart, Occasion, RowFeatures
from brave_tf.objectives.options import check_options
from brave_tf.objectives.pseudo_labels import PseudoLabels


@gin.configurable
class AVIDCMA(AVID):
    """AVID; and within each modality, a clip finds the clips that are near to it in both.

    Training goes on from the networks, the banks and Z of AVID. At the start, and on further occasions, the
    positives P of each clip y are searched: the rows j with the largest min(V_y V_j, A_y A_j). The terms
    `video_to_positives` and `audio_to_positives` are AVID's terms within a modality with two changes: the
    positive loss is the mean over P, and only the first `negatives_within` negatives count. No negative is
    in P, but a clip may be its own negative, as in the released code.

    A clip without a row has its own embeddings in place of its positives.

    Args:
      backbones: see `AVID`.
      positives: number of rows in P.
      negatives_within: negatives of the terms within a modality.
      agreement: how the search compares clips, see `agreement_search.nearest_rows`.
      occasions: when to search again, such as `[@EveryEpochs()]`. The search needs no features: bind
        `views = ()`.
      within_modal_weight: of the terms within a modality, 0 for none.
      **options: the other arguments of `AVID`.

    Raises:
      UserError: as in `AVID`; or an option is no argument of `AVID`.
    """

    within = {"video_to_positives": (VIDEO, VIDEO), "audio_to_positives": (AUDIO, AUDIO)}

    def __init__(
        self,
        backbones: base.Backbones,
        positives: int = 32,
        negatives_within: int = 64,
        agreement: str = "consensus",
        occasions: Sequence[Occasion] = (),
        within_modal_weight: float = 1.0,
        **options,
    ):
        check_options(AVIDCMA, AVID, options)
        super().__init__(backbones, within_modal_weight=within_modal_weight, **options)
        for argument, value, usable, expected in (
            ("positives", positives, 0 < positives < self.num_clips, "1 or more, fewer than clips"),
            (
                "negatives_within",
                negatives_within,
                0 < negatives_within <= self.num_negatives,
                f"1 to {self.num_negatives}, those there are",
            ),
            ("agreement", agreement, agreement in AGREEMENTS, f"one of {', '.join(AGREEMENTS)}"),
        ):
            if not usable:
                raise errors.UserError(f"AVIDCMA.{argument} = {value}: expected {expected}.")
        self.agreement, self.negatives_within = agreement, negatives_within
        self.positives = PseudoLabels(self.num_clips, (positives,), name="positives")
        self.occasions = [AtStart(views=()), *occasions]

    def on_occasion(self, occasion: Occasion, features: RowFeatures) -> None:
        """Searches the positives of all clips."""
        del occasion, features
        self.search_positives()

    def search_positives(self) -> None:
        """Finds the positives of all clips in the banks as they are now; to be called between steps."""
        banks = self.video_bank.vectors.numpy(), self.audio_bank.vectors.numpy()
        count = self.positives.values.shape[-1]
        self.positives.replace(nearest_rows(*banks, count, self.agreement))

    @property
    def num_choices(self) -> int:
        return self.num_clips - self.positives.values.shape[-1]

    def negatives(self, rows: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Returns (B, K) rows outside the positives of (B,) `rows`."""
        found = self._positives(rows)
        # A clip without a row has no positives: any rows can be left out.
        left_out = tf.where(found >= 0, found, tf.range(tf.shape(found)[-1], dtype=found.dtype))
        return rows_outside(left_out, draws)

    def scores(self, x: Mapping[str, tf.Tensor], rows: tf.Tensor, negatives: tf.Tensor) -> Scores:
        found = self.compare(CROSS, x, rows[:, tf.newaxis], negatives)
        within = negatives[:, : self.negatives_within]
        return {**found, **self.compare(self.within, x, self._positives(rows), within)}

    def _positives(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns (B, P) int64; -1 for clips without a row."""
        found = tf.cast(self.positives.of(rows), tf.int64)
        check = tf.debugging.assert_equal(
            found[:, 0] >= 0,
            rows >= 0,
            "AVIDCMA knows no positives of a clip as yet: its occasion at the start searches them",
        )
        with tf.control_dependencies([check]):
            return tf.identity(found)
