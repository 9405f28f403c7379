"""An objective that keeps something for each clip: a recipe's `import clip_bank` registers it."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.objectives import base


@gin.configurable
class ClipBank(base.Objective):
    """Draws the features of a clip to those that it had when it was seen last.

    Args:
      backbones: one, `broad_audio`.
      num_clips: rows of the bank.
    """

    term_names = ("to_bank",)
    clip_fields = ("clip_id", "group")
    unique_in_batch = True

    def __init__(self, backbones, num_clips=12):
        super().__init__(backbones)
        self.num_clips = num_clips
        bank = tf.zeros((num_clips, self.feature_size("broad_audio")))
        self.bank = tf.Variable(bank, trainable=False, name="bank")
        # How often each row came, and a clip of each group.
        self.times = tf.Variable(tf.zeros((num_clips,), tf.int64), trainable=False, name="times")
        self.groups = tf.Variable(tf.zeros((num_clips,), tf.int64), trainable=False, name="groups")

    def terms(self, batch, training):
        features = self(batch, training=training)
        z, rows = features["broad_audio"], batch["clip_id"]
        kept = tf.gather(self.bank, tf.maximum(rows, 0))
        loss = tf.reduce_sum((z - kept) ** 2, axis=-1)
        if training:
            places = rows[:, tf.newaxis]
            self.bank.assign(tf.tensor_scatter_nd_update(self.bank, places, z))
            self.times.assign(tf.tensor_scatter_nd_add(self.times, places, tf.ones_like(rows)))
            self.groups.assign(tf.tensor_scatter_nd_update(self.groups, places, batch["group"]))
        return base.Terms({"to_bank": loss}, features, {}, counts=tf.cast(rows >= 0, tf.float32))
