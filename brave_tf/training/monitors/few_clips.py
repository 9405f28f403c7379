"""A run that will see few clips very often."""

from __future__ import annotations

import gin

from brave_tf.errors import UserError
from brave_tf.training.monitors.moment import Moment
from brave_tf.training.monitors.monitor import Monitor


@gin.configurable
class FewClipsWatch(Monitor):
    """Warns before the first step when there are few clips, and a run of its length will see each very often.

    Both must hold: hundreds of epochs are usual on hundreds of thousands of clips, and few clips do in a
    short run. Where nobody has counted the clips it says nothing.

    Args:
      clips: with fewer clips than this to train on, there are few.
      passes: a clip that is seen more often than this is seen very often.

    Raises:
      UserError: a number is below 0.
    """

    def __init__(self, clips: int = 2000, passes: float = 200.0):
        super().__init__()
        for name, value in (("clips", clips), ("passes", passes)):
            if not value >= 0:
                raise UserError(f"FewClipsWatch.{name} = {value!r}: expected 0 or more.")
        self._clips, self._passes = clips, passes

    def begin(self, moment: Moment) -> None:
        settings, clips = moment.inputs.settings, moment.inputs.num_clips()
        if not clips or clips >= self._clips:
            return
        passes = settings.num_steps * settings.batch_size / clips
        if passes > self._passes:
            moment.advice.give(
                "few clips",
                f"each of the {clips:,} clips will be seen {passes:,.0f} times, in {settings.num_steps:,} "
                f"steps of {settings.batch_size}: they may be memorised, and features get worse. Add clips, "
                "which need no labels; or bind fewer steps (train.num_steps, STEPS in recipes of the "
                "package); or begin with published weights (train.initial_weights). train.held_out_every = "
                "10 shows it: the loss on clips that are held out rises when the others are memorised.",
            )

    def due(self, moment: Moment) -> bool:
        return False

    def act(self, moment: Moment) -> None:
        """Does nothing: all that there is to say is said where a run begins."""
