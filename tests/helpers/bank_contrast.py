"""An objective that is not part of the package: a recipe's `import bank_contrast` registers it."""

from __future__ import annotations

import gin
import tensorflow as tf

from brave_tf.objectives import base


@gin.configurable
class BankContrast(base.Objective):
    """Tells a clip's broad view from those of a bank of earlier clips (InfoNCE with a queue).

    Args:
      backbones: `narrow` and `broad_audio`, with equal feature sizes.
      bank_size: how many earlier clips, a multiple of the batch.
      temperature: of the cosines.
    """

    term_names = ("narrow_to_bank",)
    monitor_names = ("accuracy/bank",)

    def __init__(self, backbones, bank_size=8, temperature=0.1):
        super().__init__(backbones)
        self.temperature = temperature
        size = self.feature_size("narrow")
        bank = tf.random.stateless_normal((bank_size, size), (0, 0))
        self.bank = tf.Variable(tf.math.l2_normalize(bank, axis=-1), trainable=False, name="bank")

    def terms(self, batch, training):
        features = self(batch, training=training)
        z = {view: tf.math.l2_normalize(x, axis=-1) for view, x in features.items()}
        same = tf.reduce_sum(z["narrow"] * z["broad_audio"], axis=-1, keepdims=True)
        others = tf.matmul(z["narrow"], self.bank, transpose_b=True)
        logits = tf.concat([same, others], axis=-1) / self.temperature
        loss = -tf.nn.log_softmax(logits)[:, 0]
        if training:
            clips = tf.shape(same)[0]
            self.bank.assign(tf.concat([z["broad_audio"], self.bank[:-clips]], axis=0))
        found = tf.cast(tf.argmax(logits, axis=-1) == 0, tf.float32)
        return base.Terms({"narrow_to_bank": loss}, features, {"accuracy/bank": found}, z)
