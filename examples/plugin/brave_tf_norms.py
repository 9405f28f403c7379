"""A plug-in of one file: a monitor of one's own, which charts the length of the weights of each backbone.

A gin file that has the line `import brave_tf_norms` makes it known; see norms.gin.
"""

from __future__ import annotations

import gin
import numpy as np

from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor


@gin.configurable
class BackboneNorms(Monitor):
    """Charts `norms/<view>`, the L2 norm of all trainable weights of a view's backbone together.

    Args:
      every_steps: after the steps that this number divides; None for none of them.
      at_end: also after the last step of the run.
    """

    def __init__(self, every_steps: int | None = 100, at_end: bool = True):
        super().__init__(every_steps=every_steps, at_end=at_end)

    def act(self, moment: Moment) -> None:
        """Computes the norms of the weights after the step."""
        norms = {}
        for view, backbone in moment.objective.backbones.items():
            lengths = [np.linalg.norm(weight.numpy()) for weight in backbone.trainable_weights]
            norms[f"norms/{view}"] = float(np.linalg.norm(lengths))
        moment.charts.scalars(norms, moment.step)
