"""Kinetics-400 (records of datasets/kinetics400/prepare.py), scored on the validation split."""

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.linear_layer import LINEAR_LAYER

register_tasks(
    "kinetics400",
    "Kinetics-400",
    kinds=(LINEAR_LAYER, FINETUNE),
    data_dir="data/kinetics400",
    modalities=("rgb", "audio", "flow"),
    splits=("train", "val"),
)
