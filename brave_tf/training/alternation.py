"""The stages of two networks that teach each other in turns."""

from __future__ import annotations

from collections.abc import Sequence

import gin

from brave_tf import errors
from brave_tf.training.stages import Stage

_PARTS = ("backbones", "heads")


@gin.configurable
def alternation(
    views: Sequence[str] = gin.REQUIRED,
    alone: Sequence[str] = gin.REQUIRED,
    taught: Sequence[str] = gin.REQUIRED,
    cycles: int = 2,
    parts: Sequence[str] = _PARTS,
) -> list[Stage]:
    """Trains the network of each of two views alone, then each by the other, again and again.

    The stages are `<view>_alone` of both views, and in each cycle `<view>_<cycle>` of both, counted from 1. A
    stage of a cycle begins with both networks as the newest stages of them have left them: the first view's
    of cycle 2 with its own of cycle 1, and the other's of cycle 1 too.

    Args:
      views: names of the two, the first of which is the first that the other teaches. The network of a view
        has its name in all stages.
      alone: gin file of the stage that trains the network of each view alone.
      taught: gin file of the stage that trains the network of each view by the other's.
      cycles: how many times each is taught by the other.
      parts: what of a network goes from stage to stage: attributes of the objective, by view.

    Raises:
      UserError: `views`, `alone` or `taught` are not two, or `cycles` is no number from 0.
    """
    for name, value in {"views": views, "alone": alone, "taught": taught}.items():
        if isinstance(value, str) or len(value) != 2 or (name == "views" and len(set(value)) < 2):
            raise errors.UserError(
                f"alternation.{name} = {value!r}: expected two names, such as ('narrow', 'flow') for views."
            )
    if not isinstance(cycles, int) or cycles < 0:
        raise errors.UserError(f"alternation.cycles = {cycles!r}: expected a whole number from 0.")
    newest = {view: f"{view}_alone" for view in views}
    made = [Stage(newest[view], recipe) for view, recipe in zip(views, alone)]
    for cycle in range(1, cycles + 1):
        for view, recipe in zip(views, taught):
            begins_with = {f"{part}/{each}": newest[each] for part in parts for each in views}
            made.append(Stage(f"{view}_{cycle}", recipe, begins_with))
            newest[view] = made[-1].name
    return made
