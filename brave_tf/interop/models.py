"""Models in: a run, an exported model, or a user's function, for whoever wants features of them."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import pathlib
import sys
from collections.abc import Mapping
from typing import Callable

import tensorflow as tf

from brave_tf import config
from brave_tf import modality_registry as modalities
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError
from brave_tf.features.extraction import Embed
from brave_tf.interop import saved_model
from brave_tf.interop.graph_check import check_links
from brave_tf.models.precision import in_full
from brave_tf.objectives.base import ONLINE
from brave_tf.storage.digests import digest_of_texts, digest_of_weights
from brave_tf.training import recipe
from brave_tf.training.checkpoints import LAST

RUN, EXPORTED, FUNCTION = "model_dir", "model", "function"
RANDOM, SUPERVISED = BASELINES = ("random", "supervised")
FULL_PRECISION = "float32"

# View name -> function from (B, *window) to (B, D), and a hash of its weights.
_Backbones = Callable[[str], "tuple[Embed, str]"]


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """Where the evaluated model comes from.

    Attributes:
      location: folder of the run or of the exported model, or `module:name` of a function.
      kind: which of these: `RUN`, `EXPORTED` or `FUNCTION`.
      baseline: None, or of a run: `random` for its random initialisation, `supervised` for its network
        trained with labels, see `supervised`.
      checkpoint: of a run: `last`, `best` or a step.
      precision: that a run's model computes in: a policy of Keras.
      network: of a run: `online`, or another that its objective has, such as `target`.
    """

    location: str
    kind: str = RUN
    baseline: str | None = None
    checkpoint: str = LAST
    precision: str = FULL_PRECISION
    network: str = ONLINE

    @property
    def name(self) -> str:
        """What the model is called in results: a folder without links, for runs/a is also ../runs/a."""
        return self.location if self.kind == FUNCTION else os.path.realpath(self.location)

    @property
    def config_file(self) -> str | None:
        """The gin configuration that the model was built from; a function has none."""
        if self.kind == FUNCTION:
            return None
        return str(pathlib.Path(self.location) / recipe.CONFIG_FILE)

    @property
    def default_output(self) -> str:
        """Where results go unless the user says otherwise."""
        if self.kind == FUNCTION:
            return str(pathlib.Path("runs") / self.location.replace(":", "-") / "eval")
        return self.location if self.kind == EXPORTED else str(pathlib.Path(self.location) / "eval")

    def check(self) -> None:
        """Raises UserError when the model is not of its kind, or cannot be changed as asked."""
        if self.kind != RUN:
            for argument, value, usual in (
                ("baseline", self.baseline, None),
                ("checkpoint", self.checkpoint, LAST),
                ("precision", self.precision, FULL_PRECISION),
                ("network", self.network, ONLINE),
            ):
                if value != usual:
                    raise ArgumentError(
                        argument,
                        value,
                        f"of runs alone. Give the {RUN} of a run in place of a {self.kind}.",
                    )
        if self.baseline and self.network != ONLINE:
            raise ArgumentError(
                "network",
                self.network,
                f"the baseline {self.baseline} is not trained with momentum. Leave this out.",
            )
        if self.baseline and self.checkpoint != LAST:
            raise ArgumentError(
                "checkpoint",
                self.checkpoint,
                f"the baseline {self.baseline} has no checkpoint. Leave this out.",
            )
        if self.config_file and not pathlib.Path(self.config_file).is_file():
            writer = "brave_tf_export" if self.kind == EXPORTED else "brave_tf_train"
            raise ArgumentError(
                self.kind,
                self.location,
                f"{self.config_file} was not found. Give the folder that {writer} wrote.",
            )
        if self.kind == EXPORTED:
            check_links(self.location)

    def views(self) -> Mapping[str, View]:
        """The views of the model, once its configuration is loaded; a function may have any."""
        if self.kind == FUNCTION:
            return {m.name: m.views()[0]() for m in modalities.registered() if m.views()}
        return recipe.bound(recipe.Recipe).views


def configure(source: ModelSource | None, gin_files: list[str], bindings: list[str]) -> None:
    """Loads the configuration of the model, then that of the evaluation, which wins.

    Raises:
      UserError: for a folder without a model, or a configuration that cannot be used, or that of the model
        that is more than data.
    """
    if source is not None:
        source.check()
        if source.kind == FUNCTION:
            for modality in modalities.registered():
                modality.views()  # No recipe imports what bindings are of.
    config.load_config(gin_files, bindings, model=source and source.config_file)


@dataclasses.dataclass(frozen=True)
class FrozenBackbone:
    """The backbone of one view, in inference mode.

    Attributes:
      embed: (B, *window) -> (B, D) float32; the window is that of the view, or for video any (T, H, W, C).
      weights: a hash of its weights; empty where nothing is known of them.
      step: of these; None when it is not known.
      precision: that it computes in, a policy of Keras.
      strategy: in whose scope it was made; None for one device.
      source: where it comes from; None when it was made by hand.
    """

    embed: Embed
    weights: str = ""
    step: int | None = None
    precision: str = FULL_PRECISION
    strategy: tf.distribute.Strategy | None = None
    source: ModelSource | None = None


def load_backbones(
    source: ModelSource,
    views: Mapping[str, View],
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[Callable[[str], FrozenBackbone], int | None]:
    """Builds the model and reads its weights.

    Args:
      source: where it comes from; its configuration is loaded.
      views: its views.
      strategy: in whose scope it is made; None for one device.

    Returns:
      A function from a view's name to its backbone, which raises UserError where the view has none; and the
      training step of the weights: 0 for the random initialisation, None when it is not known.
    """
    load = {RUN: _of_run, EXPORTED: _of_exported, FUNCTION: _of_function}[source.kind]
    with strategy.scope() if strategy else contextlib.nullcontext():
        parts, step = load(source, views)

    def backbone(name: str) -> FrozenBackbone:
        return FrozenBackbone(*parts(name), step, source.precision, strategy, source)

    return backbone, step


def load_embeds(source: ModelSource, views: Mapping[str, View]) -> dict[str, Embed]:
    """Returns view name -> function from batches of it, (B, *window), to (B, D) float32 features.

    Args:
      source: where they come from; its configuration is loaded.
      views: some of its views.

    Raises:
      UserError: a view has no backbone.
    """
    backbone, _ = load_backbones(source, views)
    return {name: backbone(name).embed for name in views}


def _of_run(source: ModelSource, views: Mapping[str, View]) -> tuple[_Backbones, int]:
    run = recipe.rebuild_run(
        source.location, source.baseline is None, source.checkpoint, source.precision
    )

    backbones = run.network(source.network)

    def backbone(name: str) -> tuple[Embed, str]:
        if name not in backbones:
            raise ArgumentError(
                "view",
                name,
                f"no backbone in {source.location}, only {', '.join(backbones)} have one. "
                "Choose one of these.",
            )
        weights = digest_of_weights(backbones[name].get_weights())
        if source.baseline == SUPERVISED:
            # Otherwise features of the random baseline, which are kept under its hash, would pass for these.
            return _not_trained, digest_of_texts(weights, "not trained")
        return lambda batch: in_full(backbones[name](batch, training=False)), weights

    return backbone, run.step


def _not_trained(batch: tf.Tensor) -> tf.Tensor:
    raise ArgumentError(
        "baseline",
        SUPERVISED,
        "the task asks for features before the network is trained. Let its protocol begin with open_bank of "
        "brave_tf.evaluation.protocols.frozen_features, which trains it, or take the baseline "
        f"{RANDOM}.",
    )


def _of_exported(source: ModelSource, views: Mapping[str, View]) -> tuple[_Backbones, int | None]:
    embedder = saved_model.Embedder(source.location)

    def backbone(name: str) -> tuple[Embed, str]:
        return embedder.embed(name, views[name]), digest_of_weights(embedder.weights(name))

    return backbone, embedder.step


def _of_function(source: ModelSource, views: Mapping[str, View]) -> tuple[_Backbones, None]:
    function = _import(source.location)

    def embed(batch: tf.Tensor) -> tf.Tensor:
        features = tf.convert_to_tensor(function(batch))
        if features.shape.rank != 2 or not features.dtype.is_floating:
            raise ArgumentError(
                FUNCTION,
                source.location,
                f"answers {features.dtype.name} {features.shape} to a batch {batch.shape}: expected floats "
                "(B, D), one row of features for each window.",
            )
        return tf.cast(features, tf.float32)

    return lambda name: (embed, ""), None


def _import(location: str) -> Callable[[tf.Tensor], tf.Tensor]:
    module, _, name = location.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentError(
            FUNCTION,
            location,
            f"{error}. Name a function as module:name, of a module that Python finds from the present "
            "folder.",
        ) from error
    if not callable(function):
        raise ArgumentError(FUNCTION, location, f"{function!r}, which cannot be called.")
    return function
