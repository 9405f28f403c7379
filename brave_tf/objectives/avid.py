"""AVID: Audio-Visual Instance Discrimination with Cross-Modal Agreement (Morgado et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.objectives import base, similarity
from brave_tf.objectives.constants import Constant
from brave_tf.objectives.draws import Draws
from brave_tf.objectives.memory_bank import MemoryBank
from brave_tf.objectives.noise_contrast import nce, rows_outside

VIDEO, AUDIO = "video", "audio"
CROSS = {"video_to_audio": (VIDEO, AUDIO), "audio_to_video": (AUDIO, VIDEO)}
WITHIN = {"video_to_video": (VIDEO, VIDEO), "audio_to_audio": (AUDIO, AUDIO)}

# Name of a term -> the scores of a clip's positives, (B, P), and negatives, (B, K).
Scores = dict[str, tuple[tf.Tensor, tf.Tensor]]


@gin.configurable
class AVID(base.Objective):
    """Video finds the memory of the clip's audio among those of other clips, and the reverse (NCE).

    Two banks, V and A, hold a unit vector of each clip of the training set. Let v and a be the embeddings of
    clip y, of length 1, s(x, m) = x m / T, and n the rows of K other clips, drawn uniformly with replacement.
    The term `video_to_audio` is (paper, section 3)

        -log(e^s(v, A_y) / (e^s(v, A_y) + K Z)) - sum_n log(K Z / (e^s(v, A_n) + K Z))

    and `audio_to_video` is the same with the modalities exchanged and the same rows n. `video_to_video` and
    `audio_to_audio` compare within a modality. Z is the mean of e^s over the negatives of the first term in
    the first step, and is fixed from then on. After scoring, the rows of a batch's clips move towards their
    new embeddings.

    The loss is a weighted mean: half of `cross_modal_weight` for each cross-modal term, and half of
    `within_modal_weight` for each one within a modality. A held-out clip has no row: its own embeddings take
    the place of its rows. Within a modality it is then compared with itself, which says little.

    Args:
      backbones: a view of video and one of audio, such as `{'narrow': @r2plus1d(), 'broad_audio':
        @audio_resnet()}`.
      num_clips: N, the number of clips that are trained on.
      projector: builds a projector of each modality, `projector(input_size, name=...)`.
      negatives: K.
      temperature: T.
      momentum: share of the old row that is kept when a row is written.
      cross_modal_weight: of the cross-modal terms, 0 for none.
      within_modal_weight: of the terms within a modality, 0 for none.
      bank_device: see `MemoryBank.device`.
      bank_dtype: see `MemoryBank.dtype`.
      video: name of the view of video.
      audio: name of the view of audio.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: an argument cannot be used, there are other views, or projections differ in size.
    """

    accumulates = False
    clip_fields = ("clip_id",)
    # Two clips with one row would both write it, in no certain order.
    unique_in_batch = True

    # Terms within a modality: the embeddings that are compared, and the bank.
    within = WITHIN
    monitor_names = similarity.NAMES

    def __init__(
        self,
        backbones: base.Backbones,
        num_clips: int = gin.REQUIRED,
        projector: Callable[..., tf.keras.Model] = heads_lib.projector,
        negatives: int = 1024,
        temperature: float = 0.07,
        momentum: float = 0.5,
        cross_modal_weight: float = 1.0,
        within_modal_weight: float = 0.0,
        bank_device: str | None = None,
        bank_dtype: str = "float32",
        video: str = base.NARROW,
        audio: str = "broad_audio",
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        self.views = {VIDEO: video, AUDIO: audio}
        name, weights = type(self).__name__, (cross_modal_weight, within_modal_weight)
        if video == audio or {*self.backbones} != {video, audio}:
            raise errors.UserError(
                f"{name}.backbones has {sorted(self.backbones)}: expected two views, {video!r} and {audio!r}."
            )
        for argument, value, usable, expected in (
            ("num_clips", num_clips, num_clips > 1, "2 or more"),
            ("negatives", negatives, negatives > 0, "1 or more"),
            ("temperature", temperature, temperature > 0, "a positive number"),
            ("*_modal_weight", weights, min(weights) >= 0 < max(weights), "0 or more, one above"),
        ):
            if not usable:
                raise errors.UserError(f"{name}.{argument} = {value}: expected {expected}.")
        self.num_clips, self.num_negatives, self.temperature = num_clips, negatives, temperature
        self.cross_modal_weight, self.within_modal_weight = cross_modal_weight, within_modal_weight
        self.projectors = {
            modality: projector(self.feature_size(view), name=f"{modality}_projector")
            for modality, view in self.views.items()
        }
        widths = {model.output_shape[-1] for model in self.projectors.values()}
        if len(widths) > 1:
            raise errors.UserError(f"{name}.projector: projections of {widths}: expected one size.")
        bank = num_clips, *widths, momentum, bank_device, bank_dtype
        self.video_bank = MemoryBank(*bank, name="video_bank")
        self.audio_bank = MemoryBank(*bank, name="audio_bank")
        self.normalizer, self.draws = Constant("normalizer"), Draws()

    @property
    def term_weights(self) -> dict[str, float]:
        """Half of each weight's share for each of its two terms; those with weight 0 are not computed."""
        total = 2 * (self.cross_modal_weight + self.within_modal_weight)
        weights = dict.fromkeys(CROSS, self.cross_modal_weight / total)
        weights.update(dict.fromkeys(self.within, self.within_modal_weight / total))
        return {name: weight for name, weight in weights.items() if weight}

    @property
    def term_names(self) -> list[str]:
        return list(self.term_weights)

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes the loss of each term; see the class."""
        features, rows, z, x = self(batch, training=training), batch["clip_id"], {}, {}
        for modality, view in self.views.items():
            z[view] = self.projectors[modality](features[view], training=training)
            x[modality] = tf.math.l2_normalize(z[view], axis=-1)
        wanted = tf.shape(rows)[0], self.num_negatives, self.num_choices
        draws = self.draws.numbers(0, *wanted, training)
        scores = self.scores(x, rows, self.negatives(rows, draws))
        positive, negative = scores[self.term_names[0]]
        normalizer = self.normalizer.or_first(tf.reduce_mean(tf.exp(negative)))
        losses = {name: nce(*of_term, normalizer) for name, of_term in scores.items()}
        scored = tf.concat([tf.reduce_mean(positive, -1, keepdims=True), negative], axis=-1)
        first = tf.zeros(tf.shape(rows), tf.int32)
        monitors = similarity.similarities(self.temperature * scored, first)
        writes = [
            lambda: self.normalizer.settle(normalizer),
            self.draws.advance,
            lambda: self.video_bank.update(rows, x[VIDEO]),
            lambda: self.audio_bank.update(rows, x[AUDIO]),
        ]
        return base.Terms(losses, features, monitors, projections=z, writes=writes)

    @property
    def num_choices(self) -> int:
        """Rows that the negatives of a clip are drawn from."""
        return self.num_clips - 1

    def negatives(self, rows: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Returns (B, K) rows other than (B,) `rows`, from (B, K) draws in [0, num_choices)."""
        return rows_outside(tf.maximum(rows, 0)[:, tf.newaxis], draws)

    def scores(self, x: Mapping[str, tf.Tensor], rows: tf.Tensor, negatives: tf.Tensor) -> Scores:
        """Returns the scores of each term.

        Args:
          x: modality -> (B, D) embeddings of length 1.
          rows: (B,) of the clips; below 0 for one without.
          negatives: (B, K) rows.
        """
        return self.compare({**CROSS, **WITHIN}, x, rows[:, tf.newaxis], negatives)

    def compare(
        self,
        terms: Mapping[str, tuple[str, str]],
        x: Mapping[str, tf.Tensor],
        positives: tf.Tensor,
        negatives: tf.Tensor,
    ) -> Scores:
        """Returns the scores of the terms that have a weight, from (B, P) and (B, K) rows."""
        near = {m: self.read(m, positives, x) for m in self.views}
        far = {m: self.read(m, negatives, x) for m in self.views}
        return {
            name: (self.score(x[query], near[memory]), self.score(x[query], far[memory]))
            for name, (query, memory) in terms.items()
            if name in self.term_names
        }

    def read(self, modality: str, rows: tf.Tensor, x: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns (B, P, D) of (B, P) rows of a bank; where one is below 0, the clip's own embedding."""
        bank = self.video_bank if modality == VIDEO else self.audio_bank
        kept = bank.read(tf.maximum(rows, 0))
        own = tf.stop_gradient(x[modality])[:, tf.newaxis]
        return tf.where(rows[..., tf.newaxis] >= 0, kept, own)

    def score(self, x: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
        """Returns (B, P) scores of (B, D) embeddings with (B, P, D) rows."""
        return tf.einsum("bd,bpd->bp", x, memory) / self.temperature
