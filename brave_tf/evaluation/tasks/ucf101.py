"""UCF101 (records of datasets/ucf101/prepare.py)."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER_TOO
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.protocols.two_streams import TWO_STREAMS
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "ucf101",
    "UCF101",
    (LINEAR, FINETUNE, KNN, RETRIEVAL, LINEAR_LAYER_TOO),
    data_dir="data/ucf101",
    modalities=("rgb", "flow"),
    official="the 3 official splits",
)
register_tasks(
    "ucf101",
    "UCF101",
    (TWO_STREAMS,),
    data_dir="data/ucf101",
    modalities=("rgb",),
    official="the 3 official splits",
)
