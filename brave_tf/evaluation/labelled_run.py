"""Runs that train a network with labels on behalf of an evaluation: begun, resumed, loaded and tested."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Sequence

import gin
import numpy as np
import tensorflow as tf

from brave_tf import config
from brave_tf.evaluation.clip_features import ClipFeatures, FeatureBank
from brave_tf.evaluation.feature_store import digest_of_weights
from brave_tf.evaluation.probe import Probe
from brave_tf.training import recipe, run
from brave_tf.training.interruption import INTERRUPTED, Interruption

_LONGEST_SPLIT = 40


def train(probe: Probe, kind: str, text: str) -> str:
    """Trains a recipe as `brave_tf_train` does, from its newest checkpoint if there is one.

    Args:
      probe: whose `output` the run goes to, a sub-folder of `output/<kind>`, which is named after data, view
        and split, and after everything that is bound: with other bindings it is another run.
      kind: of runs, such as `finetune`.
      text: the configuration, see `labelled_recipe.derive`.

    Returns:
      The folder of the run, which is complete.

    Raises:
      KeyboardInterrupt, SystemExit: it was interrupted and saved; called again, it goes on.
      UserError: see `run.train`.
    """
    if probe.output is None:
        raise ValueError(f"Probe.output is needed: a folder for the runs of {kind}.")
    with config.kept(), Interruption() as interruption:
        config.load_text(text)
        folder = str(pathlib.Path(probe.output) / kind / _name(probe, text))
        try:
            complete = run.train(folder, interruption=interruption)
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
    if not complete:
        code = interruption.exit_code
        raise KeyboardInterrupt if code == INTERRUPTED else SystemExit(code)
    return folder


def load(probe: Probe, folder: str, checkpoint: str) -> recipe.LoadedRun:
    """Loads a checkpoint of a run, in the precision and under the strategy of a probe."""
    scope = probe.strategy.scope() if probe.strategy else contextlib.nullcontext()
    with config.kept(), scope:
        config.load_config([str(pathlib.Path(folder) / recipe.CONFIG_FILE)])
        loaded = recipe.rebuild_run(folder, True, checkpoint, probe.precision)
    tf.keras.mixed_precision.set_global_policy("float32")
    return loaded


def test(
    bank: FeatureBank, split: str, loaded: Sequence[recipe.LoadedRun]
) -> tuple[ClipFeatures, list[np.ndarray]]:
    """Classifies the test clips by runs of `Supervised`.

    Args:
      bank: of the view that was trained.
      split: of the test clips.
      loaded: one or more checkpoints; each crop is read once for all.

    Returns:
      The clips, and of each checkpoint (clips, classes) float32: the probabilities of the classes, the mean
      over the crops of each clip.
    """
    probe = bank.probe
    objectives = [each.objective for each in loaded]

    def probabilities(crops: tf.Tensor) -> tf.Tensor:
        each = [tf.nn.softmax(o.classify(probe.view_name, crops)) for o in objectives]
        return tf.concat(each, axis=1)

    weights = [weight for objective in objectives for weight in objective.get_weights()]
    tested = dataclasses.replace(probe, embed=probabilities, weights=digest_of_weights(weights))
    clips = bank.of(tested).test(split)
    return clips, np.split(clips.mean, len(objectives), axis=1)


def _name(probe: Probe, text: str) -> str:
    """Returns the name of the folder of a run whose configuration is loaded."""
    data, split = (gin.query_parameter(f"train.{name}") for name in ("data_dir", "split"))
    data = pathlib.Path(data).name
    parts = [re.sub(r"[^\w.+-]", "_", part) for part in (data, probe.view_name, split)]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return "-".join([*parts[:2], parts[2][:_LONGEST_SPLIT], digest])
