"""AudioSet (records of datasets/audioset/prepare.py): clips with several labels."""

import dataclasses

from brave_tf.data.sources.kinds import open_source
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import multi_label
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER
from brave_tf.evaluation.protocols.mlp import MLP
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.tasks.families import register_tasks, with_defaults

_TRAIN = ("balanced_train", "unbalanced_train")


def _on_audioset(kind: Kind) -> Kind:
    """Trains on those of the two training lists that the records are of."""

    def run(probe: Probe, data_dir: str) -> Outcome:
        there = open_source(data_dir).split_names
        train_split = "+".join(name for name in _TRAIN if name in there) or _TRAIN[0]
        splits = {"train_split": train_split, "test_split": "eval"}
        return with_defaults(kind.protocol, several_labels=True, **splits)(probe, data_dir)

    return dataclasses.replace(kind, protocol=run, reports=multi_label.REPORTS)


register_tasks(
    "audioset",
    "AudioSet",
    kinds=(_on_audioset(MLP), _on_audioset(LINEAR_LAYER)),
    data_dir="data/audioset",
    modalities=("audio", "rgb", "flow"),
)
