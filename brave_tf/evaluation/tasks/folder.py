"""Any clips that have labels and the splits `train` and `test`: records, or media files."""

import dataclasses

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.linear_layer import LINEAR_LAYER
from brave_tf.evaluation.mlp import MLP
from brave_tf.evaluation.retrieval import RETRIEVAL

_LINEAR_LAYER = dataclasses.replace(LINEAR_LAYER, name="linear_layer")

register_tasks(
    "folder", "the clips in --data", (LINEAR, FINETUNE, KNN, RETRIEVAL, _LINEAR_LAYER, MLP)
)
