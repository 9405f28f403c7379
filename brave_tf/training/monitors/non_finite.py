"""NaN and infinity stop a run before they reach a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable

import numpy as np
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.objectives.base import GRADIENT_NORM, Objective
from brave_tf.training.monitors.origin import Batch, find_origin

# (step, count) -> the batches of so many steps after one, as training saw them; none if they cannot be had.
Replay = Callable[[int, int], Iterable[Batch]]

# Workers would have to run it together, and TPUs run nothing that is not compiled.
_NOT_RUN_AGAIN = (tf.distribute.MultiWorkerMirroredStrategy, tf.distribute.TPUStrategy)

_ADVICE = (
    "Lower the learning rate, lengthen its warm-up, clip the gradients, or compute in float32 or "
    "mixed_bfloat16 in place of mixed_float16, and start again"
)


class NonFiniteError(UserError):
    """A loss, a gradient or a weight of a run is not finite; its state must not be saved."""


class NonFiniteWatch:
    """Stops a run at NaN or infinity.

    Gradients that are not finite change no weight (see `Objective.train_step`), so that the weights at hand
    are about those that led to them.

    Args:
      objective: that is trained.
      replay: reads the batches of steps again.
      last_good: returns the step of the newest checkpoint, None if there is none.
    """

    def __init__(self, objective: Objective, replay: Replay, last_good: Callable[[], int | None]):
        self._objective = objective
        self._last_good = last_good
        self._replay = replay
        self._looked_at = objective.step

    def look(self, step: int, logs: Mapping[str, float]) -> None:
        """Looks at the losses and the norm of gradients, which are means that no NaN is lost in.

        Args:
          step: the last one.
          logs: of that step.

        Raises:
          NonFiniteError: one is not finite.
        """
        first, self._looked_at = self._looked_at + 1, step
        bad = [name for name, value in logs.items() if not np.isfinite(value)]
        if not bad:
            return
        steps = f"step {step}" if first == step else f"one of the steps {first} to {step}"
        kind = "loss" if any(name.startswith("loss") for name in bad) else "gradient"
        said = self._origin(first, step) or self._from_logs(bad)
        raise NonFiniteError(f"{steps}: the {kind} is not finite: {said}. {self._way_on()}")

    def check_weights(self, step: int) -> None:
        """Looks at everything that a checkpoint would save.

        Raises:
          NonFiniteError: a weight or a slot of the optimizer is not finite.
        """
        for variable in [*self._objective.variables, *self._objective.optimizer.variables()]:
            if variable.dtype.is_floating and not np.all(np.isfinite(variable.numpy())):
                raise NonFiniteError(
                    f"step {step}: {variable.name} is not finite. {self._way_on()}"
                )

    def _origin(self, first: int, last: int) -> str | None:
        strategy = self._objective.distribute_strategy
        if isinstance(strategy, _NOT_RUN_AGAIN):
            return None
        try:
            for batch in self._replay(first - 1, last - first + 1):
                found = find_origin(self._objective, batch)
                if found:
                    return f"first in {found}"
        except tf.errors.OpError:
            # Without a graph the step may take more memory than there is; what is known is said all the same.
            return None
        return None

    @staticmethod
    def _from_logs(bad: list[str]) -> str:
        terms = [name[len("loss/") :] for name in bad if name.startswith("loss/")]
        if terms:
            return f"first in term {terms[0]} (run again, its layers were finite)"
        return "all terms are finite" if GRADIENT_NORM in bad else ", ".join(bad)

    def _way_on(self) -> str:
        good = self._last_good()
        if good is None:
            return f"No checkpoint was saved yet. {_ADVICE}."
        return (
            f"Nothing was saved since step {good}, whose checkpoint is good. {_ADVICE}: the run resumes from "
            "there (with --allow_changes)."
        )
