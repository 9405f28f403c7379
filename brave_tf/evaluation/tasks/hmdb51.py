"""HMDB51 (records of datasets/hmdb51/prepare.py)."""

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.retrieval import RETRIEVAL

register_tasks(
    "hmdb51",
    "HMDB51",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="data/hmdb51",
    modalities=("rgb", "flow"),
    official="the 3 official splits",
)
