"""A recipe: the views of a clip and the objective trained on them, and how a run is loaded again."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Callable, TypeVar

import gin
import tensorflow as tf

from brave_tf import config, errors
from brave_tf.data.views.base import View
from brave_tf.objectives.base import Objective
from brave_tf.training import checkpoints
from brave_tf.training.settings import Settings

CONFIG_FILE = "config.gin"


T = TypeVar("T")


def bound(configurable: Callable[[], T]) -> T:
    """Calls a gin configurable all of whose arguments are bound.

    Raises:
      UserError: a required one is not bound.
    """
    try:
        return configurable()
    except RuntimeError as error:
        raise errors.UserError(f"the recipe is not complete: {error}") from error


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained on what.

    Attributes:
      views: view name -> view; the first is the narrow view, from whose start the synchronised others start.
      objective: makes the objective; called once, inside the strategy's scope.
    """

    views: Mapping[str, View] = gin.REQUIRED
    objective: Callable[[], Objective] = gin.REQUIRED

    def build(self, seed: int) -> Objective:
        """Makes the objective with weights drawn from `seed`.

        Raises:
          UserError: when a backbone has no view of its name to learn from.
        """
        tf.keras.utils.set_random_seed(seed)
        objective = self.objective()
        missing = [name for name in objective.backbones if name not in self.views]
        if missing:
            raise errors.UserError(
                f"the objective has backbones for {missing}, but Recipe.views has only {list(self.views)}."
                f"{errors.nearest(missing[0], self.views)}"
            )
        return objective


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """A run read back from its folder.

    Attributes:
      recipe: its recipe.
      objective: its objective, not compiled.
      step: the optimizer step of the weights; 0 for the random initialisation.
    """

    recipe: Recipe
    objective: Objective
    step: int


def load_run(model_dir: str, restore: bool = True, bindings: tuple[str, ...] = ()) -> LoadedRun:
    """Builds the recipe of a run from its folder and restores its newest checkpoint.

    Args:
      model_dir: folder that `brave_tf_train` wrote.
      restore: False leaves the weights at the run's own random initialisation.
      bindings: gin statements applied after the run's configuration.

    Raises:
      UserError: when the folder holds no run, or no checkpoint to restore.
    """
    path = pathlib.Path(model_dir) / CONFIG_FILE
    if not path.is_file():
        raise errors.UserError(
            f"{model_dir} holds no run: {path} was not found. Give the --model_dir that brave_tf_train wrote."
        )
    config.load_config([str(path)], bindings)
    recipe = bound(Recipe)
    objective = recipe.build(bound(Settings).seed)
    step = checkpoints.restore_weights(objective, model_dir) if restore else 0
    return LoadedRun(recipe, objective, step)
