"""InfoNCE with a queue and a momentum copy, as CoCLR begins with it (Han et al., NeurIPS 2020)."""

from __future__ import annotations

import functools
import types
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models.heads import mlp_head
from brave_tf.models.precision import in_full
from brave_tf.objectives import base, processes
from brave_tf.objectives.draws import Draws
from brave_tf.objectives.momentum_copy import MomentumCopy
from brave_tf.objectives.momentum_schedules import Momentum
from brave_tf.objectives.queue import Queue

Builder = Callable[..., tf.keras.Model]
Batch = Mapping[str, tf.Tensor]

# Number of the draw of the order of keys, among those of a step.
_ORDER = 0


class Positives(NamedTuple):
    """What is to be found.

    Attributes:
      alike: (B, K) bool, which entries of the queue are positives of a clip.
      writes: what is written to the state, as in `Terms`.
      own: (B,) bool, whether the own key is one; None: it is.
      monitors: as in `Terms`.
    """

    alike: tf.Tensor
    writes: Sequence[Callable[[], object]]
    own: tf.Tensor | None = None
    monitors: Mapping[str, tf.Tensor] = types.MappingProxyType({})


def two_layers(input_size: int, name: str) -> tf.keras.Model:
    """Builds the published head: linear, relu, linear to 128, with biases and without normalisation."""
    return mlp_head(input_size, (input_size, 128), norm=None, name=name)


