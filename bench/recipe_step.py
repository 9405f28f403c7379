"""A recipe's training step on a batch of random numbers, to be measured."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Callable

import tensorflow as tf

from bench import limits
from brave_tf import config
from brave_tf.data.views.base import View
from brave_tf.objectives.base import NARROW, Objective
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

RECIPE = ["as_v_a"]


@dataclasses.dataclass(frozen=True)
class RecipeStep:
    """A compiled objective and what it learns from.

    Attributes:
      objective: with the recipe's optimizer.
      batch: view -> random tensor, and `label`.
      xla: whether everything is compiled with XLA.
    """

    objective: Objective
    batch: dict[str, tf.Tensor]
    xla: bool

    def step(self) -> Callable[[], Any]:
        """Returns a training step, the very function that `fit` calls."""
        batches = iter(tf.data.Dataset.from_tensors(self.batch).repeat())
        function = self.objective.make_train_function()
        return lambda: function(batches)

    def forward(self) -> tf.types.experimental.GenericFunction:
        """Returns the inference of all backbones, as a graph."""
        return self._graph(lambda: self.objective(self.batch, training=False))

    def narrow_forward(self) -> tf.types.experimental.GenericFunction:
        """Returns the inference of the narrow view's backbone, as a graph."""
        return self._graph(lambda: self.objective.embed(NARROW, self.batch[NARROW]))

    def update(self) -> tf.types.experimental.GenericFunction:
        """Returns the optimizer's part of a step, as a graph."""
        variables = self.objective.trainable_variables
        gradients = [1e-3 * tf.ones_like(variable) for variable in variables]

        def apply() -> tf.Tensor:
            self.objective.optimizer.apply_gradients(zip(gradients, variables))
            return self.objective.optimizer.iterations.read_value()

        return self._graph(apply)

    def _graph(self, function: Callable[[], Any]) -> tf.types.experimental.GenericFunction:
        return tf.function(function, jit_compile=self.xla)


def add_gin_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the configuration."""
    parser.add_argument("--gin_file", action="append", help=f"{', '.join(RECIPE)} by default")
    parser.add_argument("--gin_bindings", action="append", default=[])


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of what is built; their defaults are a small V/A step of the released configuration."""
    add_gin_arguments(parser)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--narrow_frames", type=int, default=16, help="0: the recipe's")
    parser.add_argument("--narrow_size", type=int, default=112, help="pixels; 0: the recipe's")
    parser.add_argument("--audio_frames", type=int, default=1024, help="0: the recipe's")


def add_precision_argument(parser: argparse.ArgumentParser) -> None:
    """Adds the flag of the precision."""
    names = list(limits.POLICIES)
    parser.add_argument("--precision", choices=names, action="append", help="both by default")


def precisions(args: argparse.Namespace) -> list[str]:
    """Returns the precisions that the flags ask for."""
    return args.precision or list(limits.POLICIES)


def add_variant_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of how it is computed."""
    add_precision_argument(parser)
    parser.add_argument("--xla", choices=["off", "on"], action="append", help="off by default")


def variants(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Returns the pairs of precision and 'on' or 'off' for XLA that the flags ask for."""
    return [(precision, xla) for precision in precisions(args) for xla in args.xla or ["off"]]


def compiled(args: argparse.Namespace, precision: str, xla: str) -> tuple[Recipe, Objective]:
    """Builds the recipe that the flags name, with its optimizer.

    Raises:
      UserError: the recipe cannot be used.
    """
    config.load_config(args.gin_file or RECIPE, args.gin_bindings)
    tf.keras.mixed_precision.set_global_policy(limits.POLICIES[precision])
    settings, recipe = bound(Settings), bound(Recipe)
    objective = recipe.build(settings.seed)
    objective.compile(optimizer=settings.optimizer(), jit_compile=xla == "on")
    return recipe, objective


def build(args: argparse.Namespace, precision: str, xla: str) -> RecipeStep:
    """Builds the recipe that the flags name, and a batch; raises as `compiled`."""
    recipe, objective = compiled(args, precision, xla)
    narrow = recipe.views[NARROW].shape if NARROW in recipe.views else None
    batch = {
        name: _random(_shape(view, view.shape == narrow, args), args)
        for name, view in recipe.views.items()
    }
    batch["label"] = tf.zeros((args.batch_size,), tf.int64)
    return RecipeStep(objective, batch, xla == "on")


def _shape(view: View, narrow: bool, args: argparse.Namespace) -> tuple[int, ...]:
    """That of a view as the flags change it; others of the narrow one's shape are changed with it."""
    if view.modality == "audio":
        return (args.audio_frames or view.shape[0], *view.shape[1:])
    if not narrow:
        return view.shape
    frames, height, width, channels = view.shape
    frames, size = args.narrow_frames or frames, args.narrow_size
    return frames, size or height, size or width, channels


def _random(shape: tuple[int, ...], args: argparse.Namespace) -> tf.Tensor:
    return tf.random.stateless_uniform((args.batch_size, *shape), (0, 0))
