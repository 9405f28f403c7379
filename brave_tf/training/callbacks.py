"""How `fit` hands steps to callbacks, without waiting for the devices and without advice on speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


class StepCallbacks(tf.keras.callbacks.CallbackList):
    """Callbacks that are given the logs of a training step as it returns them, tensors on their devices.

    Keras' own list fetches the logs of every step, for which the devices wait, and warns where a callback,
    such as one that saves, takes longer than a step.
    """

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tells the callbacks that a step begins."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs or {})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tells the callbacks that a step has ended."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs or {})