@gin.configurable
class InfoNCE(base.Objective):
    """A clip's query finds the key of its other view among the keys of earlier batches (paper, section 3).

    With q the query, k its key by a momentum copy of the network, and Q_1 to Q_K the keys of a queue, all of
    length 1, the logits are (q k, q Q_1, ..., q Q_K) / T, and the loss is the cross-entropy of the first.
    Other clips of the batch are no negatives. The copy is averaged before the step, and keys enter the queue
    after scoring (MoCo, He et al., CVPR 2020).

    The monitors `accuracy/contrast` and `accuracy/contrast_top5` tell whether the nearest to q is its own key
    or another positive, and whether one of the nearest five is; `queue/age` is how many steps ago the entries
    of the queue were written, in the mean.

    Args:
      backbones: two views that share one, such as `{'narrow': @s3d(), 'second': 'narrow'}`. The query is of
        the first in the order of names, except that `narrow` is before any other.
      head: builds a head, `head(input_size, name=...)`.
      queue_size: K, a multiple of `train.batch_size`.
      momentum: of the copy, a number or a schedule of the step, such as `@cosine_momentum()`.
      temperature: T.
      clips_per_process: clips that batch normalisation takes its statistics of, while keys are encoded in an
        order that is drawn for all clips of a step, as published code does on its GPUs; None: no shuffling,
        which statistics over all clips do not need.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: views or a number that cannot be, or batch normalisations unfit for `clips_per_process`.
    """

    # A queue follows whole steps.
    accumulates = False
    term_names = ("contrast",)
    monitor_names = ("accuracy/contrast", "accuracy/contrast_top5", "queue/age")
    # What the queue keeps beside keys, by its name in batches.
    queue_ids: tuple[str, ...] = ()
    further_views = 0

    def __init__(
        self,
        backbones: base.Backbones,
        head: Builder = two_layers,
        queue_size: int = 2048,
        momentum: Momentum = 0.999,
        temperature: float = 0.07,
        clips_per_process: int | None = None,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        self._require("temperature", temperature, temperature > 0, "a positive number")
        self.temperature, self.clips_per_process = temperature, clips_per_process
        order = self.views_in_order()
        uses = Counter(id(model) for model in self.backbones.values())
        trained = [view for view in order if uses[id(self.backbones[view])] > 1]
        self.further = [view for view in order if view not in trained]
        usable = (len(trained), len(self.further)) == (2, self.further_views)
        more = " and one with another" if self.further_views else ""
        self._require("backbones", order, usable, f"two views that share a backbone{more}")
        self.query, self.key = trained
        made = {v: head(self.feature_size(v), name=f"{v}_head") for v in order if v != self.key}
        self.heads = {**made, self.key: made[self.query]}
        pair = [{v: models[v] for v in trained} for models in (self.backbones, self.heads)]
        self.target = MomentumCopy(*pair, momentum)
        self.queue = Queue(queue_size, self.heads[self.query].output_shape[-1], self.queue_ids)
        self.draws = Draws()
        name, models = self._binding("clips_per_process"), [each[self.query] for each in pair]
        processes.check_norms(name, clips_per_process, models)

    def check_batch(self, clips: int) -> None:
        replicas = self.distribute_strategy.num_replicas_in_sync
        name = self._binding("clips_per_process")
        processes.check_partition(name, self.clips_per_process, clips, replicas)

    def networks(self) -> dict[str, Mapping[str, tf.keras.Model]]:
        return {**super().networks(), base.TARGET: {**self.backbones, **self.target.backbones}}

    def begin_step(self, step: tf.Tensor) -> None:
        """Averages the momentum copy."""
        self.target.begin()
        self.target.update(step)

    def terms(self, batch: Batch, training: bool) -> base.Terms:
        """Computes the loss of each query; see the class."""
        size = self.clips_per_process if training else None
        encode = encoder(self, self.query, training)
        features, z = processes.by_process(encode, batch[self.query], size)
        encode = encoder(self.target, self.key, training)
        order = functools.partial(self.draws.permutation, _ORDER)
        keys = processes.shuffled(lambda x: encode(x)[1], batch[self.key], size, order)
        keys = tf.math.l2_normalize(keys, axis=-1)
        query = tf.math.l2_normalize(z, axis=-1)
        to_own = tf.reduce_sum(query * keys, axis=-1, keepdims=True)
        to_queue = tf.matmul(query, self.queue.entries, transpose_b=True)
        logits = tf.concat([to_own, to_queue], axis=-1) / self.temperature
        found = self.positives(batch, keys, training)
        every = tf.pad(found.alike, [[0, 0], [1, 0]], constant_values=True)
        nearest = tf.math.top_k(logits, min(5, self.queue.size + 1)).indices
        hits = tf.cast(tf.gather(every, nearest, batch_dims=1), tf.float32)
        own = every[:, 0] if found.own is None else found.own
        positives = tf.concat([own[:, tf.newaxis], found.alike], axis=-1)
        age = tf.reduce_mean(tf.cast(self.queue.ages, tf.float32))
        monitors = hits[:, 0], tf.reduce_max(hits, axis=-1), age
        return base.Terms(
            {"contrast": self.contrast(logits, positives)},
            {self.query: features},
            {**dict(zip(self.monitor_names, monitors)), **found.monitors},
            {self.query: z, self.key: keys},
            writes=[*found.writes, self.draws.advance],
        )

    def positives(self, batch: Batch, keys: tf.Tensor, training: bool) -> Positives:
        """Finds out which keys are positives of which clips.

        Args:
          batch: of this replica.
          keys: (B, D), the clips' own, which are to enter the queue.
          training: whether the rules are those of training.
        """
        alike = tf.zeros((tf.shape(keys)[0], self.queue.size), tf.bool)
        return Positives(alike, [lambda: self.queue.push(keys)])

    def contrast(self, logits: tf.Tensor, positives: tf.Tensor) -> tf.Tensor:
        """Returns the (B,) losses, the means over positives of -log softmax.

        Args:
          logits: (B, 1 + K), of the own key and of the queue.
          positives: (B, 1 + K) bool, at least one of each clip.
        """
        shares = tf.cast(positives, logits.dtype)
        shares /= tf.reduce_sum(shares, axis=-1, keepdims=True)
        return -tf.reduce_sum(shares * tf.nn.log_softmax(logits), axis=-1)

    def _require(self, argument: str, value: object, usable: bool, expected: str) -> None:
        if not usable:
            raise errors.UserError(f"{self._binding(argument)} = {value}: expected {expected}.")

    def _binding(self, argument: str) -> str:
        return f"{type(self).__name__}.{argument}"


def encoder(networks: object, view: str, training: bool) -> Callable[[tf.Tensor], tuple]:
    """Returns a function from clips of a view to (B, F) features and (B, D) projections.

    Args:
      networks: an objective or a momentum copy, with `backbones` and `heads` by view.
      view: which.
      training: whether layers are in training mode.
    """

    def encode(clips: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = in_full(networks.backbones[view](clips, training=training))
        return features, networks.heads[view](features, training=training)

    return encode
