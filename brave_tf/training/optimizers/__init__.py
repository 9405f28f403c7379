"""Optimizers of recipes, one module each."""

from typing import Union

import tensorflow as tf

# Keras' own, or of its older kind, as those of TensorFlow Addons are.
Optimizer = Union[tf.keras.optimizers.Optimizer, tf.keras.optimizers.legacy.Optimizer]
