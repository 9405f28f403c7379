"""A recipe: the views of a clip and the objective trained on them, and how a run is loaded again."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, TypeVar

import gin
import tensorflow as tf

from brave_tf import config, errors
from brave_tf.data.views.base import View
from brave_tf.data.views.windows import WindowRule, check_rules
from brave_tf.objectives.base import NARROW, ONLINE, Objective
from brave_tf.training import checkpoints, stage_record
from brave_tf.training.settings import Settings

CONFIG_FILE = "config.gin"
OPERATIVE_CONFIG_FILE = "operative_config.gin"


T = TypeVar("T")


def bound(configurable: Callable[[], T]) -> T:
    """Calls a gin configurable all of whose arguments are bound.

    Raises:
      UserError: a required one is not bound.
    """
    try:
        with _ending():
            return configurable()
    except RuntimeError as error:
        raise errors.UserError(f"the recipe is not complete: {error}") from error


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Refuses a recipe whose parts call each other without an end."""
    try:
        yield
    except RecursionError as error:
        raise errors.UserError(
            "the recipe refers to itself: one of its parts is made of itself, through references. Bind that "
            "part to another."
        ) from error


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained on what.

    Attributes:
      views: view name -> view. The one called `narrow` is put first, since synchronised views start
        where the first one does.
      objective: makes the objective; called once, inside the strategy's scope.
      windows: rules between the windows of a clip, such as `@FallingGap()`, or a list of some, which are
        followed in this order: see `data.views.windows`. Without one, views start as their `sync` says.

    Raises:
      UserError: `views` is no mapping from names to views, or they cannot follow a rule.
    """

    views: Mapping[str, View] = gin.REQUIRED
    objective: Callable[[], Objective] = gin.REQUIRED
    windows: WindowRule | Sequence[WindowRule] = ()

    def __post_init__(self) -> None:
        views = self.views
        if not (isinstance(views, Mapping) and all(isinstance(v, View) for v in views.values())):
            raise errors.UserError(
                f"Recipe.views = {views!r}: expected a mapping from view names to views, such as "
                "{'narrow': @narrow/RgbView()}."
            )
        order = sorted(self.views, key=lambda name: (name != NARROW, name))
        object.__setattr__(self, "views", {name: self.views[name] for name in order})
        rules = self.windows if isinstance(self.windows, (list, tuple)) else (self.windows,)
        object.__setattr__(self, "windows", tuple(rules))
        check_rules(self.windows, self.views)

    def build(self, seed: int) -> Objective:
        """Makes the objective with weights drawn from `seed`.

        Raises:
          UserError: when a backbone has no view of its name to learn from.
        """
        tf.keras.utils.set_random_seed(seed)
        with _ending():
            objective = self.objective()
        missing = [name for name in objective.backbones if name not in self.views]
        if missing:
            raise errors.UserError(
                f"the objective has backbones for {missing}, but Recipe.views has only {list(self.views)}."
                f"{errors.did_you_mean(missing[0], self.views)}"
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

    def network(self, name: str = ONLINE) -> Mapping[str, tf.keras.Model]:
        """Returns view name -> backbone of a network of the objective, `online` or such as `target`.

        Raises:
          ArgumentError: it has no such network.
        """
        networks = self.objective.networks()
        if name not in networks:
            raise errors.ArgumentError(
                "network",
                name,
                f"{type(self.objective).__name__} has {', '.join(networks)}. Choose one of these.",
            )
        return networks[name]


def load_run(model_dir: str, restore: bool = True, checkpoint: str = checkpoints.LAST) -> LoadedRun:
    """Builds the recipe of a run from its folder and restores a checkpoint.

    Args:
      model_dir: folder that `brave_tf_train` wrote.
      restore: False leaves the weights at the run's own random initialisation.
      checkpoint: which one: `last`, `best` or a step, see `checkpoints.restore_weights`.

    Raises:
      UserError: when the folder holds no run, or no usable checkpoint to restore.
    """
    path = pathlib.Path(model_dir) / CONFIG_FILE
    if not path.is_file():
        stages = stage_record.stage_folders(model_dir)
        advice = "the --model_dir that brave_tf_train wrote"
        if stages:
            advice = f"that of one of its stages, {', '.join(stages)}"
        raise errors.UserError(f"{model_dir} holds no run: {path} was not found. Give {advice}.")
    config.load_config([], model=str(path))
    return rebuild_run(model_dir, restore, checkpoint)


def rebuild_run(
    model_dir: str,
    restore: bool = True,
    checkpoint: str = checkpoints.LAST,
    precision: str = "float32",
) -> LoadedRun:
    """Does what `load_run` does after a configuration, that of the run with changes, was loaded.

    The model computes in `precision`, a policy of Keras, whatever the precision of the run.
    """
    tf.keras.mixed_precision.set_global_policy(precision)
    recipe = bound(Recipe)
    objective = recipe.build(bound(Settings).seed)
    step = checkpoints.restore_weights(objective, model_dir, checkpoint) if restore else 0
    return LoadedRun(recipe, objective, step)
