"""HMDB51 (records of datasets/hmdb51/prepare.py)."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER_TOO
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.protocols.two_streams import TWO_STREAMS
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "hmdb51",
    "HMDB51",
    (LINEAR, FINETUNE, KNN, RETRIEVAL, LINEAR_LAYER_TOO),
    data_dir="data/hmdb51",
    modalities=("rgb", "flow"),
    official="the 3 official splits",
)
register_tasks(
    "hmdb51",
    "HMDB51",
    (TWO_STREAMS,),
    data_dir="data/hmdb51",
    modalities=("rgb",),
    official="the 3 official splits",
)
