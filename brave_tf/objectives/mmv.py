"""MMV: Self-Supervised MultiModal Versatile Networks (Alayrac et al., NeurIPS 2020)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Callable

import gin
import tensorflow as tf

from brave_tf import errors
from brave_tf.models import heads as heads_lib
from brave_tf.models.norm import batch_norm
from brave_tf.models.precision import in_full
from brave_tf.objectives import base
from brave_tf.objectives.replicas import gather_over_replicas
from brave_tf.objectives.shared_features import features_of

Builder = Callable[..., tf.keras.Model]

ASYMMETRIC, SYMMETRIC = "asymmetric", "symmetric"
# What a batch may say beside a view: 1 for a clip that has what the view shows, 0 for one that has not.
MASK = "{}_mask"
_LEFT_OUT = -1e9
# With 1024-d video and 2048-d sound and text features they have the parameters of DeepMind's: 2,494,208.
_normed = functools.partial(heads_lib.mlp_head, last_norm=batch_norm, last_bias=False)
_VIDEO_HEAD = functools.partial(_normed, widths=(512, 512))
_JOINT_HEAD = functools.partial(_normed, widths=(256,), activate_input=True)
_AUDIO_HEAD = functools.partial(heads_lib.mlp_head, widths=(512,))
_TEXT_HEAD = functools.partial(heads_lib.mlp_head, widths=(256,))


@gin.configurable
class MMV(base.Objective):
    """Video finds its sound, and its text, among those of all clips of a step, and they find it.

    The fine and coarse graph (FAC; paper, section 3.1): `video_head` maps video into the space that it
    shares with sound; `joint_head` maps from there into the coarser one that it shares with text. In each
    space, with M_ij the sum of exp(cosine / T) of clip i's video and the L texts of clip j, or its one sound
    (MIL-NCE and NCE), the term of clip i is

        asymmetric: -log M_ii / (sum_j M_ij + sum_j M_ji)
        symmetric:  -log M_ii / sum_j M_ij - log M_ii / sum_j M_ji

    where j are the clips over all devices. The former has the positive twice in the denominator, and is at
    least log 2. Gradients flow into the embeddings of other devices too. The loss is the mean of the terms
    by `weights`.

    A batch may have a view's name + `_mask` -> (B,), 0 for a clip without sound or text: its term is left out
    of the mean, and its M_ij of the sums. Its video stays in sum_j M_ji, as in VATT's re-implementation.

    Args:
      backbones: `narrow`, and one or both of the views that `audio` and `text` name. The view of text is
        (L, ...), one text of which its backbone takes.
      video_head: builds the map from video features into the space of sound, `video_head(size, name=...)`.
      joint_head: builds the map from that space into the one of text.
      audio_head: builds the map from sound features into their space.
      text_head: builds the map from text features into theirs.
      audio: name of the view of sound.
      text: name of the view of text.
      temperature: T.
      loss: `asymmetric` (MMV) or `symmetric`.
      weights: term -> weight, of `video_audio` and `video_text`; None: 1 each.
      loss_scale: constant factor on the loss.

    Raises:
      UserError: a view, the temperature, the weights or `loss` are not as above, or two heads differ in size.
    """

    # Clips of other parts of a step would be no candidates.
    accumulates = False

    def __init__(
        self,
        backbones: base.Backbones,
        video_head: Builder = _VIDEO_HEAD,
        joint_head: Builder = _JOINT_HEAD,
        audio_head: Builder = _AUDIO_HEAD,
        text_head: Builder = _TEXT_HEAD,
        audio: str = "broad_audio",
        text: str = "text",
        temperature: float = 0.07,
        loss: str = ASYMMETRIC,
        weights: Mapping[str, float] | None = None,
        loss_scale: float = 1.0,
    ):
        super().__init__(backbones, loss_scale)
        others = set(self.backbones) - {base.NARROW}
        if base.NARROW not in self.backbones or not others or others - {audio, text}:
            raise errors.UserError(
                f"MMV.backbones has {list(self.backbones)}: expected {base.NARROW!r} and {audio!r}, {text!r} "
                "or both; MMV.audio and MMV.text name the views."
            )
        if temperature <= 0:
            raise errors.UserError(f"MMV.temperature = {temperature}: expected a positive number.")
        if loss not in (ASYMMETRIC, SYMMETRIC):
            raise errors.UserError(
                f"MMV.loss = {loss!r}: expected {ASYMMETRIC!r} or {SYMMETRIC!r}."
            )
        self.audio, self.text, self.temperature = audio, text, temperature
        self.symmetric = loss == SYMMETRIC
        self.others = {f"video_{kind}": view for kind, view in (("audio", audio), ("text", text))}
        self.others = {term: view for term, view in self.others.items() if view in others}
        self._weights = self._checked(weights)
        self.heads = {base.NARROW: video_head(self.feature_size(base.NARROW), name="video_head")}
        space = self.heads[base.NARROW].output_shape[-1]
        if audio in others:
            self.heads[audio] = audio_head(self.feature_size(audio), name="audio_head")
            _check_space("video_head", space, "audio_head", self.heads[audio])
        if text in others:
            self.joint_head = joint_head(space, name="joint_head")
            self.heads[text] = text_head(self.feature_size(text), name="text_head")
            joint = self.joint_head.output_shape[-1]
            _check_space("joint_head", joint, "text_head", self.heads[text])

    def _checked(self, weights: Mapping[str, float] | None) -> dict[str, float]:
        weights = dict.fromkeys(self.others, 1.0) if weights is None else dict(weights)
        if (
            set(weights) != set(self.others)
            or min(weights.values()) < 0
            or not sum(weights.values())
        ):
            raise errors.UserError(
                f"MMV.weights = {weights}: expected a weight of at least 0 for each of "
                f"{', '.join(self.others)}, and one above 0."
            )
        return {name: weight / sum(weights.values()) for name, weight in weights.items()}

    @property
    def term_names(self) -> list[str]:
        return list(self.others)

    @property
    def term_weights(self) -> dict[str, float]:
        """Their share of the loss."""
        return self._weights

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the (B, D) features of every view, of text (B L, D): those of a clip are consecutive."""
        found = {}
        for view, backbone in self.backbones.items():
            x = _folded(batch[view]) if view == self.text else batch[view]
            found[view] = features_of(
                view, backbone, lambda x=x, of=backbone: in_full(of(x, training=training))
            )
        return found

    def terms(self, batch: Mapping[str, tf.Tensor], training: bool) -> base.Terms:
        """Computes the terms of sound and text; see the class."""
        features = self(batch, training=training)
        z = {view: self.heads[view](features[view], training=training) for view in features}
        video = {self.audio: z[base.NARROW]}
        if self.text in z:
            z["joint"] = video[self.text] = self.joint_head(z[base.NARROW], training=training)
        losses = {
            term: self._contrast(video[view], z[view], batch.get(MASK.format(view)))
            for term, view in self.others.items()
        }
        return base.Terms(losses, features, {}, projections=z)

    def _contrast(self, video: tf.Tensor, other: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Returns (B,) terms.

        Args:
          video: (B, D) of this replica.
          other: (B L, D), L for each clip.
          mask: (B,), see the class.
        """
        count, width = tf.shape(video)[0], video.shape[-1]
        mask = tf.ones([count]) if mask is None else in_full(mask)
        video, other = (tf.math.l2_normalize(x, axis=-1) for x in (video, other))
        videos, others, masks = (
            gather_over_replicas(x, gradients=True) for x in (video, other, mask)
        )
        texts = tf.reshape(other, [count, -1, width])
        to_others = tf.matmul(video, others, transpose_b=True) / self.temperature
        to_others = tf.reshape(to_others, [count, tf.size(masks), -1])
        from_videos = tf.einsum("bld,nd->bnl", texts, videos) / self.temperature
        own = tf.einsum("bd,bld->bl", video, texts) / self.temperature
        to_others += tf.where(masks > 0, 0.0, _LEFT_OUT)[:, tf.newaxis]
        sums = [tf.reshape(x, [count, -1]) for x in (to_others, from_videos)]
        positive = tf.reduce_logsumexp(own, axis=-1)
        if self.symmetric:
            loss = sum(tf.reduce_logsumexp(x, axis=-1) - positive for x in sums)
        else:
            loss = tf.reduce_logsumexp(tf.concat(sums, axis=-1), axis=-1) - positive
        scale = in_full(tf.size(masks)) / tf.maximum(tf.reduce_sum(masks), 1.0)
        return tf.where(mask > 0, scale * loss, 0.0)


def _folded(texts: tf.Tensor) -> tf.Tensor:
    """(B, L, ...) -> (B L, ...)."""
    return tf.reshape(texts, tf.concat([[-1], tf.shape(texts)[2:]], axis=0))


def _check_space(video: str, size: int, name: str, head: tf.keras.Model) -> None:
    if head.output_shape[-1] != size:
        raise errors.UserError(
            f"MMV.{name} has {head.output_shape[-1]} outputs, but MMV.{video} has {size}: what is compared "
            "needs equal sizes."
        )
