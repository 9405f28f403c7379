"""Runs that train a network with labels on behalf of an evaluation: begun, resumed, loaded and tested."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures, FeatureBank
from brave_tf.evaluation.features.identity import of_data
from brave_tf.evaluation.features.probe import Probe
from brave_tf.interop.models import RUN, load_backbones
from brave_tf.storage import files
from brave_tf.storage.digests import digest_of_texts, digest_of_weights
from brave_tf.storage.files import NotWrittenError
from brave_tf.training import checkpoint_files, recipe, run
from brave_tf.training.checkpoints import FOLDER, SaveError
from brave_tf.training.interruption import INTERRUPTED, Interruption
from brave_tf.training.settings import Settings

_LONGEST_SPLIT = 40
_RECORD = "begins_with.json"
# They say where data and first weights are; which ones they are, hashes tell.
_PATHS = ("train.data_dir", "train.split", "train.initial_weights", "train.initial_checkpoint")


def train(probe: Probe, kind: str, derived: config.Configuration) -> str:
    """Trains a recipe as `brave_tf_train` does, from its newest checkpoint if there is one.

    Args:
      probe: whose `output` the run goes to, a sub-folder of `output/<kind>`, which is named after data, view
        and split, and after what the run begins with: weights, data and settings, whatever their paths are.
        With others it is another run.
      kind: of runs, such as `finetune`.
      derived: the configuration, see `labelled_recipe.derive`.

    Returns:
      The folder of the run, which is complete.

    Raises:
      KeyboardInterrupt, SystemExit: it was interrupted and saved; called again, it goes on.
      NotWrittenError: a checkpoint cannot be written; called again, it goes on from the one before.
      UserError: see `run.train`; or the weights that it would begin with are no longer those of the probe.
    """
    if probe.output is None:
        raise ValueError(f"Probe.output is needed: a folder for the runs of {kind}.")
    with config.kept():
        derived.load()
        folder, paths = _own_folder(probe, pathlib.Path(probe.output) / kind)
    if paths is None:
        _check_unchanged(probe)
    with config.kept(), Interruption() as interruption:
        derived.load()
        for name, value in (paths or {}).items():
            gin.bind_parameter(f"train.{name}", value)
        try:
            complete = run.train(str(folder), interruption=interruption)
        except SaveError as error:
            raise NotWrittenError(str(error)) from error
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
    if not complete:
        code = interruption.exit_code
        raise KeyboardInterrupt if code == INTERRUPTED else SystemExit(code)
    return str(folder)


def load(probe: Probe, folder: str, checkpoint: str) -> recipe.LoadedRun:
    """Loads a checkpoint of a run, in the precision and under the strategy of a probe."""
    scope = probe.backbone.strategy.scope() if probe.backbone.strategy else contextlib.nullcontext()
    with config.kept(), scope:
        config.load_config([], model=str(pathlib.Path(folder) / recipe.CONFIG_FILE))
        loaded = recipe.rebuild_run(folder, True, checkpoint, probe.backbone.precision)
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
    classifier = dataclasses.replace(
        probe.backbone, embed=probabilities, weights=digest_of_weights(weights)
    )
    tested = dataclasses.replace(probe, backbone=classifier)
    clips = bank.of(tested).test(split)
    return clips, np.split(clips.mean, len(objectives), axis=1)


def _own_folder(
    probe: Probe, folder: pathlib.Path
) -> tuple[pathlib.Path, dict[str, str | None] | None]:
    """Finds the sub-folder of the run whose configuration is loaded; one that begins gets a record there.

    Returns:
      The sub-folder; and where the weights were that the run began with, None for a run that begins.
    """
    settings = recipe.bound(Settings)
    begins_with = {
        "weights": probe.backbone.weights,
        "data": of_data(settings.data_dir, settings.split.split("+")),
        "split": settings.split,
        "settings": digest_of_texts(config.bindings_text(parameters=_PATHS)),
    }
    digest = digest_of_texts(*begins_with.values())[:12]
    parts = (pathlib.Path(settings.data_dir).name, probe.view_name, settings.split[:_LONGEST_SPLIT])
    name = "-".join(re.sub(r"[^\w.+-]", "_", part) for part in (*parts, digest))
    # The data may have had another name.
    there = sorted(folder.glob(f"*-{digest}*"))
    others = (folder / f"{name}-{number}" for number in itertools.count(2))
    for own in itertools.chain(there, [folder / name], others):
        begun, record = checkpoint_files.steps(own / FOLDER), _read_record(own)
        if begun and record and record["begins_with"] == begins_with:
            return own, record["paths"]
        if not begun:
            break
        logging.warning("%s: what it began with is not known, it is not gone on with", own)
    paths = {each: getattr(settings, each) for each in ("initial_weights", "initial_checkpoint")}
    with files.told(own, "Free space on that disk, then start the same command again."):
        files.write_json(own / _RECORD, {"begins_with": begins_with, "paths": paths})
    return own, None


def _read_record(folder: pathlib.Path) -> dict[str, Any] | None:
    """Returns what a run began with; None where nobody knows."""
    try:
        found = files.read_json(folder / _RECORD)
        return {name: dict(found[name]) for name in ("begins_with", "paths")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_unchanged(probe: Probe) -> None:
    """Makes sure that the weights in the model's folder are still those that were identified.

    Raises:
      UserError: the model was exported or trained anew since.
    """
    source = probe.backbone.source
    if source is None or source.baseline is not None or not probe.backbone.weights:
        return
    if source.kind == RUN:
        source = dataclasses.replace(source, checkpoint=str(probe.backbone.step))
    found, _ = load_backbones(source, source.views())
    if found(probe.view_name).weights != probe.backbone.weights:
        raise UserError(
            f"{source.location} holds another model than when the evaluation began: start the same command "
            "again."
        )
