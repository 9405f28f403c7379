"""ESC-50 (records of datasets/esc50/prepare.py)."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "esc50",
    "ESC-50",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="data/esc50",
    modalities=("audio",),
    official="the 5 official folds",
)
