"""What is done now and then while a run goes on: the base class of all that watch one."""

from __future__ import annotations

import abc
import time
from collections.abc import Sequence

from brave_tf.errors import UserError, check_seconds
from brave_tf.training.monitors.moment import Moment, WatchedInputs


class Monitor(abc.ABC):
    """Acts after some steps of a run.

    A subclass lives in one file, is `@gin.configurable`, and says what it does in `act`. A recipe imports
    its module and names it, without `()`:

        import my_monitors
        train.monitors = [@LossOverStep]

    For example, a chart of the loss (a float, the mean since the last log) over the step at every 50th:

        @gin.configurable
        class LossOverStep(Monitor):
            def __init__(self, every_steps: int = 50):
                super().__init__(every_steps=every_steps)

            def act(self, moment: Moment) -> None:
                if "loss" in moment.means:
                    figures = {"loss/over_step": moment.means["loss"] / moment.step}
                    moment.charts.scalars(figures, moment.step)

    When it acts may be said in several ways together (as in `clu.periodic_actions`). It is made when a run
    starts or resumes, before anything is written. What it keeps in its attributes does not outlast the
    process: steps are counted from the beginning of the run, so that a resumed one acts at the same steps.

    Args:
      every_steps: after the steps that this number divides.
      every_secs: after the first step whose means are read (each on a CPU, one in 10 on a GPU or TPU) at
        least so many seconds after it acted last, or after the run was started or resumed.
      on_steps: after these steps, counted from 1.
      at_end: after the last step of the run, once. One that is asked to stop before has not come to it.

    Attributes:
      everywhere: of the class: whether every process of a run calls `act`, which has to be so for what only
        all can compute together, such as the averages of normalisation layers. By default the chief alone
        does, the one that writes.
      reads_means: of the class: whether `act` reads `Moment.means`, for which the devices are waited for; if
        not, they may be those of an earlier step.

    Raises:
      UserError: a number cannot be used, or it would never act; or it acts everywhere by the clock, which
        processes do not share.
    """

    everywhere = False
    reads_means = True

    def __init__(
        self,
        every_steps: int | None = None,
        every_secs: float | None = None,
        on_steps: Sequence[int] = (),
        at_end: bool = False,
    ):
        name = type(self).__name__
        for argument, numbers in (("every_steps", [every_steps]), ("on_steps", on_steps)):
            for number in numbers:
                if number is not None and (type(number) is not int or number < 1):
                    raise UserError(
                        f"{name}.{argument} has {number!r}: expected whole numbers of at least 1."
                    )
        if every_secs is not None:
            check_seconds(f"{name}.every_secs", every_secs)
            if self.everywhere:
                raise UserError(
                    f"{name}.every_secs = {every_secs!r}: it acts in all processes of a run together, whose "
                    "clocks differ. Say when by steps, every_steps or on_steps."
                )
        times = every_steps or every_secs or len(on_steps) or at_end
        if not times and type(self).due is Monitor.due:
            raise UserError(
                f"{name} would never act: expected every_steps, every_secs, on_steps or at_end, or that it "
                "has a `due` of its own."
            )
        self._every_steps, self._every_secs = every_steps, every_secs
        self._on_steps, self._at_end = frozenset(on_steps), at_end

    def prepare(self, inputs: WatchedInputs) -> None:
        """Looks at what there is to watch, before the run is begun or resumed and anything is written.

        All processes of a run do.

        Raises:
          UserError: the monitor cannot be used for it.
        """
        del inputs

    def begin(self, moment: Moment) -> None:
        """Begins after the step that the run is resumed from, or 0; all processes of a run do."""
        del moment

    def before_step(self, step: int) -> None:
        """Does what has to be done before a step, counted from 1; all processes of a run do."""
        del step

    def due(self, moment: Moment) -> bool:
        """Whether it acts after a step; asked once after each, the same in all processes of a run."""
        step = moment.step
        return (
            (self._every_steps is not None and step % self._every_steps == 0)
            or step in self._on_steps
            or (self._at_end and step == moment.num_steps)
        )

    def overdue(self) -> bool:
        """Whether it acts by the clock."""
        return (
            self._every_secs is not None
            and time.monotonic() - self._clock_begun >= self._every_secs
        )

    @abc.abstractmethod
    def act(self, moment: Moment) -> None:
        """Does what it is for."""

    def restart_clock(self) -> None:
        """Begins to count `every_secs`: where the run begins, and whenever it has acted."""
        self._clock_begun = time.monotonic()

    def summary(self, step: int) -> str:
        """Returns lines for the end of what a run prints, after its last step; empty for none."""
        del step
        return ""
