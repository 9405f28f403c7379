"""The supervised baseline: the network of a run, trained with labels in place of its objective.

What it begins with, how long it is trained and by which optimizer are as in the run: random weights, the
steps and the schedule. Bind another number of steps by what the recipe calls it, such as `STEPS = 2000`.
"""

from __future__ import annotations

import contextlib
import dataclasses

import gin

from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols import labelled_run
from brave_tf.evaluation.protocols.classes import count_classes
from brave_tf.interop.models import SUPERVISED
from brave_tf.storage.digests import digest_of_weights
from brave_tf.training import labelled_recipe
from brave_tf.training.checkpoints import LAST


def trained(bank: FeatureBank, train_split: str) -> FeatureBank:
    """Returns the bank of the supervised baseline where that is evaluated; any other is returned as it is.

    The network is trained on the clips of the split, with the view and augmentations of the run; interrupted,
    its training goes on in the next call.

    Args:
      bank: of a protocol on frozen features.
      train_split: whose labels are used.

    Raises:
      UserError: the clips cannot be used, or have several labels each.
    """
    probe = bank.probe
    if not is_baseline(probe):
        return bank
    objective = labelled_run.load(probe, train(bank, train_split), LAST).objective
    weights = objective.backbones[probe.view_name].get_weights()
    backbone = dataclasses.replace(
        probe.backbone,
        embed=lambda batch: objective.embed(probe.view_name, batch),
        weights=digest_of_weights(weights),
    )
    return bank.of(dataclasses.replace(probe, backbone=backbone))


def is_baseline(probe: Probe) -> bool:
    """Whether the supervised baseline is evaluated."""
    return probe.backbone.source is not None and probe.backbone.source.baseline == SUPERVISED


def train(bank: FeatureBank, train_split: str) -> str:
    """Trains the network; returns the folder of the run."""
    if bank.num_labels is not None:
        raise UserError(
            "--baseline=supervised learns one label for each clip, but those of this task have several: "
            "take --baseline=random."
        )
    bindings = {
        "train.data_dir": bank.data_dir,
        "train.split": train_split,
        "train.initial_weights": None,
        "train.held_out_split": None,
        "train.held_out_every": None,
    }
    derived = labelled_recipe.derive(
        bank.probe.view_name,
        labelled_recipe.free_scope(),
        {**bindings, **_without_multipliers()},
        supervised={"num_classes": count_classes(bank, bank.labels(train_split))},
    )
    return labelled_run.train(bank.probe, SUPERVISED, derived)


def _without_multipliers() -> dict[str, dict]:
    """Takes away factors on the steps of variables, such as a predictor's, that this network may not have."""
    optimizer = labelled_recipe.bound_value("train.optimizer")
    name = f"{optimizer.scoped_selector}.multipliers"
    with contextlib.suppress(ValueError):  # there is no such parameter, or it is not bound
        gin.query_parameter(name)
        return {name: {}}
    return {}
