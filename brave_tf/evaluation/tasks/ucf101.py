"""UCF101 (records of datasets/ucf101/prepare.py)."""

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.retrieval import RETRIEVAL

register_tasks(
    "ucf101",
    "UCF101",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="data/ucf101",
    modalities=("rgb", "flow"),
    official="the 3 official splits",
)
