"""UCF101 (records of datasets/ucf101/prepare.py)."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "ucf101",
    "UCF101",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="data/ucf101",
    modalities=("rgb", "flow"),
    official="the 3 official splits",
)
