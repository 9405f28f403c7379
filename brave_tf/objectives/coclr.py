"""CoCLR: Self-supervised Co-training for Video Representation Learning (Han et al., NeurIPS 2020)."""

from __future__ import annotations

import gin
import numpy as np
import tensorflow as tf

from brave_tf import errors
from brave_tf.objectives import base
from brave_tf.objectives.info_nce import (
    Batch,
    InfoNCE,
    Positives,
    encoder,
)
from brave_tf.objectives.options import check_options
from brave_tf.objectives.queue import Queue
from brave_tf.objectives.state import finite_rows

# Number of the draw of the rule about own keys, among those of a step.
_OWN = 1
_QUEUE_SOURCE = "queue/same_source"
_SAME_SOURCE, _SAME_CLASS = "positives/same_source", "mined/same_class"


@gin.configurable
class UberNCE(InfoNCE):
    """InfoNCE with labels, a baseline: keys in the queue with the label of a clip are positives too.

    The loss is the mean over positives of -log softmax, as in the released code; in the paper the logarithm
    is of the sum over them. A clip without a label (-1) has its own key alone.

    Arguments and errors are those of `InfoNCE`.
    """

    queue_ids = ("label",)

    def positives(self, batch: Batch, keys: tf.Tensor, training: bool) -> Positives:
        ids = {"label": batch["label"]}
        alike = self.queue.shares("label", batch["label"])
        return Positives(alike, [lambda: self.queue.push(keys, ids)])


