"""Kinetics-400 (records of datasets/kinetics400/prepare.py), scored on the validation split."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "kinetics400",
    "Kinetics-400",
    kinds=(LINEAR_LAYER, FINETUNE, KNN),
    data_dir="data/kinetics400",
    modalities=("rgb", "audio", "flow"),
    splits=("train", "val"),
)
