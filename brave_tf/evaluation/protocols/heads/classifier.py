"""The networks that are trained on frozen features: a linear layer, or an MLP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn import preprocessing

from brave_tf.models.norm import BatchNorm

layers = tf.keras.layers
NORMALIZATIONS = ("standardize", "l2", "none", "l2_batch_norm")


class Classifier(tf.keras.Model):
    """Features (B, D) -> logits (B, classes) float32.

    Args:
      normalization: what is done to features first.
      num_features: D.
      bias: (classes,) float, where the biases of the logits start.
      hidden: sizes of hidden layers with relu; none makes it a linear layer.
      dropout: share of the hidden units that is dropped in training, in [0, 1).
      seed: of the weights. Those of the last layer start at 0.
    """

    def __init__(
        self,
        normalization: layers.Layer,
        num_features: int,
        bias: Sequence[float],
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        seed: int = 0,
    ):
        super().__init__(name="classifier", dtype="float32")
        self.normalization = normalization
        self.dropout = dropout
        self.hidden = [
            layers.Dense(
                size,
                "relu",
                kernel_initializer=tf.keras.initializers.HeNormal(seed + index),
                name=f"hidden_{index}",
                dtype="float32",
            )
            for index, size in enumerate(hidden)
        ]
        self.logits = layers.Dense(
            len(bias),
            kernel_initializer="zeros",
            bias_initializer=tf.keras.initializers.Constant(bias),
            name="logits",
            dtype="float32",
        )
        self(tf.zeros((1, num_features)))  # Makes the variables, which optimizers need to know.

    def call(self, features: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Computes logits.

        Args:
          features: (B, D) float32.
          dropout_seed: (2,) int32, of what is dropped in training; None outside of it: nothing is dropped,
            and a batch normalisation goes by its averages.
        """
        x = self.normalization(features, training=dropout_seed is not None)
        for index, layer in enumerate(self.hidden):
            x = layer(x)
            if dropout_seed is not None and self.dropout:
                seed = tf.random.experimental.stateless_fold_in(dropout_seed, index)
                x = tf.nn.experimental.stateless_dropout(x, self.dropout, seed)
        return self.logits(x)


def normalization_layer(kind: str, scaler: preprocessing.StandardScaler) -> layers.Layer:
    """Returns the first layer of a classifier.

    Args:
      kind: `standardize` (mean 0 and variance 1 of each feature), `l2` (Euclidean norm 1 of each
        clip's features), `l2_batch_norm` (a batch normalisation that is trained, after `l2`) or `none`.
      scaler: fitted to the training features.
    """
    if kind == "standardize":
        # Not by the variance, which may be too large or too small for a float where features are not.
        centred = layers.Normalization(
            mean=scaler.mean_, variance=np.ones_like(scaler.scale_), dtype="float32"
        )
        scaled = layers.Rescaling(np.float32(1 / scaler.scale_), dtype="float32")
        return tf.keras.Sequential([centred, scaled], name="standardize")
    if kind == "none":
        return tf.keras.Sequential([layers.Identity(dtype="float32")], name="none")
    # Of about 1 first, so that squares are neither too large nor too small for a float.
    typical = float(np.sqrt(np.mean(scaler.mean_**2 + scaler.var_))) or 1.0
    scaled = layers.Rescaling(1 / typical, dtype="float32")
    unit = [scaled, layers.UnitNormalization(dtype="float32")]
    if kind == "l2_batch_norm":
        unit.append(BatchNorm(momentum=0.9, epsilon=1e-5, averages="unbiased", dtype="float32"))
    return tf.keras.Sequential(unit, name=kind)
