"""Has the occasions of an objective happen between the steps of a run, see `objectives.occasions`."""

from __future__ import annotations

import functools
import pathlib
import time
from typing import Callable

import numpy as np

from brave_tf.errors import UserError
from brave_tf.objectives.base import Objective
from brave_tf.objectives.occasions import Occasion, Passed, RowFeatures
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.inputs import Inputs
from brave_tf.training.row_features import RowFeatureFolder, Wanted
from brave_tf.training.workers import ONE, Workers


class Occasions:
    """The occasions of an objective and of its parts; every process of a run has one, and calls it alike.

    Args:
      objective: that is trained.
      inputs: its clips.
      checkpoints: those of the run.
      folder: of the run.
      workers: the processes of the run.
      look: called now and then in the course of long work; it may raise an error to interrupt.

    Raises:
      UserError: one follows the loss on held-out clips and none are held out, or there is no view of a name.
    """

    def __init__(
        self,
        objective: Objective,
        inputs: Inputs,
        checkpoints: Checkpoints,
        folder: str,
        workers: Workers = ONE,
        look: Callable[[], None] = lambda: None,
    ):
        owners = objective.nested(Objective)
        self._all = [(owner, each) for owner in owners for each in owner.occasions]
        self._objective, self._inputs, self._checkpoints = objective, inputs, checkpoints
        self._several, self._chief = workers.several, workers.chief
        self._features = RowFeatureFolder(objective, inputs, workers, pathlib.Path(folder), look)
        for owner, occasion in self._all:
            self._check(owner, occasion)

    def _check(self, owner: Objective, occasion: Occasion) -> None:
        name = f"{type(owner).__name__}.occasions: {type(occasion).__name__}"
        if occasion.follows_held_out_loss and not self._inputs.holds_out:
            raise UserError(
                f"{name} follows the loss on held-out clips, but none are held out: bind "
                "train.held_out_every or train.held_out_split."
            )
        for view in _views(owner, occasion):
            if view not in self._inputs.recipe.views:
                raise UserError(
                    f"{name} asks for features of view {view!r}: expected some of "
                    f"{', '.join(self._inputs.recipe.views)}."
                )

    def lack_loss(self, step: int) -> bool:
        """Whether a run that goes on after a step has to measure the loss on held-out clips for it first.

        One that is asked to stop saves without a measurement.
        """
        return self._counts(step) and any(
            each.follows_held_out_loss and each.lacks(step) for _, each in self._all
        )

    def measured(self, step: int, loss: float | None) -> None:
        """Takes the loss on held-out clips after a step, before that is saved; None if it is unknown."""
        if loss is None or not self._counts(step):
            return
        for _, occasion in self._all:
            if occasion.follows_held_out_loss:
                occasion.measured(step, loss)

    def _counts(self, step: int) -> bool:
        # The last step of a run is measured too, which would not be one of a longer run.
        return step > 0 and step % self._inputs.settings.checkpoint_every == 0

    def take(self, step: int, save: Callable[[], None]) -> float:
        """Has those happen that are due before the step after `step`; returns the seconds that it took.

        Args:
          step: steps that are over.
          save: saves a checkpoint, from which a run that is killed meanwhile comes back here.

        Raises:
          UserError: features cannot be computed.
        """
        begun = time.perf_counter()
        passed = Passed(step, self._inputs.settings.batch_size, self._epoch_clips)
        due = [number for number, (_, each) in enumerate(self._all) if each.due(passed)]
        if due:
            save()
            self._happen(due, step)
            if self._several:
                # What is computed of the same features may differ from machine to machine.
                self._checkpoints.hand_over(self._features.shared, self._features.meet)
        return time.perf_counter() - begun

    def _happen(self, due: list[int], step: int) -> None:
        wanted = [
            Wanted(*self._all[number], number, view)
            for number in due
            for view in _views(*self._all[number])
        ]
        read = self._features.compute(wanted) if wanted else None
        for number in due:
            owner, occasion = self._all[number]
            if self._chief:
                print(f"step {step}: {type(owner).__name__}, {occasion.name}", flush=True)
            of = functools.partial(self._of, read, wanted, number)
            owner.on_occasion(occasion, RowFeatures(of, self._seed(number, occasion)))
            occasion.happened(step)

    @staticmethod
    def _of(
        read: Callable[[Wanted], np.ndarray] | None, wanted: list[Wanted], number: int, view: str
    ) -> np.ndarray:
        for each in wanted:
            if (each.number, each.view) == (number, view):
                return read(each)
        raise UserError(
            f"features of view {view!r} were not asked for: name it in the occasion's views."
        )

    def _seed(self, number: int, occasion: Occasion) -> int:
        numbers = [self._inputs.settings.seed % 2**32, number, int(occasion.times.numpy())]
        return int(np.random.SeedSequence(numbers).generate_state(1)[0])

    @functools.cached_property
    def _epoch_clips(self) -> int | None:
        return self._inputs.epoch_clips() if self._all else None

    def finish(self) -> None:
        """Removes the features that were kept, when the run is complete."""
        if self._all and self._chief:
            self._features.remove()


def _views(owner: Objective, occasion: Occasion) -> list[str]:
    return [*(owner.backbones if occasion.views is None else occasion.views)]
