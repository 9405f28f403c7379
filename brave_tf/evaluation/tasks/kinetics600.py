"""Kinetics-600 (records of datasets/kinetics600/prepare.py), scored on the validation split."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "kinetics600",
    "Kinetics-600",
    kinds=(LINEAR_LAYER, FINETUNE, KNN),
    data_dir="data/kinetics600",
    modalities=("rgb", "audio", "flow"),
    splits=("train", "val"),
)