@gin.configurable
class CoCLR(InfoNCE):
    """InfoNCE whose further positives the frozen network of another modality finds (paper, section 3).

    A frozen network maps another view of the clip, such as the flow of the key's window, to kf; a second
    queue keeps the kf of earlier batches in step with their keys. With the softmax over the logits of
    `InfoNCE`, the loss is -log of its sum over the positives: the own key, keys of the same source video
    (`group`), and, once the queue is full, the `top` keys of other sources whose kf are the nearest.

    As in the released code, and not in the paper, no optimizer step is taken before the queue is full, and
    most batches do without the own keys of clips that have other positives, see `drop_own`; evaluation keeps
    them.

    The monitor `queue/same_source` is the share of the queue that is of a clip's own source. Near 1, groups
    say nothing: see `ClipGroups`. `positives/same_source` is the share of them among the positives in the
    queue, and `mined/same_class` that of the clip's class among those that were mined, where labels are
    known, which nothing else looks at.

    The frozen network is `backbones/<view>` and `heads/<view>` of a run of `InfoNCE`, by
    `train.initial_parts`; a run without is refused. Which view is which follows from `backbones`: for flow
    trained by RGB (`reverse` in the released code), exchange the two.

    Args:
      backbones: two views that share one, which is trained, and one with another, which is frozen, such as
        `{'narrow': @rgb/s3d(), 'second': 'narrow', 'flow': @flow/s3d()}`.
      top: how many are mined for each clip.
      drop_own: probability with which a batch does without own keys. All replicas draw the same.
      **options: the other arguments of `InfoNCE`. `head` builds that of the frozen network too.

    Raises:
      UserError: as `InfoNCE`, `top` or `drop_own` is out of range, or there is no such argument.
    """

    clip_fields = ("group",)
    queue_ids = ("group", "label")
    monitor_names = (*InfoNCE.monitor_names, _QUEUE_SOURCE, _SAME_SOURCE, _SAME_CLASS)
    further_views = 1

    def __init__(
        self,
        backbones: base.Backbones,
        top: int = 5,
        drop_own: float = 0.9,
        **options,
    ):
        check_options(CoCLR, InfoNCE, options)
        super().__init__(backbones, **options)
        size = self.queue.size
        self._require("top", top, 1 <= top <= size, f"1 to queue_size, {size}")
        self._require("drop_own", drop_own, 0 <= drop_own <= 1, "a probability in [0, 1]")
        self.top, self.drop_own = top, drop_own
        (self.frozen,) = self.further
        for models in (self.backbones, self.heads):
            models[self.frozen].trainable = False
        width = self.heads[self.frozen].output_shape[-1]
        self.second_queue = Queue(size, width, name="second_queue")
        self._drawn = self._frozen_sums()

    def filling(self) -> bool:
        if any(sums == drawn for sums, drawn in zip(self._frozen_sums(), self._drawn)):
            raise errors.UserError(
                f"CoCLR: the frozen network of view {self.frozen!r} has a backbone or a head as it was "
                "drawn, and would mine at random: bind train.initial_parts = "
                f"{{'backbones/{self.frozen}': RUN, 'heads/{self.frozen}': RUN}}, RUN the folder of a run of "
                "InfoNCE with that view."
            )
        return not self.queue.full.numpy()

    def positives(self, batch: Batch, keys: tf.Tensor, training: bool) -> Positives:
        second = self.mining_projections(batch[self.frozen])
        same = self.queue.shares("group", batch["group"])
        mined = self._mined(second, ~same & (self.queue.ids["group"] >= 0))
        alike = same | mined
        drops = training & (self.draws.chance(_OWN) < self.drop_own)
        own = ~(drops & tf.reduce_any(alike, axis=-1))
        # An entry is of one clip in both queues, or in none.
        enters = (finite_rows(keys) & finite_rows(second))[:, tf.newaxis]
        first, other = (tf.where(enters, each, np.nan) for each in (keys, second))
        ids = {"group": batch["group"], "label": batch["label"]}
        writes = [lambda: self.queue.push(first, ids), lambda: self.second_queue.push(other)]
        of_class = self.queue.shares("label", batch["label"])
        labelled = (batch["label"] >= 0)[:, tf.newaxis] & (self.queue.ids["label"] >= 0)
        monitors = {
            _QUEUE_SOURCE: tf.reduce_mean(tf.cast(same, tf.float32), axis=-1),
            _SAME_SOURCE: _share(same, alike),
            _SAME_CLASS: _share(of_class, mined & labelled),
        }
        return Positives(alike, writes, own, monitors)

    def mining_projections(self, clips: tf.Tensor) -> tf.Tensor:
        """Returns (B, D) kf of (B, *view shape) clips of the view of the frozen network, of length 1."""
        _, z = encoder(self, self.frozen, training=False)(clips)
        return tf.stop_gradient(tf.math.l2_normalize(z, axis=-1))

    def contrast(self, logits: tf.Tensor, positives: tf.Tensor) -> tf.Tensor:
        """Returns the (B,) losses, -log of the sum of softmax over the positives; see `InfoNCE.contrast`."""
        chosen = tf.where(positives, logits, logits.dtype.min)
        return tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_logsumexp(chosen, axis=-1)

    def _mined(self, second: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        """Returns (B, K), the nearest of candidates (B, K) to kf (B, D); none before the queue is full."""
        similar = tf.matmul(second, self.second_queue.entries, transpose_b=True)
        similar = tf.where(candidates, similar, similar.dtype.min)
        nearest = tf.math.top_k(similar, self.top).indices
        chosen = tf.reduce_any(tf.one_hot(nearest, self.queue.size, True, False), axis=1)
        return chosen & candidates & self.queue.full & finite_rows(second)[:, tf.newaxis]

    def _frozen_sums(self) -> list[list[float]]:
        """Returns the sums of the weights of the frozen backbone and head, to know them again."""
        models = self.backbones[self.frozen], self.heads[self.frozen]
        return [[float(np.sum(weight)) for weight in model.get_weights()] for model in models]


def _share(those: tf.Tensor, among: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (B,) shares of some entries among others, (B, K) bool each, and where there are others."""
    counts = [tf.reduce_sum(tf.cast(each, tf.float32), -1) for each in (those & among, among)]
    return tf.math.divide_no_nan(*counts), tf.cast(counts[1] > 0, tf.float32)
