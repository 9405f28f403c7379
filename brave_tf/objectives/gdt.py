"""GDT: Multi-modal Self-Supervision from Generalized Data Transformations (Patrick et al., 2020)."""

from __future__ import annotations

import collections
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Callable, NamedTuple

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.objectives import base
from brave_tf.objectives.replicas import (
    check_processes,
    clip_positions,
    gather_over_replicas,
    same_process,
)

PLAIN, REVERSED, SHIFTED, BOTH = KINDS = ("plain", "reversed", "shifted", "shifted_reversed")
BASE, VARIANT, INVARIANT = "base", "variant", "invariant"


class Comparison(NamedTuple):
    """A term of the loss: clips of two kinds, and their negatives.

    Attributes:
      rule: `base` or `variant`: video finds the audio of its own kind; `invariant`: that of the other kind.
      kinds: the two, of `KINDS`; only one in the loss without transformations.
      negatives: kind -> how often a clip of another process is a negative.
    """

    rule: str
    kinds: Sequence[str]
    negatives: Mapping[str, int]

    @property
    def name(self) -> str:
        """Of the term."""
        return "_".join((self.rule, *self.kinds))


@gin.configurable
class GDT(base.Objective):
    """The video and the audio of a clip find each other, invariant or variant to transformations of the clip.

    A clip comes in up to four kinds: plain, reversed in time, shifted (another moment of the video), and
    both. Their views are `<video>`, `<video>_reversed`, `<video>_shifted` and `<video>_shifted_reversed`, and
    likewise for audio. To each transformation the networks become either invariant or variant. In the latter
    case a clip's own transformed copy is a negative (paper, section 3). The nine combinations are the
    hypotheses of the released code:

        reversal, shift:  None, None: 1        variant, None: 2       invariant, None: 3
                          None, variant: 4     None, invariant: 5     variant, variant: 6
                          invariant, variant: 7    variant, invariant: 8    invariant, invariant: 9

    The loss of query q_i is, with k_j the positives of the clips of its process and n the other negatives,

        -log exp(q_i k_i / T) / (sum_j exp(q_i k_j / T) + sum_n exp(q_i n / T))

    Video queries find audio, and audio queries video. A term, `<rule>_<kind>_<other kind>`, is the mean over
    the queries of both, and the loss is the mean of the terms. Only queries have gradients. The negatives are
    the clips of both kinds in other processes, and with `variant` also those of the other kind in the same
    process.

    Args:
      backbones: a view for each kind and modality, such as `{'narrow': @r2plus1d(), 'broad_audio':
        @audio_resnet(), 'narrow_reversed': 'narrow', 'broad_audio_reversed': 'broad_audio'}`.
      projector: builds a projector of each modality, `projector(input_size, name=...)`.
      reversal: `variant`, `invariant`, or None for no reversed views.
      shift: `variant`, `invariant`, or None for no shifted views.
      temperature: T.
      clips_per_process: how many clips the released code has in one process; None: those of one device.
      compat: `correct`, or `released` to count negatives as the released code does. Its lists grow with each
        term, so that later terms see some negatives more than once, and some of kinds that are not theirs.
      video: what the names of the views of video begin with.
      audio: what the names of the views of audio begin with.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: an argument cannot be used, a view is missing or has no use, or projections differ in size.
    """

    # Clips in other parts of a step could not be negatives.
    accumulates = False

    monitor_names = ("accuracy/contrast",)

    def __init__(
        self,
        backbones: base.Backbones,
        projector: Callable[..., tf.keras.Model] = heads_lib.projector,
        reversal: str | None = VARIANT,
        shift: str | None = VARIANT,
        temperature: float = 0.07,
        clips_per_process: int | None = None,
        compat: str = "correct",
        video: str = base.NARROW,
        audio: str = "broad_audio",
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        rules = (VARIANT, INVARIANT, None)
        known = {"reversal": rules, "shift": rules, "compat": ("correct", "released")}
        for (name, expected), value in zip(known.items(), (reversal, shift, compat)):
            if value not in expected:
                raise errors.UserError(f"GDT.{name} = {value!r}: expected one of {expected}.")
        if temperature <= 0:
            raise errors.UserError(f"GDT.temperature = {temperature}: expected a positive number.")
        self.temperature, self.clips_per_process = temperature, clips_per_process
        self.comparisons = comparisons(reversal, shift, compat == "released")
        used = {kind for each in self.comparisons for kind in each.kinds}
        self.views = {modality: _views(modality, used) for modality in (video, audio)}
        views = [view for names in self.views.values() for view in names.values()]
        if sorted(views) != sorted(self.backbones):
            raise errors.UserError(
                f"GDT.backbones has {sorted(self.backbones)}: expected {sorted(views)}, those of reversal = "
                f"{reversal!r} and shift = {shift!r}."
            )
        self.projectors = {
            modality: projector(self.feature_size(modality), name=f"{modality}_projector")
            for modality in self.views
        }
        sizes = {modality: model.output_shape[-1] for modality, model in self.projectors.items()}
        if len(set(sizes.values())) > 1:
            raise errors.UserError(f"GDT.projector: projections of {sizes}: expected equal sizes.")

    @property
    def term_names(self) -> list[str]:
        return [each.name for each in self.comparisons]

    def check_batch(self, clips: int) -> None:
        check_processes("GDT.clips_per_process", self.clips_per_process, clips)

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes the loss of each comparison; see the class."""
        features, z, queries, keys = self(batch, training=training), {}, {}, {}
        for modality, views in self.views.items():
            for kind, view in views.items():
                z[view] = self.projectors[modality](features[view], training=training)
                queries[modality, kind] = tf.math.l2_normalize(z[view], axis=-1)
                keys[modality, kind] = gather_over_replicas(queries[modality, kind])
        losses = {each.name: self._compare(each, queries, keys) for each in self.comparisons}
        video, audio = self.views
        similar = tf.matmul(queries[video, PLAIN], keys[audio, PLAIN], transpose_b=True)
        found = tf.argmax(similar, -1, tf.int32) == clip_positions(tf.shape(similar)[0])
        monitors = {"accuracy/contrast": tf.cast(found, tf.float32)}
        return base.Terms(losses, features, monitors, projections=z)

    def _compare(self, comparison: Comparison, queries: Mapping, keys: Mapping) -> tf.Tensor:
        """Returns the (B,) loss of a comparison.

        Args:
          comparison: the term.
          queries: (modality, kind) -> (B, D) embeddings of this replica.
          keys: (modality, kind) -> (N, D) embeddings of all replicas.
        """
        losses = []
        for index, kind in enumerate(comparison.kinds):
            other = comparison.kinds[-1 - index]
            positive = other if comparison.rule == INVARIANT else kind
            own = {positive, other} if comparison.rule == VARIANT else {positive}
            # The positive comes first, where its place is that of the clip.
            candidates = [positive, *sorted({*comparison.negatives} - {positive})]
            for modality, partner in zip(self.views, reversed(self.views)):
                query = queries[modality, kind] / self.temperature
                count = tf.shape(query)[0]
                same = same_process(count, self.clips_per_process)
                logits = []
                for each in candidates:
                    # To count a clip n times is to add log n to its logit.
                    times = math.log(comparison.negatives[each])
                    times = tf.where(same, 0.0 if each in own else tf.float32.min, times)
                    logits.append(tf.matmul(query, keys[partner, each], transpose_b=True) + times)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits
                losses.append(loss(clip_positions(count), tf.concat(logits, axis=-1)))
        return tf.add_n(losses) / len(losses)


def comparisons(reversal: str | None, shift: str | None, released: bool) -> list[Comparison]:
    """Returns the terms of the loss, in the order of the released code, whose lists of negatives grow."""
    lists = {kind: collections.Counter([kind]) for kind in KINDS}

    def compared(rule: str, *kinds: str) -> Comparison:
        if not released:
            return Comparison(rule, kinds, dict.fromkeys(kinds, 1))
        grows, added = kinds[::-1] if rule == INVARIANT else kinds
        lists[grows] = lists[grows] + lists[added]
        return Comparison(rule, kinds, dict(lists[grows]))

    if reversal is None and shift is None:
        return [Comparison(BASE, (PLAIN,), {PLAIN: 1})]
    rules = {REVERSED: reversal, SHIFTED: shift}
    found = [compared(BASE, PLAIN, kind) for kind, rule in rules.items() if rule == INVARIANT]
    for kind, other in ((REVERSED, SHIFTED), (SHIFTED, REVERSED)):
        found += [compared(rules[kind], PLAIN, kind)] if rules[kind] else []
        found += [compared(rules[kind], other, BOTH)] if reversal and shift else []
    return found


def _views(modality: str, kinds: Collection[str]) -> dict[str, str]:
    return {
        kind: modality if kind == PLAIN else f"{modality}_{kind}" for kind in KINDS if kind in kinds
    }
