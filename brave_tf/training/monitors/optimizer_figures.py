"""What the optimizer does: its learning rate, and the lengths of weights and of their change in a step."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from brave_tf.objectives.base import Objective


class OptimizerFigures:
    """Measures a step of the optimizer.

    The weights from before the step are kept in the host's memory meanwhile, so this is for a step now and
    then.

    Args:
      objective: a compiled objective.
    """

    def __init__(self, objective: Objective):
        self._objective = objective
        self._before: list[np.ndarray] | None = None

    def before_step(self) -> None:
        """Notes the weights."""
        self._before = self._weights()

    def after_step(self) -> dict[str, float]:
        """Returns the figures of the step: tag -> number.

        `optimizer/learning_rate`; `optimizer/loss_scale` where there is one; the L2 norm of all trainable
        weights together, `optimizer/weight_norm`; and if `before_step` was called that of their change,
        `optimizer/update_norm`, and the latter as a share of the former, `optimizer/update_share`.
        """
        optimizer = self._objective.optimizer
        figures = {"optimizer/learning_rate": float(learning_rate(optimizer))}
        if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            figures["optimizer/loss_scale"] = float(optimizer.loss_scale)
        after = self._weights()
        figures["optimizer/weight_norm"] = weight_norm = _norm(after)
        if self._before is not None:
            change = _norm([new - old for new, old in zip(after, self._before)])
            figures["optimizer/update_norm"] = change
            figures["optimizer/update_share"] = change / max(weight_norm, 1e-12)
        self._before = None
        return figures

    def _weights(self) -> list[np.ndarray]:
        # Copies: on a CPU, `numpy` may show the variable's own memory.
        return [np.array(variable) for variable in self._objective.trainable_variables]


def learning_rate(optimizer: tf.keras.optimizers.Optimizer) -> tf.Tensor:
    """The learning rate of the optimizer's last step."""
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return tf.convert_to_tensor(optimizer.learning_rate)


def _norm(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.linalg.norm(array.ravel()) ** 2 for array in arrays)))
