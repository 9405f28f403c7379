"""How far momentum copies are from the networks that they follow."""

from __future__ import annotations

from brave_tf.objectives.momentum_copy import MomentumCopy
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor


class MomentumCopyFigures(Monitor):
    """Charts `<copy>/distance` and `<copy>/momentum` of each momentum copy, at each log."""

    reads_means = False

    def due(self, moment: Moment) -> bool:
        return moment.logging

    def act(self, moment: Moment) -> None:
        """Charts them; an objective without copies has no such charts."""
        for copy in moment.objective.nested(MomentumCopy):
            figures = {
                f"{copy.name}/distance": copy.distance(),
                # The last step's, which was taken after one fewer.
                f"{copy.name}/momentum": float(copy.momentum(moment.step - 1)),
            }
            moment.charts.scalars(figures, moment.step)
