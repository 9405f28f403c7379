"""ESC-50 (records of datasets/esc50/prepare.py)."""

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.retrieval import RETRIEVAL

register_tasks(
    "esc50",
    "ESC-50",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="data/esc50",
    modalities=("audio",),
    official="the 5 official folds",
)
