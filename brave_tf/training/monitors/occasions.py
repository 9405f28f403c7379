"""What happens a few times in a run, however long it is."""

from __future__ import annotations

from brave_tf import errors


class Occasions:
    """Spreads a number of occasions evenly over the steps of a run.

    Args:
      times: how many; 0 for none.
      name: of the binding that says so, for the message.

    Raises:
      UserError: `times` is no whole number of at least 0.
    """

    def __init__(self, times: int, name: str):
        if not isinstance(times, int) or times < 0:
            raise errors.UserError(f"{name} = {times!r}: expected a whole number, 0 or more.")
        self._times = times
        self._passed = -1

    def due(self, step: int, num_steps: int) -> bool:
        """Whether one has come by a step, from 1 on, since this was last asked; the first is step 1."""
        now = (step - 1) * self._times // num_steps
        due = self._times > 0 and now > self._passed
        self._passed = max(self._passed, now)
        return due
